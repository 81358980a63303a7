"""A site and where it is crawled: the real one, or a copy that stands in for it. Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

# What a host allows is said at its root, also for a site that lies below a path (RFC 9309, section 2.3).
_ROBOTS: Final = "/robots.txt"


@dataclass(frozen=True, slots=True)
class Site:
    """`real` is the site's own address, `base` is where this crawl fetches it; both without a final slash."""

    real: str
    base: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "real", self.real.rstrip("/"))
        object.__setattr__(self, "base", self.base.rstrip("/"))

    def on_base(self, url: str) -> str | None:
        """Return the address at which to fetch a page that a link names; None when it is on another site.

        Where the base has a path, the pages of the copy still link to the site's own paths from its root.
        """
        parts = _split(url)
        if parts is None:
            return None
        base = urlsplit(self.base)
        if _host(parts) == _host(base):
            if not _is_below(parts.path, base.path) and parts.path != _ROBOTS:
                return self.base + _tail(parts)
            # A link or redirect to http:// must not take a crawl off TLS, nor may one bring a name and password.
            if parts.scheme == base.scheme and "@" not in parts.netloc:
                return url
            return f"{base.scheme}://{base.netloc.lower()}{_tail(parts)}"
        if _host_name(parts) == _host_name(urlsplit(self.real)):
            return self.base + _tail(parts)
        return None

    def as_published(self, url: str | None) -> str | None:
        """Return the page's address on the real site, under which people know it; addresses of other sites stay."""
        parts = _split(url or "")
        if parts is None:
            return None
        base = urlsplit(self.base)
        if _host(parts) != _host(base):
            return url
        tail = _tail(parts)
        if _is_below(parts.path, base.path):
            tail = tail.removeprefix(base.path)
        return self.real + (tail if tail.startswith("/") else f"/{tail}")

    def page(self, path: str) -> str:
        """Return the address of a path of the site."""
        return self.base + path


def _is_below(path: str, folder: str) -> bool:
    """Return whether `path` is `folder` (without a final slash, empty for the root) or something in it."""
    return path == folder or path.startswith(f"{folder}/") or not folder


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in {"http", "https"} and parts.hostname and _host(parts) else None
    except ValueError:
        return None


def _host(parts: SplitResult) -> tuple[str, int | None]:
    """Return host and port, the port left out where it is the scheme's own."""
    port = parts.port
    return parts.hostname or "", None if port in {80, 443} else port


def _host_name(parts: SplitResult) -> str:
    return (parts.hostname or "").removeprefix("www.")


def _tail(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
