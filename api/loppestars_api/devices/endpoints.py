"""The devices on which a user is signed in: see them, and sign out of one or all."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl, User
from loppestars_api.devices.schemas import DeviceResponse, SignedOutResponse
from loppestars_api.web.errors import NotFound, answers
from loppestars_api.web.parameters import uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.database.access import AccessRole, Actor, act_as
from loppestars_core.sign_in.sessions import end_sessions, running_sessions

router = APIRouter(
    prefix="/me/sessions",
    tags=["me"],
    responses=answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)

_NO_SUCH_DEVICE: Final = "There is no such device on which you are signed in."


@router.get("", response_model=list[DeviceResponse])
async def devices(user: User, access: AccessControl) -> Response:
    """List the devices on which the user is signed in, the one used last first."""
    async with access.sessions.begin() as session:
        await act_as(session, Actor(AccessRole.USER, user.id))
        found = await running_sessions(session, user.id)
    listed = [
        DeviceResponse(
            id=device.id,
            provider=device.provider,
            user_agent=device.user_agent,
            signed_in_at=device.created_at,
            last_used_at=device.refreshed_at,
            current=device.id == user.session_id,
        )
        for device in found
    ]
    return json_response([device.model_dump(mode="json") for device in listed], headers=NO_STORE)


@router.delete("/{session_id}", status_code=HTTPStatus.NO_CONTENT, responses=answers(HTTPStatus.NOT_FOUND))
async def sign_out(
    user: User, access: AccessControl, session_id: Annotated[str, Path(description="The `id` of a device.")]
) -> Response:
    """Sign the user out of one device: its tokens are refused from now on."""
    only = uuid_or_missing(session_id, _NO_SUCH_DEVICE)
    async with access.sessions.begin() as session:
        await act_as(session, Actor(AccessRole.USER, user.id))
        if not await end_sessions(session, user.id, only=only):
            raise NotFound(_NO_SUCH_DEVICE)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=NO_STORE)


@router.delete("", response_model=SignedOutResponse)
async def sign_out_everywhere(user: User, access: AccessControl) -> Response:
    """Sign the user out of all devices, this one included."""
    async with access.sessions.begin() as session:
        await act_as(session, Actor(AccessRole.USER, user.id))
        count = await end_sessions(session, user.id)
    return json_response(SignedOutResponse(signed_out=count).model_dump(), headers=NO_STORE)
