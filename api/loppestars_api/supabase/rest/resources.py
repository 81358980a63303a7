"""The tables that the dialect offers: columns, rules, and what may be embedded, as declared data.

A list of other resources can be mounted in its place.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from loppestars_api.access.principal import Kind, Principal
from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.parsing import RestQuery
from loppestars_core.activity.models import AppEvent, ScrapingLog
from loppestars_core.database.rows import add, count_related, only_for
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.fields import COLUMNS
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.ratings.models import Rating, RatingType
from loppestars_core.ratings.rate import NewRating, rate

Columns = Mapping[str, Any]
Writer = Callable[[Any, Sequence[Mapping[str, Any]]], Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One table of the dialect.

    Attributes:
        columns: the columns as a caller sees them, by name.
        visible: the conditions that hold for a caller's reads.
        owner: name of the column that holds the user's id; rows are written for the caller only.
        writable: columns that an insert may name; empty offers none.
        changeable: columns that a change may name; empty offers neither change nor delete.
        insert: writes rows and returns their ids.
        embedded: counts of related rows, by the name of the resource that they are in.
    """

    model: Any
    columns: Callable[[Principal], Columns]
    visible: Callable[[Principal, RestQuery], Sequence[Any]] = lambda _caller, _query: ()
    owner: str | None = None
    writable: frozenset[str] = frozenset()
    changeable: frozenset[str] = frozenset()
    insert: Writer | None = None
    embedded: Mapping[str, Any] = field(default_factory=dict)


# The column has a site's name for clients only.
_MARKET_COLUMNS: Final = {
    ("loppemarkeder_nu" if name == "source_fields" else name): getattr(Market, name) for name in COLUMNS
}


def _listed(_caller: Principal, query: RestQuery) -> Sequence[Any]:
    """Show what runs or will run; a market that is asked for by its id is found when it is over, too."""
    if any(found.column == "id" and found.operator in {"eq", "in"} and not found.negated for found in query.filters):
        return ()
    return (Market.state == MarketState.SCHEDULED, Market.end_date >= today_in_denmark())


def _rating_columns(caller: Principal) -> Columns:
    """Hide from others whose rating it is, and their number."""
    columns = {column.key: getattr(Rating, column.key) for column in Rating.__table__.columns}
    for name in ("user_id", "mobilepay_phone"):
        columns[name] = only_for(columns[name], Rating.user_id, caller.id or None)
    return columns


_LOG_COLUMNS: Final = {column.key: getattr(ScrapingLog, column.key) for column in ScrapingLog.__table__.columns}
_EVENT_COLUMNS: Final = {
    "metadata": AppEvent.event_metadata,
    **{
        name: getattr(AppEvent, name)
        for name in ("id", "user_id", "event_type", "entity_type", "entity_id", "timestamp", "created_at")
    },
}


def _admins_only(caller: Principal, _query: RestQuery) -> Sequence[Any]:
    if caller.kind is not Kind.ADMIN:
        status = HTTPStatus.UNAUTHORIZED if caller.anonymous else HTTPStatus.FORBIDDEN
        raise DialectError(status, "42501", "permission denied for table scraping_logs")
    return ()


async def _rate(session: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:  # noqa: ANN401 - a session
    ids = []
    for row in rows:
        kind = row.get("rating_type") or (RatingType.STALL if row.get("stall_name") else RatingType.MARKET)
        if kind not in set(RatingType):
            raise DialectError(HTTPStatus.BAD_REQUEST, "23514", "rating_type must be stall or market")
        ids.append(await rate(session, NewRating(**{**row, "rating_type": RatingType(kind)})))
    return ids


async def _log_event(session: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:  # noqa: ANN401 - a session
    renamed = [
        {("event_metadata" if name == "metadata" else name): value for name, value in row.items()} for row in rows
    ]
    return await add(session, AppEvent, renamed)


RESOURCES: Final[Mapping[str, Resource]] = {
    "markets": Resource(
        model=Market,
        columns=lambda _caller: _MARKET_COLUMNS,
        visible=_listed,
        embedded={"ratings": count_related(Rating.market_id, Market.id)},
    ),
    "ratings": Resource(
        model=Rating,
        columns=_rating_columns,
        owner="user_id",
        writable=frozenset(
            {"user_id", "market_id", "stall_name", "mobilepay_phone", "rating", "photo_url", "comment"}
            | {"rating_type", "created_at"}
        ),
        changeable=frozenset({"mobilepay_phone", "rating", "photo_url", "comment"}),
        insert=_rate,
    ),
    "events": Resource(
        model=AppEvent,
        columns=lambda _caller: _EVENT_COLUMNS,
        visible=lambda caller, _query: (AppEvent.user_id == caller.id,),
        owner="user_id",
        writable=frozenset({"user_id", "event_type", "entity_type", "entity_id", "metadata", "timestamp"}),
        insert=_log_event,
    ),
    "scraping_logs": Resource(model=ScrapingLog, columns=lambda _caller: _LOG_COLUMNS, visible=_admins_only),
}
