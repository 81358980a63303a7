"""Puts the API together: what it needs while it runs, layers, routes, errors, documentation."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from loppestars_api.access.dependencies import open_access
from loppestars_api.access.limits.middleware import RequestLimitMiddleware
from loppestars_api.access.own_tokens import ISSUER_PATH
from loppestars_api.crawls.dependencies import open_crawls, open_sources
from loppestars_api.crawls.endpoints import router as crawls
from loppestars_api.crawls.source_endpoints import router as sources
from loppestars_api.devices.endpoints import router as devices
from loppestars_api.files.endpoints import router as files
from loppestars_api.files.service import FileService
from loppestars_api.health.dependencies import open_readiness
from loppestars_api.health.endpoints import router as health
from loppestars_api.markets.curation.endpoints import admin_router as curation_admin
from loppestars_api.markets.curation.endpoints import router as curation
from loppestars_api.markets.curation.service import CurationService
from loppestars_api.markets.dependencies import open_markets
from loppestars_api.markets.endpoints import router as markets
from loppestars_api.markets.exports.endpoints import router as exports
from loppestars_api.markets.exports.reading import open_exports
from loppestars_api.notifications.endpoints import router as notifications
from loppestars_api.organisers.endpoints import router as organisers
from loppestars_api.people.endpoints import router as people
from loppestars_api.people.web import router as privacy
from loppestars_api.photos.dependencies import open_photos
from loppestars_api.photos.endpoints import TOKENLESS_PATHS, UPLOAD_PATHS
from loppestars_api.photos.endpoints import router as photos
from loppestars_api.ratings.endpoints import router as ratings
from loppestars_api.settings import ApiSettings
from loppestars_api.site.endpoints import assets_router as site_assets
from loppestars_api.site.endpoints import router as site
from loppestars_api.site.service import SiteService
from loppestars_api.state import open_state
from loppestars_api.supabase.auth.endpoints import open_sign_in
from loppestars_api.supabase.auth.endpoints import router as auth
from loppestars_api.supabase.auth.errors import SignInMiddleware, auth_form
from loppestars_api.supabase.errors import rest_form
from loppestars_api.supabase.functions.endpoints import PREFIX as FUNCTIONS_PREFIX
from loppestars_api.supabase.functions.endpoints import router as functions
from loppestars_api.supabase.functions.errors import functions_form
from loppestars_api.supabase.realtime import router as realtime
from loppestars_api.supabase.rest.endpoints import PREFIX as REST_PREFIX
from loppestars_api.supabase.rest.endpoints import router as rest
from loppestars_api.supabase.rest.reading import open_reader
from loppestars_api.supabase.rest.resources import OFFER
from loppestars_api.supabase.rest.service import RestService
from loppestars_api.supabase.storage.context import PREFIX as STORAGE_PREFIX
from loppestars_api.supabase.storage.endpoints import router as storage
from loppestars_api.supabase.storage.endpoints import upload_paths
from loppestars_api.supabase.storage.errors import storage_form
from loppestars_api.takedowns.endpoints import router as takedowns
from loppestars_api.web import documentation, errors
from loppestars_api.web.middleware.body_limits import BodyLimitMiddleware
from loppestars_api.web.middleware.liveness import LivenessMiddleware
from loppestars_api.web.middleware.requests import RequestMiddleware
from loppestars_api.web.multipart import FORM_OVERHEAD_BYTES
from loppestars_api.web.negotiation import EncodingMiddleware
from loppestars_core.database.rows.offered import Offer
from loppestars_core.storage.links import PUBLIC_PATH

_GZIP_MINIMUM_BYTES: Final = 1024
# Level 6 and above cost several times the CPU for a few percent of a JSON list.
_GZIP_LEVEL: Final = 4

_CORS_REQUEST_HEADERS: Final = (
    *(
        "Authorization",
        "Content-Type",
        "If-None-Match",
        "Last-Event-ID",
        "X-Request-ID",
        "apikey",
        "x-client-info",
        "accept-profile",
    ),
    *("content-profile", "prefer", "range", "x-upsert", "x-supabase-api-version", "x-retry-count", "traceparent"),
    *("tracestate", "baggage", "cache-control", "x-metadata", "x-region"),
)
_CORS_ANSWER_HEADERS: Final = (
    *("X-Request-ID", "X-Faces-Detected", "Retry-After", "ETag", "Content-Range", "X-Supabase-Api-Version"),
)
_CORS: Final[Mapping[str, Any]] = {
    "allow_methods": ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    "allow_headers": _CORS_REQUEST_HEADERS,
    "expose_headers": _CORS_ANSWER_HEADERS,
}

# In this order they are asked whether a path is theirs.
_ROUTERS: Final = (
    rest,  # asked most, and fifty times at once
    site,
    site_assets,
    health,
    ratings,
    organisers,
    curation,
    curation_admin,
    devices,
    notifications,
    markets,
    exports,
    photos,
    crawls,
    sources,
    files,
    auth,
    people,
    privacy,
    takedowns,
    storage,
    functions,
    realtime,
)


class _Application(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return LivenessMiddleware(SignInMiddleware(super().build_middleware_stack()))


def create_app(settings: ApiSettings, offer: Offer = OFFER) -> FastAPI:
    """Return the API as an ASGI application. Nothing is opened before its lifespan starts.

    `offer` is what `/rest/v1` serves.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            shared = await stack.enter_async_context(open_state(settings))
            app.state.shared = shared
            app.state.access = await stack.enter_async_context(open_access(shared))
            app.state.sign_in = open_sign_in(shared, app.state.access)
            app.state.markets = await stack.enter_async_context(open_markets(shared))
            app.state.site = SiteService(shared.engine)
            app.state.curation = CurationService(shared.engine)
            app.state.exports = await stack.enter_async_context(open_exports(shared, app.state.markets))
            app.state.photos = await stack.enter_async_context(open_photos(shared))
            app.state.crawls = await stack.enter_async_context(open_crawls(shared))
            app.state.sources = await stack.enter_async_context(open_sources(shared))
            reader = await stack.enter_async_context(open_reader(shared))
            app.state.rest = RestService(offer, reader, app.state.access.sessions)
            app.state.files = FileService(shared.engine, shared.storage)
            app.state.readiness = open_readiness(shared, app.state.photos.listener)
            watching = asyncio.create_task(app.state.readiness.watch(), name="readiness")
            stack.callback(watching.cancel)
            yield

    app = _Application(
        title="Loppestars",
        version=version("loppestars"),
        description=documentation.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_layers(app, settings)
    errors.install_error_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)
    documentation.install_documentation(app, TOKENLESS_PATHS, contact=settings.security_contact)
    return app


