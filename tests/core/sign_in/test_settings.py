"""Settings of signing in: what is wrong is refused at start."""

from typing import Any

import pytest

from loppestars_core.sign_in.settings import SignInSettings
from loppestars_core.sign_in.signing import new_key

GOOD = {"auth_signing_keys": new_key(), "auth_session_secrets": "s" * 32}


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"auth_session_secrets": ""}, "needs AUTH_SESSION_SECRETS"),
            ({"auth_session_secrets": "short"}, "at least 32 bytes"),
            ({"auth_signing_keys": "x"}, "no private key"),
            ({"auth_redirects": "http://fair.example/"}, "must be https"),
            ({"auth_google_issuer": "http://fair.example"}, "must be https"),
            ({"auth_google_issuer": "http://127.0.0.1.fair.example"}, "must be https"),
            ({"auth_oidc_client_id": "x"}, "needs AUTH_OIDC_ISSUER"),
            ({"auth_oidc_name": "A B"}, "match pattern"),
        ],
    )
    def test_refused(self, changes: dict[str, Any], message: str) -> None:
        """The message says what is missing."""
        with pytest.raises(ValueError, match=message) as refusal:
            SignInSettings(**{**GOOD, **changes})
        assert "BEGIN" not in str(refusal.value)

    def test_providers(self) -> None:
        """Each that has a client id, in the order of the page."""
        settings = SignInSettings(
            **GOOD,
            auth_google_client_id="web, ios",
            auth_apple_client_id="apple",
            auth_apple_client_secret="-----BEGIN PRIVATE KEY-----",
            auth_oidc_client_id="x",
            auth_oidc_issuer="https://id.example/realm",
        )
        found = settings.sign_in_providers
        assert [provider.name for provider in found] == ["google", "apple", "oidc"]
        assert found[0].client_ids == ("web", "ios")
        assert found[2].issuer == "https://id.example/realm"
