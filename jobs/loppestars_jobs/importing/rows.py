"""Write the old rows: users, identities, roles, markets, ratings, events; any number of times."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import Identity, RoleGrant, User
from loppestars_core.accounts.roles import grant_role
from loppestars_core.activity.models import AppEvent
from loppestars_core.events.models import AuditEntry
from loppestars_core.markets.assembly import CRAWLS_UNTIL_VANISHED
from loppestars_core.markets.candidates import candidates_of, same_market
from loppestars_core.markets.ingest import record_sighting
from loppestars_core.markets.models import Market, MarketRedirect, MarketSighting
from loppestars_core.markets.sighting import SourceMarket
from loppestars_core.ratings.models import Rating
from loppestars_jobs.importing import conversion
from loppestars_jobs.importing.conversion import SOURCE, LeftOut
from loppestars_jobs.importing.source import Row, Source

Converted = TypeVar("Converted")
_CHUNK: Final = 500


@dataclass(slots=True)
class Count:
    """What became of the rows of a table; `left_out` counts reasons."""

    read: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> int:
        """Rows that were here before."""
        return self.read - self.written - self.left_out.total()

    def as_row(self, table: str) -> dict[str, object]:
        """Return a line of the report."""
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        return {
            "table": table,
            "read": self.read,
            "written": self.written,
            "known": self.known,
            "left_out": self.left_out.total(),
            "why": why,
        }


class RowImport:
    """The rows of one old project, written by one session."""

    def __init__(self, session: AsyncSession, source: Source) -> None:
        self._session = session
        self._source = source
        self._users: set[str] = set()
        self._markets: dict[uuid.UUID, uuid.UUID] = {}
        self.counts: dict[str, Count] = {}
        self.ratings: list[dict[str, Any]] = []
        """All that were taken over, now or before, as the old project has them."""

    async def run(self) -> None:
        """Take everything over, those first that others refer to."""
        await self._take_people()
        ratings = self._converted("ratings", conversion.rating_of)
        events = self._converted("events", conversion.event_of)
        named = {str(row["market_id"]) for row in ratings}
        named |= {str(row["entity_id"]) for row in events if row["entity_type"] == "market"}
        await self._take_markets(named)
        await self._take_ratings(ratings)
        kept = self._only("events", events, lambda row: row["user_id"] in self._users, "no such user")
        self.counts["events"].written += await self._add(AppEvent, kept)

    async def _take_people(self) -> None:
        """Write users, then their identities and roles."""
        # Who was forgotten here does not come back.
        erased = select(AuditEntry.subject_id).where(AuditEntry.action == "user.erased")
        gone = set((await self._session.execute(erased)).scalars())
        rows = self._converted("users", conversion.user_of, table="auth.users")
        users = self._only("users", rows, lambda row: row["id"] not in gone, "forgotten here")
        self.counts["users"].written += await self._add(User, users)
        self._users = {row["id"] for row in users}
        rows = self._converted("identities", conversion.identity_of, table="auth.identities")
        identities = self._only("identities", rows, lambda row: row["user_id"] in self._users, "no such user")
        self.counts["identities"].written += await self._add(Identity, identities)
        grants = self._converted("roles", conversion.grant_of, table="public.user_roles")
        grants = self._only("roles", grants, lambda row: row[0] in self._users, "no such user")
        known = {tuple(row) for row in await self._session.execute(select(RoleGrant.user_id, RoleGrant.role))}
        for user_id, role in dict.fromkeys(grants):
            # Nor does a role that was taken away here.
            if (user_id, str(role)) not in known:
                notes = "taken over from Supabase"
                granted = await grant_role(self._session, user_id, role, granted_by=None, notes=notes)
                self.counts["roles"].written += granted

    async def _take_markets(self, named: set[str]) -> None:
        """Find the market here that each old one is; where there is none, it is added under its old words."""
        count = self.counts["markets"] = Count()
        rows = [row for row in self._source.rows("public.markets") if row.get("id") in named]
        ids = [uuid.UUID(str(row["id"])) for row in rows]
        moved = select(MarketRedirect.id, MarketRedirect.market_id).where(MarketRedirect.id.in_(ids))
        here = select(Market.id, Market.id).where(Market.id.in_(ids))
        for known in (moved, here):
            self._markets |= {row[0]: row[1] for row in (await self._session.execute(known)).all()}
        for row in rows:
            count.read += 1
            old = uuid.UUID(str(row["id"]))
            if old in self._markets:
                continue
            try:
                self._markets[old] = await self._market(conversion.market_of(row))
            except LeftOut as reason:
                count.left_out[str(reason)] += 1
                continue
            redirect = insert(MarketRedirect).values(id=old, market_id=self._markets[old])
            await self._session.execute(redirect.on_conflict_do_nothing())
            count.written += 1

    async def _market(self, said: SourceMarket) -> uuid.UUID:
        same = same_market(said, (await candidates_of(self._session, [said]))[said.external_id])
        if same is not None:
            return same.market_id
        await record_sighting(self._session, said)
        # The old project keeps no market alive that the sites no longer list.
        made = (
            update(MarketSighting)
            .where(MarketSighting.source == SOURCE, MarketSighting.external_id == said.external_id)
            .values(missed_crawls=CRAWLS_UNTIL_VANISHED)
            .returning(MarketSighting.market_id)
        )
        return (await self._session.execute(made)).scalar_one()

    async def _take_ratings(self, rows: Sequence[dict[str, Any]]) -> None:
        kept = self._only("ratings", rows, lambda row: row["user_id"] in self._users, "no such user")
        kept = self._only("ratings", kept, lambda row: row["market_id"] in self._markets, "no such market")
        # Of two for one place the newest counts, as it does here.
        newest: dict[tuple[object, ...], dict[str, Any]] = {}
        for row in sorted(kept, key=lambda row: (row["created_at"], str(row["id"]))):
            here = row | {"market_id": self._markets[row["market_id"]]}
            newest[here["user_id"], here["market_id"], here["stall_name"]] = here
        if older := len(kept) - len(newest):
            self.counts["ratings"].left_out["older, of the same place"] += older
        self.ratings = list(newest.values())
        # An old photo gets its address when its faces are hidden.
        stored = [
            row | {"photo_url": None if conversion.old_photo(row["photo_url"]) else row["photo_url"]}
            for row in self.ratings
        ]
        self.counts["ratings"].written += await self._add(Rating, stored)

    def _converted(self, name: str, convert: Callable[[Row], Converted], table: str | None = None) -> list[Converted]:
        count = self.counts.setdefault(name, Count())
        converted = []
        for row in self._source.rows(table or f"public.{name}"):
            count.read += 1
            try:
                converted.append(convert(row))
            except LeftOut as reason:
                count.left_out[str(reason)] += 1
        return converted

    def _only(
        self, name: str, rows: Iterable[Converted], wanted: Callable[[Converted], bool], reason: str
    ) -> list[Converted]:
        kept, left_out = [], 0
        for row in rows:
            if wanted(row):
                kept.append(row)
            else:
                left_out += 1
        if left_out:
            self.counts[name].left_out[reason] += left_out
        return kept

    async def _add(self, model: Any, rows: Sequence[Mapping[str, Any]]) -> int:  # noqa: ANN401 - a mapped class
        """Write the rows that are not here yet; return how many."""
        count = 0
        for start in range(0, len(rows), _CHUNK):
            values = [dict(row) for row in rows[start : start + _CHUNK]]
            added = insert(model).values(values).on_conflict_do_nothing().returning(model.id)
            count += len((await self._session.execute(added)).all())
        return count
