"""Environment variables of the components, from the spec, named as the settings classes name them."""

import json
from typing import Any, Final

from loppestars_operator.rendering.context import (
    API,
    CRAWLER,
    HTTP_PORT,
    IMAGING,
    JOBS,
    METRICS_PORT,
    MIGRATE,
    RenderContext,
    serving_url,
)
from loppestars_operator.spec.auth import Auth, Providers
from loppestars_operator.spec.backup import Backup
from loppestars_operator.spec.components import Engine
from loppestars_operator.spec.notifications import Notifications
from loppestars_operator.spec.pods import PodOverrides
from loppestars_operator.spec.secrets import S3Secret
from loppestars_operator.spec.sources import Politeness, Source

Variable = dict[str, Any]
MEBIBYTE: Final = 1024 * 1024


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


def common(context: RenderContext) -> list[Variable]:
    """Return what every component reads."""
    return [*value("METRICS_HOST", context.facts.listen), *value("METRICS_PORT", METRICS_PORT)]


def database(context: RenderContext, component: str) -> list[Variable]:
    """Return the database URLs: those of the component's own role, where it has one."""
    chosen = context.spec.database
    if role := chosen.role_of(component):
        return [
            *secret("DATABASE_URL", role.name, role.key),
            *(secret("DATABASE_DIRECT_URL", role.name, role.direct_key) if role.direct_key else []),
        ]
    reference, direct = chosen.secret_ref, chosen.direct_secret_ref
    return [
        *secret("DATABASE_URL", reference.name, reference.key),
        *(secret("DATABASE_DIRECT_URL", direct.name, direct.key) if direct else []),
    ]


def migrate(context: RenderContext) -> list[Variable]:
    """Return everything the migration reads: of a component's URL it takes the role, to grant it what it needs."""
    roles = {component: context.spec.database.role_of(component) for component in (API, IMAGING, CRAWLER, JOBS)}
    granted = [secret(f"{component.upper()}_ROLE", role.name, role.key) for component, role in roles.items() if role]
    return [*database(context, MIGRATE), *(variable for variables in granted for variable in variables)]


def access_key(prefix: str, credentials: S3Secret) -> list[Variable]:
    """Return both parts of an access key."""
    return [
        *secret(f"{prefix}_ACCESS_KEY_ID", credentials.name, credentials.access_key_id_key),
        *secret(f"{prefix}_SECRET_ACCESS_KEY", credentials.name, credentials.secret_access_key_key),
    ]


def storage(context: RenderContext) -> list[Variable]:
    """Return where photos lie."""
    s3 = context.spec.storage.s3
    credentials = s3.credentials_secret_ref
    return [
        *value("S3_ENDPOINT_URL", s3.endpoint),
        *value("S3_PUBLIC_URL", s3.public_url),
        *value("S3_REGION", s3.region),
        *value("S3_PATH_STYLE", s3.path_style),
        *(access_key("S3", credentials) if credentials else []),
        *value("ORIGINALS_BUCKET", s3.originals_bucket),
        *value("PROCESSED_BUCKET", s3.processed_bucket),
    ]


