"""Puts the API together: what it needs while it runs, layers, routes, errors, documentation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from loppestars_api import documentation, errors
from loppestars_api.crawls.endpoints import router as crawls
from loppestars_api.files.endpoints import router as files
from loppestars_api.health.endpoints import router as health
from loppestars_api.markets.endpoints import router as markets
from loppestars_api.middleware.body_limits import BodyLimitMiddleware
from loppestars_api.middleware.liveness import LivenessMiddleware
from loppestars_api.middleware.requests import RequestMiddleware
from loppestars_api.photos.endpoints import router as photos
from loppestars_api.services import open_services
from loppestars_api.settings import ApiSettings

# Room for the multipart frame and the options around a photo.
_FORM_OVERHEAD_BYTES = 64 * 1024
_GZIP_MINIMUM_BYTES = 1024
# Level 6 and above cost several times the CPU for a few percent of a JSON list.
_GZIP_LEVEL = 4


class _Application(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return LivenessMiddleware(super().build_middleware_stack())


def create_app(settings: ApiSettings) -> FastAPI:
    """The API as an ASGI application. Nothing is opened before its lifespan starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
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
    for router in (health, markets, photos, crawls, files):
        app.include_router(router)
    documentation.install_documentation(app)
    return app


def _add_layers(app: FastAPI, settings: ApiSettings) -> None:
    """From the inside out: Starlette puts each further layer around the ones before."""
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_MINIMUM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(
        BodyLimitMiddleware,
        default=settings.max_json_bytes,
        limits={"/process-face": settings.max_photo_bytes + _FORM_OVERHEAD_BYTES},
        silence_seconds=settings.body_timeout_seconds,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID", "apikey", "x-client-info"],
            expose_headers=["X-Request-ID", "X-Faces-Detected", "Retry-After", "ETag"],
        )
    app.add_middleware(RequestMiddleware, access_log=settings.access_log and settings.log_level in {"DEBUG", "INFO"})
