"""Whatever a call answers, and wherever the process ends: the end is that of an undisturbed install."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.factories.campaigns import Breaking, Campaign, settle, state
from tests.factories.passes import Passes

Story = Callable[[Passes], None]
HOST: Final = {"ingress": {"host": "fair.example.com"}}


def install(passes: Passes) -> None:
    passes.apply(**HOST)


def upgrade(passes: Passes) -> None:
    passes.apply(version="0.2.0", **HOST)


def sleep(passes: Passes) -> None:
    passes.apply(hibernated=True, **HOST)


STORIES: Final[dict[str, list[Story]]] = {
    "install": [install],
    "upgrade": [install, upgrade],
    "sleep": [install, sleep],
    "waking": [install, sleep, install],
}


async def undisturbed(story: list[Story], *, writes_only: bool) -> tuple[dict[str, Any], int]:
    """Return how a story ends, and how many calls its last chapter makes."""
    kube = Breaking(writes_only=writes_only)
    passes = await before_the_last(story, kube)
    kube.seen = 0
    story[-1](passes)
    await settle(passes)
    return state(kube), kube.seen


async def before_the_last(story: list[Story], kube: Breaking) -> Passes:
    passes = Passes(kube=kube)
    for chapter in story[:-1]:
        chapter(passes)
        await settle(passes)
    return passes


async def interrupted(story: list[Story], at: int, how: str, *, writes_only: bool) -> dict[str, Any]:
    """Return the state after the last chapter was struck at one call, and another process went on."""
    kube = Breaking(writes_only=writes_only)
    passes = await before_the_last(story, kube)
    kube.seen, kube.at, kube.how = 0, at, how
    story[-1](passes)
    await settle(passes, steps=1)
    kube.mend()
    if how.startswith("killed"):
        passes = Passes(kube=kube, now=passes.now)
    await settle(passes)
    return state(kube)


class TestInterruptions:
    """Faults on every request; kills before and after every write."""

    @pytest.mark.parametrize("name", STORIES)
    async def test_faults_on_every_request(self, name: str) -> None:
        """Refusals of each class, calls that get lost, and answers that do."""
        campaign, story = Campaign(f"faults on every request, {name}"), STORIES[name]
        wanted, count = await undisturbed(story, writes_only=False)
        ways = ("500", "429", "403", "409", "lost", "answer lost")
        trials = [(at, how) for at in range(1, count + 1) for how in ways]
        for at, how in campaign.choose(trials):
            found = await interrupted(story, at, how, writes_only=False)
            campaign.compare(f"call {at} {how}", found, wanted)
        campaign.close()

    @pytest.mark.parametrize("name", STORIES)
    async def test_killed_at_every_write(self, name: str) -> None:
        """Before it is sent, and before its answer is read."""
        campaign, story = Campaign(f"killed at every write, {name}"), STORIES[name]
        wanted, count = await undisturbed(story, writes_only=True)
        trials = [(at, how) for at in range(1, count + 1) for how in ("killed before", "killed after")]
        for at, how in campaign.choose(trials):
            campaign.compare(f"write {at} {how}", await interrupted(story, at, how, writes_only=True), wanted)
        campaign.close()

    async def test_leader_frozen(self) -> None:
        """Frozen at each write until another leads: it writes nothing when it goes on, and the end is the same."""
        campaign, story = Campaign("leader frozen at every write"), STORIES["upgrade"]
        wanted, count = await undisturbed(story, writes_only=True)
        for at in campaign.choose(range(1, count + 1)):
            kube = Breaking(writes_only=True)
            passes = await before_the_last(story, kube)
            kube.seen = 0
            story[-1](passes)
            passes.client.may_write = lambda kube=kube, at=at: kube.seen < at - 1
            await settle(passes, steps=1)
            if kube.seen >= at:
                campaign.alarm(at, f"{kube.seen} writes, {at - 1} were before it was frozen")
            await settle(Passes(kube=kube, now=passes.now))
            before = kube.version
            await settle(passes, steps=1)
            if kube.version != before:
                campaign.alarm(at, "it wrote after another had taken over")
            campaign.compare(at, state(kube), wanted)
        campaign.close()
