"""Which listings are one market: what admins decided, what was decided by itself and why, and how both are undone.

A decision is about listings, by their keys, and not about rows of markets: it holds through later crawls, whatever
becomes of the markets. What an admin decided is never overruled by matching.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.audit import record_audit
from loppestars_core.events.domain_events import record_event
from loppestars_core.markets.assembly import INSERT_MARKET, current_sightings, merge_markets, new_market, refresh_market
from loppestars_core.markets.models import DecisionKind, Market, MarketDecision, MarketRedirect, MarketSighting
from loppestars_core.markets.sighting import SourceMarket

Keys = Sequence[str]
_APART: Final = (DecisionKind.DIFFERENT, DecisionKind.SPLIT)


class DecisionRefused(ValueError):
    """The markets are not such that this can be decided; the message says why and what can be done."""


class MarketNotFound(LookupError):
    """There is no market with this id."""


class DecisionNotFound(LookupError):
    """There is no decision with this number that is still in force."""


class Admin(NamedTuple):
    """Who decides: a user by id, or whoever may use the command line of an installation."""

    id: str | None
    kind: str = "admin"


class Decided(NamedTuple):
    """What admins decided about one listing: keys and markets that are another one, and keys that are the same."""

    apart: frozenset[str]
    apart_markets: frozenset[uuid.UUID]
    same: frozenset[str]


class Joined(NamedTuple):
    """A listing that was joined to a market by itself, as the second key."""

    market_id: uuid.UUID
    keys: tuple[str, str]
    score: float
    reasons: Iterable[str]
    dropped: uuid.UUID | None = None
    """The id that it cost."""


class _About(NamedTuple):
    """One decision from the side of a listing."""

    apart: bool
    others: frozenset[str]
    market_id: uuid.UUID | None


def key_of(said: SourceMarket | MarketSighting) -> str:
    """Return what a listing is known by in decisions."""
    return f"{said.source} {said.external_id}"


async def decided_about(session: AsyncSession, keys: Keys) -> dict[str, Decided]:
    """Return what admins decided about listings, by key; those about which nothing is decided are left out."""
    in_force = MarketDecision.revoked_at.is_(None), MarketDecision.automatic.is_(False)
    about = or_(MarketDecision.keys.overlap(list(keys)), MarketDecision.other_keys.overlap(list(keys)))
    found: dict[str, list[_About]] = defaultdict(list)
    for decision in (await session.execute(select(MarketDecision).where(*in_force, about))).scalars():
        sides = (decision.keys, decision.market_id), (decision.other_keys, decision.other_market_id)
        for (mine, _), (others, market_id) in (sides, reversed(sides)):
            for key in set(mine).intersection(keys):
                found[key].append(_About(decision.kind in _APART, frozenset(others), market_id))
    return {key: _sum(about) for key, about in found.items()}


def _sum(about: Sequence[_About]) -> Decided:
    apart = [decision for decision in about if decision.apart]
    return Decided(
        apart=frozenset(key for decision in apart for key in decision.others),
        apart_markets=frozenset(decision.market_id for decision in apart if decision.market_id),
        same=frozenset(key for decision in about if not decision.apart for key in decision.others),
    )


async def follow_renumbering(session: AsyncSession, before: str, now: str) -> None:
    """Let decisions about a listing hold under its new key."""
    for column in (MarketDecision.keys, MarketDecision.other_keys):
        await session.execute(
            update(MarketDecision)
            .where(column.contains([before]))
            .values({column.key: func.array_replace(column, before, now)})
        )


async def note_automatic(session: AsyncSession, joined: Sequence[Joined]) -> None:
    """Keep why listings were joined to markets by themselves."""
    rows = [
        {
            "kind": DecisionKind.SAME,
            "automatic": True,
            "market_id": market_id,
            "other_market_id": dropped,
            "keys": [key],
            "other_keys": [other_key],
            "score": score,
            "reasons": list(reasons),
        }
        for market_id, (key, other_key), score, reasons, dropped in joined
    ]
    await session.execute(insert(MarketDecision), rows)


async def resolve(session: AsyncSession, market_id: uuid.UUID) -> uuid.UUID:
    """Return the id that a market has now. Raise `MarketNotFound`."""
    kept = select(MarketRedirect.market_id).where(MarketRedirect.id == market_id).scalar_subquery()
    found = await session.scalar(select(Market.id).where(Market.id == func.coalesce(kept, market_id)))
    if found is None:
        raise MarketNotFound
    return found


async def join(
    session: AsyncSession, market_id: uuid.UUID, other_id: uuid.UUID, *, admin: Admin, reason: str | None = None
) -> int:
    """Decide that two markets are one: the first id stays, the second leads to it. Return the decision's number."""
    keep, drop = await resolve(session, market_id), await resolve(session, other_id)
    if keep == drop:
        raise DecisionRefused("these are one market already")
    keys, other_keys = await _keys(session, keep), await _keys(session, drop)
    await _revoke_between(session, keys, other_keys)
    number = await _decide(session, DecisionKind.SAME, (keep, drop), (keys, other_keys), admin=admin, reason=reason)
    await merge_markets(session, keep=keep, drop=drop)
    await refresh_market(session, keep)
    return number


