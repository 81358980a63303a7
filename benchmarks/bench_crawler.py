"""A crawl beside `scrapy bench` in the same run, and how it grows: 200 sources with many occurrences.

`make bench-crawler` (OCCURRENCES=20000). Politeness is off; every site is on this machine. The crawl does all of its
work: pages are parsed and extracted, addresses placed, markets matched and stored in a real PostgreSQL.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import psycopg

from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_local.postgres import EmbeddedPostgres

SOURCES: Final = 200
PER_PAGE: Final = 50
MARKETS_A_DAY: Final = 2_700
WHOLE: Final = 1_000_000
COMMANDS: Final = Path(sys.executable).parent
WHO: Final = (
    "Spejdernes",
    "Menighedens",
    "Havnens",
    "Roklubbens",
    "Skolens",
    "Møllens",
    "Torvets",
    "Byens",
    "Klubbens",
)
WHAT: Final = ("loppemarked", "kræmmermarked", "bagagerumsmarked", "gårdloppemarked")
STREETS: Final = ("Vestergade", "Østergade", "Nørregade", "Algade", "Skolevej", "Kirkevej", "Havnevej")


def event(number: int) -> dict[str, Any]:
    """Return an event: spread over the towns, 2,700 on each day, two sources of five listing the same market."""
    towns = list({row.town: row for row in danish_postal_codes().by_code.values()}.values())
    market = number // 2 * 2 if number % 5 == 0 else number
    row = towns[market * 7919 % len(towns)]
    day = date.today() + timedelta(days=7 + market // MARKETS_A_DAY)  # noqa: DTZ011 - made-up days
    return {
        "@type": "Event",
        "@id": f"#{number}",
        "name": f"{WHO[market % len(WHO)]} {WHAT[market // 7 % len(WHAT)]} i {row.town}",
        "startDate": str(day),
        "location": {
            "@type": "Place",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": f"{STREETS[market % len(STREETS)]} {market % 90 + 1}",
                "postalCode": row.code,
                "addressLocality": row.town,
            },
        },
    }


class _Sites(BaseHTTPRequestHandler):
    """200 sites of one server, told apart by their path; a page has 50 events and a link to the next."""

    protocol_version = "HTTP/1.1"
    each = 0
    pages = 0

    def do_GET(self) -> None:
        """Answer a page of a source."""
        found = re.fullmatch(r"/(\d+)/(\d+)", self.path)
        if found is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        type(self).pages += 1
        source, page = int(found[1]), int(found[2])
        first, last = page * PER_PAGE, min((page + 1) * PER_PAGE, self.each)
        events = json.dumps([event(number * SOURCES + source) for number in range(first, last)], ensure_ascii=False)
        more = f'<a rel="next" href="/{source}/{page + 1}">»</a>' if last < self.each else ""
        body = f'<html><script type="application/ld+json">{events}</script>{more}</html>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def sites(each: int) -> Iterator[tuple[int, type[_Sites]]]:
    """Serve the sources, each with so many events, on every address of this machine: each source has a host."""
    handler = type("Handler", (_Sites,), {"each": each, "pages": 0})
    server = ThreadingHTTPServer(("", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], handler
    finally:
        server.shutdown()


def scrapy_pages_per_second() -> float:
    """Return what `scrapy bench` reaches here: pages that are fetched and whose links are followed, and no more."""
    run = subprocess.run(
        [COMMANDS / "scrapy", "bench"], capture_output=True, text=True, check=False, cwd=tempfile.gettempdir()
    )
    rates = [int(number) for number in re.findall(r"\(at (\d+) pages/min\)", run.stderr)]
    return max(rates) / 60 if rates else 0.0


def crawl(database: str, port: int) -> tuple[dict[str, Any], float, float]:
    """Return the report of a crawl of all sources, its seconds, and its memory in MB."""
    sources = [
        {"name": f"s{n}", "type": "jsonld", "startUrls": [f"http://127.1.{n}.1:{port}/{n}/0"]} for n in range(SOURCES)
    ]
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "MORE_SOURCES": json.dumps(sources),
        "CRAWL_SOURCES": "",
        "CRAWL_DELAY_SECONDS": "0",
        "METRICS_PORT": "0",
        "LOG_LEVEL": "ERROR",
        "MAX_PAGES": "100000",
    }
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with subprocess.Popen(
        [COMMANDS / "loppestars-crawler", "crawl", "--json"], env=environment, stdout=subprocess.PIPE
    ) as process:
        said, _ = process.communicate()
    seconds = time.perf_counter() - began
    memory = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    return json.loads(said), seconds, memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--occurrences", type=int, default=20_000)
    occurrences = parser.parse_args().occurrences
    peer = scrapy_pages_per_second()
    with tempfile.TemporaryDirectory() as folder, sites(max(1, occurrences // SOURCES)) as (port, handler):
        server = EmbeddedPostgres(Path(folder) / "data", {"synchronous_commit": "off"})
        server.start()
        try:
            server.ensure_database("bench")
            database = server.owner_url("bench")
            engine = migration_engine(database)
            with engine.connect() as connection:
                migrate(connection)
            engine.dispose()
            for title in ("first crawl", "second crawl"):
                handler.pages = 0
                report, seconds, memory = crawl(database, port)
                counts = report["counts"]
                rate = counts["seen"] / seconds
                pages = handler.pages / seconds
                print(f"{title}: {report['state']}, {counts}")
                print(f"  {seconds:.1f} s, {rate:.0f} occurrences/s, {memory:.0f} MB at most")
                print(
                    f"  1,000,000 at this rate: {WHOLE / rate / 3600:.1f} h; {pages:.1f} pages/s of {PER_PAGE} events"
                )
                print(f"  beside scrapy bench at {peer:.1f} pages/s: ratio {pages / peer if peer else 0:.2f}")
            with psycopg.connect(database) as checked:
                markets = checked.execute("SELECT count(*) FROM markets").fetchone()
            print(f"  {markets and markets[0]} markets of {occurrences} occurrences")
            asyncio.run(matching(database))
        finally:
            server.stop()


async def matching(database: str) -> None:
    """Print how long matching takes per occurrence of a day of 2,700 markets, its question to the database included."""
    from pydantic import SecretStr  # noqa: PLC0415 - only here

    from loppestars_core.database.engine import create_engine, sessions  # noqa: PLC0415 - only here
    from loppestars_core.kit.settings import DatabaseSettings  # noqa: PLC0415 - only here
    from loppestars_core.markets.candidates import candidates_of, same_market  # noqa: PLC0415 - only here
    from loppestars_core.markets.sighting import SourceMarket  # noqa: PLC0415 - only here

    def said(number: int) -> SourceMarket:
        words = event(number)
        address = words["location"]["address"]
        day = date.fromisoformat(words["startDate"])
        return SourceMarket(
            source="other",
            external_id=str(number),
            name=words["name"],
            category="Loppemarked",
            start_date=day,
            end_date=day,
            address=address["streetAddress"],
            postal_code=address["postalCode"],
            city=address["addressLocality"],
        )

    engine = create_engine(DatabaseSettings(database_url=SecretStr(database)), application="bench")
    batch = [said(number) for number in range(500)]
    try:
        async with sessions(engine)() as session:
            await candidates_of(session, batch)
            began = time.perf_counter()
            candidates = await candidates_of(session, batch)
            found = [same_market(market, candidates[market.external_id]) for market in batch]
            spent = (time.perf_counter() - began) / len(batch) * 1000
    finally:
        await engine.dispose()
    compared = sum(len(others) for others in candidates.values()) / len(batch)
    known = sum(market is not None for market in found)
    print(f"matching: {spent:.2f} ms per occurrence, {compared:.1f} compared with each, {known} of {len(batch)} found")


if __name__ == "__main__":
    main()
