"""HTTP through the ingress, as the mobile app speaks it, and a steady load that counts what failed."""

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

MAX_LOAD_SECONDS = 900.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Ingress:
    """An ingress controller's address, asked for one host name; by HTTPS where it says whom to `trust`."""

    url: str
    host: str
    trust: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """One request on a connection of its own; raise `OSError` when nothing answers."""
        connection = self._connect(timeout)
        try:
            connection.request(method, path, body=body, headers={"Host": self.host, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
        if self.trust is not None:
            connection.connect()
            # The host name is sent and checked, though the address is the node's.
            connection.sock = self.trust.wrap_socket(connection.sock, server_hostname=self.host)
        return connection

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post_json(self, path: str, document: Any, token: str | None = None, timeout: float = 60) -> Answer:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        return self.request("POST", path, body=json.dumps(document).encode(), headers=headers, timeout=timeout)


@dataclass
class SteadyLoad:
    """`rate` requests a second until stopped: `with SteadyLoad(ingress, "/health") as load: …`.

    Requests start on time whether or not earlier ones have been answered, as those of independent users do. A request
    fails when nobody answers within `timeout` seconds or the status is 500 or above.
    """

    ingress: Ingress
    path: str
    rate: float = 20.0
    timeout: float = 10.0
    answered: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pacer = threading.Thread(target=self._pace, daemon=True)
        self._pacer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pacer.join(self.timeout + 5)

    @property
    def total(self) -> int:
        return sum(self.answered.values()) + len(self.failures)

    def _pace(self) -> None:
        began, count, running = time.monotonic(), 0, list[threading.Thread]()
        while not self._stopping.is_set() and time.monotonic() - began < MAX_LOAD_SECONDS:
            running = [thread for thread in running if thread.is_alive()]
            thread = threading.Thread(target=self._one, daemon=True)
            thread.start()
            running.append(thread)
            count += 1
            self._stopping.wait(max(0.0, began + count / self.rate - time.monotonic()))
        for thread in running:
            thread.join(self.timeout)

    def _one(self) -> None:
        at = time.strftime("%H:%M:%S")
        try:
            answer = self.ingress.get(self.path, timeout=self.timeout)
        except OSError as error:
            with self._lock:
                self.failures.append(f"{at} {type(error).__name__}: {error}")
            return
        except http.client.HTTPException as error:
            with self._lock:
                self.failures.append(f"{at} {type(error).__name__}")
            return
        with self._lock:
            if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                self.failures.append(f"{at} {answer.status} {answer.body[:200]!r}")
            else:
                self.answered[answer.status] += 1