async def keep_apart(
    session: AsyncSession, market_id: uuid.UUID, other_id: uuid.UUID, *, admin: Admin, reason: str | None = None
) -> int:
    """Decide that two markets are not the same and never joined. Return the decision's number."""
    first, other = await resolve(session, market_id), await resolve(session, other_id)
    if first == other:
        raise DecisionRefused("these are one market: split it by naming the source that means another one")
    keys, other_keys = await _keys(session, first), await _keys(session, other)
    await _revoke_between(session, keys, other_keys)
    return await _decide(
        session, DecisionKind.DIFFERENT, (first, other), (keys, other_keys), admin=admin, reason=reason
    )


async def split(
    session: AsyncSession, market_id: uuid.UUID, sources: Iterable[str], *, admin: Admin, reason: str | None = None
) -> tuple[int, uuid.UUID]:
    """Take what some sources say out of a market. Return the decision's number and the id of the market it becomes.

    That is its earlier id, where it was another market before.
    """
    stays = await resolve(session, market_id)
    named = set(sources)
    sightings = await current_sightings(session, stays)
    keys = [key_of(sighting) for sighting in sightings if sighting.source not in named]
    other_keys = [key_of(sighting) for sighting in sightings if sighting.source in named]
    if not keys or not other_keys:
        listed = ", ".join(sorted({sighting.source for sighting in sightings}))
        raise DecisionRefused(f"name some, not all, of the sources of this market: {listed}")
    earlier = await _revoke_between(session, keys, other_keys)
    taken = await _take_out(session, stays, other_keys, earlier)
    number = await _decide(session, DecisionKind.SPLIT, (stays, taken), (keys, other_keys), admin=admin, reason=reason)
    return number, taken


async def undo(session: AsyncSession, number: int, *, admin: Admin) -> None:
    """Take a decision back, and what it did: joined markets are two again, split ones are one.

    What was joined by itself is kept apart from then on, or the next crawl would join it again. Ratings and favourites
    stay with the market that they were moved to.
    """
    statement = select(MarketDecision).where(MarketDecision.id == number, MarketDecision.revoked_at.is_(None))
    decision = (await session.execute(statement.with_for_update())).scalar_one_or_none()
    if decision is None:
        raise DecisionNotFound
    await _revoke(session, [number])
    if decision.kind == DecisionKind.SAME:
        stays = await resolve(session, decision.market_id)
        held = [key for key in await _keys(session, stays) if key in decision.other_keys]
        if held and len(held) < len(await _keys(session, stays)):
            taken = await _take_out(session, stays, held, decision.other_market_id)
            if decision.automatic:
                keys = await _keys(session, stays), held
                await _decide(session, DecisionKind.SPLIT, (stays, taken), keys, admin=admin, reason="undone")
    elif decision.kind == DecisionKind.SPLIT and decision.other_market_id is not None:
        keep, drop = await resolve(session, decision.market_id), await resolve(session, decision.other_market_id)
        if keep != drop:
            await merge_markets(session, keep=keep, drop=drop)
            await refresh_market(session, keep)
    await _audit(session, "market.decision_undone", decision.market_id, admin, {"decision": number})


