"""Facebook's signed_request: only Facebook's own, only fresh."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loppestars_api.people.facebook import BadSignature, user_of

SECRET = "facebook-secret-of-tests"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(secret: str = SECRET, **claims: Any) -> str:
    """A request as Facebook makes it."""
    content = {"algorithm": "HMAC-SHA256", "issued_at": NOW.timestamp(), "user_id": "218471", **claims}
    payload = encoded(json.dumps(content).encode())
    return f"{encoded(hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest())}.{payload}"


class TestUserOf:
    def test_genuine(self) -> None:
        """The user whom Facebook names."""
        assert user_of(signed(), SECRET, NOW) == "218471"

    @pytest.mark.parametrize(
        "request_",
        [
            "",
            ".",
            "a.b",
            "ø.ø",
            "!!!.???",
            signed("another-secret"),
            signed(algorithm="none"),
            signed(user_id=""),
            signed(issued_at=(NOW - timedelta(days=2)).timestamp()),
            signed(issued_at="soon"),
            signed(issued_at=1e300),
            signed().replace(".", "."[:0] + ".e30"),
            signed() + "x" * 9000,
        ],
    )
    def test_refused(self, request_: str) -> None:
        """Anything else."""
        with pytest.raises(BadSignature):
            user_of(request_, SECRET, NOW)
