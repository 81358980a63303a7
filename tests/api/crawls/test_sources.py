"""Sources, quarantine and the log of a run: what admins see and decide."""

import asyncio
import uuid
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.crawls.source_service import HEALTH
from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from loppestars_core.contract.sources import SourceType
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import begin_run, finish_run
from loppestars_core.crawls.log import EventKind, add_event
from loppestars_core.crawls.models import CrawlSource, ManagedBy
from loppestars_core.crawls.sources import SourceSpec, keep_source
from loppestars_core.events.models import AuditEntry
from loppestars_core.markets.models import Market
from loppestars_core.markets.quarantine import quarantine
from loppestars_core.markets.sighting import SourceMarket

ADDRESS = "https://torvet.example/arrangementer"
TORVET = SourceSpec(name="torvet", type=SourceType.JSONLD, start_urls=(ADDRESS,))
DAY = date(2099, 1, 1)
ODD = SourceMarket(
    source="torvet", external_id="1", name="Nytårsmarked", category="Loppemarked", start_date=DAY, end_date=DAY
)


@pytest.fixture
async def admin(session: AsyncSession, sign: Any) -> dict[str, str]:
    """Headers of an admin."""
    await ensure_user(session, "admin-1")
    await session.execute(insert(RoleGrant).values(user_id="admin-1", role="admin"))
    await session.commit()
    headers: dict[str, str] = sign("admin-1")
    return headers


async def run_of(session: AsyncSession, *states: CrawlState) -> uuid.UUID:
    """A finished run of sources that ended so."""
    run_id = uuid.uuid4()
    names = [f"source-{number}" for number in range(len(states))]
    await begin_run(session, run_id, trigger=CrawlTrigger.CLI, sources=names)
    await add_event(session, run_id, EventKind.RUN_STARTED, "crawls")
    for name, state in zip(names, states, strict=True):
        values = {"run_id": run_id, "source": name, "state": state, "pages": 2, "fetch_seconds": 30.0}
        await session.execute(insert(CrawlSource).values(**values))
        await add_event(session, run_id, EventKind.SOURCE_FINISHED, f"{name} {state}", source=name)
    await finish_run(session, run_id, CrawlState.FAILED, error="no")
    await session.commit()
    return run_id


class TestSources:
    """Rows that settings and admins write."""

    async def test_health(self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]) -> None:
        """By the last crawls: slow pages warn, failures in a row are critical; and it is a metric."""
        for name in ("source-0", "source-1"):
            await keep_source(session, replace(TORVET, name=name), managed_by=ManagedBy.SETTINGS)
        for _ in range(5):
            await run_of(session, CrawlState.SUCCEEDED, CrawlState.FAILED)
        said = (await client.get("/scraper/sources", headers=admin)).json()
        assert {source["name"]: (source["health"], source["pageSeconds"]) for source in said} == {
            "source-0": ("warning", 15.0),
            "source-1": ("critical", 15.0),
        }
        app = client._transport.app  # type: ignore[attr-defined]  # the API in process
        await app.state.sources.measure()
        assert HEALTH.labels("source-1")._value.get() == 4.0

    async def test_changes(self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]) -> None:
        """An admin's word stands above the settings until it is removed, and is in the audit log."""
        said = {"type": "ics", "startUrls": [ADDRESS], "schedule": "0 3 * * *", "maxPages": 5}
        answer = await client.put("/scraper/sources/torvet", headers=admin, json=said)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["managedBy"], answer.json()["maxPages"]) == ("admin", 5)
        assert not await keep_source(session, TORVET, managed_by=ManagedBy.SETTINGS)
        await session.commit()
        assert (await client.get("/scraper/sources", headers=admin)).json()[0]["type"] == "ics"
        assert (await client.delete("/scraper/sources/torvet", headers=admin)).status_code == 204
        assert (await client.delete("/scraper/sources/torvet", headers=admin)).status_code == 404
        actions = (await session.execute(select(AuditEntry.action).order_by(AuditEntry.id))).scalars().all()
        assert actions == ["source.changed", "source.removed"]

    @pytest.mark.parametrize(
        ("name", "said", "reason"),
        [
            ("torvet", {"type": "jsonld"}, "startUrls belong to"),
            ("torvet", {"type": "jsonld", "startUrls": [ADDRESS, "https://b.example/"]}, "several hosts"),
            ("torvet", {"type": "jsonld", "startUrls": [ADDRESS], "schedule": "daily"}, "expected cron"),
            ("torvet", {"type": "loppemarkeder"}, "another name"),
            ("loppemarkeder", {"type": "loppemarkeder"}, "has not been crawled yet"),
        ],
    )
    async def test_refusals(
        self, client: httpx.AsyncClient, admin: dict[str, str], name: str, said: dict[str, Any], reason: str
    ) -> None:
        """422 with what was wrong."""
        answer = await client.put(f"/scraper/sources/{name}", headers=admin, json=said)
        assert answer.status_code == 422
        assert reason in answer.text

    @pytest.mark.parametrize("path", ["sources", "quarantine", f"runs/{uuid.UUID(int=1)}/events"])
    async def test_strangers(self, client: httpx.AsyncClient, sign: Any, path: str) -> None:
        """Admins only."""
        assert (await client.get(f"/scraper/{path}")).status_code == 401
        assert (await client.get(f"/scraper/{path}", headers=sign("u"))).status_code == 403


