"""Plain pages for people without the app, in Danish and English: delete an account, take a photo down."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any, Final, Literal

from starlette.responses import HTMLResponse

from loppestars_api.web.negotiation import accepted

Language = Literal["da", "en"]

_STYLE: Final = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "label,input,textarea,button{display:block;font:inherit;width:100%;box-sizing:border-box}"
    "input,textarea{margin:.25rem 0 1rem;padding:.5rem;border:1px solid #666;border-radius:.3rem}"
    "button{background:#8a1c1c;color:#fff;border:0;border-radius:.3rem;padding:.7rem}"
)
MISSING_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.NOT_FOUND.value: {"description": "Not found", "content": {"text/html": {"schema": {"type": "string"}}}}
}
"""The OpenAPI entry of a page that says that something is not there."""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {
    "da": {
        "delete_title": "Slet din konto",
        "delete_text": "Skriv e-mailadressen på din konto. Vi sender et link; når du har bekræftet, skjules dine "
        "billeder straks, og efter {days} dage er alt om dig slettet. Dine bedømmelser bliver stående uden navn.",
        "email": "E-mail",
        "delete_button": "Send linket",
        "sent_title": "Se i din indbakke",
        "sent_text": "Hvis der er en konto med den adresse, har vi sendt et link. Det gælder i et døgn.",
        "confirm_title": "Slet kontoen?",
        "confirm_text": "Dine billeder skjules nu. Indtil om {days} dage kan du logge ind i appen og fortryde.",
        "confirm_button": "Ja, slet min konto",
        "pending_title": "Kontoen bliver slettet",
        "pending_text": "Den er slettet senest {due}. Indtil da kan du logge ind i appen og fortryde.",
        "done_title": "Alt er slettet",
        "done_text": "Der er ikke længere oplysninger om dig hos os.",
        "cancelled_title": "Kontoen bliver ikke slettet",
        "cancelled_text": "Anmodningen er trukket tilbage.",
        "unknown_title": "Linket virker ikke",
        "unknown_text": "Det er for gammelt eller er brugt. Bed om et nyt.",
        "takedown_title": "Fjern et billede",
        "takedown_text": "Er du på et billede, som du vil have væk? Skriv billedets adresse. Det skjules med det "
        "samme, og et menneske ser på sagen. Du behøver ingen konto.",
        "url": "Billedets adresse",
        "reason": "Hvorfor (kan udelades)",
        "contact": "Hvordan vi kan svare dig (kan udelades)",
        "takedown_button": "Fjern billedet",
        "hidden_title": "Tak",
        "hidden_text": "Billedet er skjult, indtil vi har set på det.",
        "missing_title": "Vi fandt ikke billedet",
        "missing_text": "Kopiér billedets adresse fra appen eller browseren, og prøv igen.",
        "questions": "Spørgsmål:",
    },
    "en": {
        "delete_title": "Delete your account",
        "delete_text": "Enter the e-mail address of your account. We send a link; once you have confirmed, your photos "
        "are hidden at once and after {days} days everything about you is deleted. Your ratings stay, without a name.",
        "email": "E-mail",
        "delete_button": "Send the link",
        "sent_title": "Look into your mailbox",
        "sent_text": "If there is an account with that address, we have sent a link. It is valid for a day.",
        "confirm_title": "Delete the account?",
        "confirm_text": "Your photos are hidden now. For {days} days you can sign in and change your mind.",
        "confirm_button": "Yes, delete my account",
        "pending_title": "The account is being deleted",
        "pending_text": "It is gone by {due}. Until then you can sign in with the app and change your mind.",
        "done_title": "Everything is deleted",
        "done_text": "We no longer hold anything about you.",
        "cancelled_title": "The account is not deleted",
        "cancelled_text": "The request was taken back.",
        "unknown_title": "This link does not work",
        "unknown_text": "It is too old or has been used. Ask for a new one.",
        "takedown_title": "Take a photo down",
        "takedown_text": "Are you on a photo that you want to be gone? Enter its address. It is hidden at once, and "
        "a person looks into it. You need no account.",
        "url": "Address of the photo",
        "reason": "Why (optional)",
        "contact": "How we can answer you (optional)",
        "takedown_button": "Take it down",
        "hidden_title": "Thank you",
        "hidden_text": "The photo is hidden until we have looked at it.",
        "missing_title": "We did not find the photo",
        "missing_text": "Copy the address of the photo from the app or the browser, and try again.",
        "questions": "Questions:",
    },
}


def language_of(header: str | None) -> Language:
    """Return Danish unless the reader prefers English."""
    for name in accepted(header):
        if name[:2] in TEXTS:
            return "en" if name[:2] == "en" else "da"
    return "da"


def page(
    language: Language,
    name: str,
    *,
    form: str = "",
    contact: str = "",
    status: int = 200,
    **values: object,
) -> HTMLResponse:
    """Return the page whose title and text are named `name`, with a form and a contact where there are any."""
    words = TEXTS[language]
    title, text = words[f"{name}_title"], words[f"{name}_text"].format(**values)
    address = escape(contact)
    asked = f'<p>{words["questions"]} <a href="mailto:{address}">{address}</a></p>' if contact else ""
    body = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)} · Loppestars</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{form}{asked}</main></body></html>"
    )
    return HTMLResponse(body, status, _HEADERS)


def delete_form(language: Language) -> str:
    """Return the form that asks for an e-mail address."""
    words = TEXTS[language]
    field = '<input id="email" name="email" type="email" autocomplete="email" maxlength="254" required>'
    return _form(f'<label for="email">{words["email"]}</label>{field}', words["delete_button"])


def confirm_form(language: Language) -> str:
    """Return the button that confirms: a mere visit, as by a mail scanner, deletes nothing."""
    return _form("", TEXTS[language]["confirm_button"])


def takedown_form(language: Language) -> str:
    """Return the form that asks for the address of a photo."""
    words = TEXTS[language]
    fields = (
        f'<label for="url">{words["url"]}</label><input id="url" name="url" type="url" maxlength="2000" required>'
        f'<label for="reason">{words["reason"]}</label>'
        '<textarea id="reason" name="reason" rows="3" maxlength="1000"></textarea>'
        f'<label for="contact">{words["contact"]}</label><input id="contact" name="contact" maxlength="254">'
    )
    return _form(fields, words["takedown_button"])


def _form(fields: str, button: str) -> str:
    return f'<form method="post">{fields}<button>{escape(button)}</button></form>'
