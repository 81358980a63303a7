"""A crawl as crawler, record, API and operator know it: counters, states, exit codes and the Crawl resource."""

import uuid
from typing import get_args

from pydantic import TypeAdapter

from loppestars_api.crawls.cluster_launcher import GROUP, PLURAL, VERSION, crawl_resource
from loppestars_api.crawls.launcher import CrawlOrder
from loppestars_api.crawls.schemas import Counts, RunRecord
from loppestars_core.contract import crawl_resource as contract
from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls.models import CrawlRun, CrawlSource
from loppestars_crawler.crawl.report import Report
from loppestars_operator.kinds import CRAWL
from loppestars_operator.plan.crawls import EXIT_STATES
from loppestars_operator.plan.readiness import termination_report
from loppestars_operator.spec.crawl import CrawlCounts, CrawlSpec
from loppestars_operator.spec.crawl import CrawlState as ResourceState


class TestExitCodes:
    def test_numbers(self) -> None:
        """A released operator reads them: they never change."""
        assert {code.name: int(code) for code in ExitCode} == {
            "DONE": 0,
            "FAILED": 1,
            "USAGE": 2,
            "LOCKED": 3,
            "INTERRUPTED": 130,
            "TERMINATED": 143,
        }

    def test_operator_reads_them(self) -> None:
        """What the contract says of a code is what the operator makes of it."""
        assert {int(code): state for code, state in EXIT_STATES.items()} == {
            int(code): str(state).capitalize() for code, state in contract.EXIT_STATES.items()
        }


class TestCounters:
    def test_same_on_all_sides(self) -> None:
        """Tables, answers and the resource's status have the counters of the contract, and no other."""
        tables = [
            {name for name in COUNT_NAMES if name in model.__table__.columns}  # type: ignore[attr-defined]
            for model in (CrawlRun, CrawlSource)
        ]
        assert tables == [set(COUNT_NAMES)] * 2
        assert tuple(Counts.model_fields) == COUNT_NAMES
        assert tuple(CrawlCounts.model_fields) == COUNT_NAMES

    def test_report_is_read(self) -> None:
        """The crawler's termination message gives the operator every counter, the run and the reason."""
        counts = {name: number for number, name in enumerate(COUNT_NAMES, 1)}
        run = uuid.uuid4()
        message = Report(run, CrawlState.FAILED, ExitCode.FAILED, counts, error="no answer").message()
        ended = {"name": "crawler", "state": {"terminated": {"exitCode": 1, "message": message}}}
        labels = {"app.kubernetes.io/component": "crawler"}
        report = termination_report([{"metadata": {"labels": labels}, "status": {"containerStatuses": [ended]}}])
        assert CrawlCounts(**report["counts"]).model_dump() == counts
        assert (report["runId"], report["message"]) == (str(run), "no answer")


class TestStates:
    def test_api_knows_all(self) -> None:
        """The documented states and triggers are those of the record."""
        fields = RunRecord.model_fields
        assert set(get_args(fields["state"].annotation) or fields["state"].annotation) == set(map(str, CrawlState))
        assert set(get_args(fields["trigger"].annotation) or fields["trigger"].annotation) == set(
            map(str, CrawlTrigger)
        )

    def test_resource_knows_all(self) -> None:
        """The resource's states are the record's, with a capital letter."""
        assert set(get_args(ResourceState)) == {str(state).capitalize() for state in CrawlState}


class TestCrawlResource:
    def test_names(self) -> None:
        """API and operator mean the same kind."""
        assert (GROUP, VERSION, PLURAL) == (contract.GROUP, contract.VERSION, contract.PLURAL)
        assert (CRAWL.api_version, CRAWL.kind, CRAWL.plural) == (contract.API_VERSION, contract.KIND, contract.PLURAL)

    def test_order_is_understood(self) -> None:
        """What the API creates is a Crawl to the operator, field by field."""
        order = CrawlOrder(uuid.uuid4(), ("torvet",), 5)
        resource = crawl_resource(order, "stack")
        spec = TypeAdapter(CrawlSpec).validate_python(resource["spec"])
        assert (resource["apiVersion"], resource["kind"]) == (contract.API_VERSION, contract.KIND)
        assert (spec.stack_ref.name, spec.run_id) == ("stack", str(order.run_id))
        assert (spec.sources, spec.limit) == (["torvet"], 5)
        assert set(resource["spec"]) == {"stackRef", "runId", "sources", "limit"}
