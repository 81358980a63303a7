"""Environment variables of the components, from the spec, named as the settings classes name them."""

import json
from typing import Any

from loppestars_operator.rendering.context import HTTP_PORT, METRICS_PORT, Blueprint, serving_url
from loppestars_operator.spec.pods import PodOverrides
from loppestars_operator.spec.sources import Source

Variable = dict[str, Any]


def value(name: str, text: object) -> list[Variable]:
    """Return a variable with a plain value, or nothing for None."""
    if text is None:
        return []
    return [{"name": name, "value": str(text).lower() if isinstance(text, bool) else str(text)}]


def secret(name: str, secret_name: str | None, key: str) -> list[Variable]:
    """Return a variable whose value only the kubelet reads, or nothing without a Secret."""
    if not secret_name:
        return []
    return [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key}}}]


def common(_: Blueprint) -> list[Variable]:
    """Return what every component reads."""
    return [*value("METRICS_HOST", "0.0.0.0"), *value("METRICS_PORT", METRICS_PORT)]  # noqa: S104  a pod's own address


def database(blueprint: Blueprint) -> list[Variable]:
    """Return the database URLs."""
    reference, direct = blueprint.spec.database.secret_ref, blueprint.spec.database.direct_secret_ref
    return [
        *secret("DATABASE_URL", reference.name, reference.key),
        *(secret("DATABASE_DIRECT_URL", direct.name, direct.key) if direct else []),
    ]


def storage(blueprint: Blueprint) -> list[Variable]:
    """Return where photos lie."""
    s3 = blueprint.spec.storage.s3
    credentials = s3.credentials_secret_ref
    return [
        *value("S3_ENDPOINT_URL", s3.endpoint),
        *value("S3_PUBLIC_URL", s3.public_url),
        *value("S3_REGION", s3.region),
        *value("S3_PATH_STYLE", s3.path_style),
        *(secret("S3_ACCESS_KEY_ID", credentials.name, credentials.access_key_id_key) if credentials else []),
        *(secret("S3_SECRET_ACCESS_KEY", credentials.name, credentials.secret_access_key_key) if credentials else []),
        *value("ORIGINALS_BUCKET", s3.originals_bucket),
        *value("PROCESSED_BUCKET", s3.processed_bucket),
    ]


def api(blueprint: Blueprint) -> list[Variable]:
    """Return everything the API reads."""
    spec = blueprint.spec
    jwt = spec.auth.jwt_secret_ref
    return [
        *common(blueprint),
        *value("HOST", "0.0.0.0"),  # noqa: S104  a pod's own address
        *value("PORT", HTTP_PORT),
        *value("PUBLIC_URL", serving_url(spec)),
        *database(blueprint),
        *storage(blueprint),
        *(secret("JWT_SECRET", jwt.name, jwt.key) if jwt else []),
        *value("JWKS_URL", spec.auth.jwks_url),
        *value("JWT_ISSUER", spec.auth.issuer),
        *value("JWT_AUDIENCE", spec.auth.audience),
        *value("TRUSTED_PROXIES", ",".join(spec.api.trusted_proxies or ()) or None),
        *value("CRAWL_LAUNCHER", "cluster"),
        *value("CRAWL_STACK", blueprint.name),
        *value("CRAWL_NAMESPACE", blueprint.stack.key.namespace),
    ]


def imaging(blueprint: Blueprint) -> list[Variable]:
    """Return everything the imaging workers and the sweep read."""
    blur = blueprint.spec.imaging.blur
    return [
        *common(blueprint),
        *database(blueprint),
        *storage(blueprint),
        *value("ANONYMISE_STYLE", blur.style),
        *value("MIN_CONFIDENCE", blur.min_confidence),
        *value("SEARCH_ORIENTATIONS", blueprint.spec.imaging.search_orientations),
    ]


def crawler(blueprint: Blueprint) -> list[Variable]:
    """Return everything the crawler reads."""
    settings = blueprint.spec.crawler
    return [
        *common(blueprint),
        *database(blueprint),
        *value("CRAWL_SOURCES", ",".join(one.name for one in settings.sources)),
        *value("JSONLD_SOURCES", _jsonld_sources(settings.sources)),
        *value("GEOCODING_PROVIDER", settings.geocoding.provider),
        *value("DEADLINE_SECONDS", settings.active_deadline_seconds - 30),
        *value("TERMINATION_MESSAGE_PATH", "/dev/termination-log"),
    ]


def _jsonld_sources(sources: list[Source]) -> str | None:
    """Return the addresses of sources that need no code, by name, as the crawler reads them."""
    addresses = {one.name: one.start_urls for one in sources if one.type == "jsonld"}
    return json.dumps(addresses) if addresses else None


def with_extra(own: list[Variable], overrides: PodOverrides | None) -> list[Variable]:
    """Append the extra variables of the spec; the operator's own win."""
    taken = {variable["name"] for variable in own}
    extra = [one for one in (overrides.env if overrides else None) or () if one.name not in taken]
    return [
        *own,
        *(
            {"name": one.name, "value": one.value}
            if one.secret_key_ref is None
            else secret(one.name, one.secret_key_ref.name, one.secret_key_ref.key)[0]
            for one in extra
        ),
    ]


def secret_names(variables: list[Variable]) -> list[str]:
    """Return the Secrets that variables refer to, sorted."""
    return sorted({one["valueFrom"]["secretKeyRef"]["name"] for one in variables if "valueFrom" in one})
