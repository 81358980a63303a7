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
Deadline = Annotated[int, Field(ge=60, le=86_400)]
History = Annotated[int, Field(ge=0, le=100)]
