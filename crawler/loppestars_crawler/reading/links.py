"""Addresses of the web and of e-mail in texts and links."""

from typing import Final
from urllib.parse import urljoin, urlsplit

from loppestars_crawler.text import EMAIL, clean

_MAX_TEXT: Final = 2000
_MAX_EMAIL: Final = 254


def read_email(text: str | None) -> str | None:
    """Return the first e-mail address of a text, or None where there is none."""
    found = EMAIL.search((text or "")[:_MAX_TEXT])
    return clean(found[0], limit=_MAX_EMAIL) if found else None


def read_website(text: str | None) -> str | None:
    """Return a web address with its scheme, or None for anything that is not http or https."""
    address = clean(text, limit=_MAX_TEXT)
    if address is None or " " in address:
        return None
    if "://" not in address and "." in address and ":" not in address.split("/")[0]:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and "." in (parts.hostname or "") else None


def read_link(base: str, href: str | None) -> str | None:
    """Return where a link of a page leads, without its fragment; None for no link, a script, mail, or nonsense."""
    target = clean(href, limit=_MAX_TEXT)
    if target is None or target.startswith("#"):
        return None
    try:
        address = urljoin(base, target.replace(" ", "%20")).split("#")[0]
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and parts.hostname else None
