"""Honest clients: they read lists, and have photos processed until each has its result, as the app does."""

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import cv2
import httpx
import numpy as np

from benchmarks.chaos.faults import LISTS, PHOTOS, Window

_PATHS: Final = (
    "/health",
    "/markets/today",
    "/markets/nearby?latitude=55.6761&longitude=12.5683",
    "/markets/search?query=loppemarked",
)
_PHOTO: Final = Path(__file__).resolve().parents[2] / "tests" / "imaging" / "photos" / "city.jpg"
_LIST_SECONDS: Final = 10
_PHOTO_SECONDS: Final = 60
_USER: Final = "honest"


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer that a client waited for; `status` 0 is none."""

    kind: str
    began: float
    seconds: float
    status: int

    def meets(self, windows: list[Window]) -> bool:
        """Whether a fault took away what this needed."""
        return any(
            self.kind in window.takes and window.began < self.began + self.seconds and self.began < window.ended
            for window in windows
        )


@dataclass(slots=True)
class Asked:
    """A photo: what was uploaded, and the address of its result."""

    path: str
    data: bytes
    url: str | None = None
    statuses: list[int] = field(default_factory=list)


class Honest:
    """Clients of all API processes: an answer that does not come from one is asked of the next, as behind a Service."""

    def __init__(self, ports: list[int], storage: Path) -> None:
        self._ports = ports
        self._storage = storage
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._give_up = threading.Event()
        self.samples: list[Sample] = []
        self.photos: list[Asked] = []
        self.answers: list[bytes] = []
        """What `/process-face` gave."""
        self._threads = [threading.Thread(target=self._read_lists)]
        self._threads += [threading.Thread(target=self._send_photos, args=(pause,)) for pause in (1.0, 1.5)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float) -> None:
        """Begin nothing more, and wait so many seconds for what was begun."""
        self._stop.set()
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._give_up.set()
        for thread in self._threads:
            thread.join()

    def _read_lists(self) -> None:
        with contextlib.ExitStack() as stack:
            clients = self._clients(stack, _LIST_SECONDS)
            for number, path in enumerate(itertools.cycle(_PATHS)):
                if self._stop.wait(0.1):
                    return
                began, status = time.monotonic(), 0
                for client in _from(clients, number):
                    with contextlib.suppress(httpx.TransportError):
                        status = client.get(path).status_code
                    if status == HTTPStatus.OK:
                        break
                self.samples.append(Sample(LISTS, began, time.monotonic() - began, status))

    def _send_photos(self, pause: float) -> None:
        with contextlib.ExitStack() as stack:
            clients = self._clients(stack, _PHOTO_SECONDS)
            while not self._stop.wait(pause):
                number = next(self._numbers)
                asked = Asked(f"{_USER}/{number}.jpg", photo(number))
                if number % 4 == 0:
                    self._process_face(clients, number, asked.data)
                elif self._upload(asked):
                    self.photos.append(asked)
                    self._process(clients, number, asked)

    def _clients(self, stack: contextlib.ExitStack, seconds: float) -> list[httpx.Client]:
        return [
            stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=seconds))
            for port in self._ports
        ]

    def _upload(self, asked: Asked) -> bool:
        """Put the original where the app's upload puts it; whether it got there."""
        path = self._storage / "stall-photos" / asked.path
        for _ in range(60):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f".partial-{path.name}")
                partial.write_bytes(asked.data)
                partial.rename(path)
            except OSError:
                time.sleep(0.5)
            else:
                return True
        return False

    def _process(self, clients: list[httpx.Client], number: int, asked: Asked) -> None:
        began = time.monotonic()
        for client in itertools.cycle(_from(clients, number)):
            answer = None
            with contextlib.suppress(httpx.TransportError):
                answer = client.post("/process", json={"imagePath": asked.path, "userId": _USER})
            asked.statuses.append(answer.status_code if answer is not None else 0)
            if answer is not None and answer.status_code == HTTPStatus.OK:
                asked.url = answer.json()["processedImageUrl"]
            if asked.url is not None or self._give_up.wait(0.3):
                break
        self.samples.append(Sample(PHOTOS, began, time.monotonic() - began, asked.statuses[-1]))

    def _process_face(self, clients: list[httpx.Client], number: int, data: bytes) -> None:
        began, status = time.monotonic(), 0
        for client in itertools.cycle(_from(clients, number)):
            with contextlib.suppress(httpx.TransportError):
                answer = client.post("/process-face", files={"file": data})
                status = answer.status_code
            if status == HTTPStatus.OK or self._give_up.wait(0.3):
                break
        self.samples.append(Sample(PHOTOS, began, time.monotonic() - began, status))
        if status == HTTPStatus.OK:
            self.answers.append(answer.content)

    def ask_again(self, asked: Asked) -> str | None:
        """Return the address that the same call is answered with now."""
        with contextlib.ExitStack() as stack:
            again = Asked(asked.path, asked.data)
            self._give_up.set()
            self._process(self._clients(stack, _PHOTO_SECONDS), 0, again)
            self.samples.pop()
            return again.url


def _from(clients: list[httpx.Client], number: int) -> list[httpx.Client]:
    """Return all clients, beginning with another one each time."""
    return clients[number % len(clients) :] + clients[: number % len(clients)]


def photo(number: int) -> bytes:
    """A photo of people in a street; no two are alike, and none is far from the first."""
    picture = cv2.imread(str(_PHOTO))
    assert picture is not None  # noqa: S101 - it is in the repository
    grain = np.random.default_rng(number).integers(-3, 4, picture.shape[:2], dtype=np.int16)
    noisy = (picture.astype(np.int16) + grain[:, :, None]).clip(0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
