"""The welcome, liveness, readiness, and whom to write to."""

from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from loppestars_api.health.dependencies import Checks
from loppestars_api.health.readiness import OK
from loppestars_api.health.schemas import Health, Ready, Serving, Welcome
from loppestars_api.state import State
from loppestars_api.web.errors import NotFound, answers
from loppestars_api.web.middleware.liveness import BODY
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.kit.clock import now_utc

router = APIRouter(tags=["health"])

_CONTACT_HOLDS: Final = timedelta(days=180)


@router.get("/", response_model=Welcome)
async def welcome() -> Response:
    """Say hello; to a browser it is a page."""
    return json_response(Welcome().model_dump(), headers={"Vary": "Accept"})


@router.get("/health", response_model=Health)
async def health() -> Response:
    """Report that the process is alive; depends on nothing else."""
    # Here for the documentation and for browsers, which need CORS: `LivenessMiddleware` answers the rest.
    return json_response(BODY, headers=NO_STORE)


@router.get("/serving", response_model=Serving)
async def serving() -> Response:
    """Report that this process can serve: started and not draining. The readiness probe of a pod.

    It depends on nothing that other replicas share: without storage or queue, lists are still served.
    """
    return json_response(Serving().model_dump(), headers=NO_STORE)


@router.get(
    "/ready",
    response_model=Ready,
    responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Ready, "description": "A check fails"}},
)
async def ready(checks: Checks) -> Response:
    """Report whether database, storage and queue answer; the failing check is the one that is not `ok`."""
    states = await checks.ask()
    passed = all(state == OK for state in states.values())
    body = {"status": "ready" if passed else "not ready", "checks": states}
    return json_response(body, HTTPStatus.OK if passed else HTTPStatus.SERVICE_UNAVAILABLE, NO_STORE)


@router.get(
    "/.well-known/security.txt",
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {"description": "The contact", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **answers(HTTPStatus.NOT_FOUND),
    },
)
async def security_contact(state: State) -> Response:
    """Say where to report a vulnerability (RFC 9116)."""
    if not state.settings.security_contact:
        raise NotFound("This installation names no contact for security. Its operator sets SECURITY_CONTACT.")
    # The RFC asks for a date less than a year ahead, after which the text is not to be believed.
    expires = datetime.combine(now_utc().date(), time(), UTC) + _CONTACT_HOLDS
    text = f"Contact: {state.settings.security_contact}\nExpires: {expires.isoformat()}\nPreferred-Languages: en, da\n"
    return PlainTextResponse(text)
