"""What admins decide about markets, each in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_api.access.principal import Principal
from loppestars_api.web.errors import Conflict, NotFound, Unprocessable
from loppestars_core.database.engine import sessions
from loppestars_core.markets import decisions
from loppestars_core.markets.corrections import correct_market, withdraw_correction
from loppestars_core.markets.decisions import Admin
from loppestars_core.markets.fields import CORRECTABLE
from loppestars_core.markets.models import MarketDecision, MarketOverride
from loppestars_core.markets.pairs import Pair, pairs_to_decide
from loppestars_core.markets.provenance import Change, ListedBy, corrected_fields, history_of, sources_of

NO_SUCH_MARKET: Final = "There is no market with this id."
_NO_SUCH_DECISION: Final = "There is no decision with this number that is still in force."


class CurationService:
    """Corrections and decisions; every change is audited with who made it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = sessions(engine)

    async def correct(self, caller: Principal, market_id: UUID, corrections: dict[str, Any]) -> None:
        """Correct fields of a market."""
        async with self._transaction() as session:
            found = await decisions.resolve(session, market_id)
            await correct_market(session, found, corrections, admin_id=caller.id)

    async def withdraw(self, caller: Principal, market_id: UUID, field: str) -> None:
        """Let the sources speak again for a field. Raise 404 where it is not corrected."""
        async with self._transaction() as session:
            found = await decisions.resolve(session, market_id)
            if field not in {correction.field for correction in await corrected_fields(session, found)}:
                raise NotFound(f"This field is not corrected; correctable are {', '.join(sorted(CORRECTABLE))}.")
            await withdraw_correction(session, found, field, admin_id=caller.id)

    async def corrections(self, market_id: UUID) -> list[MarketOverride]:
        """Return the corrections that hold now."""
        async with self._transaction() as session:
            return await corrected_fields(session, await decisions.resolve(session, market_id))

    async def sources(self, market_id: UUID) -> list[ListedBy]:
        """Return which sources list a market."""
        async with self._transaction() as session:
            return await sources_of(session, await decisions.resolve(session, market_id))

    async def history(self, market_id: UUID) -> list[Change]:
        """Return what changed of a market."""
        async with self._transaction() as session:
            return await history_of(session, await decisions.resolve(session, market_id))

    async def pairs(self, first: date, last: date, limit: int) -> list[Pair]:
        """Return pairs of markets to decide."""
        async with self._transaction() as session:
            return await pairs_to_decide(session, first, last, limit=limit)

    async def decide(
        self, caller: Principal, market_id: UUID, other_id: UUID, *, same: bool, reason: str | None
    ) -> int:
        """Decide whether two markets are one."""
        decide = decisions.join if same else decisions.keep_apart
        async with self._transaction() as session:
            return await decide(session, market_id, other_id, admin=Admin(caller.id), reason=reason)

    async def split(
        self, caller: Principal, market_id: UUID, sources: list[str], reason: str | None
    ) -> tuple[int, UUID]:
        """Take what some sources say out of a market."""
        async with self._transaction() as session:
            return await decisions.split(session, market_id, sources, admin=Admin(caller.id), reason=reason)

    async def undo(self, caller: Principal, number: int) -> None:
        """Take a decision back."""
        async with self._transaction() as session:
            await decisions.undo(session, number, admin=Admin(caller.id))

    async def decisions(self, market_id: UUID | None, limit: int, offset: int) -> list[MarketDecision]:
        """Return decisions, the newest first."""
        async with self._transaction() as session:
            return await decisions.decisions_of(session, market_id=market_id, limit=limit, offset=offset)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a transaction; what the domain refuses is answered in the words of HTTP."""
        try:
            async with self._sessions.begin() as session:
                yield session
        except decisions.MarketNotFound:
            raise NotFound(NO_SUCH_MARKET) from None
        except decisions.DecisionNotFound:
            raise NotFound(_NO_SUCH_DECISION) from None
        except decisions.DecisionRefused as refusal:
            raise Conflict(f"This cannot be decided: {refusal}.") from None
        except IntegrityError as broken:
            if "ends_after_start" not in str(broken.orig):
                raise
            raise Unprocessable("end_date is before start_date.") from None


async def curation_of(request: Request) -> CurationService:
    """Return what corrects markets."""
    found: CurationService = request.app.state.curation
    return found


Curation = Annotated[CurationService, Depends(curation_of)]
