"""The page of one market on markedskalenderen.dk. Its markup is not known: every value is optional."""

import re
from dataclasses import replace

from web_poet import cached_method, field

from loppestars_crawler.items import MarketDetails, MarketPage, Outcome, Problem
from loppestars_crawler.pages import json_ld
from loppestars_crawler.pages.completing import completed
from loppestars_crawler.pages.facilities import read_facilities
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.labelled import BODY, labelled_values
from loppestars_crawler.pages.schema_org_market import details_of
from loppestars_crawler.reading.links import read_email, read_website
from loppestars_crawler.reading.numbers import read_count
from loppestars_crawler.reading.phones import read_phone
from loppestars_crawler.reading.prices import read_fee
from loppestars_crawler.text import clean, snippet


class MarketDetailPage(HtmlPage[MarketPage]):
    """What the page of a market says, for all of the market's dates."""

    @field
    def details(self) -> MarketDetails:
        said = self._said()
        town = re.match(r"\s*(\d{4})?\s*(.*)", said.get("town") or "", re.DOTALL)
        fee = read_fee(said.get("entry_fee"))
        flags = read_facilities(said.get("facilities"))
        of_labels = MarketDetails(
            address=clean(said.get("address")),
            city=clean(said.get("city")) or (clean(town[2]) if town else None),
            postal_code=clean(said.get("postal_code")) or (town[1] if town else None),
            description=said.get("description"),
            organizer_name=clean(said.get("organizer_name")),
            organizer_phone=read_phone(said.get("organizer_phone")) or read_phone(self._link_of("tel:")),
            organizer_email=read_email(said.get("organizer_email")) or read_email(self._link_of("mailto:")),
            organizer_website=read_website(said.get("organizer_website")),
            opening_hours=clean(said.get("opening_hours")),
            entry_fee=fee.amount,
            unclear={"entry_fee": fee.doubt} if fee.doubt else {},
            stall_count=read_count(said.get("stall_count")),
            special_features=clean(said.get("facilities")),
            has_food=flags["has_food"],
            has_parking=flags["has_parking"],
            has_toilets=flags["has_toilets"],
            has_wifi=flags["has_wifi"],
            is_indoor=flags["is_indoor"],
            is_outdoor=flags["is_outdoor"],
        )
        events = json_ld.read_page(self.text, self.selector).events()
        # Hours are of one date there, and this page is about all of them.
        return completed(of_labels, replace(details_of(events[0]), opening_hours=None)) if events else of_labels

    @field
    def problems(self) -> tuple[Problem, ...]:
        if self._said() or json_ld.read_page(self.text, self.selector).events():
            return ()
        return (Problem(Outcome.REMARK, "nothing known on a market's page", snippet(self.text), str(self.url)),)

    @cached_method
    def _said(self) -> dict[str, str]:
        return labelled_values(self.selector)

    def _link_of(self, scheme: str) -> str | None:
        """Return where the first link of a scheme leads that is of the market and not of the whole site."""
        links = self.xpath(f'//a[starts-with(@href, "{scheme}")]{BODY}/@href')
        return links[0].get().partition(":")[2].partition("?")[0] if links else None
