"""What a page says of one thing by words that stand near a value ("Adresse", `class="opening-hours"`). Pure.

The markup of most small sites is unknown and changes: values are found wherever they stand, in definition lists, tables
of two columns, bold labels, microdata, lines "Label: value", and elements whose class says what they are.
"""

import re
from collections.abc import Iterator
from typing import Final

import parsel

from loppestars_core.kit.folding import fold
from loppestars_crawler.text import clean, selected_text

# Folded label → what it names. The values of `itemprop` are schema.org's.
_LABELS: Final = {
    "adresse": "address", "address": "address", "sted": "address", "streetaddress": "address", "hvor": "address",
    "street": "address", "street address": "address", "vej": "address", "location": "address", "lokation": "address",
    "by": "city", "postnr by": "town", "postnummer": "postal_code", "postnr": "postal_code", "city": "city",
    "postnr og by": "town", "addresslocality": "city", "postalcode": "postal_code", "postal code": "postal_code",
    "zip": "postal_code", "zipcode": "postal_code", "town": "town", "postnummer og by": "town",
    "beskrivelse": "description", "om markedet": "description", "description": "description",
    "arrangor": "organizer_name", "kontaktperson": "organizer_name", "organizer": "organizer_name",
    "organizer name": "organizer_name", "organiser": "organizer_name", "arranger": "organizer_name",
    "telefon": "organizer_phone", "tlf": "organizer_phone", "mobil": "organizer_phone", "phone": "organizer_phone",
    "telephone": "organizer_phone", "organizer phone": "organizer_phone", "tel": "organizer_phone",
    "e mail": "organizer_email", "email": "organizer_email", "mail": "organizer_email",
    "organizer email": "organizer_email", "hjemmeside": "organizer_website", "website": "organizer_website",
    "web": "organizer_website", "organizer website": "organizer_website",
    "abningstider": "opening_hours", "abningstid": "opening_hours", "tid": "opening_hours", "abent": "opening_hours",
    "tidspunkt": "opening_hours", "openinghours": "opening_hours", "opening hours": "opening_hours",
    "hours": "opening_hours", "hvornar": "opening_hours",
    "entre": "entry_fee", "entr": "entry_fee", "entrepris": "entry_fee", "pris": "entry_fee", "price": "entry_fee",
    "entry fee": "entry_fee", "admission": "entry_fee", "adgang": "entry_fee",
    "antal stader": "stall_count", "stader": "stall_count", "antal boder": "stall_count", "boder": "stall_count",
    "stall count": "stall_count", "stalls": "stall_count",
    "faciliteter": "facilities", "facilities": "facilities",
}  # fmt: skip
# Of a class only words that name nothing else: "time" is when an article was written, "location" is a map.
_NOT_CLASSES: Final = frozenset({"tid", "web", "vej", "location", "adgang", "mail", "by", "boder", "pris", "price"})
_CLASS_PREFIX: Final = re.compile(r"^(?:market|marked|event|venue|info|detail|details|field|contact|single)\b ?")
_MAX_LABEL: Final = 30
_MAX_VALUE: Final = 5000
_MAX_SHORT: Final = 300
_MAX_ELEMENTS: Final = 500
_MAX_SIBLINGS: Final = 50
_LABEL_TAGS: Final = frozenset({"strong", "b", "label"})
_LINE: Final = re.compile(r"^([^\W\d][^:\n]{1,28}):\s*(\S[^\n]{0,300})$")
# What every page of a site repeats is of the site, not of the market.
BODY: Final = (
    "[not(ancestor-or-self::footer or ancestor-or-self::nav or ancestor-or-self::aside or ancestor::form"
    " or ancestor::header[not(ancestor::article)])]"
)


def labelled_values(page: parsel.Selector) -> dict[str, str]:
    """Return the first value of each thing that a page names."""
    said: dict[str, str] = {}
    for label, value in _pairs(page):
        name = _LABELS.get(fold(label)[:_MAX_LABEL].strip())
        if name is not None and value and name not in said:
            said[name] = value
    return said


def _pairs(page: parsel.Selector) -> Iterator[tuple[str, str | None]]:
    """Yield labels and values, those that are plainest first."""
    for term in page.xpath(f"//dt{BODY}")[:_MAX_ELEMENTS]:
        yield _text(term), _value(term.xpath("following-sibling::*[1][self::dd]"))
    for row in page.xpath(f"//tr[count(th) + count(td) = 2]{BODY}")[:_MAX_ELEMENTS]:
        label, value = row.xpath("./th | ./td")
        yield _text(label), _value(parsel.SelectorList([value]))
    for bold in page.xpath(f"(//strong | //b | //label){BODY}")[:_MAX_ELEMENTS]:
        words, following = _text(bold), _following(bold)
        if words.endswith(":") or following.startswith(":"):
            yield words, clean(following.removeprefix(":"), limit=2000)
    for element in page.xpath(f"//*[@itemprop]{BODY}")[:_MAX_ELEMENTS]:
        yield element.attrib["itemprop"], element.attrib.get("content") or _value(parsel.SelectorList([element]))
    yield from _of_classes(page)
    for line in page.xpath(f"(//li | //p | //span | //div[not(*)]){BODY}")[:_MAX_ELEMENTS]:
        if match := _LINE.match(_text(line, limit=_MAX_SHORT + _MAX_LABEL)):
            yield match[1], match[2]


def _of_classes(page: parsel.Selector) -> Iterator[tuple[str, str | None]]:
    """Yield what elements say whose class or id is a label: `<p class="opening-hours">10-16</p>`."""
    for element in page.xpath(f"//*[@class or @id]{BODY}")[:_MAX_ELEMENTS]:
        for word in f"{element.attrib.get('class', '')} {element.attrib.get('id', '')}".split():
            label = _CLASS_PREFIX.sub("", fold(word))
            if label not in _LABELS or label in _NOT_CLASSES:
                continue
            value = _value(parsel.SelectorList([element]))
            limit = _MAX_VALUE if _LABELS[label] == "description" else _MAX_SHORT
            if value and len(value) <= limit:
                line = _LINE.match(value)
                yield label, line[2] if line and _LABELS.get(fold(line[1])) else value


def _text(selector: parsel.Selector, limit: int = 500) -> str:
    return clean("".join(selector.xpath(".//text()").getall()), limit=limit) or ""


def _value(selectors: parsel.SelectorList[parsel.Selector]) -> str | None:
    """Return the text of a value, its lines kept; a link without text stands for its target."""
    if not selectors:
        return None
    return selected_text(selectors[0], limit=_MAX_VALUE) or clean(selectors.xpath(".//a/@href").get())


def _following(label: parsel.Selector) -> str:
    """Return the text after a label, up to the next one."""
    element = label.root
    parts = [element.tail or ""]
    for sibling in element.itersiblings():
        if sibling.tag in _LABEL_TAGS or len(parts) > _MAX_SIBLINGS:
            break
        if isinstance(sibling.tag, str):
            parts.append(" ".join(sibling.itertext()))
        parts.append(sibling.tail or "")
    return " ".join(parts).strip()
