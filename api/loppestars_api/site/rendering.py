"""The page as HTML: templates, their words, and the headers that hold a browser to them."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from loppestars_api.markets.exports.json_ld import json_ld
from loppestars_api.markets.schemas import Row
from loppestars_api.settings import ApiSettings
from loppestars_api.site.assets import asset
from loppestars_api.site.denmark import BORNHOLM_FRAME, HEIGHT, WIDTH, on_map, outline, project
from loppestars_api.site.service import Background
from loppestars_api.site.texts import TEXTS, day_text, days_text
from loppestars_api.site.views import Card, facts, safe_link
from loppestars_api.web.pages import Language, language_of

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {"Content-Security-Policy": _POLICY, "Vary": "Accept, Accept-Language"}
_TOWNS: Final = (
    ("København", 55.676, 12.568, "end"),
    ("Aarhus", 56.157, 10.21, "end"),
    ("Odense", 55.396, 10.388, "middle"),
    ("Aalborg", 57.048, 9.919, "end"),
    ("Esbjerg", 55.467, 8.452, "start"),
)
_BUNTING: Final = tuple((x, round(6 + 19 * (1 - ((x % 300) - 150) ** 2 / 22500))) for x in range(30, 1200, 42))
_TEMPLATES: Final = Environment(
    loader=PackageLoader("loppestars_api.site"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Page:
    """One answer in the language of its reader, with links that keep it."""

    def __init__(self, request: Request, settings: ApiSettings, providers: list[str]) -> None:
        wanted = request.query_params.get("lang")
        self.chosen = wanted in TEXTS
        accepted = language_of(request.headers.get("accept-language"))
        self.language: Language = wanted if wanted in TEXTS else accepted  # type: ignore[assignment]  # one of its keys
        self.words = TEXTS[self.language]
        self.root: str = request.scope.get("root_path", "")
        self._request = request
        self._site = str(settings.public_url).rstrip("/")
        allowed = f"{self._site}/" in settings.auth_redirects
        self._providers = providers if allowed else []

    def link(self, path: str, **query: object) -> str:
        """Return a link within the page; a chosen language stays chosen."""
        kept = {name: value for name, value in query.items() if value is not None}
        if self.chosen:
            kept.setdefault("lang", self.language)
        return f"{self.root}{path}" + (f"?{urlencode(kept)}" if kept else "")

    def home(self, cards: list[Card], **shown: Any) -> Response:  # noqa: ANN401 - what the template reads
        """Return the list and the map."""
        return self._html("home.html", cards=cards, chosen=self.chosen, map=_map(shown.pop("here", None)), **shown)

    def market(self, row: Row, background: Background, today: date) -> Response:
        """Return the page of one market."""
        words = self.words
        last = date.fromisoformat(row["end_date"])
        card = Card.of(self.language, row, today)
        position = f"{row['latitude']},{row['longitude']}"
        return self._html(
            "market.html",
            id=row["id"],
            name=row["name"],
            category=row["category"],
            state=words.get(f"is_{row['state']}"),
            over=last < today,
            facts=facts(row, card, words),
            description=[part for part in (row["description"] or "").split("\n") if part.strip()],
            route=f"https://www.openstreetmap.org/directions?to={position}" if card.spot else None,
            days=[
                {"id": day.id, "text": days_text(self.language, day.start_date, day.end_date)}
                for day in background.days
            ],
            average=self._number(background.average),
            average_number=background.average,
            ratings=background.ratings,
            comments=background.comments,
            sources=[
                {
                    "source": by.source,
                    "url": safe_link(by.url),
                    "state": by.state,
                    "seen": day_text(self.language, by.last_seen_at.date()),
                }
                for by in background.sources
            ],
            json_ld=json_ld(row, self._site).decode().replace("<", "\\u003c"),
            cards=[card],
            map=_map(None),
            approximate=False,
        )

    def missing(self) -> Response:
        """Return the page of a market that there is not."""
        return self._html("missing.html", status=404)

    def _html(self, template: str, *, status: int = 200, **shown: Any) -> Response:  # noqa: ANN401 - what a template reads
        other = "en" if self.language == "da" else "da"
        query = {**self._request.query_params, "lang": other}
        body = _TEMPLATES.get_template(template).render(
            **shown,
            t=self.words,
            language=self.language,
            other_language=other,
            other_url=f"{self.root}{self._request.url.path}?{urlencode(query)}",
            lang_query=f"?lang={self.language}" if self.chosen else "",
            root=self.root,
            asset=self._asset,
            bunting=_BUNTING,
            sign_in=[
                (
                    name.title(),
                    f"{self.root}/auth/v1/authorize?" + urlencode({"provider": name, "redirect_to": f"{self._site}/"}),
                )
                for name in self._providers
            ],
            webcal=f"webcal://{self._site.partition('://')[2]}/markets.ics",
        )
        return Response(body, status, {**HEADERS, "Cache-Control": "no-cache"}, "text/html; charset=utf-8")

    def _asset(self, name: str) -> str:
        found = asset(name)
        return f"{self.root}/page/{name}?v={found.version if found else ''}"

    def _number(self, value: float | None) -> str | None:
        text = None if value is None else f"{value:.1f}"
        return text.replace(".", ",") if text and self.language == "da" else text


def _map(here: object) -> Mapping[str, object]:
    towns = []
    for name, latitude, longitude, anchor in _TOWNS:
        x, y = project(latitude, longitude)
        towns.append((name, round(x), round(y) - 14, anchor))
    left, top, width, height = BORNHOLM_FRAME
    towns.append(("Bornholm", left + width // 2, top + height + 18, "middle"))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "frame": BORNHOLM_FRAME,
        "outline": outline(),
        "towns": towns,
        "here": on_map(*here) if isinstance(here, tuple) else None,
    }
