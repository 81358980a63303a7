"""Crawls as real processes against a site on loopback and a real database."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from loppestars_local.sample_site.catalogue import sample_markets
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import SampleSite
from tests.factories.crawls import Crawler, FaultySite

DAY = date(2026, 11, 21)
# A quarter of them, and those whose rows and events are odd.
SOME = tuple(one for one in sample_markets() if one.number % 4 == 0 or one.number in {9, 14, 38})


@pytest.fixture
def site() -> FaultySite:
    """A quarter of the sample site on one day; a test may add faults."""
    return FaultySite(SampleSite(lambda: DAY, SOME))


@pytest.fixture
def crawler(site: FaultySite, database_url: str, tmp_path: Path) -> Iterator[Crawler]:
    """Crawls of the site into a fresh database."""
    with SampleServer(site) as server:
        yield Crawler(server.url, database_url, tmp_path)
