"""JSON bodies of `/storage/v1`."""

from http import HTTPStatus
from typing import Any, Final, Literal, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, Field, ValidationError

from loppestars_api.supabase.storage.errors import StorageRefusal

Body = TypeVar("Body", bound=BaseModel)

MAX_PATHS: Final = 1000
MAX_LIST: Final = 1000


class SignBody(BaseModel):
    """For how many seconds a link is to hold."""

    expires_in: int = Field(alias="expiresIn", ge=1, le=2**31)


class SignManyBody(SignBody):
    """Keys that links are wanted for."""

    paths: list[str] = Field(min_length=1, max_length=MAX_PATHS)


class SortBy(BaseModel):
    """How a list is sorted."""

    column: Literal["name", "updated_at", "created_at", "last_accessed_at"] = "name"
    order: Literal["asc", "desc", ""] | None = "asc"


class ListBody(BaseModel):
    """A page of what lies in a folder."""

    prefix: str
    limit: int = Field(100, ge=1)
    offset: int = Field(0, ge=0)
    search: str | None = None
    sort_by: SortBy | None = Field(None, alias="sortBy")


class ListV2Body(BaseModel):
    """A page of keys with a prefix."""

    prefix: str = ""
    limit: int = Field(MAX_LIST, ge=1)
    cursor: str | None = None
    with_delimiter: bool = False
    sort_by: SortBy | None = Field(None, alias="sortBy")


class DeleteBody(BaseModel):
    """Keys to delete."""

    prefixes: list[str] = Field(min_length=1, max_length=MAX_PATHS)


class MoveBody(BaseModel):
    """Where an object is, and where it is to be."""

    bucket_id: str = Field(alias="bucketId")
    source_key: str = Field(alias="sourceKey", min_length=1)
    destination_key: str = Field(alias="destinationKey", min_length=1)
    destination_bucket: str | None = Field(None, alias="destinationBucket")


async def read_json(request: Request, model: type[Body]) -> Body:
    """Return the JSON body as `model`; one that is not of it is a 400."""
    try:
        content: Any = orjson.loads(await request.body())
        return model.model_validate(content)
    except orjson.JSONDecodeError:
        raise StorageRefusal(HTTPStatus.BAD_REQUEST, "The body is not valid JSON") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in ("body", *first["loc"]))
        raise StorageRefusal(HTTPStatus.BAD_REQUEST, f"{place} {first['msg'].lower()}") from None
