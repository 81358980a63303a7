"""The market that a listing is, among those that other sources list: few are compared, each with its reasons."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import ARRAY, Date, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.markets.blocks import blocks_of
from loppestars_core.markets.decisions import Decided, decided_about, key_of
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.matching import Match, compare
from loppestars_core.markets.sighting import SourceMarket

# What shares a block, and of the days of the batch what an older release stored without blocks; never markets that
# the source lists itself. A market that another source calls off counts: it must not be listed as another one.
_CANDIDATES: Final = text(
    """
    WITH near AS MATERIALIZED (
        SELECT market_id, raw -> 'market' AS said, blocks FROM market_sightings
        WHERE superseded_at IS NULL AND blocks && :blocks AND source <> :source
    ), older AS MATERIALIZED (
        SELECT s.market_id, s.raw -> 'market', s.blocks FROM market_sightings s JOIN markets m ON m.id = s.market_id
        WHERE s.superseded_at IS NULL AND s.blocks IS NULL AND s.source <> :source AND m.start_date = ANY(:days)
    )
    SELECT m.id, m.start_date, m.end_date, s.said, s.blocks
    FROM (SELECT * FROM near UNION ALL SELECT * FROM older) s JOIN markets m ON m.id = s.market_id
    WHERE m.state IN ('scheduled', 'cancelled', 'postponed') AND NOT EXISTS (
        SELECT FROM market_sightings own
        WHERE own.market_id = m.id AND own.source = :source AND own.superseded_at IS NULL
    )
    """
).bindparams(
    bindparam("blocks", type_=ARRAY(Integer)), bindparam("days", type_=ARRAY(Date)), bindparam("source", type_=Text)
)


class Candidate(NamedTuple):
    """What another source says of a market, and the days of the market and of that source."""

    market_id: uuid.UUID
    said: SourceMarket
    listing: Listing
    days: tuple[tuple[date, date], tuple[date, date]]


class Meant(NamedTuple):
    """The market that a listing means, and why: the listing of another source that it is like."""

    market_id: uuid.UUID
    said: SourceMarket
    match: Match


async def candidates_of(session: AsyncSession, batch: Sequence[SourceMarket]) -> dict[str, list[Candidate]]:
    """Return the candidates of each of some listings of one source, by its id: one question for all."""
    if not batch:
        return {}
    blocks = {said.external_id: blocks_of(Listing.of(said)) for said in batch}
    rows = await session.execute(
        _CANDIDATES,
        {
            "blocks": sorted(set().union(*blocks.values())),
            "days": sorted({said.start_date for said in batch}),
            "source": batch[0].source,
        },
    )
    found: dict[int, dict[int, Candidate]] = defaultdict(dict)
    for number, row in enumerate(rows):
        other = SourceMarket.of_raw({"market": row.said})
        days_of_both = ((row.start_date, row.end_date), (other.start_date, other.end_date))
        candidate = Candidate(row.id, other, Listing.of(other), days_of_both)
        for block in row.blocks or blocks_of(candidate.listing):
            found[block][number] = candidate
    candidates = {}
    decided = await decided_about(session, [key_of(said) for said in batch]) if found else {}
    for said in batch:
        near = {number: other for block in blocks[said.external_id] for number, other in found.get(block, {}).items()}
        days = (said.start_date, said.end_date)
        # An admin may have corrected the days of the market: what its source says counts too.
        same_days = [near[number] for number in sorted(near) if days in near[number].days]
        candidates[said.external_id] = _allowed(same_days, decided.get(key_of(said)))
    return candidates


def _allowed(candidates: list[Candidate], decided: Decided | None) -> list[Candidate]:
    """Return the candidates that no admin said are another market: with one listing of a market goes all of it."""
    if decided is None:
        return candidates
    apart = {candidate.market_id for candidate in candidates if key_of(candidate.said) in decided.apart}
    return [candidate for candidate in candidates if candidate.market_id not in apart | decided.apart_markets]


def same_market(said: SourceMarket, candidates: Iterable[Candidate]) -> Meant | None:
    """Return the market that is meant, if exactly one of the candidates is."""
    listing = Listing.of(said)
    meant = [
        Meant(candidate.market_id, candidate.said, match)
        for candidate in candidates
        if (match := compare(listing, candidate.listing)).same
    ]
    best = max(meant, key=lambda found: found.match.score, default=None)
    return best if len({found.market_id for found in meant}) == 1 else None
