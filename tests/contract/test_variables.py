"""The names of variables: what the operator sets is what the programs read."""

from typing import Any

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
from loppestars_operator.rendering import render, render_migration
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
    "restore": MigrateSettings,
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
    "restore": MIGRATE_VARIABLES,
}
# Set by other templates than the one of the component: the sweep alone deletes originals.
NOT_RENDERED = {"imaging": {"ORIGINALS_RETENTION"}}
OIDC = {"issuer": "https://login.example.dk", "name": "login"}
APPLE = {"teamId": "TEAM1", "keyId": "KEY1"}


def provider(**more: str) -> dict[str, Any]:
    return {"clientIds": ["client"], "clientSecretRef": {"name": "provider"}, **more}


# A stack that asks for everything, so that every variable which the operator knows is rendered.
EVERYTHING: dict[str, Any] = {
    "publicUrl": "https://api.example.dk",
    "database": {
        "secretRef": {"name": "database"},
        "directSecretRef": {"name": "database", "key": "direct"},
        "roles": {name: {"name": name, "directKey": "direct"} for name in ("api", "imaging", "crawler", "jobs")},
    },
    "storage": {
        "s3": {
            "endpoint": "https://s3.example.dk",
            "publicUrl": "https://photos.example.dk",
            "credentialsSecretRef": {"name": "s3"},
        },
        "originals": {"retention": "48h"},
        "maxPhotoMib": 20,
    },
    "auth": {
        "jwtSecretRef": {"name": "jwt"},
        "issuer": "https://id.example.dk",
        "audience": "app",
        "signInSecretRef": {"name": "sign-in"},
        "redirects": ["loppestars://auth"],
        "providers": {
            "google": provider(),
            "facebook": provider(),
            "apple": provider(**APPLE),
            "oidc": provider(**OIDC),
        },
        "erasureGraceDays": 14,
    },
    "api": {
        "trustedProxies": ["10.0.0.0/8"],
        "anonKeysSecretRef": {"name": "anon"},
        "operatorTokenSecretRef": {"name": "token"},
    },
    "contact": {"privacy": "privacy@example.dk", "security": "mailto:security@example.dk"},
    "imaging": {
        "searchOrientations": "always",
        "maxPublishedSide": 1024,
        "engine": {
            "processes": 2,
            "memoryMib": 1024,
            "recycleMib": 512,
            "recyclePhotos": 100,
            "sandbox": "required",
        },
        "resources": {"limits": {"memory": "4Gi"}},
    },
    "crawler": {
        "parallelism": 2,
        "maxSourceSeconds": 600,
        "sources": [{"name": "others", "type": "jsonld", "startUrls": ["https://markets.example.dk/"]}],
        "geocoding": {"provider": "geoapify", "apiKeySecretRef": {"name": "geocoding"}},
    },
    "notifications": {
        "smtpSecretRef": {"name": "mail"},
        "mailFrom": "hello@example.dk",
        "push": {
            "publicKey": "B" * 87,
            "privateKeySecretRef": {"name": "push"},
            "subject": "mailto:hello@example.dk",
            "hosts": ["push.example.dk"],
        },
    },
    "backup": {
        "s3": {
            "bucket": "backups",
            "endpoint": "https://s3.example.dk",
            "credentialsSecretRef": {"name": "backup"},
        },
        "encryptionKeySecretRef": {"name": "backup"},
        "drill": {"scratchSecretRef": {"name": "scratch"}},
    },
}
PUBLIC_KEYS: dict[str, Any] = {"auth": {"jwksUrl": "https://id.example.dk/keys"}}


def read_by(settings: type[BaseSettings]) -> set[str]:
    """The variables that a program reads."""
    return {name.upper() for name in settings.model_fields}


def rendered(**spec: Any) -> dict[str, set[str]]:
    """Return the names of variables by component, of every pod that a stack may have."""
    context = make_context(make_stack(**spec))
    names: dict[str, set[str]] = {}
    for manifest in [*render(context), render_migration(context)]:
        inner = manifest.get("spec", {})
        template = inner.get("jobTemplate", {}).get("spec", inner).get("template")
        if template is None:
            continue
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        variables = [variable for container in template["spec"]["containers"] for variable in container.get("env", ())]
        names.setdefault(component, set()).update(variable["name"] for variable in variables)
    return names


class TestVariables:
    @pytest.mark.parametrize("program", LISTS)
    def test_contract_is_read(self, program: str) -> None:
        """Each name in the contract is a setting of its program."""
        assert set(LISTS[program]) <= read_by(PROGRAMS[program])

    @pytest.mark.parametrize("spec", [EVERYTHING, PUBLIC_KEYS, {}], ids=["everything", "public keys", "minimal"])
    def test_rendered_are_read(self, spec: dict[str, Any]) -> None:
        """Each variable of each rendered pod is a setting of the program in it, and in its list."""
        for component, names in rendered(**spec).items():
            own = names - OPTIONS.get(component, set())
            assert own <= read_by(PROGRAMS[component]), component
            assert component not in LISTS or own <= set(LISTS[component]), component

    @pytest.mark.parametrize("program", LISTS)
    def test_contract_is_rendered(self, program: str) -> None:
        """Each name in the contract is set by a stack that asks for everything (add the new field to EVERYTHING)."""
        names = rendered(**EVERYTHING)[program] | rendered(**PUBLIC_KEYS).get(program, set())
        assert set(LISTS[program]) - names == NOT_RENDERED.get(program, set())
