"""Write docs/configuration.md from the settings classes: `make docs`. A test fails when it is out of date."""

from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from loppestars_api.settings import ApiSettings
from loppestars_backup.settings import BackupSettings
from loppestars_core.database.migrate import MigrateSettings
from loppestars_crawler.settings import CrawlerSettings
from loppestars_imaging.settings import ImagingSettings
from loppestars_jobs.settings import JobsSettings
from loppestars_local.settings import RunSettings

TARGET = Path(__file__).with_name("configuration.md")

PROGRAMS: dict[str, type[BaseSettings]] = {
    "loppestars-local (make run)": RunSettings,
    "loppestars-api": ApiSettings,
    "loppestars-imaging": ImagingSettings,
    "loppestars-crawler": CrawlerSettings,
    "loppestars-jobs": JobsSettings,
    "loppestars-backup": BackupSettings,
    "loppestars-migrate, loppestars-roles": MigrateSettings,
}


def table(settings: type[BaseSettings]) -> str:
    """One row a variable: name, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_default(field.is_required(), field.default)} | {field.description} |")
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


def _default(required: bool, value: object) -> str:  # noqa: FBT001 - a field's two properties
    if required:
        return "required"
    if value is None or value in ("", (), {}) or isinstance(value, SecretStr):
        return ""
    if isinstance(value, timedelta):
        return f"`{int(value.total_seconds())}s`"
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
