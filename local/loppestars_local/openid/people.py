"""The people of this machine. Any other name is a person too."""

import re
from dataclasses import dataclass
from typing import Any, Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class LocalPerson:
    """Somebody who can sign in; the name is also their subject."""

    name: str
    about: str

    @property
    def claims(self) -> dict[str, Any]:
        """What their identity token says of them."""
        return {
            "sub": self.name,
            "name": self.name.replace("-", " ").title(),
            "email": f"{self.name}@example.org",
            "email_verified": True,
        }


PEOPLE: Final = (
    LocalPerson("visitor", "looks at markets and rates them"),
    LocalPerson("organiser", "holds the role of an organiser"),
    LocalPerson("admin", "holds the role of an admin"),
)


def person_named(name: str) -> LocalPerson | None:
    """Return the person of a name; None for what cannot be one."""
    if not NAME.fullmatch(name):
        return None
    return next((person for person in PEOPLE if person.name == name), LocalPerson(name, ""))
