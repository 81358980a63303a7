"""Calls: what is sent, when the fence is asked, what an answer from something else is."""

import asyncio
import json

import pytest

from loppestars_operator.kinds import STACK, kind_named
from loppestars_operator.kube.client import MAX_IN_FLIGHT, KubeClient, KubeError, Unreachable
from loppestars_operator.kube.transport import WATCH_SILENCE_SECONDS, Request, Response
from tests.factories.fake_kube import FakeKube, Fault

SERVICE = kind_named("Service")


def body(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": {}}


class Slow(FakeKube):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def send(self, request: Request) -> Response:
        await self.go.wait()
        return await super().send(request)


class TestText:
    async def test_characters_beyond_the_first_plane(self) -> None:
        """The API server's YAML parser refuses them escaped as surrogate pairs."""
        fake = FakeKube()
        await KubeClient(fake).apply(SERVICE.path("shop", "a"), body("a") | {"spec": {"note": "Loppe 🎪"}})
        sent = fake.calls[-1].body or b""
        assert "🎪".encode() in sent
        assert b"\\ud83c" not in sent


class TestFence:
    async def test_asked_after_all_waiting(self) -> None:
        """Calls that queued while the process was frozen are not sent by one that has lost the lead."""
        slow = Slow()
        client = KubeClient(slow)
        calls = [
            asyncio.create_task(client.apply(SERVICE.path("shop", str(number)), body(str(number))))
            for number in range(MAX_IN_FLIGHT + 4)
        ]
        await asyncio.sleep(0)
        client.may_write = lambda: False
        slow.go.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(result, KubeError) and result.reason == "NotLeading" for result in results) == 4


class TestSlots:
    async def test_calls_that_hang_give_theirs_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Others go on meanwhile."""
        monkeypatch.setattr("loppestars_operator.kube.client.SLOT_SECONDS", 0.05)
        fake = FakeKube(faults=[Fault("GET", "/services/hangs", seconds=5)])
        client = KubeClient(fake)
        hanging = [asyncio.create_task(client.get(SERVICE.path("shop", "hangs"))) for _ in range(MAX_IN_FLIGHT)]
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            with pytest.raises(KubeError):
                await client.get(SERVICE.path("shop", "absent"))
        for call in hanging:
            call.cancel()


class TestAnswers:
    @pytest.mark.parametrize("answer", [b"<html>sign in</html>", b"[]", b""])
    async def test_not_the_api_server(self, answer: bytes) -> None:
        """A captive portal's or proxy's 200 is an outage, not a defect."""

        class Portal(FakeKube):
            async def send(self, request: Request) -> Response:
                del request
                return Response(200, answer)

        with pytest.raises(Unreachable):
            await KubeClient(Portal()).get(STACK.path("shop"))

    async def test_refusal_without_json(self) -> None:
        """Its text is the message."""

        class Proxy(FakeKube):
            async def send(self, request: Request) -> Response:
                del request
                return Response(502, b"bad gateway")

        with pytest.raises(KubeError, match="bad gateway"):
            await KubeClient(Proxy()).get(STACK.path("shop"))


class TestPages:
    async def test_all_of_them(self) -> None:
        """A collection of more than one page."""
        fake = FakeKube()
        for number in range(250):
            fake.put(SERVICE, {"metadata": {"name": f"s{number}"}})
        names, _ = await KubeClient(fake).list_names(SERVICE.path("shop"))
        assert len(names) == 250


class TestWatch:
    def test_silence(self) -> None:
        """A dead connection is replaced within 75 seconds; bookmarks come each minute."""
        assert WATCH_SILENCE_SECONDS <= 75

    async def test_events_and_expiry(self) -> None:
        """Changes since a version; 410 where it is too old."""
        fake = FakeKube()
        client = KubeClient(fake)
        fake.put(SERVICE, {"metadata": {"name": "a"}})
        async for event in client.watch(SERVICE.path("shop"), resourceVersion="1"):
            assert json.dumps(event).count('"a"') >= 1
            break
        fake.compacted = 500
        with pytest.raises(KubeError) as raised:
            async for _ in client.watch(SERVICE.path("shop"), resourceVersion="1"):
                pass
        assert raised.value.status == 410
