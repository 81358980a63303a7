"""`/realtime/v1`: not offered; live progress of crawls is under `/scraper/runs/{id}/events`."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException

PREFIX: Final = "/realtime/v1"
router = APIRouter(prefix=PREFIX, include_in_schema=False)
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.api_route("/{path:path}", methods=_METHODS)
async def refuse(path: str) -> None:  # noqa: ARG001 - whatever it is
    """Say that there is no socket here, so that a client does not go on trying."""
    raise HTTPException(HTTPStatus.NOT_IMPLEMENTED, "Realtime is not offered here.")
