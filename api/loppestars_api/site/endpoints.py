"""A page to try it: to a browser `/` and `/markets/{id}` are pages, to everybody else what they always were."""

from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from loppestars_api.markets.dependencies import Markets
from loppestars_api.markets.schemas import MAX_WORDS
from loppestars_api.site.assets import asset
from loppestars_api.site.denmark import on_map
from loppestars_api.site.rendering import Page
from loppestars_api.site.service import SiteService
from loppestars_api.site.views import cards
from loppestars_api.state import State
from loppestars_api.web.errors import NotFound
from loppestars_api.web.negotiation import preferred
from loppestars_api.web.parameters import uuid_or_missing
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.query import MarketQuery, Position

_SHOWN: Final = 60
_TABS: Final = ("today", "weekend", "month")
_RADIUS_KM: Final = 75.0
_MAX_TEXT: Final = 200
_SATURDAY: Final = 5
_FOREVER: Final = "public, max-age=31536000, immutable"
_WHILE: Final = "public, max-age=3600"


class HtmlRoute(APIRoute):
    """A route for those who want HTML more than JSON; for others it is not there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path, and what the client takes."""
        match, child = super().matches(scope)
        if match is Match.NONE:
            return match, child
        accept = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), None)
        wanted = preferred(accept, ("application/json", "text/html"))
        return (match, child) if wanted == "text/html" else (Match.NONE, {})


async def site_of(request: Request) -> SiteService:
    """Return what reads for the page."""
    found: SiteService = request.app.state.site
    return found


async def page_of(request: Request, state: State) -> Page:
    """Return the page in the language of its reader."""
    sign_in = request.app.state.sign_in
    return Page(request, state.settings, list(sign_in.provider_names) if sign_in else [])


Site = Annotated[SiteService, Depends(site_of)]
Shown = Annotated[Page, Depends(page_of)]

router = APIRouter(route_class=HtmlRoute, include_in_schema=False)
assets_router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request, page: Shown, markets: Markets) -> Response:
    """Show markets of some days, those around the reader, or those that a text finds."""
    asked = request.query_params
    text = " ".join(asked.get("q", "").replace("\x00", "").split()[:MAX_WORDS])[:_MAX_TEXT]
    here = _position(asked.get("latitude"), asked.get("longitude"))
    today = today_in_denmark()
    usual = "month" if text or here else "today"
    when = asked.get("when", usual) if asked.get("when") in _TABS else usual
    first, last = _days(when, today)
    query = MarketQuery(
        position=here,
        radius_km=_RADIUS_KM if here else None,
        from_day=first,
        until_day=None if text else last,
        text=text or None,
        limit=_SHOWN + 1,
    )
    rows = await markets.search(query)
    note = None
    if not rows and when == "today" and not text:
        soon = query.model_copy(update={"until_day": today + timedelta(days=30), "limit": _SHOWN // 4})
        rows, note = await markets.search(soon), page.words["none_today"]
    kept = {"latitude": asked.get("latitude"), "longitude": asked.get("longitude")} if here else {}
    return page.home(
        cards(page.language, rows[:_SHOWN], today),
        more=len(rows) > _SHOWN,
        note=note if rows else page.words["none"],
        heading=f"{page.words['results']} “{text}”" if text else page.words["around" if here else when],
        q=text,
        when=None if text else when,
        tabs=[(name, page.link("/", when=name, **kept)) for name in _TABS],
        here=None if here is None else (here.latitude, here.longitude),
    )


@router.get("/markets/{market_id}")
async def market(page: Shown, markets: Markets, site: Site, market_id: str) -> Response:
    """Show one market."""
    try:
        row = await markets.find(uuid_or_missing(market_id, ""))
    except NotFound:
        row = None
    if row is None:
        return page.missing()
    background = await site.background(uuid_or_missing(row["id"], ""), uuid_or_missing(row["series_id"], ""))
    return page.market(row, background, today_in_denmark())


@assets_router.get("/page/{name}")
async def file(request: Request, name: str) -> Response:
    """Send a file of the page."""
    found = asset(name)
    if found is None:
        raise NotFound("There is no such file.")
    known = request.query_params.get("v") == found.version
    headers = {"Cache-Control": _FOREVER if known else _WHILE, "ETag": f'"{found.version}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)


@assets_router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Send the icon to those who ask where it always was."""
    return await file(request, "icon-192.png")


def _days(when: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a tab; the weekend is the one that is, or the next one."""
    if when == "weekend":
        saturday = today + timedelta(days=max(_SATURDAY - today.weekday(), 0))
        return saturday, saturday + timedelta(days=6 - saturday.weekday())
    return today, today if when == "today" else today + timedelta(days=30)


def _position(latitude: str | None, longitude: str | None) -> Position | None:
    """Return the reader's position where it is one in Denmark or near it: what was typed by hand may be anything."""
    try:
        position = Position(latitude=float(latitude or ""), longitude=float(longitude or ""))
    except ValueError:
        return None
    return position if on_map(position.latitude, position.longitude) else None
