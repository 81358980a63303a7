"""The message at the end of a run."""

import json
import uuid
from pathlib import Path

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_crawler.crawl.report import Report, write_termination_message


class TestMessage:
    """What Kubernetes keeps."""

    def test_size(self, tmp_path: Path) -> None:
        """Expect at most 4,096 bytes of valid JSON, whatever went wrong, and an unwritable file not to fail."""
        counts = dict.fromkeys(("seen", "new", "changed", "unchanged", "vanished", "skipped", "failed"), 10**9)
        sources = {f"source-{number}": counts for number in range(60)}
        report = Report(uuid.uuid4(), CrawlState.FAILED, ExitCode.FAILED, counts, sources, "æ" * 5000)
        write_termination_message(str(tmp_path / "message"), report)
        raw = (tmp_path / "message").read_bytes()
        assert len(raw) <= 4096
        assert json.loads(raw)["counts"]["seen"] == 10**9
        write_termination_message(str(tmp_path / "no" / "folder"), report)