def api(context: RenderContext) -> list[Variable]:
    """Return everything the API reads."""
    spec = context.spec
    push = spec.notifications.push if spec.notifications else None
    jwt = spec.auth.jwt_secret_ref
    return [
        *common(context),
        *value("HOST", context.facts.listen),
        *value("PORT", HTTP_PORT),
        *value("PUBLIC_URL", serving_url(spec)),
        *database(context, API),
        *storage(context),
        *(secret("JWT_SECRET", jwt.name, jwt.key) if jwt else []),
        *value("JWKS_URL", spec.auth.jwks_url),
        *value("JWT_ISSUER", spec.auth.issuer),
        *value("JWT_AUDIENCE", spec.auth.audience),
        *(secret("ANON_KEYS", anon.name, anon.key) if (anon := spec.api.anon_keys_secret_ref) else []),
        *value("MAX_PHOTO_BYTES", spec.storage.max_photo_mib and spec.storage.max_photo_mib * MEBIBYTE),
        *(secret("OPERATOR_TOKEN", token.name, token.key) if (token := spec.api.operator_token_secret_ref) else []),
        *value("PRIVACY_CONTACT", spec.contact and spec.contact.privacy),
        *value("SECURITY_CONTACT", spec.contact and spec.contact.security),
        *value("VAPID_PUBLIC_KEY", push and push.public_key),
        *value("PUSH_HOSTS", ",".join(push.hosts or ()) or None if push else None),
        *sign_in(spec.auth),
        *value("TRUSTED_PROXIES", ",".join(spec.api.trusted_proxies or ()) or None),
        *value("CRAWL_LAUNCHER", "cluster"),
        *value("CRAWL_STACK", context.name),
        *value("CRAWL_NAMESPACE", context.stack.key.namespace),
    ]


def sign_in(auth: Auth) -> list[Variable]:
    """Return by whom people sign in, and what they were promised."""
    own, providers = auth.sign_in_secret_ref, auth.providers or Providers()
    known = {f"AUTH_{name.upper()}": getattr(providers, name) for name in Providers.model_fields}
    apple, oidc, facebook = providers.apple, providers.oidc, providers.facebook
    return [
        *(secret("AUTH_SIGNING_KEYS", own.name, own.signing_keys_key) if own else []),
        *(secret("AUTH_SESSION_SECRETS", own.name, own.session_secrets_key) if own else []),
        *value("AUTH_REDIRECTS", ",".join(auth.redirects or ()) or None),
        *(
            variable
            for name, provider in known.items()
            if provider
            for variable in (
                *value(f"{name}_CLIENT_ID", ",".join(provider.client_ids)),
                *secret(f"{name}_CLIENT_SECRET", provider.client_secret_ref.name, provider.client_secret_ref.key),
            )
        ),
        *value("AUTH_APPLE_TEAM_ID", apple and apple.team_id),
        *value("AUTH_APPLE_KEY_ID", apple and apple.key_id),
        *value("AUTH_OIDC_ISSUER", oidc and oidc.issuer),
        *value("AUTH_OIDC_NAME", oidc and oidc.name),
        # Facebook signs what it sends us with the same secret.
        *(
            secret("FACEBOOK_APP_SECRET", facebook.client_secret_ref.name, facebook.client_secret_ref.key)
            if facebook
            else []
        ),
        *value("ERASURE_GRACE_DAYS", auth.erasure_grace_days),
    ]


def imaging(context: RenderContext) -> list[Variable]:
    """Return everything the imaging workers and the sweep read."""
    settings, largest = context.spec.imaging, context.spec.storage.max_photo_mib
    engine = settings.engine or Engine()
    return [
        *common(context),
        *database(context, IMAGING),
        *storage(context),
        *value("ANONYMISE_STYLE", settings.blur.style),
        *value("MIN_CONFIDENCE", settings.blur.min_confidence),
        *value("SEARCH_ORIENTATIONS", settings.search_orientations),
        *value("MAX_SIDE", settings.max_published_side),
        *value("MAX_BYTES", largest and largest * MEBIBYTE),
        *value("IMAGING_PROCESSES", engine.processes),
        *value("ENGINE_MEMORY_MIB", engine.memory_mib),
        *value("ENGINE_RECYCLE_MIB", engine.recycle_mib),
        *value("ENGINE_RECYCLE_PHOTOS", engine.recycle_photos),
        *value("ENGINE_SANDBOX", engine.sandbox),
    ]


