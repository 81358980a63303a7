"""Which sources a run takes, and in which order. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from croniter import croniter  # type: ignore[import-untyped]  # no types are published

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.sources import SourceSpec
from loppestars_core.kit.clock import DENMARK
from loppestars_crawler.pages import loppemarkeder_nu, markedskalenderen_dk
from loppestars_crawler.sites import Site

_REAL: Final = {
    SourceType.MARKEDSKALENDEREN: markedskalenderen_dk.SITE,
    SourceType.LOPPEMARKEDER: loppemarkeder_nu.SITE,
}


def is_due(source: SourceSpec, last_started: datetime | None, now: datetime) -> bool:
    """Return whether a source's schedule came round since it was last begun; without a schedule it is always due."""
    if source.schedule is None or last_started is None:
        return True
    return bool(croniter(source.schedule, last_started.astimezone(DENMARK)).get_next(datetime) <= now)


def chosen(
    known: Mapping[str, SourceSpec],
    asked: Sequence[str],
    last_started: Mapping[str, datetime],
    *,
    due_at: datetime | None = None,
) -> list[SourceSpec]:
    """Return the sources of a run: those that are asked for, else all that are enabled, and due at `due_at` if given.

    Those that have waited longest come first: behind a deadline, each gets its turn.
    """
    sources = [known[name] for name in asked] or [source for source in known.values() if source.enabled]
    if not asked and due_at is not None:
        sources = [source for source in sources if is_due(source, last_started.get(source.name), due_at)]
    waited = sorted((source for source in sources if source.name in last_started), key=lambda s: last_started[s.name])
    return [*(source for source in sources if source.name not in last_started), *waited]


def site_of(source: SourceSpec) -> Site:
    """Return the site of a source: the real one, or the copy that its start address names."""
    first = source.start_urls[0]
    if source.type.built_in:
        return Site(_REAL[source.type], first)
    parts = urlsplit(first)
    origin = f"{parts.scheme}://{parts.netloc}"
    return Site(origin, origin)


def host_of(source: SourceSpec) -> str:
    """Return the host that a source burdens: sources of one host are crawled one after another."""
    return urlsplit(source.start_urls[0]).netloc.lower().removeprefix("www.")
