"""Access tokens that are signed here: by which keys, for whom, and as which issuer."""

from dataclasses import dataclass
from typing import Final

from loppestars_api.settings import ApiSettings
from loppestars_core.sign_in.signing import SigningKeys

# The address that clients of GoTrue expect the issuer at, and the audience of everyone who is signed in.
ISSUER_PATH: Final = "/auth/v1"
AUDIENCE: Final = "authenticated"


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Our keys and our name in tokens."""

    keys: SigningKeys
    issuer: str


def own_tokens(settings: ApiSettings) -> OwnTokens | None:
    """Return what own tokens are signed and checked by; None where nobody signs in here."""
    if settings.auth_signing_keys is None:
        return None
    issuer = str(settings.public_url).rstrip("/") + ISSUER_PATH
    return OwnTokens(SigningKeys(settings.auth_signing_keys.get_secret_value()), issuer)
