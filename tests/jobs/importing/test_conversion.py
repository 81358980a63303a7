"""Old rows as ours: tables of cases."""

import pytest

from loppestars_jobs.importing.conversion import LeftOut, identity_of, old_photo, original_key, rating_of
from loppestars_jobs.importing.source import Row

USER, MARKET = "4f0c1f5e-6a0b-4c39-9a5e-3d1f6f3f9b11", "9d6b0a53-0d2a-4b53-8a3f-0c2e1b7f0a22"
RATING: Row = {
    "id": "11111111-1111-4111-8111-111111111111",
    "user_id": USER,
    "market_id": MARKET,
    "stall_name": "Bod 7",
    "rating": "7",
    "rating_type": "stall",
    "created_at": "2025-10-04 10:00:00.123+00",
}
OLD = "https://x.supabase.co/storage/v1/object/public"


class TestOldPhoto:
    @pytest.mark.parametrize(
        ("url", "key"),
        [
            (f"{OLD}/stall-photos/{USER}/17.jpg", f"{USER}/17.jpg"),
            (f"{OLD}/stall-photos-processed/{USER}/17.jpg?t=1", f"{USER}/17.jpg"),
            (f"{USER}/17.jpg", f"{USER}/17.jpg"),
            (f"stall-photos/{USER}/17.jpg", f"{USER}/17.jpg"),
            ("https://elsewhere.example/a/b.jpg", None),
            ("17.jpg", None),
            ("", None),
            (None, None),
        ],
    )
    def test_key(self, url: str | None, key: str | None) -> None:
        """A path in the old buckets, with or without the address in front of it; others' addresses stay."""
        assert old_photo(url) == key

    def test_new_place(self) -> None:
        """In the visitor's own folder and named by digits, whoever's folder it was; always the same."""
        assert original_key(USER, "somebody/17.jpg") == f"{USER}/17.jpg"
        odd = original_key(USER, "somebody/../../x.png")
        assert odd == original_key(USER, "somebody/../../x.png")
        assert odd.removeprefix(f"{USER}/").removesuffix(".jpg").isdigit()


class TestRating:
    def test_of_a_market(self) -> None:
        """The old app gave a market's rating a stall's name too."""
        found = rating_of({**RATING, "rating_type": "market", "mobilepay_phone": ""})
        assert (found["stall_name"], found["mobilepay_phone"], found["rating"]) == (None, None, 7)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"rating": "11"}, "out of range"),
            ({"rating": None}, "no rating"),
            ({"market_id": None}, "no market_id"),
            ({"user_id": "x"}, "no user_id"),
            ({"created_at": "soon"}, "no created_at"),
            ({"rating_type": "shop"}, "rating_type"),
        ],
    )
    def test_left_out(self, change: Row, reason: str) -> None:
        """What cannot be a rating, with the reason and without its values."""
        with pytest.raises(LeftOut, match=reason):
            rating_of({**RATING, **change})


class TestIdentity:
    def test_providers(self) -> None:
        """The provider's issuer and its own name for the person; passwords are not offered here."""
        row = {"user_id": USER, "provider": "google", "provider_id": "1", "identity_data": '{"sub": "108"}'}
        assert identity_of(row)["issuer"] == "https://accounts.google.com"
        assert identity_of(row)["subject"] == "108"
        with pytest.raises(LeftOut, match="not offered"):
            identity_of({**row, "provider": "email"})
