"""Messages leave: e-mail to a real SMTP server, Web Push to a real push service on loopback."""

import asyncio
import base64
import http.server
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import http_ece
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.events.domain_events import record_event
from loppestars_core.favourites.favourites import add_favourite
from loppestars_core.notifications.models import PushSubscription
from loppestars_core.notifications.store import set_preferences
from loppestars_core.privacy.requests import ask_by_email
from loppestars_jobs.notifying.delivery import MAX_ATTEMPTS, Senders, deliver
from loppestars_jobs.notifying.mail import MailServer
from loppestars_jobs.notifying.push import PushSender, is_push_service
from loppestars_jobs.notifying.reader import read_events
from tests.factories.markets import add_market
from tests.jobs.notifying.test_reader import SOON

ME, EMAIL = "mette", "mette.hansen@example.dk"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Mailbox:
    """What an SMTP server was handed; `reply` is what it answers."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.reply = "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.reply.startswith("250"):
            found = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.mails.append(found)
        return self.reply


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Senders]]:
    """An SMTP server."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, Senders(MailServer.of_url(f"smtp://127.0.0.1:{port}"), "Loppestars <no-reply@loppestars.dk>", None, ())
    controller.stop()


class Device:
    """A browser with its keys, behind a push service of its own."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.messages: list[dict[str, str]] = []
        self.headers: list[Any] = []
        self.status = 201
        device = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if device.status == 201:
                    plain = http_ece.decrypt(body, private_key=device.private, auth_secret=device.auth)
                    device.messages.append(json.loads(plain))
                    device.headers.append(self.headers)
                self.send_response(device.status)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def row(self) -> dict[str, object]:
        """The subscription as it is stored."""
        public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        port = self.server.server_address[1]
        return {
            "id": uuid.uuid4(),
            "user_id": ME,
            "endpoint": f"http://127.0.0.1:{port}/send/{uuid.uuid4().hex}",
            "p256dh": encoded(public),
            "auth": encoded(self.auth),
        }


@pytest.fixture
def device() -> Iterator[Device]:
    """A browser that takes messages."""
    found = Device()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def push() -> Senders:
    """A sender with a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    return Senders(None, "", PushSender(encoded(key), "mailto:admin@loppestars.dk"), ("127.0.0.1",))


@pytest.fixture
async def me(session: AsyncSession) -> AsyncSession:
    """A person with an address."""
    await ensure_user(session, ME)
    await session.execute(text("UPDATE users SET email = :email"), {"email": EMAIL})
    await session.commit()
    return session


async def cancel(engine: AsyncEngine, session: AsyncSession, *names: str) -> None:
    """Markets that the person keeps an eye on are called off."""
    for name in names:
        market = await add_market(session, name=name, start_date=SOON, end_date=SOON)
        await add_favourite(session, ME, market)
        await record_event(session, "market", market, "market.cancelled")
    await session.commit()
    await read_events(engine, "https://loppestars.dk/")


async def states(session: AsyncSession) -> list[tuple[str, int]]:
    """State and attempts of all deliveries."""
    found = await session.execute(text("SELECT state, attempts FROM notification_deliveries ORDER BY due_at"))
    rows = [(row.state, row.attempts) for row in found]
    await session.commit()
    return rows


