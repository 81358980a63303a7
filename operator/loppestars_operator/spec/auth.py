"""Who may sign in, and how the API knows."""

from typing import Annotated

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, Url, rules
from loppestars_operator.spec.secrets import TokenSecret


class Auth(Model):
    """How the API checks bearer tokens."""

    jwt_secret_ref: TokenSecret | None = Field(None, description="Shared secret of HS256 tokens.")
    jwks_url: Url | None = Field(None, description="Keys of RS256 and ES256 tokens.")
    issuer: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `iss`.")
    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `aud`.")

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.jwtSecretRef) != has(self.jwksUrl)",
                "set jwtSecretRef for tokens with a shared secret or jwksUrl for tokens with public keys, and only one",
            )
        )
    )
