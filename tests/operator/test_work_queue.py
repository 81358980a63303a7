"""The work queue: one pass a key at a time, none lost, a back-off of each key's own."""

import asyncio
import contextlib

import pytest

from loppestars_operator import work_queue
from loppestars_operator.naming import StackKey
from loppestars_operator.work_queue import MAX_RETRY_SECONDS, WorkQueue

ONE, TWO = StackKey("n", "one"), StackKey("n", "two")


@contextlib.asynccontextmanager
async def working(queue: WorkQueue, handle: object, workers: int = 4):  # noqa: ANN201 - a context manager
    tasks = [asyncio.create_task(queue.work(handle, workers))]  # type: ignore[arg-type]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class TestHangingNeighbours:
    async def test_cost_others_a_second_at_most(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Twelve stacks whose passes hang, in one namespace, and workers for four: a healthy one goes on."""
        monkeypatch.setattr(work_queue, "SLOW_SECONDS", 0.02)
        queue, done, go = WorkQueue(), [], asyncio.Event()

        async def handle(key: StackKey) -> None:
            if key.namespace == "hanging":
                await go.wait()
            done.append(key)

        for number in range(12):
            queue.add(StackKey("hanging", str(number)))
        queue.add(ONE)
        async with working(queue, handle, workers=4):
            await asyncio.sleep(0.5)
            assert done == [ONE]
            queue.add(TWO)
            await asyncio.sleep(0.5)
            assert done == [ONE, TWO]
            go.set()

    async def test_namespaces_take_turns(self) -> None:
        """Many stacks of one namespace do not go before the one of another."""
        queue, done = WorkQueue(), []

        async def handle(key: StackKey) -> None:
            done.append(key)

        for number in range(20):
            queue.add(StackKey("crowd", str(number)))
        queue.add(ONE)
        async with working(queue, handle, workers=1):
            await asyncio.sleep(0.3)
        assert done.index(ONE) == 1


class TestWorkQueue:
    """The work queue: one pass a key at a time, none lost, a back-off of each key's own."""

    async def test_many_events_make_one_pass(self) -> None:
        """A storm of events about one stack costs one pass before it begins and one after."""
        queue, passes, go = WorkQueue(), [], asyncio.Event()

        async def handle(key: StackKey) -> None:
            passes.append(key)
            await go.wait()

        for _ in range(50):
            queue.add(ONE)
        async with working(queue, handle):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for _ in range(50):
                queue.add(ONE)
            go.set()
            await asyncio.sleep(0.05)
        assert passes == [ONE, ONE]

    async def test_slow_stack_does_not_delay_others(self) -> None:
        """Workers are shared, keys are not."""
        queue, done, go = WorkQueue(), [], asyncio.Event()

        async def handle(key: StackKey) -> None:
            if key == ONE:
                await go.wait()
            done.append(key)

        async with working(queue, handle, workers=2):
            queue.add(ONE)
            queue.add(TWO)
            await asyncio.sleep(0.05)
            assert done == [TWO]
            go.set()
            await asyncio.sleep(0.05)
            assert done == [TWO, ONE]

    async def test_back_off_doubles_to_a_ceiling_and_starts_anew(self) -> None:
        """Of each key by itself."""
        queue = WorkQueue()
        seconds = [queue.retry(ONE) for _ in range(12)]
        assert all(
            0.75 * min(0.5 * 2**n, MAX_RETRY_SECONDS) <= second <= min(0.5 * 2**n, MAX_RETRY_SECONDS)
            for n, second in enumerate(seconds)
        )
        assert queue.retry(TWO) <= 0.5
        assert queue.retry(ONE, 5.0) <= 5.0
        queue.forget(ONE)
        assert queue.retry(ONE) <= 0.5

    async def test_least_time_of_what_hangs(self) -> None:
        """From the first failure on, for that stack only."""
        queue = WorkQueue()
        assert 15 <= queue.retry(ONE, least=20) <= 20
        assert queue.retry(TWO) <= 0.5

    async def test_event_ends_the_waiting(self) -> None:
        """A change is looked at now, whatever the back-off."""
        queue, passes = WorkQueue(), []

        async def handle(key: StackKey) -> None:
            passes.append(key)

        queue.add_later(ONE, 60)
        queue.add(ONE)
        async with working(queue, handle):
            await asyncio.sleep(0.02)
        assert passes == [ONE]
        assert not queue._timers

    @pytest.mark.parametrize("order", [(0.01, 60.0), (60.0, 0.01)])
    async def test_the_sooner_of_two_times(self, order: tuple[float, float]) -> None:
        """Asking for later never moves an earlier pass."""
        queue, passes = WorkQueue(), []

        async def handle(key: StackKey) -> None:
            passes.append(key)

        for seconds in order:
            queue.add_later(ONE, seconds)
        async with working(queue, handle):
            await asyncio.sleep(0.05)
        assert passes == [ONE]
