"""The page of one market on markedskalenderen.dk.

Its markup is not known: the selectors that were tried on it before were never seen to match. So it is read by the
words that Danish pages put beside a value ("Adresse", "Åbningstider"), wherever they stand: definition lists, tables
of two columns, bold labels, microdata. Every value is optional, and a page that says nothing is no error.
"""

import re
from collections.abc import Iterator

import parsel
from web_poet import cached_method, field

from loppestars_core.kit.folding import fold
from loppestars_crawler.items import MarketDetails, MarketPage, Outcome, Problem
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.reading import count_in, e_mail, entry_fee, website
from loppestars_crawler.text import clean, selected_text, snippet

# Folded label → what it names. The values of `itemprop` are schema.org's.
_LABELS = {
    "adresse": "address", "address": "address", "sted": "address", "streetaddress": "address",
    "by": "city", "postnr by": "town", "postnummer": "postal_code", "postnr": "postal_code",
    "postnr og by": "town", "addresslocality": "city", "postalcode": "postal_code",
    "beskrivelse": "description", "om markedet": "description", "description": "description",
    "arrangor": "organizer_name", "kontaktperson": "organizer_name", "organizer": "organizer_name",
    "telefon": "organizer_phone", "tlf": "organizer_phone", "mobil": "organizer_phone",
    "telephone": "organizer_phone",
    "e mail": "organizer_email", "email": "organizer_email", "mail": "organizer_email",
    "hjemmeside": "organizer_website", "website": "organizer_website", "web": "organizer_website",
    "abningstider": "opening_hours", "abningstid": "opening_hours", "tid": "opening_hours",
    "tidspunkt": "opening_hours", "openinghours": "opening_hours",
    "entre": "entry_fee", "entr": "entry_fee", "entrepris": "entry_fee", "pris": "entry_fee",
    "antal stader": "stall_count", "stader": "stall_count", "antal boder": "stall_count", "boder": "stall_count",
    "faciliteter": "facilities", "facilities": "facilities",
}  # fmt: skip
_LONGEST_LABEL = 30
# Folded beginnings of words in a list of facilities; a space ends a whole word.
_FACILITIES = {
    "has_food": ("mad ", "madbod", "cafe", "forplejning", "kaffe", "polse", "spisested", "food"),
    "has_parking": ("parkering", "p plads", "parking"),
    "has_toilets": ("toilet", "wc "),
    "has_wifi": ("wifi ", "wi fi ", "internet"),
    "is_indoor": ("indendors", "inde ", "hal ", "indoor"),
    "is_outdoor": ("udendors", "ude ", "outdoor"),
}
_NOT_THERE = re.compile(r"\b(?:ingen|uden|ikke|intet|no)\b", re.IGNORECASE)


class MarketDetailPage(HtmlPage[MarketPage]):
    """What the page of a market says, for all of the market's dates."""

    @field
    def details(self) -> MarketDetails:
        said = self._said()
        town = re.match(r"\s*(\d{4})?\s*(.*)", said.get("town") or "", re.DOTALL)
        facilities = said.get("facilities")
        phone = said.get("organizer_phone") or _after_colon(self.xpath('//a[starts-with(@href, "tel:")]/@href').get())
        mail = _after_colon(self.xpath('//a[starts-with(@href, "mailto:")]/@href').get())
        return MarketDetails(
            address=clean(said.get("address")),
            city=clean(said.get("city")) or (clean(town[2]) if town else None),
            postal_code=clean(said.get("postal_code")) or (town[1] if town else None),
            description=said.get("description"),
            organizer_name=clean(said.get("organizer_name")),
            organizer_phone=clean(phone, limit=50),
            organizer_email=e_mail(said.get("organizer_email")) or e_mail(mail),
            organizer_website=website(said.get("organizer_website")),
            opening_hours=clean(said.get("opening_hours")),
            entry_fee=entry_fee(said.get("entry_fee")),
            stall_count=count_in(said.get("stall_count")),
            special_features=clean(facilities),
            has_food=_names(facilities, "has_food"),
            has_parking=_names(facilities, "has_parking"),
            has_toilets=_names(facilities, "has_toilets"),
            has_wifi=_names(facilities, "has_wifi"),
            is_indoor=_names(facilities, "is_indoor"),
            is_outdoor=_names(facilities, "is_outdoor"),
        )

    @field
    def problems(self) -> tuple[Problem, ...]:
        if self._said():
            return ()
        return (Problem(Outcome.REMARK, "nothing known on a market's page", snippet(self.html), str(self.url)),)

    @cached_method
    def _said(self) -> dict[str, str]:
        """First value of each thing that the page names."""
        said: dict[str, str] = {}
        for label, value in self._labelled():
            name = _LABELS.get(fold(label)[:_LONGEST_LABEL].strip())
            if name is not None and value and name not in said:
                said[name] = value
        return said

    def _labelled(self) -> Iterator[tuple[str, str | None]]:
        for term in self.css("dt"):
            value = term.xpath("following-sibling::*[1][self::dd]")
            yield _text(term), _value(value)
        for row in self.xpath("//tr[count(th) + count(td) = 2]"):
            label, value = row.xpath("./th | ./td")
            yield _text(label), _value(parsel.SelectorList([value]))
        for bold in self.css("strong, b, label"):
            text = _text(bold)
            if text.endswith(":") or (bold.xpath("following-sibling::text()[1]").get() or "").strip().startswith(":"):
                following = "".join(bold.xpath("following-sibling::text() | following-sibling::a//text()").getall())
                yield text, clean(following.strip().removeprefix(":"), limit=2000)
        for element in self.css("[itemprop]"):
            yield element.attrib["itemprop"], element.attrib.get("content") or _value(parsel.SelectorList([element]))


def _text(selector: parsel.Selector) -> str:
    return clean("".join(selector.xpath(".//text()").getall())) or ""


def _value(selectors: parsel.SelectorList[parsel.Selector]) -> str | None:
    """Text of a value, its lines kept; a link without text stands for its target."""
    if not selectors:
        return None
    return selected_text(selectors[0], limit=5000) or clean(selectors.xpath(".//a/@href").get())


def _after_colon(href: str | None) -> str | None:
    return href.partition(":")[2].partition("?")[0] if href else None


def _names(facilities: str | None, name: str) -> bool | None:
    """True when a list of facilities names one, False when it denies it, None when it is silent."""
    answer = None
    for part in re.split(r"[,;.\n]", facilities or ""):
        words = f" {fold(part)} "
        if any(f" {beginning}" in words for beginning in _FACILITIES[name]):
            answer = answer or not _NOT_THERE.search(part)
    return answer
