"""Which sources a run takes."""

from datetime import UTC, datetime, timedelta

import pytest

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.sources import SourceSpec
from loppestars_crawler.crawl.plan import chosen, host_of, is_due, site_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def source(name: str, **changes: object) -> SourceSpec:
    """Return a source of one page."""
    return SourceSpec(**{"name": name, "type": SourceType.JSONLD, "start_urls": (f"https://{name}.dk/x",), **changes})  # type: ignore[arg-type]  # columns of all types


class TestChosen:
    """The order is that of waiting."""

    def test_turns(self) -> None:
        """Expect what never had its turn first, then what waited longest; none that is switched off."""
        known = {name: source(name, enabled=name != "off") for name in ("late", "early", "never", "off")}
        started = {"late": NOW, "early": NOW - timedelta(days=1), "off": NOW}
        assert [one.name for one in chosen(known, [], started)] == ["never", "early", "late"]
        assert [one.name for one in chosen(known, ["off"], started)] == ["off"]

    @pytest.mark.parametrize(("hours", "due"), [(1, False), (30, True)])
    def test_schedules(self, hours: int, due: bool) -> None:  # noqa: FBT001 - a row
        """Expect a scheduled run to take what came round since its last crawl, and what has no schedule."""
        nightly = source("nightly", schedule="0 3 * * *")
        started = {"nightly": NOW - timedelta(hours=hours), "always": NOW}
        known = {"nightly": nightly, "always": source("always")}
        assert is_due(nightly, started["nightly"], NOW) is due
        taken = [one.name for one in chosen(known, [], started, due_at=NOW)]
        assert taken == (["nightly", "always"] if due else ["always"])

    def test_hosts_and_sites(self) -> None:
        """Expect sources of one host to be told, and copies of the real sites to be known as such."""
        assert host_of(source("a", start_urls=("https://WWW.a.dk/1",))) == host_of(
            source("b", start_urls=("https://a.dk",))
        )
        copy = source("loppemarkeder", type=SourceType.LOPPEMARKEDER, start_urls=("http://127.0.0.1:1/kopi",))
        assert (site_of(copy).real, site_of(copy).base) == ("https://loppemarkeder.nu", "http://127.0.0.1:1/kopi")
