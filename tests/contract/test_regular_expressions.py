"""Regular expressions take time in proportion to what they are given: every one of every component.

A stranger's text reaches most of them. The inputs are long runs and repetitions of what a pattern itself is made of,
which is where matching in the square of the length shows. No machine's speed is in it: 64 times the text, 64 KB,
may take about 64 times as long, not 4096 times.
"""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

COMPONENTS = ("api", "backup", "core", "crawler", "imaging", "jobs", "local", "operator")
SIZES = (1_000, 4_000, 16_000, 64_000)
# Below this, a measurement is noise; linear patterns stay far below it.
UNMEASURABLE_SECONDS = 0.010
MIN_SECONDS = 0.000_05
RUNS = ("a", "A", "1", " ", "-", ".", "_", "/", ":", "@", "&", "\n", "ø", "(", "<", '"')
PIECES = (
    "a.",
    "a-",
    "a@",
    "1 ",
    "1.",
    "a b ",
    "kl. ",
    "://",
    "eyJ-",
    "eyJa.",
    "&a=",
    "a,",
    "<a ",
    "1-1",
    "a@a.",
    "<!--",
)


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Find the compiled patterns of all modules, also inside containers."""
    seen: set[str] = set()
    for component in COMPONENTS:
        package = importlib.import_module(f"loppestars_{component}")
        for module_info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." in module_info.name or module_info.name.endswith("__main__"):
                continue
            module = importlib.import_module(module_info.name)
            for attribute, value in vars(module).items():
                for pattern in inside(value):
                    if isinstance(pattern.pattern, str) and pattern.pattern not in seen:
                        seen.add(pattern.pattern)
                        yield f"{module_info.name}.{attribute}", pattern


def inside(value: Any) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns that `value` is or holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from inside(item)
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from inside(item)


def texts(pattern: re.Pattern[str], size: int) -> Iterator[str]:
    """Make inputs of about `size` characters, some of the pattern's own literals."""
    literals = re.findall(r"[A-Za-zæøå0-9@:/.=&?-]{2,12}", pattern.pattern)
    for piece in (*RUNS, *PIECES, *literals[:6]):
        yield piece * (size // len(piece))
    for literal in literals[:3]:
        yield literal + " " * size
        yield literal + "a" * size + "!"


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Measure the fastest of three searches of `text`, for every match in it."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        for _found in pattern.finditer(text):
            pass
        times.append(time.thread_time() - started)
    return min(times)


class TestEveryPattern:
    @pytest.mark.parametrize(
        ("name", "pattern"), list(patterns()), ids=lambda value: value if isinstance(value, str) else ""
    )
    def test_time_is_linear(self, name: str, pattern: re.Pattern[str]) -> None:
        """64 KB of the worst that we know take no more than a generous multiple of shorter ones take."""
        for growing in zip(*(texts(pattern, size) for size in SIZES), strict=True):
            times: list[float] = []
            for size, text in zip(SIZES, growing, strict=True):
                if times and times[-1] * (SIZES[-1] / size) ** 2 < UNMEASURABLE_SECONDS:
                    break
                times.append(seconds(pattern, text))
                # Four times as long again and again: an ill one is noticed before it takes minutes.
                for before, took in zip(SIZES, times[:-1], strict=False):
                    linear = max(took, MIN_SECONDS) * (size / before)
                    assert times[-1] < linear * 3 + UNMEASURABLE_SECONDS, f"{name}: {text[:20]!r}…"
