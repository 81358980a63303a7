"""Engines as a worker runs them: time beside libjpeg-turbo and the peers, throughput of two, start."""

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import simplejpeg

from benchmarks.imaging.photos import Image, read
from benchmarks.imaging.pipelines import Pipeline, worker_settings
from loppestars_core.photos import PhotoOptions
from loppestars_imaging.detect.runtime import cpu_features
from loppestars_imaging.engine.pool import Engine, EnginePool
from loppestars_imaging.worker.photo_job import task_of

TASK: Final = task_of(PhotoOptions())
"""Keeps every pixel, as `blur` does."""
DEFAULT: Final = replace(TASK, max_side=2048)
"""Publishes what a phone shows well, as the API asks for unless it is configured otherwise."""
_TICK: Final = os.sysconf("SC_CLK_TCK")
_GRAIN: Final = 4.0
"""Noise of a small sensor: an enlarged photo with it has as many bytes as a camera's of the same size."""
_PEER_ROUNDS: Final = 3
_BATCH: Final = 24
"""Photos for each engine: so many that the last one, for which the other engine has to wait, hardly counts."""


def twelve_megapixels() -> Iterator[tuple[str, bytes]]:
    """Yield photos of 12 megapixels: four by their number of faces, and one without grain, which is easy to encode."""
    for name, source, faces in (
        ("no face", "pillow/sugarshack.mpo", 0),
        ("1 face", "thumbor/Giunchedi_Filippo_January_2015_01.jpg", 1),
        ("3 faces", "dlib/2008_002506.jpg", 3),
        ("24 faces", "dlib/bald_guys.jpg", 24),
    ):
        picture = cv2.resize(read(source), (4000, 3000), interpolation=cv2.INTER_CUBIC)
        yield name, _encoded(_grained(picture))
        if faces == 24:  # noqa: PLR2004 - the last
            yield f"{name}, no grain", _encoded(picture)


def _grained(picture: Image) -> Image:
    noise = np.random.default_rng(3).normal(0, _GRAIN, picture.shape[:2]).astype(np.float32)
    return np.asarray((picture + noise[:, :, None]).clip(0, 255), dtype=np.uint8)


def _encoded(picture: Image) -> bytes:
    return bytes(simplejpeg.encode_jpeg(picture, quality=90, colorspace="BGR", colorsubsampling="420"))


