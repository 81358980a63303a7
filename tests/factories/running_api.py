"""`loppestars-api` as a real process, for tests."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.factories.forked import ForkedProcess

COMMAND = [str(Path(sys.executable).with_name("loppestars-api"))]


@dataclass
class RunningApi:
    """`loppestars-api` as a process of its own, whose log is in a file."""

    process: ForkedProcess
    output: Path
    port: int = 0
    metrics_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> list[dict[str, Any]]:
        text = self.output.read_text(encoding="utf-8") if self.output.exists() else ""
        # The last line may be half written.
        return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
