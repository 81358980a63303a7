"""The welcome, and the two questions of a cluster: does the process live, can it serve."""

from fastapi import APIRouter
from starlette.responses import Response

from loppestars_api.health.readiness import OK
from loppestars_api.health.schemas import Health, Ready, Welcome
from loppestars_api.middleware.liveness import BODY
from loppestars_api.responses import json_response
from loppestars_api.services import ServicesOf

router = APIRouter(tags=["health"])
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/", response_model=Welcome)
async def welcome() -> Response:
    """Say hello."""
    return json_response(Welcome().model_dump())


@router.get("/health", response_model=Health)
async def health() -> Response:
    """Tell that the process lives; depends on nothing else."""
    # Here for the documentation: `LivenessMiddleware` answers first, but for browsers.
    return json_response(BODY, headers=_NO_STORE)


@router.get("/ready", response_model=Ready, responses={503: {"model": Ready, "description": "A check fails"}})
async def ready(services: ServicesOf) -> Response:
    """Tell whether database, storage and queue answer; the failing check is the one that is not `ok`."""
    checks = await services.readiness.ask()
    fine = all(state == OK for state in checks.values())
    body = {"status": "ready" if fine else "not ready", "checks": checks}
    return json_response(body, 200 if fine else 503, _NO_STORE)