async def decisions_of(
    session: AsyncSession, *, market_id: uuid.UUID | None = None, limit: int = 50, offset: int = 0
) -> list[MarketDecision]:
    """Return decisions, the newest first; those of one market with its id, also an earlier one."""
    statement = select(MarketDecision).order_by(MarketDecision.id.desc()).limit(limit).offset(offset)
    if market_id is not None:
        about = or_(MarketDecision.market_id == market_id, MarketDecision.other_market_id == market_id)
        statement = statement.where(about)
    return list((await session.execute(statement)).scalars())


async def _keys(session: AsyncSession, market_id: uuid.UUID) -> list[str]:
    return [key_of(sighting) for sighting in await current_sightings(session, market_id)]


async def _take_out(session: AsyncSession, stays: uuid.UUID, keys: Keys, earlier: uuid.UUID | None) -> uuid.UUID:
    """Make a market of some listings of another, under the id that led to that one before if there is one."""
    led = delete(MarketRedirect).where(MarketRedirect.id == earlier, MarketRedirect.market_id == stays)
    restored = await session.scalar(led.returning(MarketRedirect.id))
    taken = restored or uuid.uuid4()
    sightings = [sighting for sighting in await current_sightings(session, stays) if key_of(sighting) in set(keys)]
    connection = await session.connection()
    await connection.execute(INSERT_MARKET, [new_market(taken, SourceMarket.of_raw(sightings[0].raw))])
    own = or_(
        *(
            (MarketSighting.source == sighting.source) & (MarketSighting.external_id == sighting.external_id)
            for sighting in sightings
        )
    )
    await session.execute(update(MarketSighting).where(MarketSighting.market_id == stays, own).values(market_id=taken))
    await record_event(session, "market", taken, "market.split", {"from": str(stays)})
    for market_id in (stays, taken):
        await refresh_market(session, market_id)
    return taken


async def _decide(  # noqa: PLR0913 - one argument per column
    session: AsyncSession,
    kind: DecisionKind,
    markets: tuple[uuid.UUID, uuid.UUID],
    keys: tuple[Keys, Keys],
    *,
    admin: Admin,
    reason: str | None,
) -> int:
    values: dict[str, Any] = {
        "kind": kind,
        "automatic": False,
        "market_id": markets[0],
        "other_market_id": markets[1],
        "keys": list(keys[0]),
        "other_keys": list(keys[1]),
        "reasons": [reason] if reason else [],
        "made_by": admin.id,
    }
    number: int = (
        await session.execute(insert(MarketDecision).values(values).returning(MarketDecision.id))
    ).scalar_one()
    after = {"decision": number, "other": str(markets[1]), "listings": [list(keys[0]), list(keys[1])], "reason": reason}
    await _audit(session, f"market.decided_{kind}", markets[0], admin, after)
    return number


async def _revoke_between(session: AsyncSession, keys: Keys, other_keys: Keys) -> uuid.UUID | None:
    """Revoke what was decided between two groups: the newer decision counts. Return the id that a join cost."""
    between = or_(
        MarketDecision.keys.overlap(list(keys)) & MarketDecision.other_keys.overlap(list(other_keys)),
        MarketDecision.keys.overlap(list(other_keys)) & MarketDecision.other_keys.overlap(list(keys)),
    )
    statement = select(MarketDecision).where(MarketDecision.revoked_at.is_(None), between).order_by(MarketDecision.id)
    decisions = (await session.execute(statement)).scalars().all()
    await _revoke(session, [decision.id for decision in decisions])
    dropped = [decision.other_market_id for decision in decisions if decision.kind == DecisionKind.SAME]
    return next((market_id for market_id in dropped if market_id is not None), None)


async def _revoke(session: AsyncSession, numbers: Sequence[int]) -> None:
    await session.execute(update(MarketDecision).where(MarketDecision.id.in_(numbers)).values(revoked_at=func.now()))


async def _audit(session: AsyncSession, action: str, market_id: uuid.UUID, admin: Admin, after: dict[str, Any]) -> None:
    await record_audit(
        session,
        actor_kind=admin.kind,
        actor_id=admin.id,
        action=action,
        subject_type="market",
        subject_id=market_id,
        after=after,
    )