def _add_layers(app: FastAPI, settings: ApiSettings) -> None:
    """Add the layers from the inside out: Starlette puts each further one around the ones before."""
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_MINIMUM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(EncodingMiddleware)
    app.add_middleware(
        BodyLimitMiddleware,
        default=settings.max_json_bytes,
        limits=dict.fromkeys(
            (*UPLOAD_PATHS, *upload_paths(settings.originals_bucket)), settings.max_photo_bytes + FORM_OVERHEAD_BYTES
        ),
        silence_seconds=settings.body_timeout_seconds,
    )
    app.add_middleware(RequestLimitMiddleware, limits=lambda: getattr(app.state, "access", None))
    faults: ASGIApp = errors.answer_fault
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **_CORS)
        # These are answered outside of the layer above.
        faults = CORSMiddleware(faults, allow_origins=settings.cors_origins, **_CORS)
    app.add_middleware(
        RequestMiddleware,
        access_log=settings.access_log and settings.log_level in {"DEBUG", "INFO"},
        forms={
            f"{REST_PREFIX}/": rest_form,
            f"{ISSUER_PATH}/": auth_form,
            f"{STORAGE_PREFIX}/": storage_form,
            f"{PUBLIC_PATH}/": errors.plain_form,
            f"{FUNCTIONS_PREFIX}/": functions_form,
        },
        faults=faults,
    )
