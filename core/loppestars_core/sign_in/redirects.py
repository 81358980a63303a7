"""Addresses to which a sign-in may return: registered ones, whatever their query says, and no others."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from loppestars_core.kit.hosts import is_loopback

MAX_CHARACTERS: Final = 2048
# Printable ASCII less what browsers and parsers read in different ways.
_PLAIN: Final = re.compile(r"[!#-;=?-\[\]_a-z~%]+", re.ASCII)
# Schemes in which an address is a program, or a file of whoever opens it.
_NEVER: Final = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript"})
# What an answer says, which the address itself must not say beforehand.
_RESERVED: Final = frozenset(
    {
        *("access_token", "refresh_token", "expires_in", "expires_at", "token_type", "provider_token", "code", "state"),
        *("error", "error_code", "error_description", "type"),
    }
)


class RedirectNotRegistered(ValueError):
    """The address is not one of those that were registered."""


class _Place(NamedTuple):
    scheme: str
    authority: str
    path: str


class Redirects:
    """The registered addresses; the first one is where a sign-in returns that names none.

    Raises:
        ValueError: one of them cannot be registered; the message says why.
    """

    def __init__(self, registered: Sequence[str]) -> None:
        self._places = {_checked(address): address for address in registered}

    def resolve(self, asked: str | None) -> str:
        """Return where a sign-in returns to. Raise `RedirectNotRegistered`."""
        if not asked:
            if not self._places:
                raise RedirectNotRegistered("no address is registered")
            return next(iter(self._places.values()))
        place = _place(asked)
        if place is None or place not in self._places:
            raise RedirectNotRegistered("the address is not registered")
        return asked


def _place(address: str) -> _Place | None:
    """Return what of an address is compared; None for one that two readers could understand in two ways."""
    if len(address) > MAX_CHARACTERS or not _PLAIN.fullmatch(address) or "#" in address:
        return None
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises for one that is not a number
    except ValueError:
        return None
    if not parts.scheme or "@" in parts.netloc or "%" in parts.netloc or "/../" in f"{parts.path}/":
        return None
    scheme = parts.scheme.lower()
    return _Place(scheme, parts.netloc.lower(), parts.path or ("/" if scheme in {"http", "https"} else ""))


def _checked(address: str) -> _Place:
    place = _place(address)
    if place is None or "?" in address:
        raise ValueError(f"{address} is not an address without query and fragment")
    if place.scheme in _NEVER:
        raise ValueError(f"{address} has a scheme that is not a place to return to")
    if place.scheme == "http" and not is_loopback(urlsplit(address).hostname or ""):
        raise ValueError(f"{address} must be https, or the scheme of an app: tokens are sent there")
    return place


def with_answer(
    address: str, *, query: Mapping[str, str] | None = None, fragment: Mapping[str, str] | None = None
) -> str:
    """Return the address with an answer in its query or fragment; other parameters that it had are kept."""
    parts = urlsplit(address)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in _RESERVED]
    both = urlencode([*kept, *(query or {}).items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, both, urlencode(dict(fragment or {}))))
