"""`/me/notifications`: a person's notifications, and preferences for them."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from loppestars_api.access.dependencies import Person, User
from loppestars_api.notifications.dependencies import Notifications
from loppestars_api.notifications.schemas import (
    EndpointOnly,
    NotificationList,
    PreferencesBody,
    PushKey,
    ReadMarks,
    Subscription,
)
from loppestars_api.state import State
from loppestars_api.web.errors import answers
from loppestars_api.web.parameters import Offset
from loppestars_api.web.responses import NO_STORE, json_response

router = APIRouter(
    prefix="/me",
    tags=["notifications"],
    responses=answers(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
_BODY_ERRORS: Final = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of entries.")]


@router.get("/notifications", response_model=NotificationList)
async def page(
    person: Person,
    notifications: Notifications,
    *,
    unread: Annotated[bool, Query(description="Only those that have not been read.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Response:
    """List your notifications, the newest first, each with its reason."""
    found = await notifications.page(person.id, unread=unread, limit=limit, offset=offset)
    return json_response(found.model_dump(mode="json"), headers=NO_STORE)


@router.post("/notifications/read", status_code=HTTPStatus.NO_CONTENT, responses=_BODY_ERRORS)
async def mark_read(person: Person, notifications: Notifications, body: ReadMarks | None = None) -> Response:
    """Mark these as read, or all."""
    await notifications.mark_read(person.id, body or ReadMarks())
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/notifications/preferences", response_model=PreferencesBody)
async def preferences(person: Person, notifications: Notifications) -> Response:
    """Return your notification preferences."""
    found = await notifications.preferences(person.id)
    return json_response(found.model_dump(mode="json"), headers=NO_STORE)


@router.put("/notifications/preferences", status_code=HTTPStatus.NO_CONTENT, responses=_BODY_ERRORS)
async def prefer(person: Person, notifications: Notifications, body: PreferencesBody) -> Response:
    """Set your notification preferences: channels, digest, quiet hours, and kinds that are only listed."""
    await notifications.prefer(person.id, body)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/push-key", response_model=PushKey)
async def push_key(_user: User, state: State) -> Response:
    """Return the key that a browser subscribes with."""
    return json_response(PushKey(key=state.settings.vapid_public_key or None).model_dump(), headers=NO_STORE)


@router.put("/push-subscriptions", status_code=HTTPStatus.NO_CONTENT, responses=_BODY_ERRORS)
async def subscribe(user: User, notifications: Notifications, body: Subscription) -> Response:
    """Have Web Push messages sent to a device."""
    await notifications.subscribe(user.id, body)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/push-subscriptions", status_code=HTTPStatus.NO_CONTENT, responses=_BODY_ERRORS)
async def unsubscribe(user: User, notifications: Notifications, body: EndpointOnly) -> Response:
    """Send no more messages to a device."""
    await notifications.unsubscribe(user.id, body.endpoint)
    return Response(status_code=HTTPStatus.NO_CONTENT)
