"""What a stack sends to people: mail and push messages."""

from typing import Annotated

from pydantic import Field

from loppestars_operator.spec.base import Host, Model
from loppestars_operator.spec.secrets import PushSecret, SmtpSecret


class Push(Model):
    """Web push (VAPID): keys that browsers know this installation by."""

    public_key: Annotated[str, Field(min_length=80, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
    private_key_secret_ref: PushSecret = Field(description="Secret with the private key.")
    subject: Annotated[str, Field(max_length=255, pattern=r"^(mailto:|https://)\S+$")] = Field(
        description="Whom push services write to: mailto:… or https://…."
    )
    hosts: Annotated[list[Host], Field(max_length=32)] | None = Field(
        None, description="Push services that are sent to; without it, the known ones."
    )


class Notifications(Model):
    """Ways to people; without one, nothing is sent that way."""

    smtp_secret_ref: SmtpSecret | None = Field(None, description="Secret with the URL of the mail server.")
    mail_from: Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\r\n]+$")] | None = Field(
        None, description="Sender of mail, e.g. Loppestars <hello@example.com>."
    )
    push: Push | None = None
