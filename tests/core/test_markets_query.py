"""Searching markets: days, distances, words, and the pages of it."""

import math
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.folding import fold
from loppestars_core.markets.models import MarketState
from loppestars_core.markets.query import EARTH_RADIUS_KM, MarketQuery, Position, bounding_box, select_markets
from loppestars_core.markets.search_text import MAX_WORDS, search_query, search_terms
from tests.factories.markets import add_market

TODAY = date(2026, 6, 6)
COPENHAGEN = Position(latitude=55.6761, longitude=12.5683)


async def names(session: AsyncSession, **query: object) -> list[str]:
    rows = await session.execute(select_markets(MarketQuery.model_validate(query), TODAY))
    return [row.name for row in rows]


class TestFolding:
    @pytest.mark.parametrize(
        ("written", "typed"),
        [
            ("København", "kobenhavn"),
            ("København", "KOEBENHAVN"),
            ("Århus", "aarhus"),
            ("Næstved", "naestved"),
            ("Café Ñandú", "cafe nandu"),
            ("Ærø", "æro"),
        ],
    )
    def test_what_people_type_finds_what_is_written(self, written: str, typed: str) -> None:
        """Both fold to the same words."""
        assert fold(written) == fold(typed)

    def test_other_scripts_stay(self) -> None:
        """A name in Chinese is found by its own characters."""
        assert fold("Marked 蚤市場") == "marked 蚤市場"

    @given(st.text(max_size=80))
    def test_any_text_is_safe(self, text: str) -> None:
        """Whatever is typed gives words of letters, digits and underscores only: no quote, no operator, no NUL."""
        assert all(word.isalnum() or "_" in word for word in fold(text).split())
        query = search_query(text)
        assert (query is None) == (not fold(text))
        assert query is None or re.sub(r"'@?\w+'(:\*)?|[()&| ]", "", query) == ""

    def test_endings(self) -> None:
        """Each ending of at least three letters is a term of its own."""
        assert search_terms(["Nordhavn", None]) == ["avn", "dhavn", "havn", "nordhavn", "ordhavn", "rdhavn"]
        assert search_terms([], "2100") == ["@2100"]

    def test_few_words(self) -> None:
        """Each word once, and at most eight of them."""
        asked = search_query(" ".join(f"ord{number}x ord{number}x" for number in range(20)))
        assert asked is not None
        assert asked.count("':*") == MAX_WORDS


class TestBoundingBox:
    @given(
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.floats(0.001, 500),
        st.floats(0, 2 * math.pi),
    )
    def test_holds_every_point_of_the_circle(
        self, latitude: float, longitude: float, radius: float, bearing: float
    ) -> None:
        """A point at the radius in any direction lies within the box."""
        angle = radius / EARTH_RADIUS_KM
        here = math.radians(latitude)
        there = math.asin(
            max(-1, min(1, math.sin(here) * math.cos(angle) + math.cos(here) * math.sin(angle) * math.cos(bearing)))
        )
        turn = math.atan2(
            math.sin(bearing) * math.sin(angle) * math.cos(here), math.cos(angle) - math.sin(here) * math.sin(there)
        )
        east = (longitude + math.degrees(turn) + 540) % 360 - 180
        box = bounding_box(Position(latitude=latitude, longitude=longitude), radius)
        assert box[1] - 1e-6 <= math.degrees(there) <= box[3] + 1e-6
        assert box[0] - 1e-6 <= east <= box[2] + 1e-6


class TestSelectMarkets:
    async def test_days_include_both_ends(self, session: AsyncSession) -> None:
        """A market is found on its first day, its last day and between, and not outside."""
        await add_market(session, name="over", start_date=date(2026, 6, 1), end_date=date(2026, 6, 5))
        await add_market(session, name="last day", start_date=date(2026, 6, 1), end_date=TODAY)
        await add_market(session, name="first day", start_date=TODAY, end_date=date(2026, 6, 9))
        await add_market(session, name="later", start_date=date(2026, 6, 7), end_date=date(2026, 6, 7))
        assert await names(session, from_day=TODAY, until_day=TODAY) == ["last day", "first day"]

    async def test_nearest_first_within_the_radius(self, session: AsyncSession) -> None:
        """0.0 km comes first, the rim is exact, and a market without coordinates is absent."""
        await add_market(session, name="here")
        await add_market(session, name="Roskilde", latitude=55.6419, longitude=12.0878)
        await add_market(session, name="Aarhus", latitude=56.1629, longitude=10.2039)
        await add_market(session, name="nowhere", latitude=None, longitude=None)
        found = (
            await session.execute(select_markets(MarketQuery(position=COPENHAGEN, radius_km=50, limit=2), TODAY))
        ).all()
        assert [row.name for row in found] == ["here", "Roskilde"]
        assert found[0].distance == 0
        assert found[1].distance == pytest.approx(30.39, abs=0.05)
        assert await names(session, position=COPENHAGEN, radius_km=30.3) == ["here"]

    async def test_gone_markets_are_absent(self, session: AsyncSession) -> None:
        """Vanished and cancelled markets are in no list."""
        await add_market(session, name="vanished", state=MarketState.VANISHED)
        await add_market(session, name="cancelled", state=MarketState.CANCELLED)
        assert await names(session) == []
        assert await names(session, text="vanished") == []

    async def test_words_in_any_column_and_any_part(self, session: AsyncSession) -> None:
        """All words must match, each anywhere; the name weighs more than the city, and ended markets come last."""
        await add_market(session, name="Kræmmermarked", city="København")
        await add_market(session, name="København Loppetorv", city="Valby")
        await add_market(session, name="Gammelt København", start_date=date(2026, 5, 1), end_date=date(2026, 5, 1))
        await add_market(session, name="Bagagerumsmarked", city="Odense", municipality="Odense")
        assert await names(session, text="kobenhavn") == ["København Loppetorv", "Kræmmermarked", "Gammelt København"]
        assert await names(session, text="benhavn torv") == ["København Loppetorv"]
        assert await names(session, text="rummarked") == []
        assert await names(session, text="rumsmarked") == ["Bagagerumsmarked"]

    @pytest.mark.parametrize("text", ["'; DROP TABLE markets; --", "a & !b | (c", "%_\\", "…", "\x00'"])
    async def test_hostile_words(self, session: AsyncSession, text: str) -> None:
        """Operators and quotes are no part of a word: nothing breaks and nothing is found."""
        await add_market(session, name="København")
        assert await names(session, text=text) == []

    async def test_flags_and_pages(self, session: AsyncSession) -> None:
        """Flags narrow, offset and limit page."""
        for number in range(5):
            await add_market(session, name=f"market {number}", has_food=number % 2 == 0)
        assert await names(session, flags={"has_food": True}, offset=1, limit=1) == ["market 2"]

    @pytest.mark.parametrize(
        "query",
        [
            {"radius_km": 5},
            {"flags": {"name": True}},
            {"from_day": "2026-06-02", "until_day": "2026-06-01"},
            {"position": {"latitude": math.nan, "longitude": 1}},
            {"limit": 0},
            {"surprise": 1},
        ],
    )
    def test_refused(self, query: dict[str, object]) -> None:
        """What makes no sense is refused before any SQL."""
        with pytest.raises(ValidationError):
            MarketQuery.model_validate(query)
