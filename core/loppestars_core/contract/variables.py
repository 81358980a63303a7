"""Environment variables that the operator sets for each program, named as the programs' settings read them."""

from typing import Final

_COMMON: Final = ("METRICS_HOST", "METRICS_PORT")
_DATABASE: Final = ("DATABASE_URL", "DATABASE_DIRECT_URL")
_STORAGE: Final = (
    "S3_ENDPOINT_URL",
    "S3_PUBLIC_URL",
    "S3_REGION",
    "S3_PATH_STYLE",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "ORIGINALS_BUCKET",
    "PROCESSED_BUCKET",
)
API_VARIABLES: Final = (
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
IMAGING_VARIABLES: Final = (
    *_COMMON,
    *_DATABASE,
    *_STORAGE,
    "ANONYMISE_STYLE",
    "MIN_CONFIDENCE",
    "SEARCH_ORIENTATIONS",
    "ORIGINALS_RETENTION",
)
CRAWLER_VARIABLES: Final = (
    *_COMMON,
    *_DATABASE,
    "CRAWL_SOURCES",
    "JSONLD_SOURCES",
    "GEOCODING_PROVIDER",
    "DEADLINE_SECONDS",
    "TERMINATION_MESSAGE_PATH",
)
JOBS_VARIABLES: Final = (*_COMMON, *_DATABASE, *_STORAGE)
MIGRATE_VARIABLES: Final = _DATABASE
