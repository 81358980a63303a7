"""`blur --review`: what a person sees and changes in the browser is what is written."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

COMMAND = [sys.executable, "-c", "from loppestars_imaging.main import main; main()", "blur"]


@contextlib.contextmanager
def review(folder: Path, *names: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A review of these photos; the value is the process and the page's address."""
    options = ["-o", "out", "--report", "report.json", "--review", "--processes", "1"]
    # A browser that does nothing: the test is the browser.
    environment = os.environ | {"BROWSER": "true"}
    process = subprocess.Popen(
        [*COMMAND, *names, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", said)
        assert found is not None, said
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def fetched(url: str, body: object = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        content = answer.read()
        return json.loads(content) if answer.headers["Content-Type"] == "application/json" else content


def changed(before: Path, after: Path) -> np.ndarray:
    pictures = [np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (before, after)]
    return np.asarray(np.abs(pictures[0] - pictures[1]).max(axis=2) > 0)


@pytest.fixture
def group(photos: Path, tmp_path: Path) -> Path:
    """A folder with a photo of three people."""
    shutil.copy(photos / "dlib/2008_002506.jpg", tmp_path / "group.jpg")
    return tmp_path


class TestServer:
    def test_removed_and_added(self, group: Path) -> None:
        """Of three covers one is removed and one drawn elsewhere: exactly these places change."""
        with review(group, "group.jpg") as (process, url):
            assert fetched(url + "photos") == {"photos": ["group.jpg"]}
            photo = fetched(url + "photos/0")
            assert (photo["width"], photo["height"], len(photo["faces"])) == (500, 375, 3)
            shown = np.asarray(Image.open(io.BytesIO(fetched(url + "photos/0.jpg"))))
            assert np.array_equal(shown, np.asarray(Image.open(group / "group.jpg")))
            removed = photo["faces"].pop(0)
            photo["faces"].append({"x": 20, "y": 300, "width": 40, "height": 40})
            assert not (group / "out" / "group.jpg").exists()
            assert fetched(url + "photos/0", photo) == {"error": ""}
            fetched(url + "end", {})
            assert process.wait(timeout=30) == 0
        mask = changed(group / "group.jpg", group / "out" / "group.jpg")
        assert mask[310:330, 30:50].mean() > 0.9
        x, y = int(removed["x"] + removed["width"] / 2), int(removed["y"] + removed["height"] / 2)
        assert not mask[y - 10 : y + 10, x - 10 : x + 10].any()
        (entry,) = json.loads((group / "report.json").read_text())
        assert (entry["status"], len(entry["faces"])) == ("done", 3)

    def test_not_saved(self, group: Path) -> None:
        """Nothing is written of a photo that was not saved, and the report says so."""
        with review(group, "group.jpg") as (process, url):
            fetched(url + "photos/0")
            fetched(url + "end", {})
            assert process.wait(timeout=30) == 0
        (entry,) = json.loads((group / "report.json").read_text())
        assert (entry["status"], entry["error"]) == ("left out", "not saved in the review")
        assert not (group / "out" / "group.jpg").exists()

    def test_strangers(self, group: Path) -> None:
        """Whoever does not know the path, or comes by another name of this host, sees nothing."""
        with review(group, "group.jpg") as (_, url):
            root = url.rsplit("/", 2)[0]
            for address, headers in (
                (f"{root}/", {}),
                (f"{root}/photos", {}),
                (f"{root}/guess/photos/0.jpg", {}),
                (url + "photos/0.jpg", {"Host": "evil.example"}),
                (url + "photos/1", {}),
                (url + "photos/..%2f", {}),
            ):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    fetched(address, **headers)
                with refused.value as error:
                    assert error.code == 404
            for body in ({}, {"width": 0, "height": 0, "faces": []}, {"width": 9, "height": 9, "faces": [{"x": 1}]}):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    fetched(url + "photos/0", body)
                with refused.value as error:
                    assert error.code == 400


class Chromium:
    """A headless browser, driven over its debugging pipe."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command += [f"--user-data-dir={profile}", "--window-size=1200,900", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        wired = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", wired, "chromium", *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._buffer, self._session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                piece = os.read(self._read, 65536)
                assert piece, "the browser has ended"
                self._buffer += piece
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def value(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script: str, expected: object) -> None:
        deadline = time.monotonic() + 60
        while (found := self.value(script)) != expected:
            assert time.monotonic() < deadline, (script, found)
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1, buttons=1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium (Debian's package of that name) is not here")
    made = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


class TestPage:
    def test_a_person_corrects_the_covers(self, group: Path, browser: Chromium) -> None:
        """A click removes a cover, a drag adds one, and the button writes the photo."""
        with review(group, "group.jpg") as (process, url):
            browser.call("Page.navigate", url=url)
            browser.wait_for("document.body && document.body.dataset.ready", "0")
            assert browser.value("document.getElementById('count').textContent") == "3 covers"
            centre = "(r => [r.x + r.width / 2, r.y + r.height / 2])"
            x, y = browser.value(f"{centre}(document.querySelector('.cover').getBoundingClientRect())")
            for kind in ("mousePressed", "mouseReleased"):
                browser.mouse(kind, x, y)
            browser.wait_for("document.getElementById('count').textContent", "2 covers")
            left, top, scale = browser.value(
                "(r => [r.x, r.y, r.width / 500])(document.getElementById('photo').getBoundingClientRect())"
            )
            browser.mouse("mousePressed", left + 20 * scale, top + 300 * scale)
            browser.mouse("mouseMoved", left + 40 * scale, top + 320 * scale)
            browser.mouse("mouseMoved", left + 60 * scale, top + 340 * scale)
            browser.mouse("mouseReleased", left + 60 * scale, top + 340 * scale)
            browser.wait_for("document.getElementById('count').textContent", "3 covers")
            browser.value("document.getElementById('save').click()")
            browser.wait_for("document.body.dataset.ready", "ended")
            assert process.wait(timeout=30) == 0
        mask = changed(group / "group.jpg", group / "out" / "group.jpg")
        assert mask[310:330, 30:50].mean() > 0.9
        assert len(json.loads((group / "report.json").read_text())[0]["faces"]) == 3
