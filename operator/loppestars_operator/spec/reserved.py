"""Variables that the operator sets: an extra one of the same name would have no effect, so it is refused."""

_COMMON = ("METRICS_HOST", "METRICS_PORT")
_DATABASE = ("DATABASE_URL", "DATABASE_DIRECT_URL")
_STORAGE = (
    "S3_ENDPOINT_URL",
    "S3_PUBLIC_URL",
    "S3_REGION",
    "S3_PATH_STYLE",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "ORIGINALS_BUCKET",
    "PROCESSED_BUCKET",
)
API_VARIABLES = (
    *_COMMON,
    *_DATABASE,
    *_STORAGE,
    "HOST",
    "PORT",
    "PUBLIC_URL",
    "JWT_SECRET",
    "JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "TRUSTED_PROXIES",
    "CRAWL_LAUNCHER",
    "CRAWL_STACK",
    "CRAWL_NAMESPACE",
)
IMAGING_VARIABLES = (
    *_COMMON,
    *_DATABASE,
    *_STORAGE,
    "ANONYMISE_STYLE",
    "MIN_CONFIDENCE",
    "SEARCH_ORIENTATIONS",
    "ORIGINALS_RETENTION",
)
CRAWLER_VARIABLES = (
    *_COMMON,
    *_DATABASE,
    "CRAWL_SOURCES",
    "JSONLD_SOURCES",
    "GEOCODING_PROVIDER",
    "DEADLINE_SECONDS",
    "TERMINATION_MESSAGE_PATH",
)


def not_reserved(variables: tuple[str, ...]) -> tuple[str, str]:
    """CEL rule that a component's extra variables are none of its own."""
    return (
        f"!has(self.pod) || !has(self.pod.env) || self.pod.env.all(one, !(one.name in {list(variables)!r}))",
        "pod.env has a variable that the operator sets itself; use the field of the spec that stands for it: "
        + ", ".join(variables),
    )
