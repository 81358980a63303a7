"""The names of variables: what the operator sets is what the programs read."""

import pytest
from pydantic_settings import BaseSettings

from loppestars_api.settings import ApiSettings
from loppestars_backup.settings import BackupSettings
from loppestars_core.contract.variables import (
    API_VARIABLES,
    BACKUP_VARIABLES,
    CRAWLER_VARIABLES,
    IMAGING_VARIABLES,
    JOBS_VARIABLES,
    MIGRATE_VARIABLES,
)
from loppestars_core.database.migrate import MigrateSettings
from loppestars_crawler.settings import CrawlerSettings
from loppestars_imaging.settings import ImagingSettings
from loppestars_jobs.settings import JobsSettings
from loppestars_operator.rendering import render
from tests.factories.stacks import make_context, make_stack

# Every program that a stack runs, by the component label of its pods.
PROGRAMS: dict[str, type[BaseSettings]] = {
    "api": ApiSettings,
    "imaging": ImagingSettings,
    "sweep": ImagingSettings,
    "crawler": CrawlerSettings,
    "jobs": JobsSettings,
    "migrate": MigrateSettings,
    "backup": BackupSettings,
    "drill": BackupSettings,
}
# Read by an option of the command rather than by its settings.
OPTIONS = {"drill": {"SCRATCH_DATABASE_URL"}}
LISTS: dict[str, tuple[str, ...]] = {
    "api": API_VARIABLES,
    "imaging": IMAGING_VARIABLES,
    "crawler": CRAWLER_VARIABLES,
    "jobs": JOBS_VARIABLES,
    "migrate": MIGRATE_VARIABLES,
    "backup": BACKUP_VARIABLES,
}
BACKUP = {"s3": {"bucket": "backups"}, "drill": {"scratchSecretRef": {"name": "scratch"}}}


def read_by(settings: type[BaseSettings]) -> set[str]:
    """The variables that a program reads."""
    return {name.upper() for name in settings.model_fields}


class TestVariables:
    @pytest.mark.parametrize("program", LISTS)
    def test_contract_is_read(self, program: str) -> None:
        """Each name in the contract is a setting of its program."""
        assert set(LISTS[program]) <= read_by(PROGRAMS[program])

    def test_rendered_are_read(self) -> None:
        """Each variable of each rendered pod is a setting of the program in it."""
        seen = set()
        for manifest in render(make_context(make_stack(backup=BACKUP, imaging={"searchOrientations": "always"}))):
            spec = manifest.get("spec", {})
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template is None:
                continue
            component = template["metadata"]["labels"]["app.kubernetes.io/component"]
            names = {variable["name"] for variable in template["spec"]["containers"][0].get("env", ())}
            assert names - OPTIONS.get(component, set()) <= read_by(PROGRAMS[component]), component
            seen.add(component)
        assert {"api", "imaging", "crawler", "backup", "drill"} <= seen