def recoded(data: bytes) -> None:
    """What libjpeg-turbo needs at least: decode and encode."""
    pixels = simplejpeg.decode_jpeg(data, "BGR")
    simplejpeg.encode_jpeg(pixels, quality=90, colorspace="BGR", colorsubsampling="420")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its threads so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def peak_mib(pid: int) -> int:
    """Peak resident memory of a process (proc(5), VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


def run_time(pipelines: dict[str, Pipeline], rounds: int) -> dict[str, float]:
    """Print medians of interleaved runs, as times of libjpeg-turbo's; return milliseconds with three faces."""
    found = {}
    features = [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_bf16") if name in cpu_features()]
    print(f"\n12-megapixel JPEGs in a warm engine on a CPU with {', '.join(features) or 'unknown features'}; CPU time")
    print("x: times libjpeg-turbo's decode and encode on the same core; at 2,048 pixels, and whole")
    print("photo                MB  libjpeg-turbo   at 2,048        x      whole        x       peak   peers (elapsed)")
    for name, data in twelve_megapixels():
        found[name] = asyncio.run(_time_one(name, data, pipelines, rounds))
    return found["3 faces"]


async def _time_one(name: str, data: bytes, pipelines: dict[str, Pipeline], rounds: int) -> dict[str, float]:
    """Print a line; return milliseconds, of ours those of the whole photo."""
    engine = Engine(worker_settings())
    for task in (DEFAULT, TASK):
        await engine.anonymise(data, task)
    pid, peers = pid_of(engine), [peer for peer in pipelines if peer != "ours"]
    times: dict[str, list[float]] = {"libjpeg-turbo": [], "default": [], "ours": [], **{peer: [] for peer in peers}}
    for number in range(rounds):
        before = time.process_time()
        recoded(data)
        times["libjpeg-turbo"].append(time.process_time() - before)
        for column, task in (("default", DEFAULT), ("ours", TASK)):
            before = cpu_seconds(pid)
            await engine.anonymise(data, task)
            times[column].append(cpu_seconds(pid) - before)
        for peer in peers if number < _PEER_ROUNDS else []:
            started = time.perf_counter()
            pipelines[peer](data)
            times[peer].append(time.perf_counter() - started)
    found = {column: statistics.median(values) * 1000 for column, values in times.items()}
    base = found["libjpeg-turbo"]
    print(
        f"{name:<18} {len(data) / 1e6:4.1f} {base:11.0f} ms {found['default']:7.0f} ms {found['default'] / base:6.2f} x"
        f" {found['ours']:7.0f} ms {found['ours'] / base:6.2f} x {peak_mib(pid):6} MiB  "
        + ", ".join(f"{peer} {found[peer]:.0f} ms" for peer in peers)
    )
    await engine.stop()
    return found


def pid_of(engine: Engine) -> int:
    process = engine._process  # noqa: SLF001 - nobody else has to know it
    assert process is not None  # noqa: S101 - it has answered
    return process.pid


def run_throughput(rounds: int) -> None:
    """Print photos a second of one engine and of two, in turns, and what libjpeg-turbo alone gains by a second core."""
    photos = [data for name, data in twelve_megapixels() if name in {"1 face", "3 faces"}]
    asyncio.run(_throughput(photos, max(3, rounds // 2)))


async def _throughput(photos: list[bytes], rounds: int) -> None:
    pools = {count: EnginePool(worker_settings(imaging_processes=count)) for count in (1, 2)}
    rates: dict[int, list[float]] = {count: [] for count in pools}
    bare: dict[int, list[float]] = {count: [] for count in pools}
    for pool in pools.values():
        await pool.start()
        await _batch(pool, photos, 4)
    for _ in range(rounds):
        for count, pool in pools.items():
            rates[count].append(await _batch(pool, photos, _BATCH * count))
            bare[count].append(_recoded_side_by_side(photos, count))
    for pool in pools.values():
        await pool.stop()
    single, double = (statistics.median(rates[count]) for count in (1, 2))
    print(
        f"\nthroughput, 12 megapixels, {os.cpu_count()} cores: one engine {single:.2f}, two {double:.2f} photos"
        f" a second; median of the ratios {_gain(rates):.2f}"
        f"\n  beside it, in turns: libjpeg-turbo's decode and encode in two processes instead of one: {_gain(bare):.2f}"
    )


def _gain(rates: dict[int, list[float]]) -> float:
    return statistics.median(double / single for single, double in zip(rates[1], rates[2], strict=True))


def _recoded_side_by_side(photos: list[bytes], processes: int) -> float:
    """Decode and encode by libjpeg-turbo in so many processes; return photos a second."""
    context = multiprocessing.get_context("spawn")
    ready, seconds = context.Barrier(processes), context.Queue()
    running = [context.Process(target=_recode_many, args=(photos, ready, seconds)) for _ in range(processes)]
    for process in running:
        process.start()
    slowest = max(seconds.get(timeout=120) for _ in running)
    for process in running:
        process.join()
    return processes * _BATCH / slowest


def _recode_many(photos: list[bytes], ready: Barrier, seconds: Any) -> None:
    recoded(photos[0])
    ready.wait()
    started = time.perf_counter()
    for number in range(_BATCH):
        recoded(photos[number % len(photos)])
    seconds.put(time.perf_counter() - started)


async def _batch(pool: EnginePool, photos: list[bytes], count: int) -> float:
    async def one(data: bytes) -> None:
        async with pool.engine() as engine:
            await engine.anonymise(data, TASK)

    started = time.perf_counter()
    await asyncio.gather(*(one(photos[number % len(photos)]) for number in range(count)))
    return count / (time.perf_counter() - started)


def run_box(rounds: int) -> None:
    """Print the rate of an engine in its box over that of one without, and of one without over another, in turns."""
    photos = [data for name, data in twelve_megapixels() if name in {"no face", "1 face", "3 faces"}]
    asyncio.run(_box(photos, max(5, rounds)))


async def _box(photos: list[bytes], rounds: int) -> None:
    # Two without: their ratio says how far this machine's noise goes.
    engines = {
        name: Engine(worker_settings(engine_sandbox=sandbox))
        for name, sandbox in (("boxed", "required"), ("bare", "off"), ("other bare", "off"))
    }
    for engine in engines.values():
        await engine.anonymise(photos[0], TASK)
    used: dict[str, list[float]] = {name: [] for name in engines}
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(rounds):
        for data in photos:
            # Each is first, second and last equally often.
            for name in [*engines, *engines][number % 3 : number % 3 + 3]:
                before, began = cpu_seconds(pid_of(engines[name])), time.perf_counter()
                await engines[name].anonymise(data, TASK)
                taken[name].append(time.perf_counter() - began)
                used[name].append(cpu_seconds(pid_of(engines[name])) - before)
    layers = ", ".join(layer.name for layer in engines["boxed"].layers if layer.holds)
    for engine in engines.values():
        await engine.stop()
    print(f"\nthe box around an engine ({layers}), {len(used['bare'])} photos of 12 megapixels each, in turns")
    for name in ("boxed", "other bare"):
        by_time = statistics.median(bare / own for own, bare in zip(taken[name], taken["bare"], strict=True))
        by_cpu = sum(used["bare"]) / sum(used[name])
        print(f"  {name:<12} throughput of the bare one's: {by_time:.3f} (by CPU time {by_cpu:.3f}; goal .97)")
