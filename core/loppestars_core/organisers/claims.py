"""A user claims a market, an admin decides; both are in the audit log.

requested ──grant──► granted ──revoke──► revoked
──refuse─► refused
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role, revoke_role
from loppestars_core.events.audit import record_audit
from loppestars_core.events.domain_events import record_event
from loppestars_core.markets.models import Market
from loppestars_core.organisers.models import ClaimState, MarketClaim


class ClaimDecided(Exception):
    """The claim is not in a state in which this can be decided."""


class Decision(StrEnum):
    """What an admin may say about a claim."""

    GRANT = "grant"
    REFUSE = "refuse"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class NamedClaim:
    """A claim with the name of its market."""

    claim: MarketClaim
    market_name: str


_STEPS: Final = {
    Decision.GRANT: (ClaimState.REQUESTED, ClaimState.GRANTED),
    Decision.REFUSE: (ClaimState.REQUESTED, ClaimState.REFUSED),
    Decision.REVOKE: (ClaimState.GRANTED, ClaimState.REVOKED),
}


async def claim_market(session: AsyncSession, user_id: str, market_id: uuid.UUID, message: str | None) -> uuid.UUID:
    """Ask for a market; return the id of the claim, of the standing one where there is one."""
    standing = MarketClaim.state.in_([ClaimState.REQUESTED, ClaimState.GRANTED])
    statement = insert(MarketClaim).values(id=uuid.uuid4(), user_id=user_id, market_id=market_id, message=message)
    made = await session.execute(
        statement.on_conflict_do_nothing(
            index_elements=[MarketClaim.user_id, MarketClaim.market_id], index_where=standing
        ).returning(MarketClaim.id)
    )
    claim_id = made.scalar_one_or_none()
    if claim_id is not None:
        await _audit(session, user_id, "user", "market.claimed", market_id, user_id)
        return claim_id
    theirs = (MarketClaim.user_id == user_id, MarketClaim.market_id == market_id, standing)
    return (await session.execute(select(MarketClaim.id).where(*theirs))).scalar_one()


async def claims(
    session: AsyncSession, *, user_id: str | None = None, state: ClaimState | None = None, limit: int, offset: int = 0
) -> Sequence[NamedClaim]:
    """Return a page of claims, of a user or in a state, the oldest first."""
    found = select(MarketClaim, Market.name).join(Market, Market.id == MarketClaim.market_id)
    if user_id is not None:
        found = found.where(MarketClaim.user_id == user_id)
    if state is not None:
        found = found.where(MarketClaim.state == state)
    page = found.order_by(MarketClaim.created_at, MarketClaim.id).limit(limit).offset(offset)
    return [NamedClaim(*row) for row in (await session.execute(page)).all()]


async def decide_claim(
    session: AsyncSession, claim_id: uuid.UUID, decision: Decision, *, admin_id: str, note: str | None
) -> bool:
    """Grant, refuse or revoke a claim; return False where there is none.

    Who holds a granted claim is an organiser; with their last one the role goes.

    Raises:
        ClaimDecided: it has been decided otherwise before.
    """
    found = select(MarketClaim).where(MarketClaim.id == claim_id).with_for_update()
    claim = (await session.execute(found)).scalar_one_or_none()
    if claim is None:
        return False
    before, after = _STEPS[decision]
    if claim.state != before:
        raise ClaimDecided
    user_id, market_id = claim.user_id, claim.market_id
    await session.execute(
        update(MarketClaim)
        .where(MarketClaim.id == claim_id)
        .values(state=after, decided_at=func.now(), decided_by=admin_id, note=note)
    )
    if after is ClaimState.GRANTED:
        await grant_role(session, user_id, Role.ORGANISER, granted_by=admin_id, notes="claim granted")
    elif after is ClaimState.REVOKED and not await claimed_markets(session, user_id):
        await revoke_role(session, user_id, Role.ORGANISER, revoked_by=admin_id, notes="last claim revoked")
    await _audit(session, admin_id, "admin", f"market.claim_{after}", market_id, user_id)
    await record_event(session, "user", user_id, f"user.claim_{after}", {"market_id": str(market_id)})
    return True


async def claimed_markets(session: AsyncSession, user_id: str) -> Sequence[Market]:
    """Return the markets that a user may speak for: all occurrences of the series of granted claims."""
    series = (
        select(Market.series_id)
        .join(MarketClaim, MarketClaim.market_id == Market.id)
        .where(MarketClaim.user_id == user_id, MarketClaim.state == ClaimState.GRANTED)
    )
    found = select(Market).where(Market.series_id.in_(series)).order_by(Market.start_date.desc(), Market.id)
    return (await session.execute(found.limit(500))).scalars().all()


async def _audit(  # noqa: PLR0913, PLR0917 - one argument per column
    session: AsyncSession, actor: str, kind: str, action: str, market_id: uuid.UUID, user_id: str
) -> None:
    await record_audit(
        session,
        actor_kind=kind,
        actor_id=actor,
        action=action,
        subject_type="market",
        subject_id=market_id,
        after={"user_id": user_id},
    )
