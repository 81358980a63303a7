"""Photos that a person pictured wants to be gone: asked for by anyone, decided by moderators."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from starlette.responses import HTMLResponse, Response

from loppestars_api.access.dependencies import AccessControl, requires
from loppestars_api.access.principal import Principal, Scope
from loppestars_api.state import State
from loppestars_api.takedowns.dependencies import Takedowns
from loppestars_api.takedowns.schemas import (
    Decision,
    Line,
    TakedownAnswer,
    TakedownByUrl,
    TakedownRecord,
    TakedownRequest,
    Words,
)
from loppestars_api.takedowns.service import NO_SUCH_PHOTO
from loppestars_api.web.errors import NotFound, answers
from loppestars_api.web.pages import MISSING_PAGE, language_of, page, takedown_form
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response

router = APIRouter(tags=["takedowns"], responses=answers(HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))
_BODY_ERRORS: Final = answers(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_MODERATION: Final = answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
Moderator = Annotated[Principal, Depends(requires(Scope.MODERATE_PHOTOS))]


async def stranger(request: Request, access: AccessControl) -> None:
    """Count a request that needs no account against its address."""
    await access.limiter.take(access.rates.strangers, access.addresses.key_of(request.scope))


Counted = [Depends(stranger)]


@router.post(
    "/photos/{photo_id}/takedown",
    response_model=TakedownAnswer,
    status_code=HTTPStatus.ACCEPTED,
    responses=_BODY_ERRORS,
    dependencies=Counted,
)
async def take_down(
    takedowns: Takedowns,
    photo_id: Annotated[str, Path(description="The photo's id.")],
    body: TakedownRequest | None = None,
) -> Response:
    """Hide a photo at once; a moderator decides whether it comes back. Needs no account."""
    await takedowns.request(uuid_or_missing(photo_id, NO_SUCH_PHOTO), body or TakedownRequest())
    return _hidden()


@router.post(
    "/photos/takedown",
    response_model=TakedownAnswer,
    status_code=HTTPStatus.ACCEPTED,
    responses=_BODY_ERRORS,
    dependencies=Counted,
)
async def take_down_by_url(takedowns: Takedowns, body: TakedownByUrl) -> Response:
    """Hide a photo at once, by its public address. Needs no account."""
    await takedowns.request_by_url(body.url, body)
    return _hidden()


@router.get("/privacy/takedown", response_class=HTMLResponse)
async def takedown_page(request: Request, state: State) -> Response:
    """Show how to have a photo taken down."""
    language = language_of(request.headers.get("accept-language"))
    return page(language, "takedown", form=takedown_form(language), contact=state.settings.privacy_contact)


@router.post(
    "/privacy/takedown", response_class=HTMLResponse, responses={**_BODY_ERRORS, **MISSING_PAGE}, dependencies=Counted
)
async def take_down_by_form(
    request: Request,
    takedowns: Takedowns,
    url: Annotated[str, Form(max_length=2000)],
    reason: Annotated[Words | None, Form()] = None,
    contact: Annotated[Line | None, Form()] = None,
) -> Response:
    """Hide a photo at once, by the form of the page."""
    language = language_of(request.headers.get("accept-language"))
    try:
        await takedowns.request_by_url(url, TakedownRequest(reason=reason, contact=contact))
    except NotFound:
        return page(language, "missing", form=takedown_form(language), status=HTTPStatus.NOT_FOUND)
    return page(language, "hidden")


@router.get(
    "/takedowns",
    response_model=list[TakedownRecord],
    responses={**_MODERATION, **answers(HTTPStatus.UNPROCESSABLE_ENTITY)},
)
async def waiting(
    _moderator: Moderator,
    takedowns: Takedowns,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Offset = 0,
) -> Response:
    """List the requests that wait for a decision, the oldest first."""
    found = await takedowns.waiting(limit, offset)
    return json_response([record.model_dump(mode="json") for record in found], headers=NO_STORE)


@router.post(
    "/takedowns/{takedown_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**_MODERATION, **_BODY_ERRORS, **answers(HTTPStatus.CONFLICT)},
)
async def decide(moderator: Moderator, takedowns: Takedowns, takedown_id: str, body: Decision) -> Response:
    """Confirm a request, which deletes the photo's bytes, or restore the photo. Both are in the audit log."""
    await takedowns.decide(uuid_or_missing(takedown_id, "There is no such request."), body, moderator.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _hidden() -> Response:
    return json_response(TakedownAnswer().model_dump(), HTTPStatus.ACCEPTED, NO_STORE)
