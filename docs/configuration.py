"""Write docs/configuration.md from the settings classes: `make docs`. A test fails when it is out of date."""

from pathlib import Path

from pydantic_settings import BaseSettings

from loppestars_api.settings import ApiSettings
from loppestars_backup.settings import BackupSettings
from loppestars_core.database.migrate import MigrateSettings
from loppestars_core.kit.settings import shown_default
from loppestars_crawler.settings import CrawlerSettings
from loppestars_imaging.settings import ImagingSettings
from loppestars_jobs.importing.command import ImportSettings
from loppestars_jobs.settings import JobsSettings
from loppestars_local.settings import RunSettings

TARGET = Path(__file__).with_name("configuration.md")

PROGRAMS: dict[str, type[BaseSettings]] = {
    "loppestars-local (make run)": RunSettings,
    "loppestars-api": ApiSettings,
    "loppestars-imaging": ImagingSettings,
    "loppestars-crawler": CrawlerSettings,
    "loppestars-jobs": JobsSettings,
    "loppestars-import": ImportSettings,
    "loppestars-backup": BackupSettings,
    "loppestars-migrate, loppestars-roles": MigrateSettings,
}


def table(settings: type[BaseSettings]) -> str:
    """One row a variable: name, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        default = f"`{shown}`" if (shown := shown_default(field)) else "required" if field.is_required() else ""
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def document() -> str:
    parts = [
        "# Configuration",
        "",
        "Every program reads environment variables and nothing else. This page is made from the settings classes by",
        "`make docs`.",
    ]
    for program, settings in PROGRAMS.items():
        parts += ["", f"## {program}", "", table(settings)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
