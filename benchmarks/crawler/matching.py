"""How long it takes to find the market that a listing means, on days of 2,800 markets."""

import time
from datetime import date

from pydantic import SecretStr

from benchmarks.crawler.sites import event
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.markets.candidates import candidates_of, same_market
from loppestars_core.markets.sighting import SourceMarket


def said(source: int, number: int) -> SourceMarket:
    """Return an event as another source lists it."""
    words = event(source, number)
    address = words["location"]["address"]
    day = date.fromisoformat(words["startDate"])
    return SourceMarket(
        source="other",
        external_id=f"{source}-{number}",
        name=words["name"],
        category="Loppemarked",
        start_date=day,
        end_date=day,
        address=address["streetAddress"],
        postal_code=address["postalCode"],
        city=address["addressLocality"],
    )


async def measure_matching(database: str) -> None:
    """Print how long matching takes per occurrence, its question to the database included; the median of three."""
    engine = create_engine(DatabaseSettings(database_url=SecretStr(database)), application="bench")
    batch = [said(source, number) for number in range(5) for source in range(100)]
    seconds, processor = [], []
    try:
        async with sessions(engine)() as session:
            await candidates_of(session, batch)
            for _ in range(3):
                began, used = time.perf_counter(), time.process_time()
                candidates = await candidates_of(session, batch)
                found = [same_market(market, candidates[market.external_id]) for market in batch]
                seconds.append(time.perf_counter() - began)
                processor.append(time.process_time() - used)
    finally:
        await engine.dispose()
    spent, used = (sorted(times)[1] / len(batch) * 1000 for times in (seconds, processor))
    compared = sum(len(others) for others in candidates.values()) / len(batch)
    known = sum(market is not None for market in found)
    print(
        f"matching: {spent:.2f} ms per occurrence, {used:.2f} of them our processor time; {compared:.1f} compared with "
        f"each, {known} of {len(batch)} found"
    )
