"""Bodies of the health routes."""

from typing import Literal

from pydantic import BaseModel, Field


class Welcome(BaseModel):
    message: Literal["Welcome to the Loppestars API"] = "Welcome to the Loppestars API"


class Health(BaseModel):
    status: Literal["healthy"] = "healthy"
    service: Literal["loppestars"] = "loppestars"


class Serving(BaseModel):
    status: Literal["serving"] = "serving"


class Checks(BaseModel):
    """`ok`, or what is wrong."""

    database: str = Field(examples=["ok"])
    storage: str = Field(examples=["ok"])
    queue: str = Field(examples=["ok"])


class Ready(BaseModel):
    status: Literal["ready", "not ready"]
    checks: Checks
