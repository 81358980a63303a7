"""Stored files of the running API, for routes."""

from typing import Annotated

from fastapi import Depends, Request

from loppestars_api.files.service import FileService


async def files_of(request: Request) -> FileService:
    """Return what reads stored files."""
    found: FileService = request.app.state.files
    return found


Files = Annotated[FileService, Depends(files_of)]
