"""Which images may serve: every branch of the migration gate, the switch and the rollback, as pure decisions."""

from typing import Any, ClassVar

import pytest

from loppestars_operator.plan.readiness import Readiness, Replicas, State
from loppestars_operator.plan.resolving import resolve_images
from loppestars_operator.plan.rollout import Gate, MigrationJob, Plan, Revision, Workload, plan_rollout
from loppestars_operator.rendering import templates_of
from loppestars_operator.spec import Images, Stack
from loppestars_operator.spec.state import RolloutStatus
from tests.factories.stacks import make_context, make_stack

OLD = Images(api="r/api:1", imaging="r/imaging:1", crawler="r/crawler:1")
NEW = Images(api="ghcr.io/loppestars/api:0.1.0", imaging="ghcr.io/loppestars/imaging:0.1.0",
             crawler="ghcr.io/loppestars/crawler:0.1.0")  # fmt: skip
READY = Readiness(State.READY, "Available", "1 of 1 pods ready")
WAITING = Readiness(State.WAITING, "Progressing", "0 of 1 pods ready")
FAILED = Readiness(State.FAILED, "ProgressDeadlineExceeded", "0 of 1 pods ready; ErrImagePull: no such image")
MIGRATED = {"image": NEW.api, "job": "fair-migrate-x", "succeeded": True}


def job(readiness: Readiness | None = None) -> MigrationJob:
    return MigrationJob({"metadata": {"name": "fair-migrate-x"}}, readiness, "2026-01-01T00:00:00Z")


def workloads(
    images: Images, api: Readiness = READY, imaging: Readiness = READY, jobs: Readiness = READY
) -> dict[str, Workload]:
    """Deployments without a note of their template: they are judged by their images."""
    count = Replicas(desired=1, ready=1, available=1, updated=1)
    return {
        "api": Workload(images.api, api, count),
        "imaging": Workload(images.imaging, imaging, count),
        "jobs": Workload(images.api, jobs, count),
    }


def revision(stack: Stack, images: Images | None = None) -> Revision:
    """What is rendered of a spec with these images, or its own."""
    context = make_context(stack, images=images)
    return Revision(context.images, stack.spec, templates_of(context))


def plan(seen: MigrationJob | None = None, running: dict[str, Workload] | None = None, **changes: Any) -> Plan:
    stack = make_stack(**changes)
    record = stack.status.rollout
    served = revision(stack, record.serving) if record and record.serving else None
    return plan_rollout(stack, revision(stack), served, seen or job(), running or {})


def serving(images: Images, version: str = "0.0.9", **more: Any) -> dict[str, Any]:
    return {"rollout": {"serving": images.to_json(), "version": version, **more}}


class TestResolveImages:
    def test_registry_and_version(self) -> None:
        """The default image of each component."""
        assert resolve_images(make_stack().spec) == NEW

    def test_own_image_wins(self) -> None:
        """A digest for one component leaves the others."""
        digest = "r/api@sha256:" + "1" * 64
        assert resolve_images(make_stack(api={"image": digest}).spec) == NEW.model_copy(update={"api": digest})


