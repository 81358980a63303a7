"""Every alert of a stack fires when it should and keeps silent when it should not, as promtool says."""

import re
from pathlib import Path

import pytest

from loppestars_operator.rendering import ClusterFacts, render
from loppestars_operator.rendering.alerts import RecoveryTimes, alert_groups, own_alert_groups
from tests.factories.promtool import alerts_after, check_rules
from tests.factories.stacks import make_context, make_stack

POD = 'namespace="shop",stack="fair",pod="fair-api-1"'
OTHER = 'namespace="shop",stack="another",pod="another-api-1"'
OPERATOR = 'stack_namespace="shop",stack="fair"'
GROUPS = alert_groups("shop", "fair", storage_budget=1000, recovery=RecoveryTimes(2, 3))
HOURS_27 = 27 * 60

REQUESTS = f'loppestars_http_requests_total{{{POD},route="/health",method="GET",status="%s"}}'
BUCKET = f'loppestars_http_request_duration_seconds_bucket{{{POD},route="%s",method="GET",le="%s"}}'
PHOTOS = f'loppestars_photos_total{{{POD},result="%s"}}'
CRAWLED = f"loppestars_operator_crawl_last_success_timestamp_seconds{{{OPERATOR}}}"
BACKED_UP = f"loppestars_operator_backup_last_success_timestamp_seconds{{{OPERATOR}}}"
DRILLED = f"loppestars_operator_drill_last_success_timestamp_seconds{{{OPERATOR}}}"
RECOVERABLE = f"loppestars_operator_stack_recoverable{{{OPERATOR}}}"
UP = 'loppestars_dependency_up{namespace="shop",stack="fair",dependency="%s",pod="fair-api-%s"}'
JOBS = 'loppestars_jobs_total{namespace="shop",stack="fair",pod="fair-jobs-1",task="jobs.retention",result="%s"}'
JOBS_UP = 'up{namespace="shop",stack="fair",component="jobs",pod="fair-jobs-1"}'

# Alert, series (sample every 30 s), minutes to wait, whether it fires then.
CASES = [
    ("LoppestarsApiErrors", {REQUESTS % 200: "0+100x20", REQUESTS % 500: "0+10x20"}, 4, True),
    ("LoppestarsApiErrors", {REQUESTS % 200: "0+100x20", REQUESTS % 500: "0+4x20"}, 4, False),
    ("LoppestarsApiErrors", {REQUESTS % 200: "0+0x20"}, 4, False),
    ("LoppestarsApiSlow", {BUCKET % ("/m", "0.5"): "0+90x40", BUCKET % ("/m", "1"): "0+100x40",
                           BUCKET % ("/m", "+Inf"): "0+100x40"}, 15, True),
    ("LoppestarsApiSlow", {BUCKET % ("/m", "0.5"): "0+99x40", BUCKET % ("/m", "+Inf"): "0+100x40"}, 15, False),
    ("LoppestarsApiSlow", {BUCKET % ("/process", "0.5"): "0x40", BUCKET % ("/process", "+Inf"): "0+9x40"}, 15, False),
    ("LoppestarsPodCpuHigh", {f"process_cpu_seconds_total{{{POD}}}": "0+27x40"}, 15, True),
    ("LoppestarsPodCpuHigh", {f"process_cpu_seconds_total{{{POD}}}": "0+20x40"}, 15, False),
    ("LoppestarsPodCpuHigh", {f"process_cpu_seconds_total{{{OTHER}}}": "0+29x40"}, 15, False),
    ("LoppestarsPhotosWaiting", {f"loppestars_queue_oldest_job_seconds{{{POD}}}": "0+30x10"}, 5, True),
    ("LoppestarsPhotosWaiting", {f"loppestars_queue_oldest_job_seconds{{{POD}}}": "59x10"}, 5, False),
    ("LoppestarsPhotosFailing", {PHOTOS % "failed": "0x4 1x10"}, 4, True),
    ("LoppestarsPhotosFailing", {PHOTOS % "failed": "3x20", PHOTOS % "completed": "0+9x20"}, 9, False),
    ("LoppestarsStorageNearlyFull", {f"loppestars_stored_bytes{{{POD}}}": "901x60"}, 20, True),
    ("LoppestarsStorageNearlyFull", {f"loppestars_stored_bytes{{{POD}}}": "899x60"}, 20, False),
    ("LoppestarsNoSuccessfulCrawl", {CRAWLED: f"0x{HOURS_27 * 2}"}, HOURS_27, True),
    ("LoppestarsNoSuccessfulCrawl", {CRAWLED: f"0x{HOURS_27} {HOURS_27 * 30}x{HOURS_27}"}, HOURS_27, False),
    ("LoppestarsStackNotReady", {f"loppestars_operator_stack_ready{{{OPERATOR}}}": "1x4 0x60"}, 15, True),
    ("LoppestarsStackNotReady", {f"loppestars_operator_stack_ready{{{OPERATOR}}}": "1x4 0x10 1x60"}, 15, False),
    ("LoppestarsBackupOverdue", {BACKED_UP: "0x400"}, 130, True),
    ("LoppestarsBackupOverdue", {BACKED_UP: "0x200 6000x200"}, 130, False),
    ("LoppestarsDrillOverdue", {DRILLED: "0x500"}, 190, True),
    ("LoppestarsDrillOverdue", {DRILLED: "0x500"}, 170, False),
    ("LoppestarsNotRecoverable", {RECOVERABLE: "1x4 0x60"}, 20, True),
    ("LoppestarsNotRecoverable", {RECOVERABLE: "1x4 0x10 1x60"}, 20, False),
    ("LoppestarsDependencyAway", {UP % ("storage", 1): "0x40", UP % ("storage", 2): "0x40"}, 5, True),
    ("LoppestarsDependencyAway", {UP % ("storage", 1): "0x40", UP % ("storage", 2): "1x40"}, 5, False),
    ("LoppestarsJobsFailing", {JOBS % "failed": "0x4 1x10 3x40"}, 20, True),
    ("LoppestarsJobsFailing", {JOBS % "failed": "1x60", JOBS % "succeeded": "0+1x60"}, 20, False),
    ("LoppestarsJobsAway", {JOBS_UP: "1x4 0x60"}, 20, True),
    ("LoppestarsJobsAway", {JOBS_UP: "1x60"}, 20, False),
]  # fmt: skip


