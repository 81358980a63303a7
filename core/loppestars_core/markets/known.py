"""What a source said last of its occurrences, also under the ids that it gave them before."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.folding import fold
from loppestars_core.markets.models import Market, MarketSighting
from loppestars_core.markets.sighting import SourceMarket, is_renumbered

_CURRENT: Final = select(
    MarketSighting.external_id,
    MarketSighting.id,
    MarketSighting.market_id,
    MarketSighting.content_hash,
    MarketSighting.missed_crawls,
)


class KnownSighting(NamedTuple):
    """What a source said last of an occurrence."""

    external_id: str
    id: int
    market_id: uuid.UUID
    content_hash: str
    missed_crawls: int
    raw: Mapping[str, Any] = {}
    """Its words, where they are needed: what is said again unchanged is not read."""

    def is_hash_of(self, said: SourceMarket) -> bool:
        """Return whether the source says the same now."""
        return self.content_hash == said.content_hash()

    def said(self) -> SourceMarket:
        """Return its words."""
        return SourceMarket.of_raw(self.raw)


async def known_sightings(
    session: AsyncSession, batch: Sequence[SourceMarket], *, crawl_started: datetime | None = None
) -> dict[str, KnownSighting]:
    """Return what the source of a batch said last of its occurrences, by their ids of now.

    With `crawl_started`, an id that is new may stand for one that this crawl has not listed yet: the same name, days
    and place are the same occurrence, renumbered by its source.
    """
    if not batch:
        return {}
    source = batch[0].source
    hashes = {said.external_id: said.content_hash() for said in batch}
    current = _CURRENT.where(MarketSighting.source == source, MarketSighting.superseded_at.is_(None))
    rows = await session.execute(current.where(MarketSighting.external_id.in_(list(hashes))))
    known = {row.external_id: KnownSighting(*row) for row in rows}
    differing = [sighting for name, sighting in known.items() if sighting.content_hash != hashes[name]]
    raw = await _raw(session, differing)
    known |= {sighting.external_id: sighting._replace(raw=raw[sighting.id]) for sighting in differing}
    unknown = [said for said in batch if said.external_id not in known]
    if not unknown or crawl_started is None:
        return known
    days = {(said.start_date, said.end_date) for said in unknown}
    rows = await session.execute(
        current.add_columns(MarketSighting.raw)
        .join(Market, Market.id == MarketSighting.market_id)
        .where(tuple_(Market.start_date, Market.end_date).in_(days), MarketSighting.last_seen_at < crawl_started)
    )
    unseen: dict[str, list[KnownSighting]] = defaultdict(list)
    for row in rows:
        if row.external_id not in known:
            unseen[fold(row.raw["market"]["name"])].append(KnownSighting(*row))
    for said in unknown:
        named = unseen.get(fold(said.name), [])
        same = [sighting for sighting in named if is_renumbered(said, sighting.said())]
        if len(same) == 1:
            known[said.external_id] = same[0]
            named.remove(same[0])
    return known


async def _raw(session: AsyncSession, sightings: Sequence[KnownSighting]) -> dict[int, dict[str, Any]]:
    """Return the words of sightings by their numbers."""
    if not sightings:
        return {}
    ids = [sighting.id for sighting in sightings]
    rows = await session.execute(select(MarketSighting.id, MarketSighting.raw).where(MarketSighting.id.in_(ids)))
    return {row.id: row.raw for row in rows}


async def is_known(session: AsyncSession, source: str, external_ids: Sequence[str]) -> set[str]:
    """Return which of some ids a source has listed occurrences under."""
    found = await session.execute(
        select(MarketSighting.external_id).where(
            MarketSighting.source == source,
            MarketSighting.external_id.in_(external_ids),
            MarketSighting.superseded_at.is_(None),
        )
    )
    return set(found.scalars())