class TestFirstInstall:
    def test_nothing_is_rendered_before_the_migration(self) -> None:
        """The Job is made, the rest is withheld."""
        decided = plan()
        assert (decided.gate, decided.images, decided.passage.create) == (Gate.MIGRATING, None, True)

    def test_running_job_is_waited_for(self) -> None:
        """It is not made twice."""
        decided = plan(job(WAITING))
        assert (decided.gate, decided.images, decided.passage.create) == (Gate.MIGRATING, None, False)

    def test_finished_job_opens_the_gate(self) -> None:
        """Its success is recorded for the image."""
        decided = plan(job(READY))
        assert (decided.gate, decided.images) == (Gate.OPEN, NEW)
        assert decided.passage.migration
        assert (decided.passage.migration.image, decided.passage.migration.succeeded) == (NEW.api, True)

    def test_recorded_success_needs_no_job(self) -> None:
        """A cleaned-up Job is not made again."""
        decided = plan(status={"migration": MIGRATED})
        assert (decided.gate, decided.passage.create) == (Gate.OPEN, False)

    def test_ready_workloads_become_what_serves(self) -> None:
        """Only when both are ready on the desired images."""
        status = {"migration": MIGRATED}
        assert plan(running=workloads(NEW, imaging=WAITING), status=status).rollout.serving is None
        decided = plan(running=workloads(NEW), status=status)
        assert (decided.rollout.serving, decided.rollout.version) == (NEW, "0.1.0")

    def test_exceeded_deadline_has_nothing_to_go_back_to(self) -> None:
        """The images stay; the status tells."""
        decided = plan(running=workloads(NEW, api=FAILED), status={"migration": MIGRATED})
        assert (decided.images, decided.rolled_back) == (NEW, None)

    def test_failed_job(self) -> None:
        """Its last words are recorded; nothing is rendered."""
        decided = plan(job(Readiness(State.FAILED, "BackoffLimitExceeded", "relation exists")))
        assert (decided.gate, decided.images, decided.passage.message) == (Gate.FAILED, None, "relation exists")
        assert decided.passage.migration
        assert not decided.passage.migration.succeeded

    def test_failed_job_that_was_cleaned_away(self) -> None:
        """The same try is not made again by itself."""
        status = {"migration": MIGRATED | {"succeeded": False, "message": "relation exists"}}
        decided = plan(status=status)
        passage = decided.passage
        assert (decided.gate, passage.create, passage.message) == (Gate.FAILED, False, "relation exists")

    def test_job_whose_pod_never_started_is_tried_again(self) -> None:
        """A Secret that came too late must not ask for a person."""
        waiting = {
            "type": "DatabaseMigrated",
            "status": "False",
            "reason": "CreateContainerConfigError",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        decided = plan(job(Readiness(State.FAILED, "DeadlineExceeded", "")), status={"conditions": [waiting]})
        assert (decided.gate, decided.passage.delete) == (Gate.MIGRATING, True)


class TestUpgrade:
    def test_old_images_serve_until_migrated(self) -> None:
        """Healing goes on with what serves."""
        decided = plan(job(WAITING), workloads(OLD), status=serving(OLD))
        assert (decided.gate, decided.images) == (Gate.MIGRATING, OLD)

    def test_failed_migration_keeps_them(self) -> None:
        """Nothing of the new version runs."""
        decided = plan(job(FAILED), workloads(OLD), status=serving(OLD))
        assert (decided.gate, decided.images, decided.rollout.serving) == (Gate.FAILED, OLD, OLD)

    def test_same_api_image_needs_no_migration(self) -> None:
        """Keyed on the image that migrates, not on the version."""
        decided = plan(status=serving(OLD) | {"migration": MIGRATED}, version="0.1.0", imaging={"image": "r/imaging:9"})
        assert (decided.gate, decided.passage.create) == (Gate.OPEN, False)

    @pytest.mark.parametrize("component", ["api", "imaging"])
    def test_exceeded_deadline_rolls_back(self, component: str) -> None:
        """To the images that were last ready, with the reason on record."""
        running = workloads(NEW, **{component: FAILED})
        decided = plan(running=running, status=serving(OLD) | {"migration": MIGRATED})
        assert (decided.images, decided.rollout.refused) == (OLD, NEW)
        assert decided.rolled_back
        assert "ErrImagePull" in decided.rolled_back
        assert decided.rolled_back.startswith(component)

    def test_unchanged_component_that_fails_is_no_reason(self) -> None:
        """Going back would not change it."""
        same = OLD.model_copy(update={"imaging": NEW.imaging})
        decided = plan(running=workloads(NEW, imaging=FAILED), status=serving(same) | {"migration": MIGRATED})
        assert (decided.images, decided.rolled_back) == (NEW, None)

    def test_new_version_is_recorded_once_ready(self) -> None:
        """Then it is what a later rollback goes back to."""
        decided = plan(running=workloads(NEW), status=serving(OLD) | {"migration": MIGRATED})
        assert (decided.rollout.serving, decided.rollout.version) == (NEW, "0.1.0")


class TestAnotherDatabase:
    """The same images, pointed at another database: it has to be migrated, and nothing is sent there before."""

    moved: ClassVar[dict[str, Any]] = {"secretRef": {"name": "restored", "key": "url"}}
    here = "loppestars-database/url"
    status: ClassVar[dict[str, Any]] = {"migration": MIGRATED | {"database": here}} | serving(NEW, database=here)

    def test_is_migrated_first(self) -> None:
        """The serving version is left where it is."""
        decided = plan(running=workloads(NEW), status=self.status, database=self.moved)
        assert (decided.gate, decided.images, decided.passage.create) == (Gate.MIGRATING, None, True)
        assert (decided.rollout.serving, decided.rollout.database) == (NEW, self.here)

    def test_stays_there_if_that_fails(self) -> None:
        """Also once the failure is what is on record."""
        failed = plan(job(FAILED), workloads(NEW), status=self.status, database=self.moved)
        assert (failed.gate, failed.images) == (Gate.FAILED, None)
        assert failed.passage.migration
        status = {"migration": failed.passage.migration.to_json(), "rollout": failed.rollout.to_json()}
        assert plan(job(FAILED), workloads(NEW), status=status, database=self.moved).images is None

    def test_goes_there_once_migrated(self) -> None:
        """And is on record when it is ready."""
        opened = plan(job(READY), workloads(NEW), status=self.status, database=self.moved)
        assert (opened.gate, opened.images) == (Gate.OPEN, NEW)
        assert opened.passage.migration
        status = {"migration": opened.passage.migration.to_json(), "rollout": opened.rollout.to_json()}
        later = plan(running=workloads(NEW), status=status, database=self.moved)
        assert later.rollout.database == "restored/url"

    def test_goes_back_as_it_came(self) -> None:
        """The migration there finds nothing to do; what serves is healed meanwhile."""
        status = self.status | {"migration": MIGRATED | {"database": "restored/url"}}
        decided = plan(running=workloads(NEW), status=status)
        assert (decided.gate, decided.images, decided.passage.create) == (Gate.MIGRATING, NEW, True)

    def test_status_that_knows_no_database(self) -> None:
        """Written before it was remembered: nothing is migrated again."""
        decided = plan(running=workloads(NEW), status=serving(NEW) | {"migration": MIGRATED})
        assert (decided.gate, decided.images) == (Gate.OPEN, NEW)


class TestEarlierStackOfTheName:
    def test_its_job_goes_first(self) -> None:
        """What it found, good or bad, says nothing about this stack."""
        decided = plan(MigrationJob({"metadata": {"name": "fair-migrate-x"}}, foreign=True))
        assert (decided.gate, decided.passage.delete, decided.passage.create) == (Gate.MIGRATING, True, False)


class TestRolledBack:
    status = serving(OLD, refused=NEW.to_json(), refusedReason="api did not become available")

    def test_holds_while_the_images_are_the_same(self) -> None:
        """Without another migration."""
        decided = plan(running=workloads(OLD), status=self.status)
        assert (decided.images, decided.passage.create) == (OLD, False)
        assert decided.rolled_back == "api did not become available"

    def test_other_images_are_tried(self) -> None:
        """Any change of the resolved images."""
        decided = plan(running=workloads(OLD), status=self.status, version="0.1.1")
        assert (decided.rollout.refused, decided.passage.create) == (None, True)

    def test_retry_is_tried_once(self) -> None:
        """The annotation's value is remembered with the refusal."""
        asked = {"loppestars.dev/retry": "1"}
        decided = plan(running=workloads(OLD), status=self.status, annotations=asked)
        assert (decided.rollout.refused, decided.rollout.retry) == (None, "1")
        again = serving(OLD, refused=NEW.to_json(), retry="1")
        assert plan(running=workloads(OLD), status=again, annotations=asked).images == OLD


class TestWhatTheStatusMustHold:
    """Whatever is remembered fits into the resource's own bounds, or no status could ever be written again."""

    def test_long_retry(self) -> None:
        """The annotation may be as long as annotations may be; another one is another try."""
        texts = ["x" * 100_000 + end for end in "12"]
        values = [plan(annotations={"loppestars.dev/retry": text}).rollout.retry for text in texts]
        assert values[0] != values[1]
        assert all(value and RolloutStatus(retry=value) for value in values)

    def test_long_reason_of_a_rollback(self) -> None:
        """Its beginning, which names component and image."""
        endless = Readiness(State.FAILED, "ProgressDeadlineExceeded", "x" * 100_000)
        decided = plan(running=workloads(NEW, api=endless), status=serving(OLD) | {"migration": MIGRATED})
        assert RolloutStatus.model_validate(decided.rollout.to_json()).refused == NEW

    def test_status_of_another_release(self) -> None:
        """What it cannot read of it the operator does without, the rest still counts."""
        status = serving(OLD) | {"migration": MIGRATED, "phase": "Dancing", "components": [{"name": "api", "new": 1}]}
        stack = make_stack(status=status)
        assert (stack.status.phase, stack.status.components) == (None, None)
        assert stack.status.rollout
        assert stack.status.rollout.serving == OLD
        assert plan(running=workloads(OLD), status=status).gate is Gate.OPEN


class TestLostStatus:
    def test_what_runs_and_is_ready_is_taken_for_what_serves(self) -> None:
        """A wiped status must not take a serving stack down."""
        decided = plan(job(WAITING), workloads(OLD))
        assert decided.images
        assert (decided.images.api, decided.images.imaging) == (OLD.api, OLD.imaging)


class TestVersions:
    def test_older_than_the_operator_can_run(self) -> None:
        """Refused with the oldest version that is possible."""
        decided = plan(version="0.0.9")
        assert decided.gate is Gate.REFUSED
        assert "0.1.0 and newer" in decided.passage.message

    @pytest.mark.parametrize("tag", ["latest", "0a1234567", "0b54321", "0c1", "main-2"])
    def test_tag_that_is_no_version(self, tag: str) -> None:
        """`latest` or a commit, which may look like a version before 0, says nothing; the migration decides."""
        assert plan(version=tag).gate is Gate.MIGRATING

    @pytest.mark.parametrize("tag", ["v0.0.1", "0.1.0rc1", "0.0"])
    def test_every_form_of_an_old_version(self, tag: str) -> None:
        """Refused."""
        assert plan(version=tag).gate is Gate.REFUSED
