"""What comes from outside: watches that expire or fall silent, poisonous values, neighbours that never get ready."""

import asyncio
import random
from typing import Any, Final

from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import POD, kind_named
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.kube.watch import Watcher
from tests.factories.campaigns import LONG, Campaign, settle
from tests.factories.fake_kube import FakeKube, Fault
from tests.factories.passes import DEPLOYMENT, KEY, Passes

# Values that other programs write into what the operator reads.
POISON: Final[list[Any]] = [None, "", "💥" * 3000, "\x00", 0, -1, 2**40, [], {}, [None], {"a": None}, True]
POD_PATHS: Final = [
    ("status",),
    ("status", "phase"),
    ("status", "conditions"),
    ("status", "containerStatuses"),
    ("status", "containerStatuses", 0, "state"),
    ("status", "containerStatuses", 0, "lastState"),
    ("status", "containerStatuses", 0, "restartCount"),
]
SPEC_POISON: Final[list[dict[str, Any]]] = [
    {"version": "latest"},
    {"version": "0"},
    {"version": "9" * 128},
    {"version": "0.0.1"},
    {"crawler": {"schedule": "61 25 * * *"}},
    {"crawler": {"timeZone": "Mars/X"}},
    {"unknown": {"of": "a newer CRD"}},
    {"api": {"pod": {"annotations": {"team": "🎪"}}}},
    {"api": {"resources": {"limits": {"cpu": "0"}}}},
    {"database": {"secretRef": {"name": "💥"}}},
    {"storage": None},
    {"database": None},
]


class TestSurroundings:
    """Watches, poison, neighbours."""

    async def test_watches(self) -> None:
        """Expired, refused and closed in any order while objects come and go: the cache ends as the cluster is."""
        campaign = Campaign("expired and broken watches")
        for seed in campaign.choose(range(60 if LONG else 5)):
            chance, kube = random.Random(seed), FakeKube()  # noqa: S311 - trials, not secrets
            store = OwnedCache()
            watcher = Watcher(KubeClient(kube), store, lambda _key: None, ())
            task = asyncio.create_task(watcher.run())
            try:
                await asyncio.wait_for(watcher.wait_synced(), 20)
                await disturb(kube, chance)
                kube.faults.clear()
                wanted = {body["metadata"]["name"] for body in kube.all(DEPLOYMENT)}
                for _ in range(400):
                    found = {key.name for key in store.of(KEY) if key.kind == "Deployment"}
                    if found == wanted:
                        break
                    await asyncio.sleep(0.05)
                if found != wanted:
                    campaign.alarm(seed, f"cached {sorted(found)}, there are {sorted(wanted)}")
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        campaign.close()

    async def test_poison_in_pods(self) -> None:
        """Nonsense in a pod's status ends no pass: the stack stays Ready."""
        campaign = Campaign("poison in the status of pods")
        trials = [(path, value) for path in POD_PATHS for value in POISON]
        passes = Passes()
        passes.apply()
        await settle(passes, steps=1)
        for path, value in campaign.choose(trials):
            if not might_come(path, value):
                continue
            deployment = passes.kube.find(DEPLOYMENT, "fair-api")
            assert deployment
            passes.pod("poison", "api", deployment, state={"running": {}}, lastState={}, restartCount=0)
            body = passes.kube.find(POD, "poison")
            assert body
            body["status"]["conditions"] = []
            at: Any = body
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
            passes.kube.put(POD, body)
            try:
                await passes.run()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is an alarm
                campaign.alarm((path, repr(value)[:40]), repr(error))
            passes.kube.remove(POD, "poison")
        campaign.close()

    async def test_poison_stacks(self) -> None:
        """Whatever a stack says: its pass ends in a status, and mending it mends the stack."""
        campaign = Campaign("poison stacks")
        for poison in campaign.choose(SPEC_POISON):
            passes = Passes()
            passes.apply(**poison)
            try:
                await passes.attempt()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is an alarm
                campaign.alarm(poison, repr(error))
            if not passes.condition("Ready"):
                campaign.alarm(poison, "its status says nothing")
            passes.apply(**dict.fromkeys(poison))
            passes.apply()
            await settle(passes)
            if passes.condition("Ready").get("status") != "True":
                campaign.alarm(poison, f"not Ready though it was mended: {passes.condition('Ready')}")
        campaign.close()


def might_come(path: tuple[str | int, ...], value: Any) -> bool:
    """Return whether an API server would store this: it holds to the schema of pods, in which all may be missing."""
    kinds = {
        "status": dict,
        "phase": str,
        "conditions": list,
        "containerStatuses": list,
        "state": dict,
        "lastState": dict,
    }
    wanted = kinds.get(str(path[-1]), int)
    return value is None or (type(value) is wanted and not (wanted in {list, dict} and value))


async def disturb(kube: FakeKube, chance: random.Random) -> None:
    for number in range(chance.randint(5, 15)):
        name = f"d{chance.randint(0, 5)}"
        labels = {"loppestars.dev/stack": KEY.name, "app.kubernetes.io/managed-by": "loppestars-operator"}
        match chance.choice(["put", "put", "remove", "expire", "refuse", "wait"]):
            case "put":
                metadata = {"name": name, "labels": labels, "annotations": {"number": str(number)}}
                kube.put(kind_named("Deployment"), {"metadata": metadata, "spec": {"replicas": number}})
            case "remove":
                if kube.find(DEPLOYMENT, name):
                    kube.remove(DEPLOYMENT, name)
            case "expire":
                kube.compacted = kube.version
            case "refuse":
                kube.faults.append(Fault("GET", "/deployments", status=chance.choice([410, 500, 403]), times=1))
            case _:
                await asyncio.sleep(0.02)
        await kube._notify()
