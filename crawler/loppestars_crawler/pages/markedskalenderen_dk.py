"""Lists of markedskalenderen.dk: the calendar's table of markets. Rows, columns and glyphs as seen in October 2025."""

import re
from typing import Final

import parsel
from web_poet import cached_method, field

from loppestars_crawler.items import ListedMarket, Listing, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.calendar_place import read_calendar_place
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.reading.called_off import Status, read_status, read_title
from loppestars_crawler.reading.days import DayRange, NotADay, read_days
from loppestars_crawler.reading.links import read_link
from loppestars_crawler.text import clean, snippet

SOURCE: Final = "markedskalenderen"
SITE: Final = "https://markedskalenderen.dk"
NAME: Final = 0
"""Columns of the table, counted from 0."""
PLACE: Final = 1
GLYPHS: Final = 3
DATES: Final = 5
MIN_COLUMNS: Final = 4
FOOD: Final = "\ue086"
"""Letters of the site's icon font."""
PARKING: Final = "\ue115"
_PRIVATE_USE: Final = re.compile("[\ue000-\uf8ff]")
_HEADINGS: Final = frozenset({"navn", "marked", "markedsnavn", "kommune", "dato", "datoer", "kategori", "sted"})


class MarketListPage(ListingPage[Listing], HtmlPage[Listing]):
    """A page of the calendar: a table with a row for each market on its dates."""

    @field
    def next_url(self) -> str | None:
        # The link whose text holds `»`.
        href = self.xpath('//a[contains(normalize-space(.), "»")]/@href').get()
        return read_link(str(self.url), href)

    @cached_method
    def entries(self) -> list[Entry]:
        entries: list[Entry] = []
        rows = self.css("table tr")
        for row in rows:
            try:
                markets = self._markets(row)
            except NotUnderstood as error:
                entries.append(Problem(error.outcome, str(error), snippet(row.get() or ""), str(self.url)))
                continue
            entries.extend(markets)
            for glyph in sorted(_glyphs(row.xpath("./td")[GLYPHS]) - {FOOD, PARKING}) if markets else ():
                reason = f"unknown glyph U+{ord(glyph):04X}"
                entries.append(Problem(Outcome.REMARK, reason, snippet(row.get() or ""), str(self.url)))
        if not rows:
            entries.append(
                Problem(Outcome.FAILED, "no table of markets on the page", snippet(self.text), str(self.url)),
            )
        return entries

    def _markets(self, row: parsel.Selector) -> list[ListedMarket]:
        """Return the markets of a row, one for each of its dates; none of the header and of rows without text."""
        cells = row.xpath("./td")
        if not "".join(row.xpath(".//text()").getall()).strip() or (len(cells) < MIN_COLUMNS and row.xpath("./th")):
            return []
        if len(cells) < MIN_COLUMNS:
            raise NotUnderstood(Outcome.FAILED, f"a row of {len(cells)} cells, a market has at least {MIN_COLUMNS}")
        if (_text(cells[NAME]) or "").casefold() in _HEADINGS and not cells.xpath(".//a/@href"):
            return []
        # The text of the name's link, else what is strong, else all of the cell.
        parts = [part for path in (".//a", ".//strong", ".") for part in cells[NAME].xpath(path)[:1]]
        words = next(filter(None, map(_text, parts)), None)
        if words is None:
            raise NotUnderstood(Outcome.FAILED, "a row without a readable name")
        title = read_title(words)
        days = _days(cells)
        place = read_calendar_place(_text(cells[PLACE], " "))
        glyphs = _glyphs(cells[GLYPHS])
        said = {
            "name": words,
            "place": _text(cells[PLACE]),
            "dates": _text(cells[DATES], " "),
            "glyphs": sorted(f"U+{ord(glyph):04X}" for glyph in glyphs),
        }
        return [
            ListedMarket(
                source=SOURCE,
                external_id=f"{title.name}|{start.isoformat()}|{end.isoformat()}",
                name=title.name,
                start_date=start,
                end_date=end,
                category=place.category,
                status=_status(title.status, cells),
                url=read_link(str(self.url), cells[NAME].xpath(".//a/@href").get() or row.xpath(".//a/@href").get()),
                details=MarketDetails(
                    municipality=place.municipality,
                    has_food=FOOD in glyphs or None,
                    has_parking=PARKING in glyphs or None,
                ),
                document=said,
            )
            for start, end in days
        ]


def _text(selector: parsel.Selector, joint: str = "") -> str | None:
    return clean(joint.join(selector.xpath(".//text()").getall()))


def _status(of_title: Status, cells: parsel.SelectorList[parsel.Selector]) -> Status:
    """Return the status of the title, else of what stands near the name or the dates."""
    near = [read_status(_text(cells[column], " ")) for column in (NAME, DATES) if column < len(cells)]
    return next((status for status in (of_title, *near) if status is not Status.SCHEDULED), Status.SCHEDULED)


def _days(cells: parsel.SelectorList[parsel.Selector]) -> list[DayRange]:
    """Return the days of a row: one date, a start and an end parted by `<br>`, or several dates."""
    text = " ".join(cells[DATES].xpath(".//text()").getall()) if len(cells) > DATES else ""
    try:
        days = read_days(text, two_are_a_range=True)
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    if not days and not clean(text):
        raise NotUnderstood(Outcome.SKIPPED, "a row without a date")
    if not days:
        raise NotUnderstood(Outcome.FAILED, "dates that were not understood")
    return days


def _glyphs(cell: parsel.Selector) -> set[str]:
    """Return the icon-font letters of a cell, in its text or in `data-icon`."""
    return set(_PRIVATE_USE.findall("".join(cell.xpath(".//text() | .//@data-icon").getall())))
