"""Where a sign-in may return to."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_core.sign_in.redirects import RedirectNotRegistered, Redirects, with_answer

APP = "loppestars://auth/callback"


class TestRedirects:
    @pytest.mark.parametrize(
        "address",
        [
            "http://fair.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://fair.example/?a=b",
            "https://fair.example/#a",
            "https://user@fair.example/",
            "https://fair.example:x/",
            "no-address",
        ],
    )
    def test_registering(self, address: str) -> None:
        """What cannot be a safe place is refused at start."""
        with pytest.raises(ValueError, match=r"^\S+ (is not|has|must)"):
            Redirects([address])

    def test_resolving(self) -> None:
        """The query is the app's own; scheme and host have no case, and a host no need of a path."""
        redirects = Redirects([APP, "https://fair.example/", "http://localhost:3000/"])
        for address in (
            f"{APP}?sb_flow_id=1",
            "LOPPESTARS://Auth/callback",
            "https://fair.example",
            "http://localhost:3000/",
        ):
            assert redirects.resolve(address) == address
        assert redirects.resolve(None) == APP
        with pytest.raises(RedirectNotRegistered):
            Redirects([]).resolve(None)

    @given(address=st.text(max_size=80))
    def test_anything(self, address: str) -> None:
        """No other text is an address that is registered."""
        if not address or address == APP:
            return
        with pytest.raises(RedirectNotRegistered):
            Redirects([APP]).resolve(address)


class TestWithAnswer:
    def test_parts(self) -> None:
        """An answer joins the query or is the fragment, and nothing that was there before can pass for it."""
        address = f"{APP}?keep=a%20b&code=evil&error=evil"
        found = urlsplit(with_answer(address, query={"code": "x&y=z"}, fragment={"error": "e"}))
        assert parse_qsl(found.query) == [("keep", "a b"), ("code", "x&y=z")]
        assert found.fragment == "error=e"