class TestMail:
    async def test_says_why(self, engine: AsyncEngine, me: AsyncSession, mailbox: tuple[Mailbox, Senders]) -> None:
        """One message for all that is due, with the reason of each, in the person's language; never a second time."""
        box, senders = mailbox
        await set_preferences(me, ME, {"language": "en"})
        await cancel(engine, me, "Torvet", "Søndags Marked")
        assert await deliver(engine, senders) == 2
        (mail,) = box.mails
        assert (mail["To"], mail["Subject"]) == (EMAIL, "Torvet is called off (+1)")
        content = mail.get_content()
        assert "because Torvet is one of your favourites" in content
        assert "because Søndags Marked is one of your favourites" in content
        assert mail["Message-ID"].endswith("@loppestars.dk>")
        assert await deliver(engine, senders) == 0
        assert await states(me) == [("sent", 1)] * 2

    async def test_link(self, engine: AsyncEngine, me: AsyncSession, mailbox: tuple[Mailbox, Senders]) -> None:
        """The link to delete an account without the app leads to its page; an event never holds its code."""
        box, senders = mailbox
        await ask_by_email(me, EMAIL, younger_than=timedelta(minutes=15))
        await me.commit()
        await read_events(engine, "https://loppestars.dk/")
        await deliver(engine, senders)
        code = (await me.execute(text("SELECT code FROM erasure_requests"))).scalar_one()
        assert f"https://loppestars.dk/privacy/requests/{code}" in box.mails[0].get_content()
        spilled = text(
            "SELECT count(*) FROM domain_events, notifications"
            " WHERE domain_events::text LIKE :code OR notifications::text LIKE :code"
        )
        assert (await me.execute(spilled, {"code": f"%{code}%"})).scalar_one() == 0

    async def test_quiet(self, engine: AsyncEngine, me: AsyncSession, mailbox: tuple[Mailbox, Senders]) -> None:
        """What is not due yet stays; a digest is one message."""
        box, senders = mailbox
        await set_preferences(me, ME, {"digest": "daily"})
        await cancel(engine, me, "A", "B")
        await deliver(engine, senders)
        assert box.mails == []
        await me.execute(text("UPDATE notification_deliveries SET due_at = now()"))
        await me.commit()
        await deliver(engine, senders)
        assert len(box.mails) == 1

    @pytest.mark.parametrize(("reply", "expected"), [("451 later", "pending"), ("554 never", "failed")])
    async def test_refused(
        self, engine: AsyncEngine, me: AsyncSession, mailbox: tuple[Mailbox, Senders], reply: str, expected: str
    ) -> None:
        """A server that is busy is asked again, a bounded number of times; one that refuses is not."""
        box, senders = mailbox
        box.reply = reply
        await cancel(engine, me, "Torvet")
        await deliver(engine, senders)
        assert await states(me) == [(expected, 1)]
        for _ in range(MAX_ATTEMPTS):
            await me.execute(text("UPDATE notification_deliveries SET due_at = now()"))
            await me.commit()
            await deliver(engine, senders)
        ((state, attempts),) = await states(me)
        assert (state, attempts) == ("failed", MAX_ATTEMPTS if expected == "pending" else 1)

    async def test_server_is_away(
        self, engine: AsyncEngine, me: AsyncSession, mailbox: tuple[Mailbox, Senders]
    ) -> None:
        """Nothing is lost; when it is back the message arrives once."""
        box, senders = mailbox
        away = replace(senders, mail=MailServer.of_url("smtp://127.0.0.1:1"))
        await cancel(engine, me, "Torvet")
        await deliver(engine, away)
        assert await states(me) == [("pending", 1)]
        await me.execute(text("UPDATE notification_deliveries SET due_at = now()"))
        await me.commit()
        await asyncio.gather(deliver(engine, senders), deliver(engine, senders))
        assert len(box.mails) == 1

    @pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail.example.dk"])
    def test_wrong_url(self, url: str) -> None:
        """What is no mail server."""
        with pytest.raises(ValueError, match="expected smtp"):
            MailServer.of_url(url)


class TestPush:
    async def test_encrypted(self, engine: AsyncEngine, me: AsyncSession, device: Device, push: Senders) -> None:
        """The device, and nobody else, reads what it is told and why; the service sees who sends."""
        await me.execute(insert(PushSubscription).values(device.row))
        await cancel(engine, me, "Torvet")
        await deliver(engine, push)
        (said,) = device.messages
        assert (said["title"], "favoritter" in said["why"]) == ("Torvet er aflyst", True)
        assert device.headers[0]["authorization"].startswith("vapid t=")
        assert device.headers[0]["topic"]
        assert await deliver(engine, push) == 0

    async def test_gone(self, engine: AsyncEngine, me: AsyncSession, device: Device, push: Senders) -> None:
        """A device that takes no messages any more is forgotten; the list in the app still has the notification."""
        device.status = 410
        await me.execute(insert(PushSubscription).values(device.row))
        await cancel(engine, me, "Torvet")
        await deliver(engine, push)
        assert (await me.execute(text("SELECT count(*) FROM push_subscriptions"))).scalar_one() == 0
        assert (await me.execute(text("SELECT count(*) FROM notifications"))).scalar_one() == 1

    async def test_busy(self, engine: AsyncEngine, me: AsyncSession, device: Device, push: Senders) -> None:
        """A service that is busy, or sends elsewhere, is asked again later."""
        await me.execute(insert(PushSubscription).values(device.row))
        for status in (429, 302):
            device.status = status
            await cancel(engine, me, str(status))
            await deliver(engine, push)
        push_states = await me.execute(text("SELECT state FROM notification_deliveries WHERE channel = 'push'"))
        assert set(push_states.scalars()) == {"pending"}

    @pytest.mark.parametrize(
        ("endpoint", "fine"),
        [
            ("https://fcm.googleapis.com/fcm/send/x", True),
            ("https://web.push.apple.com/x", True),
            ("http://fcm.googleapis.com/x", False),
            ("https://fcm.googleapis.com.evil.example/x", False),
            ("https://169.254.169.254/latest", False),
            ("https://evil.example/?fcm.googleapis.com", False),
            ("https://fcm.googleapis.com@evil.example/", False),
            ("http://127.0.0.1/", False),
        ],
    )
    def test_only_push_services(self, endpoint: str, *, fine: bool) -> None:
        """Clients choose the address: it is one of a push service, or nothing is sent to it."""
        assert is_push_service(endpoint, ("fcm.googleapis.com", "*.push.apple.com")) is fine
