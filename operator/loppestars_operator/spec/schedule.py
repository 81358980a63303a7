"""When and for how long finite work runs."""

from typing import Annotated

from pydantic import Field

Schedule = Annotated[
    str,
    Field(
        min_length=6,
        max_length=100,
        pattern=r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[^@\s]\S*( +\S+){4})$",
    ),
]
TimeZone = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}$")]
Deadline = Annotated[int, Field(ge=60, le=86_400)]
History = Annotated[int, Field(ge=0, le=100)]
