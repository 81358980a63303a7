"""HTML as markedskalenderen.dk serves it: the table in pages of 100 rows, and a page for each market."""

from datetime import date
from html import escape
from typing import Final

from loppestars_local.sample_site.catalogue import SampleMarket, listed_on

SITE: Final = "https://markedskalenderen.dk"
LIST_PATH: Final = "/marked/kategori/loppemarked"
ROWS_PER_PAGE: Final = 100
_FOOD_GLYPH: Final = "\ue086"
_PARKING_GLYPH: Final = "\ue115"
# A category word other than the usual one, and a market whose row carries none.
_OTHER_CATEGORY: Final = "kræmmermarked"
_NO_CATEGORY: Final = "torvedag"

_FRAME: Final = """<!DOCTYPE html>
<html lang="da"><head><meta charset="utf-8"><title>{title} | Markedskalenderen</title>
<style>@font-face {{font-family: icons}} td.ikoner {{font-family: icons}}</style>
<script>var table = "<table><tr><td>nej</td></tr></table>";</script></head>
<body><nav><a href="/">Forside</a> <a href="/marked">Markeder</a> <a href="/kontakt">Kontakt</a></nav>
{body}
<footer>Pr&oslash;vekopi med opdigtede markeder &copy; Markedskalenderen</footer></body></html>
"""

# A row such as the real list has at its end: a market whose date is not known yet.
_DATELESS_ROW: Final = (
    "<tr><td><strong>Loppemarked uden dato</strong></td><td>Lejre Loppemarked</td>"
    "<td></td><td></td><td></td><td></td></tr>"
)


def list_page(page: int, today: date, markets: tuple[SampleMarket, ...] | None = None) -> str | None:
    """Return a page of the table, counted from 1, or None beyond the last."""
    rows = [*(_row(*entry) for entry in listed_on("m", today, markets)), _DATELESS_ROW]
    last = -(-len(rows) // ROWS_PER_PAGE)
    if not 1 <= page <= last:
        return None
    header = "<tr><th>Navn</th><th>Sted</th><th></th><th></th><th>Landsdel</th><th>Dato</th></tr>"
    shown = "\n".join([header, *rows[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]])
    links = [f'<a href="?page={number}">{number}</a>' for number in range(1, last + 1)]
    if page > 1:
        links.insert(0, f'<a href="{LIST_PATH}?page={page - 1}">&laquo; Forrige</a>')
    if page < last:
        # Links name the real host as often as not; a crawl of a copy follows them on the copy.
        links.append(f'<a href="{SITE}{LIST_PATH}?page={page + 1}">N&aelig;ste &raquo;</a>')
    body = f'<h1>Loppemarkeder</h1><table class="table">\n{shown}\n</table>\n<p class="pager">{" ".join(links)}</p>'
    return _FRAME.format(title="Loppemarked", body=body)


def _row(market: SampleMarket, start: date, end: date) -> str:
    municipality = market.place.municipality
    plain = market.name.casefold()
    if _NO_CATEGORY in plain and " " not in municipality:
        place = municipality
    else:
        place = f"{municipality} {'Kræmmermarked' if _OTHER_CATEGORY in plain else 'Loppemarked'}"
    glyphs = (f"<span>&#x{ord(_FOOD_GLYPH):x};</span>" if "food" in market.features else "") + (
        f"<span>{_PARKING_GLYPH}</span>" if "parking" in market.features else ""
    )
    dates = f"{start:%d-%m-%Y}" if start == end else f"{start:%d-%m-%Y}<br>{end:%d-%m-%Y}"
    host = SITE if market.number % 2 else ""
    name = f'<a href="{host}/marked/{market.slug}">{market.name}</a>'
    part = "Bornholm" if municipality == "Bornholm" else ("Jylland" if market.place.postal_code >= "6" else "Øerne")
    return (
        f"<tr><td>{name}</td>\n<td>{escape(place)}</td><td></td>"
        f'<td class="ikoner">{glyphs}</td><td>{part}</td><td>{dates}</td></tr>'
    )


def market_page(market: SampleMarket) -> str:
    """Return the page of a market, the same for all of its dates."""
    place = market.place
    facilities = ["Toiletter", "Udendørs"] + [
        word for feature, word in (("food", "Mad og kaffe"), ("parking", "Parkering")) if feature in market.features
    ]
    # One in four writes its address in one line, with the country at its end, as people do.
    if market.number % 4 == 0:
        where = f"<dt>Adresse</dt><dd>{escape(market.street)}, {place.postal_code} {escape(place.town)}, Danmark</dd>"
    else:
        where = (
            f"<dt>Adresse</dt><dd>{escape(market.street)}</dd>"
            f"<dt>Postnr. og by</dt><dd>{place.postal_code} {escape(place.town)}</dd>"
        )
    body = f"""<h1>{market.name}</h1>
<dl>{where}
<dt>&Aring;bningstider</dt><dd>Kl. 10-{14 + market.number % 3}</dd>
<dt>Entr&eacute;</dt><dd>{"Gratis" if market.number % 3 else "20 kr."}</dd>
<dt>Antal stader</dt><dd>ca. {20 + market.number * 5}</dd>
<dt>Arrang&oslash;r</dt><dd>Markedsudvalget, {escape(place.town)}</dd>
<dt>E-mail</dt><dd><a href="mailto:marked{market.number}@example.org">skriv til os</a></dd>
<dt>Hjemmeside</dt><dd><a href="https://example.org/{market.slug}">https://example.org/{market.slug}</a></dd>
<dt>Faciliteter</dt><dd>{", ".join(facilities)}</dd>
<dt>Beskrivelse</dt><dd><p>Loppefund &amp; kaffe for hele familien.</p>
<p>Kom i god tid &#8211; stader for enden.</p></dd>
</dl>"""
    return _FRAME.format(title=market.name, body=body)
