"""`/docs`, `/redoc` and the OpenAPI document, without a byte from elsewhere.

FastAPI's own pages load Swagger UI and ReDoc from a CDN. Their files come with the package `fastapi-standalone-docs`
(see docs/decisions/0010); only its files are used, because its code replaces functions of FastAPI for the process.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from loppestars_api.web.openapi import describe

DESCRIPTION: Final = """\
Danish flea markets: today, nearby and by search; and photos of stalls whose faces are anonymised before anyone else
sees them.

Every error is `{"detail": …, "request_id": …}`, and every answer carries `X-Request-ID`; yours is kept if you send one.
HEAD works wherever GET does.
"""
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_ASSETS: Final = "/docs-assets"


def asset_folder() -> Path:
    """Find where the package keeps its files, without importing it."""
    spec = find_spec("fastapi_standalone_docs")
    if spec is None or spec.origin is None:
        raise RuntimeError("fastapi-standalone-docs is not installed: run `make setup`")
    return Path(spec.origin).parent / "static"


def install_documentation(app: FastAPI, tokenless: Iterable[str], *, contact: str = "") -> None:
    """Add the pages and their files. ReDoc looks for its logo next to its own page, hence the second mount."""
    _install_openapi(app, tokenless, contact)
    folder = asset_folder()
    title = app.title

    async def swagger(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        return _page(
            get_swagger_ui_html(
                openapi_url=f"{root}/openapi.json",
                title=title,
                swagger_js_url=f"{root}{_ASSETS}/swagger/swagger-ui-bundle.js",
                swagger_css_url=f"{root}{_ASSETS}/swagger/swagger-ui.css",
                swagger_favicon_url=f"{root}{_ASSETS}/fastapi/favicon.png",
            )
        )

    async def redoc(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        return _page(
            get_redoc_html(
                openapi_url=f"{root}/openapi.json",
                title=title,
                redoc_js_url=f"{root}{_ASSETS}/redoc/redoc.standalone.js",
                redoc_favicon_url=f"{root}{_ASSETS}/fastapi/favicon.png",
                with_google_fonts=False,
            )
        )

    app.add_route("/docs", swagger, methods=["GET"], include_in_schema=False)
    app.add_route("/redoc", redoc, methods=["GET"], include_in_schema=False)
    app.mount(_ASSETS, StaticFiles(directory=folder), name="docs-assets")
    app.mount("/redoc", StaticFiles(directory=folder / "redoc"), name="redoc-assets")


def _page(page: HTMLResponse) -> HTMLResponse:
    """Let a page run its own scripts and nothing else; their inline ones are named by their hashes."""
    inline = _INLINE_SCRIPT.findall(bytes(page.body))
    hashes = " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in inline)
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page


def _install_openapi(app: FastAPI, tokenless: Iterable[str], contact: str) -> None:
    """Serve the document, less the 422 that FastAPI adds to each route with a parameter."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            for item in document["paths"].values():
                for operation in item.values():
                    if "HTTPValidationError" in str(operation["responses"].get("422")):
                        del operation["responses"]["422"]
            for path in tokenless:
                # FastAPI has no way to say that a token is accepted, but not needed.
                document["paths"][path]["post"]["security"].append({})
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
            describe(document, contact=contact)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
