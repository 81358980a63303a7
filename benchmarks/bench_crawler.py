"""A crawl beside `scrapy bench` and a plain Scrapy spider in the same run, and how it grows.

`make bench-crawler` (OCCURRENCES=20000). Politeness is off; every site is on this machine. The crawl does all of its
work: pages are parsed and extracted, addresses placed, markets matched and stored in a real PostgreSQL. `scrapy bench`
follows the links of its own pages, the plain spider reads the pages that the crawl reads; both store nothing.
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
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.crawler.matching import measure_matching
from benchmarks.crawler.sites import PER_PAGE, SOURCES, Sites, sites
from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_local.postgres import EmbeddedPostgres

WHOLE: Final = 1_000_000
CORE_HOUR_EUROS: Final = 0.03
"""What a core costs for an hour, about, at a European provider."""
HOSTS: Final = 8
COMMANDS: Final = Path(sys.executable).parent
PLAIN: Final = Path(__file__).parent / "crawler" / "plain_spider.py"


@dataclass(frozen=True)
class Measured:
    """What a process took."""

    output: str
    seconds: float
    fetching: float
    """Seconds from the first page that was asked for; all where no page of ours was."""
    processor: float
    megabytes: float


def measure(command: list[str], environment: dict[str, str] | None = None) -> Measured:
    """Run a command to its end."""
    Sites.first = 0.0
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # An installation has its modules compiled.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=complained,
            env={**inherited, **(environment or {})},
            cwd=tempfile.gettempdir(),
        )
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        said.seek(0)
        complained.seek(0)
        output = said.read() or complained.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ended = time.perf_counter()
    return Measured(output, ended - began, ended - (Sites.first or began), processor, used.ru_maxrss / 1024)


def scrapy_pages_per_second() -> float:
    """Return what `scrapy bench` reaches here: pages that are fetched and whose links are followed, and no more."""
    run = measure([str(COMMANDS / "scrapy"), "bench"])
    rates = [int(number) for number in re.findall(r"\(at (\d+) pages/min\)", run.output)]
    return max(rates) / 60 if rates else 0.0


def crawl(database: str, port: int, paths: list[str]) -> tuple[dict[str, Any], Measured]:
    """Return the report of a crawl, and what it took; each path is a source on a host of its own."""
    sources = [
        {"name": f"s{number}", "type": "jsonld", "startUrls": [f"http://127.1.{number}.1:{port}{path}"]}
        for number, path in enumerate(paths)
    ]
    environment = {
        "DATABASE_URL": database,
        "MORE_SOURCES": json.dumps(sources),
        "CRAWL_SOURCES": "",
        "CRAWL_DELAY_SECONDS": "0",
        "METRICS_PORT": "0",
        "LOG_LEVEL": "ERROR",
        "MAX_PAGES": "100000",
    }
    names = [argument for source in sources for argument in ("--source", str(source["name"]))]
    run = measure([str(COMMANDS / "loppestars-crawler"), "crawl", "--json", *names], environment)
    return json.loads(run.output), run


def compare_pages(server: EmbeddedPostgres, port: int, pages: int) -> None:
    """Print how many pages of one event each a crawl, a plain spider and `scrapy bench` read in a second."""
    peer = scrapy_pages_per_second()
    each = pages // HOSTS
    paths = [f"/sitemap/{source}/{each}.xml" for source in range(HOSTS)]
    start = ",".join(f"http://127.1.{number}.1:{port}{path}" for number, path in enumerate(paths))
    quiet = ["-s", "LOG_LEVEL=ERROR", "-s", "ROBOTSTXT_OBEY=False"]
    items = Path(tempfile.gettempdir()) / f"bench-{os.getpid()}.jsonl"
    plain = measure(
        [str(COMMANDS / "scrapy"), "runspider", str(PLAIN), "-a", f"start={start}", *quiet, "-O", str(items)]
    )
    read = items.read_text().count("\n")
    items.unlink()
    report, ours = crawl(migrated(server, "pages"), port, paths)
    again, second = crawl(server.owner_url("pages"), port, paths)
    print(f"pages of one event each, {HOSTS} hosts, from the first page that is asked for to the end of the process:")
    print(f"  scrapy bench (10 s, its own pages):   {peer:6.1f} pages/s")
    known = read / plain.fetching
    print(f"  plain spider, {read} items, not stored: {known:6.1f} pages/s")
    for title, counts, run in (("first", report["counts"], ours), ("second", again["counts"], second)):
        rate = counts["seen"] / run.fetching
        print(
            f"  {title} crawl, {counts['seen']} stored:  {rate:6.1f} pages/s = {rate / peer if peer else 0:.2f} of "
            f"scrapy bench, {rate / known:.2f} of the plain spider; {run.processor * 1000 / counts['seen']:.1f} ms of "
            "processor per page, the start included"
        )


def migrated(server: EmbeddedPostgres, name: str) -> str:
    """Return the address of a new, empty database."""
    server.ensure_database(name)
    engine = migration_engine(server.owner_url(name))
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()
    return server.owner_url(name)


def grow(database: str, port: int, occurrences: int) -> None:
    """Print what two crawls of many occurrences take, and would take of a million."""
    for title in ("first crawl", "second crawl"):
        report, run = crawl(database, port, [f"/list/{source}/0" for source in range(SOURCES)])
        seen = report["counts"]["seen"]
        rate = seen / run.seconds
        each = run.processor / seen
        print(f"{title} of {SOURCES} sources, {PER_PAGE} events a page: {report['state']}, {report['counts']}")
        print(f"  {run.seconds:.0f} s, {rate:.0f} occurrences/s, {run.megabytes:.0f} MB at most")
        print(f"  {each * 1000:.2f} ms of processor per occurrence, the start of the process included")
        print(
            f"  1,000,000 at this rate: {WHOLE / rate / 3600:.1f} h; 100,000: {each * WHOLE / 36_000:.2f} core hours, "
            f"{each * WHOLE / 36_000 * CORE_HOUR_EUROS:.3f} EUR, the database not included"
        )
    with psycopg.connect(database) as checked:
        markets = checked.execute("SELECT count(*) FROM markets").fetchone()
    print(f"  {markets and markets[0]} markets of {occurrences} occurrences")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--occurrences", type=int, default=20_000)
    parser.add_argument("--pages", type=int, default=2_000)
    arguments = parser.parse_args()
    each = max(1, arguments.occurrences // SOURCES)
    with tempfile.TemporaryDirectory() as folder, sites(each) as port:
        server = EmbeddedPostgres(Path(folder) / "data", {"synchronous_commit": "off"})
        server.start()
        try:
            if arguments.pages:
                compare_pages(server, port, arguments.pages)
            database = migrated(server, "growth")
            grow(database, port, each * SOURCES)
            asyncio.run(measure_matching(database))
        finally:
            server.stop()
    print(f"load of this machine, 1, 5 and 15 minutes: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