class TestQuarantine:
    """Markets that are not believed."""

    async def test_release(self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]) -> None:
        """Once; then the market is listed, and the audit log says who did it."""
        await quarantine(session, [(ODD, "it begins in years")], run_id=None)
        await session.commit()
        [market] = (await client.get("/scraper/quarantine", headers=admin)).json()
        assert (market["reason"], market["market"]["name"]) == ("it begins in years", "Nytårsmarked")
        released = await client.post(f"/scraper/quarantine/{market['id']}/release", headers=admin)
        assert released.json() == {"success": True, "name": "Nytårsmarked"}
        assert (await session.execute(select(Market.name))).scalars().all() == ["Nytårsmarked"]
        assert (await client.get("/scraper/quarantine", headers=admin)).json() == []
        assert (await client.post(f"/scraper/quarantine/{market['id']}/release", headers=admin)).status_code == 404
        entry = (await session.execute(select(AuditEntry))).scalar_one()
        assert (entry.action, entry.actor_id) == ("market.released", "admin-1")


class TestRuns:
    """What an admin answers to a run, and how it is followed."""

    async def test_retry(self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]) -> None:
        """Only what failed, with the admin's belief; a run without failures has nothing to retry."""
        run_id = await run_of(session, CrawlState.SUCCEEDED, CrawlState.FAILED)
        answer = await client.post(f"/scraper/runs/{run_id}/retry", headers=admin, json={"acceptShrink": True})
        assert answer.status_code in {200, 503}, answer.text
        again = "SELECT sources, accept_shrink FROM crawl_runs WHERE trigger = 'api'"
        assert [tuple(row) for row in await session.execute(text(again))] == [(["source-1"], True)]
        await session.execute(text("UPDATE crawl_runs SET state = 'failed'"))
        whole = await run_of(session, CrawlState.SUCCEEDED)
        assert (await client.post(f"/scraper/runs/{whole}/retry", headers=admin)).status_code == 409
        assert (await client.post(f"/scraper/runs/{uuid.uuid4()}/retry", headers=admin)).status_code == 404
        details = (await client.get(f"/scraper/runs/{run_id}", headers=admin)).json()
        assert [outcome["state"] for outcome in details["source_outcomes"]] == ["succeeded", "failed"]

    async def test_events(self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]) -> None:
        """In order, with ids; from the last id that was seen on; and an end."""
        run_id = await run_of(session, CrawlState.SUCCEEDED, CrawlState.FAILED)
        answer = await client.get(f"/scraper/runs/{run_id}/events", headers=admin)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
        kinds = [line.removeprefix("event: ") for block in blocks for line in block if line.startswith("event: ")]
        assert kinds == ["run_started", "source_finished", "source_finished", "progress", "end"]
        first = next(line.removeprefix("id: ") for block in blocks for line in block if line.startswith("id: "))
        rest = await client.get(f"/scraper/runs/{run_id}/events", headers={**admin, "Last-Event-ID": first})
        assert "run_started" not in rest.text
        assert rest.text.count("source_finished") == 2
        wrong = await client.get(f"/scraper/runs/{run_id}/events", headers={**admin, "Last-Event-ID": "x"})
        assert wrong.status_code == 422
        assert (await client.get(f"/scraper/runs/{uuid.uuid4()}/events", headers=admin)).status_code == 404

    async def test_a_run_that_goes_on(
        self, client: httpx.AsyncClient, session: AsyncSession, admin: dict[str, str]
    ) -> None:
        """What is written meanwhile comes too."""
        run_id = uuid.uuid4()
        await begin_run(session, run_id, trigger=CrawlTrigger.CLI, sources=[])
        await session.commit()
        following = asyncio.ensure_future(client.get(f"/scraper/runs/{run_id}/events", headers=admin))
        await asyncio.sleep(0.2)
        assert not following.done()
        await add_event(session, run_id, EventKind.SOURCE_WARNING, "slow")
        await finish_run(session, run_id, CrawlState.SUCCEEDED)
        await session.commit()
        text_ = (await following).text
        assert text_.index("source_warning") < text_.index("event: end")
