"""When messages leave: a table of Danish clocks."""

from datetime import UTC, datetime, time

import pytest

from loppestars_core.kit.clock import DENMARK
from loppestars_core.notifications.messages import LANGUAGES, message
from loppestars_core.notifications.models import Channel, Digest, Kind
from loppestars_core.notifications.timing import Preferences, due_at

QUIET = Preferences(quiet_from=time(22), quiet_until=time(7))
NAP = Preferences(quiet_from=time(12), quiet_until=time(13))
DAILY, WEEKLY = Preferences(digest=Digest.DAILY), Preferences(digest=Digest.WEEKLY)
NIGHTLY = Preferences(digest=Digest.DAILY, quiet_from=time(6), quiet_until=time(9))
CANCELLED, WARNING, LINK = Kind.MARKET_CANCELLED, Kind.ERASURE_WARNING, Kind.ERASURE_LINK
EMAIL, PUSH = Channel.EMAIL, Channel.PUSH


class TestDueAt:
    @pytest.mark.parametrize(
        ("preferences", "kind", "channel", "made", "due"),
        [
            (Preferences(), CANCELLED, EMAIL, "2026-06-03 23:00", "2026-06-03 23:00"),
            (QUIET, CANCELLED, EMAIL, "2026-06-03 23:00", "2026-06-04 07:00"),
            (QUIET, CANCELLED, PUSH, "2026-06-04 06:59", "2026-06-04 07:00"),
            (QUIET, CANCELLED, PUSH, "2026-06-04 07:00", "2026-06-04 07:00"),
            (QUIET, CANCELLED, PUSH, "2026-06-04 21:59", "2026-06-04 21:59"),
            (QUIET, WARNING, EMAIL, "2026-06-03 23:00", "2026-06-04 07:00"),
            (QUIET, LINK, EMAIL, "2026-06-03 23:00", "2026-06-03 23:00"),
            (NAP, CANCELLED, PUSH, "2026-06-03 12:30", "2026-06-03 13:00"),
            (NAP, CANCELLED, PUSH, "2026-06-03 13:30", "2026-06-03 13:30"),
            (DAILY, CANCELLED, EMAIL, "2026-06-03 07:59", "2026-06-03 08:00"),
            (DAILY, CANCELLED, EMAIL, "2026-06-03 08:00", "2026-06-04 08:00"),
            (DAILY, CANCELLED, PUSH, "2026-06-03 08:00", "2026-06-03 08:00"),
            (DAILY, WARNING, EMAIL, "2026-06-03 08:00", "2026-06-03 08:00"),
            (WEEKLY, CANCELLED, EMAIL, "2026-06-03 08:00", "2026-06-08 08:00"),
            (WEEKLY, CANCELLED, EMAIL, "2026-06-08 07:00", "2026-06-08 08:00"),
            (NIGHTLY, CANCELLED, EMAIL, "2026-06-03 20:00", "2026-06-04 09:00"),
            # The night in which clocks are put back.
            (QUIET, CANCELLED, PUSH, "2026-10-24 23:00", "2026-10-25 07:00"),
        ],
    )
    def test_table(self, preferences: Preferences, kind: Kind, channel: Channel, made: str, due: str) -> None:
        """In Danish time, whatever the server's."""
        now = datetime.fromisoformat(made).replace(tzinfo=DENMARK).astimezone(UTC)
        assert due_at(preferences, kind, channel, now).astimezone(DENMARK).strftime("%Y-%m-%d %H:%M") == due


class TestWants:
    def test_muted(self) -> None:
        """What is muted is only listed; what is about the account is sent by e-mail whatever is preferred."""
        muted = Preferences(email=False, push=False, muted=frozenset(Kind))
        assert not any(muted.wants(CANCELLED, channel) for channel in Channel)
        assert muted.wants(WARNING, EMAIL)
        assert not muted.wants(WARNING, PUSH)
        # The link proves whose mailbox it is.
        assert not Preferences().wants(LINK, PUSH)


class TestMessage:
    @pytest.mark.parametrize("language", [*LANGUAGES, "kl"])
    @pytest.mark.parametrize("kind", Kind)
    def test_every_kind(self, kind: Kind, language: str) -> None:
        """Each says something and why one is told, also with a payload of another release."""
        said = message(kind, {}, language)
        assert said.title
        assert said.text
        assert said.why.startswith(("Du får", "You get"))