OWN_GROUPS = own_alert_groups("loppestars-system")
LEADER = 'loppestars_operator_leader{namespace="loppestars-system",pod="op-%s"}'
SEEN = 'loppestars_operator_watch_last_seen_timestamp_seconds{namespace="loppestars-system",pod="op-%s",kind="Pod"}'
PASSES = 'loppestars_operator_reconciles_total{namespace="loppestars-system",pod="op-1",result="%s"}'
OWN_CASES = [
    ("LoppestarsOperatorAway", {LEADER % 1: "1x4 0x60", LEADER % 2: "0x60"}, 20, True),
    ("LoppestarsOperatorAway", {LEADER % 1: "1x4 _x60"}, 20, True),
    ("LoppestarsOperatorAway", {LEADER % 1: "1x4 0x60", LEADER % 2: "0x8 1x60"}, 20, False),
    ("LoppestarsOperatorBlind", {LEADER % 1: "1x90", SEEN % 1: "0x90"}, 20, True),
    ("LoppestarsOperatorBlind", {LEADER % 1: "1x90", SEEN % 1: "0+30x90"}, 20, False),
    ("LoppestarsOperatorBlind", {LEADER % 1: "1x90", SEEN % 1: "0+30x90", LEADER % 2: "0x90", SEEN % 2: "0x90"},
     20, False),
    ("LoppestarsOperatorDefect", {PASSES % "crashed": "0x4 1x20"}, 5, True),
    ("LoppestarsOperatorDefect", {PASSES % "failed": "0x4 1x20"}, 5, False),
]  # fmt: skip


class TestOwnAlerts:
    """The operator's alerts on itself, of which no stack's rules could say anything."""

    @pytest.mark.parametrize(("alert", "series", "minutes", "fires"), OWN_CASES)
    def test_fires_and_keeps_silent(
        self, tmp_path: Path, alert: str, series: dict[str, str], minutes: int, *, fires: bool
    ) -> None:
        """A leader that is gone, with and without a series left; a takeover is none."""
        assert bool(alerts_after(tmp_path, OWN_GROUPS, series, alert, minutes)) is fires

    def test_every_alert_is_tried_both_ways(self) -> None:
        """As those of stacks."""
        names = {rule["alert"] for group in OWN_GROUPS for rule in group["rules"]}
        assert names == {alert for alert, _, _, fires in OWN_CASES if fires}
        assert names == {alert for alert, _, _, fires in OWN_CASES if not fires}

    def test_promtool_accepts_all_rules(self, tmp_path: Path) -> None:
        """Syntax, names and templates of annotations."""
        assert check_rules(tmp_path, OWN_GROUPS) == ""


class TestAlerts:
    """Every alert of a stack fires when it should and keeps silent when it should not, as promtool says."""

    @pytest.mark.parametrize(("alert", "series", "minutes", "fires"), CASES)
    def test_fires_and_keeps_silent(
        self, tmp_path: Path, alert: str, series: dict[str, str], minutes: int, *, fires: bool
    ) -> None:
        """The rule, the time it waits, and only its own stack's series."""
        assert bool(alerts_after(tmp_path, GROUPS, series, alert, minutes)) is fires

    def test_every_alert_is_tried_both_ways(self) -> None:
        """A new alert comes with a case that fires it and one that does not."""
        names = {rule["alert"] for group in GROUPS for rule in group["rules"]}
        assert names == {alert for alert, _, _, fires in CASES if fires}
        assert names == {alert for alert, _, _, fires in CASES if not fires}

    @pytest.mark.parametrize("suspend", [True, False])
    def test_suspended_schedule_is_no_alarm(self, suspend: bool) -> None:  # noqa: FBT001 - one case each
        """Nobody is woken because of crawls that were turned off."""
        stack = make_stack(crawler={"suspend": suspend})
        rendered = render(make_context(stack, ClusterFacts(frozenset({"monitoring.coreos.com"}))))
        (rule,) = [item for item in rendered if item["kind"] == "PrometheusRule"]
        names = [rule["alert"] for group in rule["spec"]["groups"] for rule in group["rules"]]
        assert ("LoppestarsNoSuccessfulCrawl" in names) is not suspend
        assert "LoppestarsStackNotReady" in names

    def test_promtool_accepts_all_rules(self, tmp_path: Path) -> None:
        """Syntax, names and templates of annotations."""
        assert check_rules(tmp_path, GROUPS) == ""

    def test_runbooks_exist(self, request: pytest.FixtureRequest) -> None:
        """Each alert links to a section of docs/alerts.md that says what to do."""
        text = (request.config.rootpath / "docs" / "alerts.md").read_text()
        headings = {heading.lower() for heading in re.findall(r"^## (\S+)$", text, re.MULTILINE)}
        for group in [*GROUPS, *OWN_GROUPS]:
            for rule in group["rules"]:
                page, _, section = rule["annotations"]["runbook_url"].partition("#")
                assert page.endswith("/docs/alerts.md")
                assert section in headings
