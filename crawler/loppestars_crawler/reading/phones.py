"""Phone numbers as they are dialled: `tlf. 20 12 34 56` becomes `+45 20 12 34 56`."""

from typing import Final

import phonenumbers

from loppestars_crawler.text import clean

_MAX_TEXT: Final = 200
_COUNTRY: Final = "DK"


def read_phone(text: str | None) -> str | None:
    """Return the first phone number of a text in international form, or None where there is none."""
    words = clean(text, limit=_MAX_TEXT)
    if words is None:
        return None
    matches = phonenumbers.PhoneNumberMatcher(words, _COUNTRY, leniency=phonenumbers.Leniency.POSSIBLE, max_tries=100)
    found = next((match.number for match in matches), None)
    if found is None:
        return None
    return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
