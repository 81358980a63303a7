"""Web Push: a message for one device, encrypted for it and signed with our VAPID key."""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from loppestars_core.notifications.models import PushSubscription

TIMEOUT_SECONDS: Final = 10
_DAY_SECONDS: Final = 86_400
# Plain http is for a stand-in on this machine.
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class DeviceGone(Exception):
    """The device takes no messages any more."""


class PushNotSent(Exception):
    """The push service cannot be reached, or asks to try later."""


def is_push_service(endpoint: str, hosts: tuple[str, ...]) -> bool:
    """Return whether an endpoint, which a client chose, is at one of the allowed hosts (`*` stands for any part)."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    safe = parts.scheme == "https" or host in _LOOPBACK
    return safe and any(fnmatch(host, allowed) for allowed in hosts)


@dataclass(frozen=True, slots=True)
class PushSender:
    """Sends messages signed by `private_key` (base64url) for `subject` (a mailto: or https: address)."""

    private_key: str
    subject: str

    def send(self, device: PushSubscription, content: dict[str, str], topic: str) -> None:
        """Send a message; blocks. One of the same `topic` that was not shown yet is replaced.

        Raise `DeviceGone` or `PushNotSent`.
        """
        import requests  # noqa: PLC0415 - aiohttp comes with them: most workers never send to a device
        from pywebpush import WebPushException, webpush  # noqa: PLC0415 - see above

        with requests.Session() as session:
            session.max_redirects = 0
            try:
                webpush(
                    {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}},
                    json.dumps(content, ensure_ascii=False).encode(),
                    vapid_private_key=self.private_key,
                    vapid_claims={"sub": self.subject},
                    headers={"Topic": topic},
                    ttl=_DAY_SECONDS,
                    timeout=TIMEOUT_SECONDS,
                    requests_session=session,
                )
            except WebPushException as error:
                status = error.response.status_code if error.response is not None else 0
                if status in _GONE:
                    raise DeviceGone from None
                raise PushNotSent(f"HTTP {status}") from None
            except (requests.RequestException, OSError, ValueError) as error:
                raise PushNotSent(type(error).__name__) from None
