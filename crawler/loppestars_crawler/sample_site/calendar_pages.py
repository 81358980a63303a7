"""HTML as markedskalenderen.dk serves it: the table in pages of 100 rows, and a page for each market."""

from datetime import date
from html import escape

from loppestars_crawler.pages.markedskalenderen_dk import FOOD, PARKING, SITE
from loppestars_crawler.sample_site.catalogue import SampleMarket, listed_on

LIST_PATH = "/marked/kategori/loppemarked"
ROWS_A_PAGE = 100
# A category word other than the usual one, and a market whose row carries none.
_OTHER_CATEGORY, _NO_CATEGORY = "kræmmermarked", "torvedag"

_FRAME = """<!DOCTYPE html>
<html lang="da"><head><meta charset="utf-8"><title>{title} | Markedskalenderen</title>
<style>@font-face {{font-family: icons}} td.ikoner {{font-family: icons}}</style>
<script>var table = "<table><tr><td>nej</td></tr></table>";</script></head>
<body><nav><a href="/">Forside</a> <a href="/marked">Markeder</a> <a href="/kontakt">Kontakt</a></nav>
{body}
<footer>Pr&oslash;vekopi med opdigtede markeder &copy; Markedskalenderen</footer></body></html>
"""


def list_page(page: int, today: date, markets: tuple[SampleMarket, ...] | None = None) -> str | None:
    """A page of the table, counted from 1; None beyond the last."""
    rows = [*(_row(*entry) for entry in listed_on("m", today, markets)), _dateless_row()]
    last = -(-len(rows) // ROWS_A_PAGE)
    if not 1 <= page <= last:
        return None
    header = "<tr><th>Navn</th><th>Sted</th><th></th><th></th><th>Landsdel</th><th>Dato</th></tr>"
    shown = "\n".join([header, *rows[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE]])
    links = [f'<a href="?page={number}">{number}</a>' for number in range(1, last + 1)]
    if page > 1:
        links.insert(0, f'<a href="{LIST_PATH}?page={page - 1}">&laquo; Forrige</a>')
    if page < last:
        # Links name the real host as often as not; a crawl of a copy follows them on the copy.
        links.append(f'<a href="{SITE}{LIST_PATH}?page={page + 1}">N&aelig;ste &raquo;</a>')
    body = f'<h1>Loppemarkeder</h1><table class="table">\n{shown}\n</table>\n<p class="pager">{" ".join(links)}</p>'
    return _FRAME.format(title="Loppemarked", body=body)


def _row(market: SampleMarket, start: date, end: date) -> str:
    municipality = market.postal_code.municipality
    plain = market.name.casefold()
    if _NO_CATEGORY in plain and " " not in municipality:
        place = municipality
    else:
        place = f"{municipality} {'Kræmmermarked' if _OTHER_CATEGORY in plain else 'Loppemarked'}"
    glyphs = (f"<span>&#x{ord(FOOD):x};</span>" if "food" in market.features else "") + (
        f"<span>{PARKING}</span>" if "parking" in market.features else ""
    )
    dates = f"{start:%d-%m-%Y}" if start == end else f"{start:%d-%m-%Y}<br>{end:%d-%m-%Y}"
    host = SITE if market.number % 2 else ""
    name = f'<a href="{host}/marked/{market.slug}">{market.name}</a>'
    part = "Bornholm" if municipality == "Bornholm" else ("Jylland" if market.postal_code.code >= "6" else "Øerne")
    return (
        f"<tr><td>{name}</td>\n<td>{escape(place)}</td><td></td>"
        f'<td class="ikoner">{glyphs}</td><td>{part}</td><td>{dates}</td></tr>'
    )


def _dateless_row() -> str:
    cells = ["<strong>Loppemarked uden dato</strong>", "Lejre Loppemarked", "", "", "", ""]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def market_page(market: SampleMarket) -> str:
    """The page of a market, the same for all of its dates."""
    row = market.postal_code
    facilities = ["Toiletter", "Udendørs"] + [
        word for feature, word in (("food", "Mad og kaffe"), ("parking", "Parkering")) if feature in market.features
    ]
    # One in four writes its address in one line, with the country at its end, as people do.
    if market.number % 4 == 0:
        where = f"<dt>Adresse</dt><dd>{escape(market.street)}, {row.code} {escape(row.town)}, Danmark</dd>"
    else:
        where = (
            f"<dt>Adresse</dt><dd>{escape(market.street)}</dd>"
            f"<dt>Postnr. og by</dt><dd>{row.code} {escape(row.town)}</dd>"
        )
    body = f"""<h1>{market.name}</h1>
<dl>{where}
<dt>&Aring;bningstider</dt><dd>Kl. 10-{14 + market.number % 3}</dd>
<dt>Entr&eacute;</dt><dd>{"Gratis" if market.number % 3 else "20 kr."}</dd>
<dt>Antal stader</dt><dd>ca. {20 + market.number * 5}</dd>
<dt>Arrang&oslash;r</dt><dd>Markedsudvalget, {escape(row.town)}</dd>
<dt>E-mail</dt><dd><a href="mailto:marked{market.number}@example.org">skriv til os</a></dd>
<dt>Hjemmeside</dt><dd><a href="https://example.org/{market.slug}">https://example.org/{market.slug}</a></dd>
<dt>Faciliteter</dt><dd>{", ".join(facilities)}</dd>
<dt>Beskrivelse</dt><dd><p>Loppefund &amp; kaffe for hele familien.</p>
<p>Kom i god tid &#8211; stader for enden.</p></dd>
</dl>"""
    return _FRAME.format(title=market.name, body=body)
