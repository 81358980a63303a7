"""The tables and functions that the app is offered: columns, rules, and what may be embedded, as declared data."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from loppestars_api.supabase.errors import DialectError
from loppestars_core.activity.models import AppEvent, ScrapingLog
from loppestars_core.database.rows.asked import Asked, Comparison, Condition
from loppestars_core.database.rows.expressions import only_for, parameter
from loppestars_core.database.rows.offered import Columns, Offer, OfferedTable, Relation, Source
from loppestars_core.database.rows.refusals import RowRefused
from loppestars_core.database.rows.typed import add, typed
from loppestars_core.markets.fields import COLUMNS
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.ratings.models import Rating, RatingType
from loppestars_core.ratings.rate import NewRating, rate

_MARKETS: Final[Any] = Market.__table__
_RATINGS: Final[Any] = Rating.__table__
_EVENTS: Final[Any] = AppEvent.__table__
_LOGS: Final[Any] = ScrapingLog.__table__
_MARKET_NAMES: Final = tuple(getattr(Market, name).expression.name for name in COLUMNS)
ADMIN: Final = "admin"
ANON: Final = "anon"


def _listed(source: Source, _viewer: str, asked: Asked) -> Sequence[Any]:
    """Show what runs or will run; a market that is asked for by its id is found when it is over, too."""
    if any(_names_an_id(found) for found in asked.conditions):
        return ()
    return (source.c.state == MarketState.SCHEDULED.value, source.c.end_date >= parameter("today"))


def _names_an_id(found: Condition) -> bool:
    if not isinstance(found, Comparison) or found.negated or found.many is not None:
        return False
    return found.path.column == "id" and found.operator in {"eq", "in"}


def _rating_columns(source: Source, _viewer: str) -> Columns:
    """Hide from others whose rating it is, and their number."""
    hidden = {name: only_for(source.c[name], source.c.user_id) for name in ("user_id", "mobilepay_phone")}
    return {**dict(source.c), **hidden}


def _admins_only(_source: Source, viewer: str, _asked: Asked) -> Sequence[Any]:
    if viewer != ADMIN:
        status = HTTPStatus.UNAUTHORIZED if viewer == ANON else HTTPStatus.FORBIDDEN
        raise DialectError(status, "42501", "permission denied for table scraping_logs")
    return ()


async def _rate(session: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:  # noqa: ANN401 - a session
    ids = []
    for row in rows:
        kind = row.get("rating_type") or (RatingType.STALL if row.get("stall_name") else RatingType.MARKET)
        if kind not in set(RatingType):
            raise RowRefused("23514", "rating_type must be stall or market")
        values = typed(_RATINGS, {**row, "rating_type": kind})
        ids.append(await rate(session, NewRating(**{**values, "rating_type": RatingType(kind)})))
    return ids


_RATED: Final = frozenset({"user_id", "market_id", "stall_name", "mobilepay_phone", "rating", "photo_url", "comment"})
OFFER: Final = Offer(
    {
        "markets": OfferedTable(
            table=_MARKETS,
            columns=lambda source, _viewer: {name: source.c[name] for name in _MARKET_NAMES},
            visible=_listed,
            insertable=False,
            changeable=frozenset(),
            relations=(Relation("ratings", many=True, on=lambda market, rating: rating.c.market_id == market.c.id),),
        ),
        "ratings": OfferedTable(
            table=_RATINGS,
            columns=_rating_columns,
            owner="user_id",
            writable=_RATED | {"rating_type", "created_at"},
            changeable=frozenset({"mobilepay_phone", "rating", "photo_url", "comment"}),
            insert=_rate,
            relations=(Relation("markets", many=False, on=lambda rating, market: rating.c.market_id == market.c.id),),
        ),
        "events": OfferedTable(
            table=_EVENTS,
            visible=lambda source, _viewer, _asked: (source.c.user_id == parameter("caller"),),
            owner="user_id",
            writable=frozenset({"user_id", "event_type", "entity_type", "entity_id", "metadata", "timestamp"}),
            changeable=frozenset(),
            insert=lambda session, rows: add(session, _EVENTS, rows),
        ),
        "scraping_logs": OfferedTable(table=_LOGS, visible=_admins_only, insertable=False, changeable=frozenset()),
    }
)
