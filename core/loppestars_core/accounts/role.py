"""The roles that a user may hold, apart from their tables so that a command line can name them at once."""

from enum import StrEnum


class Role(StrEnum):
    VISITOR = "visitor"
    SELLER = "seller"
    ORGANISER = "organiser"
    ADMIN = "admin"
