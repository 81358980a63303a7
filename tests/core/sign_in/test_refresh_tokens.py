"""Refresh tokens: one spelling, nobody else can make any, and what each is good for."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loppestars_core.sign_in.refresh_tokens import RefreshToken, RefreshTokens, Use, use_of

SESSION = uuid4()


class TestRefreshTokens:
    @given(session_id=st.uuids(), counter=st.integers(0, 2**32 - 1))
    def test_read(self, session_id: UUID, counter: int) -> None:
        """What is derived is read, and derived the same again."""
        tokens = RefreshTokens(["a" * 32])
        text = tokens.derive(session_id, counter)
        assert tokens.read(text) == RefreshToken(session_id, counter)
        assert tokens.derive(session_id, counter) == text

    def test_secrets(self) -> None:
        """The first secret makes tokens, any of the list is accepted, another is not."""
        old, new = RefreshTokens(["a" * 32]), RefreshTokens(["b" * 32, "a" * 32])
        assert new.read(old.derive(SESSION, 1)) == RefreshToken(SESSION, 1)
        assert old.read(new.derive(SESSION, 1)) is None

    @given(text=st.text(max_size=60))
    def test_nonsense(self, text: str) -> None:
        """Nothing else is a token, and nothing is a fault."""
        assert RefreshTokens(["a" * 32]).read(text) is None


class TestUse:
    @pytest.mark.parametrize(
        ("counter", "use"), [(5, Use.ACTIVE), (6, Use.ACTIVE), (4, Use.PARENT), (3, Use.STALE), (0, Use.STALE)]
    )
    def test_of_each(self, counter: int, use: Use) -> None:
        """Of a session whose fifth token is active."""
        assert use_of(counter, 5) is use
