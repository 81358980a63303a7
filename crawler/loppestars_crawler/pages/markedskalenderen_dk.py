"""Lists of markedskalenderen.dk: the calendar's table of markets. Rows, columns and glyphs as seen in October 2025."""

import re
from datetime import date

import parsel
from web_poet import cached_method, field

from loppestars_crawler.items import DEFAULT_CATEGORY, ListedMarket, Listing, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.pages.reading import danish_dates, link
from loppestars_crawler.text import clean, snippet

SOURCE = "markedskalenderen"
SITE = "https://markedskalenderen.dk"
NAME, PLACE, GLYPHS, DATES = 0, 1, 3, 5
"""Columns of the table, counted from 0."""
FEWEST_COLUMNS = 4
FOOD, PARKING = "\ue086", "\ue115"
"""Letters of the site's icon font."""
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
_HEADINGS = frozenset({"navn", "marked", "markedsnavn", "kommune", "dato", "datoer", "kategori", "sted"})
_FROM_AND_TO = 2


class MarketListPage(ListingPage[Listing], HtmlPage[Listing]):
    """A page of the calendar: a table with a row for each market on its dates."""

    @field
    def next_url(self) -> str | None:
        """Link to the next page: the one whose text holds `»`."""
        href = self.xpath('//a[contains(normalize-space(.), "»")]/@href').get()
        return link(str(self.url), href)

    @cached_method
    def entries(self) -> list[Entry]:
        entries: list[Entry] = []
        for row in self.css("table tr"):
            try:
                market = self._market(row)
            except NotUnderstood as error:
                entries.append(Problem(error.outcome, str(error), snippet(row.get() or ""), str(self.url)))
            else:
                entries.extend([market, *self._remarks(row)] if market else [])
        if not self.css("table tr"):
            entries.append(
                Problem(Outcome.FAILED, "no table of markets on the page", snippet(self.html), str(self.url)),
            )
        return entries

    def _market(self, row: parsel.Selector) -> ListedMarket | None:
        """Market of a row; None for the header and for rows without text."""
        cells = row.xpath("./td")
        if not clean("".join(row.xpath(".//text()").getall())) or (len(cells) < FEWEST_COLUMNS and row.xpath("./th")):
            return None
        if len(cells) < FEWEST_COLUMNS:
            raise NotUnderstood(Outcome.FAILED, f"a row of {len(cells)} cells, a market has at least 4")
        if _is_header(cells):
            return None
        name = _name(cells[NAME])
        if name is None:
            raise NotUnderstood(Outcome.FAILED, "a row without a name")
        start, end = _dates(cells)
        municipality, category = _place(cells[PLACE])
        glyphs = _glyphs(cells[GLYPHS])
        href = cells[NAME].xpath(".//a/@href").get() or row.xpath(".//a/@href").get()
        document = {
            "name": name,
            "place": clean("".join(cells[PLACE].xpath(".//text()").getall())),
            "dates": clean(" ".join(cells[DATES].xpath(".//text()").getall())),
            "glyphs": sorted(f"U+{ord(glyph):04X}" for glyph in glyphs),
        }
        return ListedMarket(
            source=SOURCE,
            external_id=f"{name}|{start.isoformat()}|{end.isoformat()}",
            name=name,
            start_date=start,
            end_date=end,
            category=category,
            url=link(str(self.url), href),
            details=MarketDetails(
                municipality=municipality,
                has_food=FOOD in glyphs or None,
                has_parking=PARKING in glyphs or None,
            ),
            document=document,
        )

    def _remarks(self, row: parsel.Selector) -> list[Problem]:
        unknown = _glyphs(row.xpath("./td")[GLYPHS]) - {FOOD, PARKING}
        return [
            Problem(Outcome.REMARK, f"unknown glyph U+{ord(glyph):04X}", snippet(row.get() or ""), str(self.url))
            for glyph in sorted(unknown)
        ]


def _is_header(cells: parsel.SelectorList[parsel.Selector]) -> bool:
    words = {(clean("".join(cell.xpath(".//text()").getall())) or "").casefold() for cell in cells}
    return bool(words & _HEADINGS) and not cells.xpath(".//a/@href")


def _name(cell: parsel.Selector) -> str | None:
    for path in (".//a", ".//strong", "."):
        name = clean("".join(cell.xpath(path)[:1].xpath(".//text()").getall()))
        if name:
            return name
    return None


def _dates(cells: parsel.SelectorList[parsel.Selector]) -> tuple[date, date]:
    """Start and end: two dates parted by `<br>`, or one that is both."""
    text = " ".join(cells[DATES].xpath(".//text()").getall()) if len(cells) > DATES else ""
    try:
        days = danish_dates(text)
    except ValueError as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    if not days and not clean(text):
        raise NotUnderstood(Outcome.SKIPPED, "a row without a date")
    if not days or len(days) > _FROM_AND_TO:
        raise NotUnderstood(Outcome.FAILED, "dates that are neither one day nor a start and an end")
    start, end = days[0], days[-1]
    if end < start:
        raise NotUnderstood(Outcome.FAILED, f"an end ({end}) before its start ({start})")
    return start, end


def _place(cell: parsel.Selector) -> tuple[str | None, str]:
    """Municipality and category: the last word is the category; a single word is a municipality."""
    words = (clean(" ".join(cell.xpath(".//text()").getall())) or "").split()
    if len(words) > 1:
        return " ".join(words[:-1]), words[-1]
    return (words[0] if words else None), DEFAULT_CATEGORY


def _glyphs(cell: parsel.Selector) -> set[str]:
    """Icon-font letters of a cell, in its text or in `data-icon`."""
    return set(_PRIVATE_USE.findall("".join(cell.xpath(".//text() | .//@data-icon").getall())))
