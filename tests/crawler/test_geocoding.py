"""Where markets are put: the source's point when it can be right, the provider's, the middle of the postal code."""

import pytest

from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address
from loppestars_crawler.geocoding.locating import Location, Locator
from loppestars_crawler.geocoding.provider import CachedGeocode, Found

NAKSKOV = Address("Østergade 18", "4900", "Nakskov")
TRUE_POINT = Point(54.83, 11.13)
FAR_POINT = Point(56.46, 9.40)
CENTRE = danish_postal_codes().by_code["4900"].centre


class MemoryCache:
    """The cache's interface over a dictionary."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], CachedGeocode] = {}

    async def find(self, key: str, provider: str) -> CachedGeocode | None:
        """The kept answer."""
        return self.answers.get((key, provider))

    async def keep(self, key: str, provider: str, answer: CachedGeocode) -> None:
        """Keep an answer."""
        self.answers[key, provider] = answer


class CountingProvider:
    """A provider with one answer, or one error, that counts how often it is asked."""

    name = "counting"

    def __init__(self, answer: Found | Exception | None) -> None:
        self.answer = answer
        self.calls = 0

    async def find(self, _: Address) -> Found | None:
        """The answer, each time."""
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_the_source_is_believed_when_it_can_be_right() -> None:
    """Its own point, exact, and no provider is asked."""
    provider = CountingProvider(Found(FAR_POINT))
    location = await Locator(MemoryCache(), provider).locate(NAKSKOV, TRUE_POINT, source="loppemarkeder")
    assert location == Location(TRUE_POINT, approximate=False)
    assert provider.calls == 0


@pytest.mark.parametrize("wrong", [FAR_POINT, Point(48.85, 2.35), Point(11.13, 54.83)])
async def test_a_point_that_cannot_be_right_is_rejected_and_recorded(wrong: Point) -> None:
    """Too far, outside Denmark, or with its coordinates swapped: the reason is kept, the middle is used."""
    cache = MemoryCache()
    location = await Locator(cache).locate(NAKSKOV, wrong, source="loppemarkeder")
    assert location == Location(CENTRE, approximate=True)
    kept = cache.answers[NAKSKOV.key, "loppemarkeder"]
    assert kept.point == wrong
    assert kept.rejected_reason


async def test_equal_addresses_ask_once_and_the_next_crawl_not_at_all() -> None:
    """One call for an address, however it is spelled; a new locator with the same cache makes none."""
    cache, provider = MemoryCache(), CountingProvider(Found(TRUE_POINT, 0.9))
    for spelled in (NAKSKOV, Address("østergade  18", "4900", "Nakskov"), NAKSKOV):
        location = await Locator(cache, provider).locate(spelled, None, source="markedskalenderen")
        assert location == Location(TRUE_POINT, approximate=False)
    assert provider.calls == 1


@pytest.mark.parametrize("answer", [Found(FAR_POINT), None])
async def test_a_provider_that_is_wrong_or_does_not_know_is_remembered(answer: Found | None) -> None:
    """The first result is not taken on trust, and not asked for again."""
    cache, provider = MemoryCache(), CountingProvider(answer)
    for _ in range(2):
        location = await Locator(cache, provider).locate(NAKSKOV, None, source="markedskalenderen")
        assert location == Location(CENTRE, approximate=True)
    assert provider.calls == 1
    assert cache.answers[NAKSKOV.key, "counting"].rejected_reason


async def test_a_failing_provider_fails_nothing_and_is_asked_again() -> None:
    """Its error costs the exact point of this crawl only."""
    cache, provider = MemoryCache(), CountingProvider(TimeoutError("too slow"))
    for _ in range(2):
        location = await Locator(cache, provider).locate(NAKSKOV, None, source="markedskalenderen")
        assert location == Location(CENTRE, approximate=True)
    assert provider.calls == 2
    assert cache.answers == {}


async def test_towns_and_municipalities_without_a_code() -> None:
    """The middle of a divided town, of the town a municipality is named after, or nothing at all."""
    locator = Locator(MemoryCache())
    odense = await locator.locate(Address("Torvet", None, "Odense"), None, source="s")
    assert odense is not None
    assert odense.approximate
    of_municipality = await locator.locate(
        Address("Torvet", None, None), None, source="s", municipality="Holbæk Kommune"
    )
    assert of_municipality is not None
    assert abs(of_municipality.point.latitude - 55.7) < 0.1
    assert await locator.locate(Address("Torvet", None, None), None, source="s", municipality="Lolland") is None
    assert await locator.locate(Address(None, None, None), TRUE_POINT, source="s") == Location(
        TRUE_POINT, approximate=False
    )
