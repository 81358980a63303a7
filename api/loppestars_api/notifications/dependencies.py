"""Notifications of the running API, for routes."""

from typing import Annotated

from fastapi import Depends

from loppestars_api.notifications.service import NotificationService
from loppestars_api.state import State


async def notifications_of(state: State) -> NotificationService:
    """Return the service of notifications."""
    return NotificationService(state)


Notifications = Annotated[NotificationService, Depends(notifications_of)]
