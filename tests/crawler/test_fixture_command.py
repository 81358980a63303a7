"""Pages saved as fixtures."""

import json
from pathlib import Path

import pytest

from loppestars_crawler.cli import main
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import Answer
from tests.factories.crawls import FaultySite, answer_on


class TestFixture:
    """The sample site's pages."""

    def test_saved(self, site: FaultySite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Expect the page in the folder of its page object, and what it says on stdout."""
        with SampleServer(site) as server:
            main(["fixture", f"{server.url}/arrangementer", "--name", "sample", "--folder", str(tmp_path)])
        assert (tmp_path / "EventsOfPage" / "sample" / "page.html").read_bytes().startswith(b"<!DOCTYPE html>")
        assert json.loads(capsys.readouterr().out)["event_urls"]

    def test_forbidden(self, site: FaultySite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Expect robots.txt to be obeyed."""
        site.faults.append(answer_on("/robots.txt", Answer(200, b"User-agent: *\nDisallow: /\n")))
        with SampleServer(site) as server, pytest.raises(SystemExit) as ended:
            main(["fixture", f"{server.url}/arrangementer", "--name", "sample", "--folder", str(tmp_path)])
        assert ended.value.code == 1
        assert "forbidden by robots.txt" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
