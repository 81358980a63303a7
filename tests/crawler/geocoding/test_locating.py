"""Where markets are put: the source's point when it can be right, the provider's, the middle of the postal code."""

import pytest

from loppestars_core.places.country import why_not_in_denmark
from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.addresses.normalising import Address
from loppestars_crawler.geocoding.locating import Locator
from loppestars_crawler.geocoding.location import Location, Verdict
from loppestars_crawler.geocoding.provider import CachedGeocode, Found

NAKSKOV = Address("Østergade 18", "4900", "Nakskov", "Lolland", codes=frozenset({"4900"}))
TRUE_POINT = Point(54.83, 11.13)
FAR_POINT = Point(56.46, 9.40)
MALMO = Point(55.605, 13.0)
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


def at_centre(location: Location) -> bool:
    """Whether it is the middle of 4900 Nakskov and says so."""
    return (location.point, location.approximate, location.verdict) == (CENTRE, True, Verdict.POSTAL_CODE)


class TestGivenPoint:
    """The source's own coordinates."""

    async def test_believed(self) -> None:
        """Exact, with the distance as the reason, and no provider is asked."""
        provider = CountingProvider(Found(FAR_POINT))
        location = await Locator(MemoryCache(), provider).locate(NAKSKOV, TRUE_POINT, source="loppemarkeder")
        assert (location.point, location.approximate) == (TRUE_POINT, False)
        assert location.verdict is Verdict.BELIEVED
        assert "km from the centre of 4900 Nakskov" in location.reason
        assert provider.calls == 0

    @pytest.mark.parametrize("wrong", [FAR_POINT, Point(48.85, 2.35), Point(11.13, 54.83)])
    async def test_rejected(self, wrong: Point) -> None:
        """Too far, outside Denmark, or with its coordinates swapped: the reason is kept, the middle is used."""
        cache = MemoryCache()
        location = await Locator(cache).locate(NAKSKOV, wrong, source="loppemarkeder")
        assert at_centre(location)
        assert "were rejected" in location.reason
        kept = cache.answers[NAKSKOV.key, "loppemarkeder"]
        assert kept.point == wrong
        assert kept.rejected_reason

    async def test_no_words(self) -> None:
        """In Denmark it is believed, elsewhere the market is abroad."""
        nowhere = Address(None, None, None)
        inside = await Locator(MemoryCache()).locate(nowhere, TRUE_POINT, source="s")
        assert (inside.point, inside.verdict) == (TRUE_POINT, Verdict.BELIEVED)
        outside = await Locator(MemoryCache()).locate(nowhere, MALMO, source="s")
        assert (outside.point, outside.verdict) == (None, Verdict.ABROAD)

    async def test_words_abroad(self) -> None:
        """Words that name another country, without a point."""
        location = await Locator(MemoryCache()).locate(Address("Torg 1", None, None), None, source="s", abroad=True)
        assert location.verdict is Verdict.ABROAD


class TestProvider:
    """What is asked of a provider, and what is believed of its answers."""

    async def test_asked_once(self) -> None:
        """One call for an address, however it is spelled; a new locator with the same cache makes none."""
        cache, provider = MemoryCache(), CountingProvider(Found(TRUE_POINT, 0.9))
        for street in ("Østergade 18", "østergade  18", "Østergade 18, 2. th"):
            spelled = Address(street, "4900", "Nakskov", codes=frozenset({"4900"}))
            location = await Locator(cache, provider).locate(spelled, None, source="markedskalenderen")
            assert (location.point, location.verdict) == (TRUE_POINT, Verdict.FOUND)
        assert provider.calls == 1

    @pytest.mark.parametrize("answer", [Found(FAR_POINT), None])
    async def test_wrong_or_unknown(self, answer: Found | None) -> None:
        """The first result is not taken on trust, and not asked for again."""
        cache, provider = MemoryCache(), CountingProvider(answer)
        for _ in range(2):
            location = await Locator(cache, provider).locate(NAKSKOV, None, source="markedskalenderen")
            assert at_centre(location)
            assert "counting: " in location.reason
        assert provider.calls == 1
        assert cache.answers[NAKSKOV.key, "counting"].rejected_reason

    async def test_failing(self) -> None:
        """Its error costs the exact point of this crawl only, and is not remembered."""
        cache, provider = MemoryCache(), CountingProvider(TimeoutError("too slow"))
        locator = Locator(cache, provider)
        for _ in range(2):
            assert at_centre(await locator.locate(NAKSKOV, None, source="markedskalenderen"))
        assert provider.calls == 2
        assert cache.answers == {}

    async def test_failing_all_the_time(self) -> None:
        """After five failures in a row it is left alone until the next crawl."""
        provider = CountingProvider(TimeoutError("too slow"))
        locator = Locator(MemoryCache(), provider)
        for _ in range(8):
            assert at_centre(await locator.locate(NAKSKOV, None, source="markedskalenderen"))
        assert provider.calls == 5


class TestCentre:
    """The middle of what is known."""

    async def test_divided_town(self) -> None:
        """The middle of all districts."""
        location = await Locator(MemoryCache()).locate(Address("Torvet", None, "Odense"), None, source="s")
        assert (location.approximate, location.verdict) == (True, Verdict.TOWN)

    @pytest.mark.parametrize("municipality", danish_postal_codes().municipalities)
    async def test_municipality(self, municipality: str) -> None:
        """Each of the 98 has a middle in Denmark."""
        location = await Locator(MemoryCache()).locate(Address(None, None, None, municipality), None, source="s")
        assert (location.approximate, location.verdict) == (True, Verdict.MUNICIPALITY)
        assert location.point is not None
        assert why_not_in_denmark(location.point) is None

    async def test_nothing(self) -> None:
        """A street alone is nowhere."""
        location = await Locator(MemoryCache()).locate(Address("Torvet", None, None), None, source="s")
        assert (location.point, location.verdict) == (None, Verdict.UNKNOWN)
