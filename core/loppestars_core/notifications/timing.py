"""When a notification leaves: not in quiet hours, and with others where a digest is wanted. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from loppestars_core.kit.clock import DENMARK
from loppestars_core.notifications.models import Channel, Digest, Kind

DIGEST_TIME: Final = time(8)


@dataclass(frozen=True, slots=True)
class Preferences:
    """Notification preferences of a person."""

    language: str = "da"
    email: bool = True
    push: bool = True
    digest: Digest = Digest.NONE
    quiet_from: time | None = None
    quiet_until: time | None = None
    muted: frozenset[str] = frozenset()

    def wants(self, kind: Kind, channel: Channel) -> bool:
        """Return whether a notification of this kind leaves by this channel."""
        if kind.mandatory:
            return channel is Channel.EMAIL or (self.push and kind is not Kind.ERASURE_LINK)
        return kind not in self.muted and (self.email if channel is Channel.EMAIL else self.push)

    def after_quiet_hours(self, local: datetime) -> datetime:
        """Return a Danish time, or the end of the quiet hours that it is in."""
        start, end = self.quiet_from, self.quiet_until
        if start is None or end is None or start == end:
            return local
        clock = local.time()
        over_midnight = start > end
        quiet = (clock >= start or clock < end) if over_midnight else start <= clock < end
        if not quiet:
            return local
        day = local.date() + timedelta(days=1 if over_midnight and clock >= start else 0)
        return datetime.combine(day, end, DENMARK)


def due_at(preferences: Preferences, kind: Kind, channel: Channel, now: datetime) -> datetime:
    """Return when a notification that is made at `now` (aware) is sent."""
    if kind is Kind.ERASURE_LINK:
        return now  # it was asked for a moment ago
    local = now.astimezone(DENMARK)
    if channel is Channel.EMAIL and not kind.mandatory and preferences.digest is not Digest.NONE:
        day = local.date()
        if local.time() >= DIGEST_TIME:
            day += timedelta(days=1)
        while preferences.digest is Digest.WEEKLY and day.weekday():
            day += timedelta(days=1)
        local = datetime.combine(day, DIGEST_TIME, DENMARK)
    return preferences.after_quiet_hours(local).astimezone(now.tzinfo)
