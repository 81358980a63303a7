"""Sources as admins see and change them, and markets that are not believed."""

from typing import Final

from prometheus_client import Gauge
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.principal import Principal
from loppestars_api.crawls.source_schemas import QuarantinedRecord, SourceChange, SourceRecord
from loppestars_api.web.errors import NotFound, Unprocessable
from loppestars_core.crawls.health import Health, last_crawls
from loppestars_core.crawls.models import ManagedBy
from loppestars_core.crawls.source_settings import SourceSetting
from loppestars_core.crawls.sources import SourceSpec, keep_source, list_sources, remove_source
from loppestars_core.database.engine import sessions
from loppestars_core.events.audit import record_audit
from loppestars_core.markets.quarantine import NotInQuarantine, count_quarantined, list_quarantined, release

NO_SUCH_SOURCE: Final = "There is no source with this name that an admin added or changed."
NOT_IN_QUARANTINE: Final = "There is no market with this id in quarantine."
HEALTH: Final = Gauge(
    "loppestars_crawl_source_health", "0 unknown, 1 healthy, 2 warning, 3 degraded, 4 critical", ["source"]
)
QUARANTINED: Final = Gauge("loppestars_crawl_quarantined", "Markets that wait for an admin", ["source"])
_LEVELS: Final = {health: level for level, health in enumerate(Health)}


class SourceService:
    """Lists, changes and removes sources; releases markets."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = sessions(engine)

    async def records(self) -> list[SourceRecord]:
        """Return all sources with their health."""
        async with self._sessions() as session:
            rows, crawls = await list_sources(session), await last_crawls(session)
            waiting = await count_quarantined(session)
        return [SourceRecord.of(row, crawls.get(row.name, []), waiting.get(row.name, 0)) for row in rows]

    async def measure(self) -> None:
        """Set the metrics of all sources."""
        records = await self.records()
        HEALTH.clear()
        QUARANTINED.clear()
        for record in records:
            HEALTH.labels(record.name).set(_LEVELS[record.health])
            QUARANTINED.labels(record.name).set(record.quarantined)

    async def put(self, admin: Principal, name: str, change: SourceChange) -> SourceRecord:
        """Add a source, or replace one."""
        given = change.model_dump(exclude_unset=True) | {"name": name, "type": change.type}
        if change.type.built_in:
            given["start_urls"] = []
        try:
            setting = SourceSetting.model_validate({key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            raise Unprocessable("; ".join(part["msg"] for part in error.errors())) from None
        async with self._sessions.begin() as session:
            known = {row.name: row for row in await list_sources(session)}
            urls = tuple(str(url) for url in setting.start_urls)
            if change.type.built_in:
                if name not in known:
                    raise Unprocessable(f"{name} has not been crawled yet: its address is not known.")
                urls = tuple(known[name].start_urls)
            values = setting.model_dump(exclude={"start_urls"}, exclude_unset=True)
            await keep_source(session, SourceSpec(**values, start_urls=urls), managed_by=ManagedBy.ADMIN)
            await record_audit(
                session,
                actor_kind=admin.kind,
                actor_id=admin.id,
                action="source.changed",
                subject_type="source",
                subject_id=name,
                after=setting.model_dump(mode="json"),
            )
        return next(record for record in await self.records() if record.name == name)

    async def remove(self, admin: Principal, name: str) -> None:
        """Forget a source that an admin wrote; its markets stay."""
        async with self._sessions.begin() as session:
            if not await remove_source(session, name):
                raise NotFound(NO_SUCH_SOURCE)
            await record_audit(
                session,
                actor_kind=admin.kind,
                actor_id=admin.id,
                action="source.removed",
                subject_type="source",
                subject_id=name,
            )

    async def quarantined(self, limit: int, offset: int) -> list[QuarantinedRecord]:
        """Return the markets that are not believed."""
        async with self._sessions() as session:
            return [QuarantinedRecord.of(row) for row in await list_quarantined(session, limit=limit, offset=offset)]

    async def release(self, admin: Principal, number: int) -> str:
        """Believe a market, and return its name."""
        try:
            async with self._sessions.begin() as session:
                return (await release(session, number, admin_id=admin.id)).name
        except NotInQuarantine:
            raise NotFound(NOT_IN_QUARANTINE) from None
