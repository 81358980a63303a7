"""Organisers: their claims, and what they see of their markets."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from loppestars_api.organisers.schemas import ClaimDecision, ClaimRecord, OrganisedMarket
from loppestars_api.state import AppState
from loppestars_api.web.errors import Conflict, NotFound
from loppestars_core.database.engine import sessions
from loppestars_core.favourites.favourites import count_favourites
from loppestars_core.organisers.claims import (
    ClaimDecided,
    NamedClaim,
    claim_market,
    claimed_markets,
    claims,
    decide_claim,
)
from loppestars_core.organisers.models import ClaimState
from loppestars_core.ratings.read import current_market, summarise

NO_SUCH_CLAIM: Final = "There is no such claim."
NO_SUCH_MARKET: Final = "There is no market with this id."
_MAX_OWN: Final = 500


@dataclass(frozen=True, slots=True)
class OrganiserService:
    """What organisers ask for and see."""

    state: AppState

    async def claim(self, user_id: str, market_id: UUID, message: str | None) -> ClaimRecord:
        """Ask for a market; once more returns the standing claim. Raise `NotFound`."""
        async with sessions(self.state.engine).begin() as session:
            known = await current_market(session, market_id)
            if known is None:
                raise NotFound(NO_SUCH_MARKET)
            claim_id = await claim_market(session, user_id, known, message or None)
            found = await claims(session, user_id=user_id, limit=_MAX_OWN)
        return next(_record(item) for item in found if item.claim.id == claim_id)

    async def own(self, user_id: str) -> list[ClaimRecord]:
        """Return a user's claims."""
        async with sessions(self.state.engine)() as session:
            return [_record(item) for item in await claims(session, user_id=user_id, limit=_MAX_OWN)]

    async def waiting(self, limit: int, offset: int) -> list[ClaimRecord]:
        """Return the claims that wait for a decision, the oldest first."""
        async with sessions(self.state.engine)() as session:
            found = await claims(session, state=ClaimState.REQUESTED, limit=limit, offset=offset)
        return [_record(item) for item in found]

    async def decide(self, claim_id: UUID, decision: ClaimDecision, admin_id: str) -> None:
        """Grant, refuse or revoke a claim. Raise `NotFound` or `Conflict`."""
        try:
            async with sessions(self.state.engine).begin() as session:
                done = await decide_claim(
                    session, claim_id, decision.decision, admin_id=admin_id, note=decision.note or None
                )
        except ClaimDecided:
            raise Conflict("This claim has been decided otherwise before.") from None
        if not done:
            raise NotFound(NO_SUCH_CLAIM)

    async def markets(self, user_id: str) -> list[OrganisedMarket]:
        """Return the markets that a user may speak for, with counts: three queries, however many there are."""
        async with sessions(self.state.engine)() as session:
            markets = await claimed_markets(session, user_id)
            ids = [market.id for market in markets]
            summaries, favourites = await summarise(session, ids), await count_favourites(session, ids)
        return [
            OrganisedMarket(
                market_id=market.id,
                average=summaries[market.id].all.average,
                ratings=summaries[market.id].all.count,
                market_ratings=summaries[market.id].market.count,
                stall_ratings=summaries[market.id].stalls.count,
                favourites=favourites[market.id],
                **{name: getattr(market, name) for name in ("name", "start_date", "end_date", "state")},
            )
            for market in markets
        ]


def _record(item: NamedClaim) -> ClaimRecord:
    names = ClaimRecord.model_fields.keys() - {"market_name"}
    return ClaimRecord(**{name: getattr(item.claim, name) for name in names}, market_name=item.market_name)
