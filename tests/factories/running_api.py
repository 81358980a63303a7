"""`loppestars-api` as a real process, for tests."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

COMMAND = [str(Path(sys.executable).with_name("loppestars-api"))]


@dataclass
class RunningApi:
    """`loppestars-api` as a child process."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> list[dict[str, Any]]:
        self.output.seek(0)
        return [json.loads(line) for line in self.output]
