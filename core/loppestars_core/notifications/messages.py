"""What a notification says, and why it was sent, in Danish and English. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from loppestars_core.notifications.models import Kind


@dataclass(frozen=True, slots=True)
class Message:
    """`why` says for what reason it was sent."""

    title: str
    text: str
    why: str


_TEXTS: Final[Mapping[str, Mapping[Kind, tuple[str, str, str]]]] = {
    "da": {
        Kind.MARKET_CANCELLED: (
            "{name} er aflyst",
            "{name} {dates} er aflyst eller udsat.",
            "Du får besked, fordi {name} er blandt dine favoritter.",
        ),
        Kind.MARKET_MOVED: (
            "{name} er flyttet",
            "{name} er nu {dates}, {place}.",
            "Du får besked, fordi {name} er blandt dine favoritter.",
        ),
        Kind.MARKET_VANISHED: (
            "{name} er ikke længere annonceret",
            "{name} {dates} findes ikke længere hos arrangøren. Spørg, før du tager af sted.",
            "Du får besked, fordi {name} er blandt dine favoritter.",
        ),
        Kind.PHOTO_READY: (
            "Dit billede er klar",
            "Ansigterne er skjult, og billedet kan ses.",
            "Du får besked, fordi du har lagt billedet op.",
        ),
        Kind.CLAIM_DECIDED: (
            "Svar om {name}",
            "Din anmodning om at stå for {name} er nu: {state}.",
            "Du får besked, fordi du har bedt om markedet.",
        ),
        Kind.ERASURE_WARNING: (
            "Din konto slettes om {days} dag(e)",
            "Alt om dig slettes {due_on}. Log ind i appen, hvis du vil fortryde.",
            "Du får besked, fordi du har bedt om at få kontoen slettet.",
        ),
        Kind.ERASURE_LINK: (
            "Slet din konto",
            "Bekræft her, inden der er gået et døgn: {link}",
            "Du får besked, fordi nogen vil slette kontoen med denne adresse. Er det ikke dig, så gør ingenting.",
        ),
    },
    "en": {
        Kind.MARKET_CANCELLED: (
            "{name} is called off",
            "{name} {dates} is called off or postponed.",
            "You get this because {name} is one of your favourites.",
        ),
        Kind.MARKET_MOVED: (
            "{name} has moved",
            "{name} is now {dates}, {place}.",
            "You get this because {name} is one of your favourites.",
        ),
        Kind.MARKET_VANISHED: (
            "{name} is no longer announced",
            "{name} {dates} is no longer listed by its organiser. Ask before you go.",
            "You get this because {name} is one of your favourites.",
        ),
        Kind.PHOTO_READY: (
            "Your photo is ready",
            "The faces are hidden, and the photo can be seen.",
            "You get this because you uploaded the photo.",
        ),
        Kind.CLAIM_DECIDED: (
            "Answer about {name}",
            "Your claim to {name} is now: {state}.",
            "You get this because you claimed the market.",
        ),
        Kind.ERASURE_WARNING: (
            "Your account is deleted in {days} day(s)",
            "Everything about you is deleted on {due_on}. Sign in with the app to change your mind.",
            "You get this because you asked for the account to be deleted.",
        ),
        Kind.ERASURE_LINK: (
            "Delete your account",
            "Confirm within a day: {link}",
            "You get this because someone asked to delete the account of this address. If it was not you, do nothing.",
        ),
    },
}
LANGUAGES: Final = tuple(_TEXTS)


class _Known(dict[str, Any]):
    """Values of a payload; what an older release did not write is left open."""

    def __missing__(self, _key: str) -> str:
        return "…"


def message(kind: Kind, payload: Mapping[str, Any], language: str) -> Message:
    """Return what a notification says; in Danish where the language is not known."""
    texts = _TEXTS.get(language, _TEXTS["da"])[kind]
    values = _Known(payload)
    return Message(*(text.format_map(values) for text in texts))
