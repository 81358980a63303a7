"""Who may sign in, and how the API knows."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from loppestars_operator.spec.base import Model, Url, rules
from loppestars_operator.spec.secrets import ClientSecret, SignInSecret, TokenSecret

Redirect = Annotated[str, Field(min_length=3, max_length=512, pattern=r"^[^\s,]+$")]
ClientId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s,]+$")]
_ONE_KIND: Final = (
    "!(has(self.jwtSecretRef) && has(self.jwksUrl))"
    " && (has(self.jwtSecretRef) || has(self.jwksUrl) || has(self.signInSecretRef))"
)


class Provider(Model):
    """A provider of identities, as it knows this installation."""

    client_ids: Annotated[list[ClientId], Field(min_length=1, max_length=8)] = Field(
        description="The web client first; further ones are apps whose identity tokens are accepted."
    )
    client_secret_ref: ClientSecret = Field(description="Secret with the web client's secret.")


class Apple(Provider):
    """Sign in with Apple: the client secret is the private key (.p8), or one that was made from it."""

    team_id: Annotated[str, Field(max_length=16, pattern=r"^[A-Z0-9]+$")] | None = None
    key_id: Annotated[str, Field(max_length=16, pattern=r"^[A-Z0-9]+$")] | None = None


class OpenIdConnect(Provider):
    """Any provider that speaks OpenID Connect."""

    issuer: Annotated[Url, Field(pattern=r"^https://.*$")]
    name: Annotated[str, Field(max_length=32, pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        "oidc", description="Its name in our addresses: /auth/v1/authorize?provider=<name>."
    )


class Providers(Model):
    """By whom people sign in."""

    google: Provider | None = None
    facebook: Provider | None = None
    apple: Apple | None = None
    oidc: OpenIdConnect | None = None


class Auth(Model):
    """How people sign in, and how the API checks bearer tokens."""

    jwt_secret_ref: TokenSecret | None = Field(None, description="Shared secret of HS256 tokens.")
    jwks_url: Url | None = Field(None, description="Keys of RS256 and ES256 tokens.")
    issuer: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `iss`.")
    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Required `aud`.")
    sign_in_secret_ref: SignInSecret | None = Field(
        None, description="Secret with the keys of our own tokens: with it people sign in here, at /auth/v1."
    )
    redirects: Annotated[list[Redirect], Field(max_length=32)] | None = Field(
        None, description="Addresses that a sign-in may return to; the first one where none is named."
    )
    providers: Providers | None = None
    erasure_grace_days: Annotated[int, Field(ge=0, le=365)] | None = Field(
        None, description="Days until a person who asked for it is forgotten; the default is 30."
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                _ONE_KIND,
                (
                    "set jwtSecretRef for tokens with a shared secret or jwksUrl for tokens with public keys, "
                    "and only one; or signInSecretRef for our own"
                ),
            ),
            (
                "has(self.signInSecretRef) || (!has(self.providers) && !has(self.redirects))",
                "providers and redirects need signInSecretRef, the Secret with the keys of our own tokens",
            ),
        )
    )
