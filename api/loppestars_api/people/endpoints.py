"""`/me`: one's own account, its copy, and its end."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from loppestars_api.access.dependencies import AccessControl, Person
from loppestars_api.people.dependencies import People
from loppestars_api.people.schemas import ConsentChange, ConsentRecord, Me
from loppestars_api.web.errors import answers
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.privacy.models import ConsentKind

router = APIRouter(
    prefix="/me",
    tags=["me"],
    responses=answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
_ZIP: Final = "application/zip"
_BODY_ERRORS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@router.get("", response_model=Me)
async def account(person: Person, people: People) -> Response:
    """Return who is signed in, and whether the account is being deleted."""
    return _answer(await people.me(person.id))


@router.delete("", response_model=Me, status_code=HTTPStatus.ACCEPTED)
async def forget(person: Person, people: People) -> Response:
    """Ask to be forgotten. At once photos are hidden and sessions end; everything goes when `due_at` has come.

    Ratings stay, without anything that says whose they were. Until then one can sign in again and take it back.
    """
    return _answer(await people.forget(person.id), HTTPStatus.ACCEPTED)


@router.delete("/erasure", response_model=Me)
async def stay(person: Person, people: People) -> Response:
    """Take the request to be forgotten back; photos that it hid are shown again."""
    return _answer(await people.stay(person.id))


@router.get(
    "/export",
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {
            "description": "`data.json` and the photos",
            "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}},
        },
        **answers(HTTPStatus.NOT_FOUND),
    },
)
async def export(person: Person, people: People, access: AccessControl) -> Response:
    """Return everything that is stored of the person as one ZIP: all rows as JSON, and all photos."""
    await access.limiter.take(access.rates.exports, person.limit_key)
    headers = {
        **NO_STORE,
        "Content-Disposition": 'attachment; filename="loppestars.zip"',
        # A second compression would cost time and win nothing.
        "Content-Encoding": "identity",
    }
    return StreamingResponse(await people.export(person.id), media_type=_ZIP, headers=headers)


@router.get("/consents", response_model=list[ConsentRecord])
async def consents(person: Person, people: People) -> Response:
    """List what the person consented to, in which version."""
    found = (await people.me(person.id)).consents
    return json_response([record.model_dump(mode="json") for record in found], headers=NO_STORE)


@router.put("/consents/{kind}", response_model=Me, responses=answers(*_BODY_ERRORS))
async def consent(person: Person, people: People, kind: ConsentKind, change: ConsentChange) -> Response:
    """Consent to a version of a text, or withdraw that; every word is kept with its time."""
    return _answer(await people.consent(person.id, kind, change))


def _answer(me: Me, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return json_response(me.model_dump(mode="json"), status, NO_STORE)
