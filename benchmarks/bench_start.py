"""How long `make run` takes to its ready line, and from Ctrl-C to the prompt: cold and warm.

`python benchmarks/bench_start.py --warm 5`. Cold is an empty data folder: initdb, migrations and the whole first crawl;
warm is the same folder again. The load stands next to each figure, because other programs' work makes it longer. With
`--uncompiled` the first line is measured as on a fresh clone, before Python has kept any compiled module.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loppestars_local.ports import free_ports

_PROGRAM: Final = Path(sys.executable).parent / "loppestars-local"


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to the ready line and from SIGINT to the end, with the machine's load before."""

    ready: float
    stop: float
    load: float


def start(folder: Path, **variables: str) -> Start:
    """Start the platform on `folder`, wait for its last line, and stop it as Ctrl-C does."""
    environment = {**os.environ, "DATA_DIR": str(folder), "PORT": str(free_ports(1)[0]), **variables}
    load = os.getloadavg()[0]
    began = time.perf_counter()
    with subprocess.Popen([_PROGRAM, "run"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout or sys.stdin
        printed = ""
        for line in output:
            printed += line
            if line.startswith("Loppestars is ready"):
                break
        else:
            raise SystemExit(f"it did not start:\n{printed}")
        ready = time.perf_counter() - began
        asked = time.perf_counter()
        process.send_signal(signal.SIGINT)
        output.read()
    return Start(ready, time.perf_counter() - asked, load)


def main() -> None:
    """Measure and print a row for each start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warm", type=int, default=5, help="how many warm starts")
    parser.add_argument("--uncompiled", action="store_true", help="first, a start without compiled modules")
    options = parser.parse_args()
    print("start            ready s  Ctrl-C s  load")
    with tempfile.TemporaryDirectory(prefix="loppestars-start-") as name:
        folder = Path(name)
        if options.uncompiled:
            _show("clone, cold", start(folder / "clone", PYTHONPYCACHEPREFIX=str(folder / "compiled")))
        _show("cold", start(folder / "data"))
        starts = [start(folder / "data") for _ in range(options.warm)]
    for each in starts:
        _show("warm", each)
    _show(
        "warm, median",
        Start(*(statistics.median(getattr(each, field) for each in starts) for field in ("ready", "stop", "load"))),
    )


def _show(name: str, measured: Start) -> None:
    print(f"{name:<15}  {measured.ready:7.1f}  {measured.stop:8.1f}  {measured.load:4.1f}", flush=True)


if __name__ == "__main__":
    main()
