"""Works through files in processes, a few ahead; a file that ends its process costs nobody else anything."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from loppestars_imaging.commands.batch import Outcome, Wish, Work, discard_partial, process

_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PHOTOS_PER_PROCESS = 500  # then it is replaced, and whatever a decoder has leaked with it
_AHEAD = 2  # files handed out per process: one in work, one waiting


def outcomes(work: list[Work], wish: Wish, processes: int) -> Generator[tuple[Work, Outcome], None, None]:
    """Yield what became of each file, in any order.

    A file that ends its process breaks the pool: those handed out are then done one by one, each in a process of its
    own, and the others go on in a new pool. When the caller stops early, files in hand are abandoned at once.
    """
    for name in _SINGLE_THREADED:
        os.environ.setdefault(name, "1")  # before the children start: one thread each
    waiting = list(reversed(work))
    while waiting:
        handed_out: list[Work] = []
        try:
            yield from _until_broken(waiting, handed_out, wish, processes)
        except BrokenProcessPool:
            for item in handed_out:
                yield item, _alone(item, wish)


def _until_broken(
    waiting: list[Work], handed_out: list[Work], wish: Wish, processes: int
) -> Generator[tuple[Work, Outcome], None, None]:
    """Take files from the end of `waiting`; `handed_out` has those whose outcome was not yielded yet."""
    pool = _pool(min(processes, len(waiting)))
    running: dict[Future[Outcome], Work] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes * _AHEAD:
                item = waiting.pop()
                handed_out.append(item)
                running[pool.submit(process, item, wish)] = item
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                item = running.pop(future)
                handed_out.remove(item)
                yield item, outcome
    except BaseException:
        _end(pool)
        for item in handed_out:
            discard_partial(item)
        raise
    pool.shutdown()


def _alone(item: Work, wish: Wish) -> Outcome:
    pool = _pool(1)
    try:
        return pool.submit(process, item, wish).result()
    except BrokenProcessPool:
        return Outcome(str(item.source), "failed", "The process that held this photo died.")
    finally:
        _end(pool)


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_interrupts_to_the_parent,
        max_tasks_per_child=_PHOTOS_PER_PROCESS,
    )


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the pool's processes, whatever they are doing; results are written whole or not at all."""
    children = list((pool._processes or {}).values())  # noqa: SLF001 - public from Python 3.14 on (kill_workers)
    for child in children:
        child.kill()
    pool.shutdown(cancel_futures=True)