def crawler(context: RenderContext) -> list[Variable]:
    """Return everything the crawler reads."""
    settings = context.spec.crawler
    key = settings.geocoding.api_key_secret_ref
    more = [found for source in settings.sources if (found := more_of(source))]
    return [
        *common(context),
        *database(context, CRAWLER),
        *value("CRAWL_SOURCES", ",".join(source.name for source in settings.sources if source.enabled)),
        *value("MORE_SOURCES", json.dumps(more) if more else None),
        *value("PARALLEL_SOURCES", settings.parallelism),
        *value("MAX_SOURCE_SECONDS", settings.max_source_seconds),
        *value("GEOCODING_PROVIDER", settings.geocoding.provider),
        *(secret("GEOCODING_API_KEY", key.name, key.key) if key else []),
        *value("DEADLINE_SECONDS", settings.active_deadline_seconds - 30),
        *value("TERMINATION_MESSAGE_PATH", "/dev/termination-log"),
    ]


def more_of(source: Source) -> dict[str, Any] | None:
    """Return what the crawler does not know of a source by its name, None where it knows all."""
    polite = source.politeness or Politeness()
    said = {
        "startUrls": source.start_urls,
        "schedule": source.schedule,
        "enabled": None if source.enabled else False,
        "rank": source.rank,
        "delaySeconds": polite.delay_seconds,
        "maxPages": polite.max_pages,
    }
    known = {name: part for name, part in said.items() if part is not None}
    kind = source.name if source.type == "builtIn" else source.type
    return {"name": source.name, "type": kind, **known} if known else None


def jobs(context: RenderContext) -> list[Variable]:
    """Return everything the second worker reads."""
    # Messages hold links.
    grace = value("PUBLIC_URL", serving_url(context.spec))
    grace += value("ERASURE_GRACE_DAYS", context.spec.auth.erasure_grace_days)
    sent = context.spec.notifications or Notifications()
    mail, push = sent.smtp_secret_ref, sent.push
    key = push.private_key_secret_ref if push else None
    grace += [
        *(secret("SMTP_URL", mail.name, mail.key) if mail else []),
        *value("MAIL_FROM", sent.mail_from),
        *(secret("VAPID_PRIVATE_KEY", key.name, key.key) if key else []),
        *value("VAPID_SUBJECT", push and push.subject),
        *value("PUSH_HOSTS", ",".join(push.hosts or ()) or None if push else None),
    ]
    return [*common(context), *database(context, JOBS), *storage(context), *grace]


def backup(context: RenderContext, settings: Backup) -> list[Variable]:
    """Return everything a backup reads: it sees all rows, as the owner of the tables does."""
    s3, key = settings.s3, settings.encryption_key_secret_ref
    credentials = s3.credentials_secret_ref
    return [
        *database(context, MIGRATE),
        *storage(context),
        *value("BACKUP_S3_BUCKET", s3.bucket),
        *value("BACKUP_S3_ENDPOINT_URL", s3.endpoint),
        *value("BACKUP_S3_REGION", s3.region),
        *value("BACKUP_S3_PATH_STYLE", s3.path_style),
        *(access_key("BACKUP_S3", credentials) if credentials else []),
        *(secret("BACKUP_ENCRYPTION_KEY", key.name, key.key) if key else []),
        *value("BACKUP_KEEP_DAYS", settings.retention.removesuffix("d")),
        *value("TERMINATION_MESSAGE_PATH", "/dev/termination-log"),
    ]


def with_extra(own: list[Variable], overrides: PodOverrides | None) -> list[Variable]:
    """Append the extra variables of the spec; the operator's own win."""
    taken = {variable["name"] for variable in own}
    extra = [variable for variable in (overrides.env if overrides else None) or () if variable.name not in taken]
    return [
        *own,
        *(
            {"name": variable.name, "value": variable.value}
            if variable.secret_key_ref is None
            else secret(variable.name, variable.secret_key_ref.name, variable.secret_key_ref.key)[0]
            for variable in extra
        ),
    ]


def secret_names(variables: list[Variable]) -> list[str]:
    """Return the Secrets that variables refer to, sorted."""
    return sorted({variable["valueFrom"]["secretKeyRef"]["name"] for variable in variables if "valueFrom" in variable})
