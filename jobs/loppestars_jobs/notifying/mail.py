"""E-mail by SMTP: one plain message per person, however many notifications are due."""

import smtplib
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from loppestars_core.notifications.messages import Message

TIMEOUT_SECONDS: Final = 20
_SUBMISSION: Final = 587
_TLS: Final = 465
_PERMANENT: Final = 500


class MailRefused(Exception):
    """The server will not take this message, however often it is tried."""


class MailNotSent(Exception):
    """The server cannot be reached, or asks to try later."""


def compose(sender: str, address: str, messages: Sequence[Message], identifier: uuid.UUID) -> EmailMessage:
    """Return one plain message that says all that is due; its Message-ID is the same on every attempt."""
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, address
    mail["Subject"] = messages[0].title if len(messages) == 1 else f"{messages[0].title} (+{len(messages) - 1})"
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{identifier}@{sender.rpartition('@')[2].rstrip('>')}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(f"{words.title}\n\n{words.text}\n\n{words.why}" for words in messages) + "\n")
    return mail


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where messages are handed in: `smtp://` with STARTTLS where it is offered, `smtps://` with TLS from the start."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Read `smtp[s]://[user:password@]host[:port]`. Raise `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("expected smtp://host, or smtps://user:password@host:465")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (_TLS if tls else _SUBMISSION),
            tls=tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def send(self, message: EmailMessage) -> None:
        """Hand a message in; blocks. Raise `MailRefused` or `MailNotSent`."""
        try:
            with self._connect() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code = max(code for code, _ in error.recipients.values())
            raise (MailRefused if code >= _PERMANENT else MailNotSent)(f"SMTP {code}") from None
        except smtplib.SMTPResponseException as error:
            permanent = error.smtp_code >= _PERMANENT and not isinstance(error, smtplib.SMTPAuthenticationError)
            raise (MailRefused if permanent else MailNotSent)(f"SMTP {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailNotSent(type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            server.ehlo()
            if server.has_extn("starttls") or self.user is not None:
                # A password is sent over TLS only: a server that does not offer it is refused here.
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server
