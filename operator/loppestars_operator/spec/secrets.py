"""References to Secrets of the stack's namespace. The operator hands them on and never reads a value."""

from pydantic import Field

from loppestars_operator.spec.base import Key, Model, Name


class SecretName(Model):
    """A Secret in the stack's namespace."""

    name: Name = Field(description="Name of the Secret.")


class DatabaseSecret(SecretName):
    """The key of a Secret that holds a PostgreSQL URL."""

    key: Key = Field("url", description="Key whose value is a URL: postgresql://user:password@host:5432/database.")


class OptionalDatabaseSecret(Model):
    """Like DatabaseSecret; without a name it asks for nothing."""

    name: Name | None = Field(None, description="Name of the Secret.")
    key: Key = Field("url", description="Key whose value is a URL that reaches the server itself, not a pooler.")


class CertificatesSecret(SecretName):
    """The key of a Secret that holds certificates of authorities."""

    key: Key = Field("ca.crt", description="Key whose value is certificates (PEM), one after the other.")


class TokenSecret(SecretName):
    """The key of a Secret that holds the shared secret of HS256 tokens."""

    key: Key = Field("secret", description="Key whose value is the shared secret.")


class S3Secret(SecretName):
    """A Secret with the access key of the S3 server."""

    access_key_id_key: Key = Field("accessKeyId", description="Key that holds the access key's id.")
    secret_access_key_key: Key = Field("secretAccessKey", description="Key that holds the secret access key.")


class DatabaseRole(SecretName):
    """A Secret with the PostgreSQL URL of one component's own role."""

    key: Key = Field(
        "url", description="Key whose value is the role's URL: postgresql://role:password@host:5432/database."
    )
    direct_key: Key | None = Field(
        None, description="Key whose value is the role's URL at the server itself, where key names a pooler."
    )


class AnonKeysSecret(SecretName):
    """The key of a Secret that holds the mobile app's keys."""

    key: Key = Field("anonKeys", description="Key whose value is one key, or several with commas between.")


class ApiKeySecret(SecretName):
    """The key of a Secret that holds the key of a service."""

    key: Key = Field("apiKey", description="Key whose value is the service's key.")


class BackupKeySecret(SecretName):
    """The key of a Secret that holds the key of backups."""

    key: Key = Field("key", description="Key whose value is 32 random bytes in base64: openssl rand -base64 32.")


class SignInSecret(SecretName):
    """A Secret with the keys of our own tokens: a new one stands first, the old ones until their tokens end."""

    signing_keys_key: Key = Field("signingKeys", description="Key that holds private keys (PEM, P-256) one by one.")
    session_secrets_key: Key = Field(
        "sessionSecrets",
        description="Key that holds secrets with commas between: openssl rand -hex 32.",
    )


class ClientSecret(SecretName):
    """The key of a Secret that holds what a provider of identities gave us."""

    key: Key = Field("clientSecret", description="Key whose value is the client secret.")


class SmtpSecret(SecretName):
    """The key of a Secret that holds the URL of a mail server."""

    key: Key = Field("url", description="Key whose value is a URL: smtps://user:password@mail.example.com:465.")


class PushSecret(SecretName):
    """The key of a Secret that holds the private key of push messages."""

    key: Key = Field("privateKey", description="Key whose value is the private key.")


class BearerSecret(SecretName):
    """The key of a Secret that holds a token of our own choice."""

    key: Key = Field("token", description="Key whose value is the token.")
