"""Everything that is deleted or edited comes back; any chain of edits ends as a fresh install of the last of them."""

import random
from typing import Any, Final

from loppestars_operator.kinds import OWNED_KINDS, STACK
from tests.factories.campaigns import LONG, Campaign, fresh, leaves, put_at, settle, state, value_at
from tests.factories.passes import KEY, Passes

ADDONS: Final = frozenset({"monitoring.coreos.com"})
HOST: Final = {"ingress": {"host": "fair.example.com"}}
# What a stack may be told next; one of each is drawn.
CHOICES: Final[dict[str, list[Any]]] = {
    "version": ["0.1.0", "0.2.0", "0.3.0"],
    "hibernated": [False, False, True],
    "paused": [False, False, False, True],
    "api": [
        {},
        {"replicas": 3},
        {"autoscaling": {"minReplicas": 4}},
        {"pod": {"env": [{"name": "MODE", "value": "🎪"}]}},
    ],
    "imaging": [{}, {"replicas": 2}, {"blur": {"style": "solid"}}],
    "ingress": [None, {"host": "a.example.com"}, {"host": "b.example.com", "tls": {"secretName": "tls"}}],
    "networkPolicy": [{}, {"enabled": False}],
    "monitoring": [{}, {"mode": "Disabled"}],
    "rollout": [None, {"canary": {"seconds": 10}}],
    "crawler": [{}, {"suspend": True}, {"schedule": "5 4 * * *"}],
}
# Jobs are cleared by what asked for them, and a chain leaves others behind than one install.
WITHOUT_JOBS: Final = ("Job",)


async def installed() -> Passes:
    passes = Passes()
    passes.kube.addons |= ADDONS
    passes.apply(**HOST)
    await settle(passes, steps=2)
    return passes


class TestEdits:
    """Every owned object deleted, every owned field edited, random chains."""

    async def test_every_object_deleted(self) -> None:
        """It is made again as it was; a migration that has succeeded is not."""
        campaign = Campaign(
            "every object deleted", explained={"Job fair-migrate": "a Job that succeeded is not made again"}
        )
        passes = await installed()
        wanted = state(passes.kube)
        objects = [
            (kind, body["metadata"]["name"])
            for kind in OWNED_KINDS
            if not kind.addon or kind.group in ADDONS
            for body in passes.kube.all(kind, KEY.namespace)
        ]
        for kind, name in campaign.choose(objects):
            passes.kube.remove(kind, name)
            await settle(passes, steps=1)
            campaign.compare(f"{kind.kind} {name}", state(passes.kube), wanted)
        campaign.close()

    async def test_every_field_edited(self) -> None:
        """By another client, which owns it then: it is put right. Real merge rules: live/test_every_field.py."""
        campaign = Campaign(
            "every field edited", explained={"Job fair-migrate": "a Job's template is immutable on a server"}
        )
        passes = await installed()
        wanted = state(passes.kube)
        trials = [
            (kind, body["metadata"]["name"], path)
            for kind in OWNED_KINDS
            if (not kind.addon or kind.group in ADDONS) and kind.kind != "Job"
            for body in passes.kube.all(kind, KEY.namespace)
            for path in leaves({name: value for name, value in body.items() if name in {"spec", "rules", "subjects"}})
            if path
        ]
        for kind, name, path in campaign.choose(trials):
            body = passes.kube.find(kind, name)
            assert body
            old = value_at(body, path)
            put_at(body, path, (not old) if isinstance(old, bool) else old + 1 if isinstance(old, int) else "edited")
            passes.kube.put(kind, body)
            await settle(passes, steps=1)
            campaign.compare(f"{kind.kind} {name} {path}", state(passes.kube), wanted)
            if campaign.alarms:
                passes = await installed()  # one surprise is not told of in all trials after it
        campaign.close()

    async def test_random_chains(self) -> None:
        """Edits come before the last one is carried out, or after; pods get ready or not."""
        campaign = Campaign("random chains against a fresh install")
        for seed in campaign.choose(range(200 if LONG else 5)):
            chance = random.Random(seed)  # noqa: S311 - trials, not secrets
            passes = Passes()
            passes.kube.addons |= ADDONS
            for _ in range(chance.randint(2, 6)):
                passes.apply(**{name: chance.choice(options) for name, options in CHOICES.items()})
                for _ in range(chance.randint(0, 3)):
                    await passes.attempt()
                    passes.play(pods=chance.choice(["available", "available", "stuck"]))
                passes.wait(seconds=chance.choice([1, 600]))
            # The last one: awake, and carried out; canaries are a story of their own.
            last = {name: chance.choice(options) for name, options in CHOICES.items()}
            last |= {"paused": False, "hibernated": False, "rollout": None}
            passes.apply(**last)
            passes.annotate(retry=str(seed))
            await settle(passes)
            wanted = Passes()
            wanted.kube.addons |= ADDONS
            wanted.apply(**last)
            await settle(wanted)
            found = state(passes.kube, without=WITHOUT_JOBS)
            campaign.compare(f"seed {seed}", found, state(wanted.kube, without=WITHOUT_JOBS))
        campaign.close()

    async def test_operator_upgraded(self) -> None:
        """A status that an earlier release wrote, at any point of an install: the end is the same."""
        campaign = Campaign("operator upgraded at every pass")
        dropped = [("served",), ("refusedRevision",), ("database",), ("canary",), ("served", "database", "retry"), ()]
        wanted = await fresh(lambda passes: passes.apply(**HOST))
        for at, names in campaign.choose([(at, names) for at in range(4) for names in dropped]):
            passes = Passes()
            passes.apply(**HOST)
            for _ in range(at):
                await passes.attempt()
                passes.play()
            age_status(passes, names)
            await settle(Passes(kube=passes.kube))
            campaign.compare((at, names), state(passes.kube), wanted)
        campaign.close()


def age_status(passes: Passes, names: tuple[str, ...]) -> None:
    """Take fields out of the record of rollouts, as a release before them left it."""
    status = passes.status
    record = {name: value for name, value in (status.get("rollout") or {}).items() if name not in names}
    if status:
        passes.kube.set_status(STACK, KEY.name, rollout=record)
