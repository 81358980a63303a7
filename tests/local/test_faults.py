"""Nothing is lost: any process is killed at any time, storage goes away, and the work goes on."""

import io
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

import httpx
import numpy as np
import pytest
from PIL import Image

from loppestars_local.ports import answers
from tests.factories.platform import Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Fresh processes on a fresh database."""
    # Not below pytest's own folder, which is private: PostgreSQL may run as another user.
    with tempfile.TemporaryDirectory(prefix="loppestars-faults-") as folder:
        made = Stack(Path(folder))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def small_disk(stack: Stack) -> Iterator[Path]:
    """The stack's storage on a file system of 2 MiB."""
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs", str(stack.storage)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root on Linux: {mounted.stderr.strip()}")
    try:
        yield stack.storage
    finally:
        # The stack's processes still look at it until the stack is closed.
        subprocess.run(["/bin/umount", "--lazy", str(stack.storage)], check=True)


def photo(width: int = 640, height: int = 480, seed: int = 1) -> bytes:
    """A JPEG of smooth noise: no faces, no two alike."""
    small = np.random.default_rng(seed).integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((width, height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class TestImagingKilled:
    def test_another_worker_finishes_the_photo_once(self, stack: Stack) -> None:
        """Kill -9 of the worker in the middle of a photo: another one finishes it within 60 s, once."""
        stack.start_api()
        first = stack.start_imaging()
        path = stack.upload("u1", 1, photo(8000, 6000))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(stack.process, "u1", path)
            stack.wait_until(
                lambda: stack.query("SELECT 1 FROM photos WHERE state = 'processing'"), "the photo's start"
            )
            stack.kill(first)
            killed_at = time.monotonic()
            assert stack.query("SELECT visibility FROM photos") == [("private",)]
            stack.start_imaging()
            answer = waiting.result(60)
            while answer.status_code == 504:
                assert int(answer.headers["Retry-After"]) > 0
                answer = stack.process("u1", path)
        assert answer.status_code == 200
        assert time.monotonic() - killed_at < 60
        assert stack.query("SELECT state, attempts FROM photos") == [("no_faces", 2)]
        assert stack.query("SELECT count(*) FROM photo_variants WHERE kind = 'processed'") == [(1,)]
        assert stack.query("SELECT count(*) FROM domain_events WHERE event = 'photo.no_faces'") == [(1,)]
        public = [item for item in (stack.storage / "stall-photos-processed").rglob("*") if item.is_file()]
        assert len(public) == 3, "the photo and its two copies"
        assert stack.client.get(answer.json()["processedImageUrl"]).status_code == 200


class TestApiKilled:
    def test_no_photo_is_lost(self, stack: Stack) -> None:
        """Clients wait, the API is killed; started again, the same calls return the finished results."""
        api = stack.start_api()
        paths = [stack.upload("u1", number, photo(seed=number)) for number in range(10)]
        with ThreadPoolExecutor(10) as pool:
            waiting = [pool.submit(stack.process, "u1", path) for path in paths]
            stack.wait_until(lambda: stack.query("SELECT count(*) FROM photos") == [(10,)], "ten photos")
            stack.kill(api)
            for call in waiting:
                with pytest.raises(httpx.TransportError):
                    call.result(30)
        stack.start_imaging()
        stack.wait_until(
            lambda: stack.query("SELECT count(*) FROM photos WHERE state = 'no_faces'") == [(10,)], "ten results"
        )
        stack.start_api()
        assert [stack.process("u1", path).status_code for path in paths] == [200] * 10
        assert stack.query("SELECT count(*) FROM photos") == [(10,)]


class TestCrawlerKilled:
    def test_the_next_run_completes(self, stack: Stack) -> None:
        """Half way through, kill -9: the lock is free, the next run finishes, and nothing is there twice."""
        stack.start(stack.platform.sample_site())
        site = f"http://127.0.0.1:{stack.addresses.sample_site}"
        stack.wait_until(lambda: answers(f"{site}/robots.txt"), "the sample site")
        crawl = stack.start(stack.platform.crawl(), CRAWL_DELAY_SECONDS="0.3")
        stack.wait_until(lambda: stack.query("SELECT count(*) > 3 FROM markets") == [(True,)], "some markets", crawl)
        stack.kill(crawl)
        assert stack.run(stack.platform.crawl()) == 0
        states = stack.query("SELECT state FROM crawl_runs ORDER BY created_at")
        assert states == [("failed",), ("succeeded",)]
        total, distinct = stack.query("SELECT count(*), count(DISTINCT (name, start_date, end_date)) FROM markets")[0]
        assert total == distinct >= 60
        before = stack.query("SELECT id, name, scraped_at FROM markets ORDER BY id")
        assert stack.run(stack.platform.crawl()) == 0
        assert stack.query("SELECT id, name, scraped_at FROM markets ORDER BY id") == before


class TestPostgresqlKilled:
    def test_components_reconnect(self, stack: Stack) -> None:
        """Kill -9 of the server: 503 meanwhile, and after its restart the same processes go on with all data."""
        stack.start_api()
        stack.start_imaging()
        path = stack.upload("u1", 1, photo())
        first = stack.process("u1", path)
        assert first.status_code == 200
        assert stack.postgres.process is not None
        stack.postgres.process.kill()
        stack.postgres.process.wait()
        assert stack.client.get("/health").status_code == 200
        not_ready = stack.client.get("/ready")
        assert not_ready.status_code == 503
        assert not_ready.json()["checks"]["database"] != "ok"
        assert stack.client.get("/markets/today").status_code == 503
        stack.postgres.start()
        stack.wait_until(lambda: stack.client.get("/ready").status_code == 200, "the API")
        assert stack.process("u1", path).json() == first.json()
        second = stack.process("u1", stack.upload("u1", 2, photo(seed=2)))
        while second.status_code in {503, 504}:
            time.sleep(1)
            second = stack.process("u1", "u1/2.jpg")
        assert second.status_code == 200


class TestStorage:
    def test_gone(self, stack: Stack) -> None:
        """Storage that cannot be written: 503 and nothing public; back again, the same call succeeds."""
        stack.start_api()
        stack.start_imaging()
        path = stack.upload("u1", 1, photo())
        processed = stack.storage / "stall-photos-processed"
        shutil.rmtree(processed, ignore_errors=True)
        processed.write_text("a file where the folder should be")
        answer = stack.process("u1", path)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert stack.query("SELECT visibility FROM photos WHERE visibility = 'public'") == []
        sent = stack.client.post("/process-face", files={"file": photo(seed=3)})
        assert sent.status_code in {200, 503}
        processed.unlink()
        deadline = time.monotonic() + 60
        while answer.status_code != 200:
            assert time.monotonic() < deadline
            assert answer.status_code in {503, 504}
            time.sleep(1)
            answer = stack.process("u1", path)

    def test_full_disk(self, stack: Stack, small_disk: Path) -> None:
        """A disk that is really full: 503, no piece of a file is left or published; with room, the call succeeds."""
        filler = small_disk / "filler"
        stack.start_api()
        stack.start_imaging()
        path = stack.upload("u1", 1, photo())
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        processed = stack.storage / "stall-photos-processed"
        answer = stack.process("u1", path)
        assert answer.status_code in {503, 504}
        assert "Retry-After" in answer.headers
        assert stack.client.post("/process-face", files={"file": photo(seed=3)}).status_code == 503
        assert stack.query("SELECT visibility FROM photos WHERE visibility = 'public'") == []
        assert [item for item in processed.rglob("*") if item.is_file()] == []
        assert (stack.storage / "stall-photos" / path).read_bytes() == photo()
        filler.unlink()
        deadline = time.monotonic() + 60
        while answer.status_code != 200:
            assert time.monotonic() < deadline
            assert answer.status_code in {503, 504}
            time.sleep(1)
            answer = stack.process("u1", path)


class TestFullQueue:
    def test_500_photos_and_the_api_stays_quick(self, stack: Stack) -> None:
        """Under a queue of 500 photos health and lists answer with p99 < 1 s; each photo gets its 200 in the end."""
        stack.start_api()
        stack.start_imaging()
        photos = [stack.upload(f"u{number}", 1, photo(1600, 1200, number)) for number in range(500)]
        times: list[float] = []
        failures: list[str] = []
        stop = threading.Event()

        def watch() -> None:
            with httpx.Client(base_url=stack.addresses.url, timeout=10) as client:
                while not stop.is_set():
                    for url in ("/health", "/markets/today", "/markets/nearby?latitude=55.6&longitude=12.5"):
                        began = time.perf_counter()
                        answer = client.get(url)
                        times.append(time.perf_counter() - began)
                        if answer.status_code != 200:
                            failures.append(f"{url} {answer.status_code}")
                    time.sleep(0.05)

        def ask(path: str) -> list[int]:
            codes: list[int] = []
            with httpx.Client(base_url=stack.addresses.url, timeout=60) as client:
                while not codes or codes[-1] != 200:
                    answer = client.post("/process", json={"imagePath": path, "userId": path.split("/", maxsplit=1)[0]})
                    codes.append(answer.status_code)
                    if answer.status_code == 504:
                        assert int(answer.headers["Retry-After"]) > 0
                    elif answer.status_code != 200:
                        failures.append(f"{path} {answer.status_code} {answer.text}")
                        break
            return codes

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(500) as pool:
                asked = list(pool.map(ask, photos))
        finally:
            stop.set()
            watcher.join()
        assert failures == [], stack.children[0].log_tail(30)
        assert quantiles(times, n=100)[98] < 1
        assert {codes[-1] for codes in asked} == {200}
        assert {code for codes in asked for code in codes} <= {200, 504}
