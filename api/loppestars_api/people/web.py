"""`/privacy`: requests of people who do not use the app, and of Facebook on behalf of its users."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.people.dependencies import People
from loppestars_api.people.facebook import BadSignature, user_of
from loppestars_api.people.schemas import FacebookAnswer
from loppestars_api.state import State
from loppestars_api.web.errors import Forbidden, NotFound, answers
from loppestars_api.web.pages import MISSING_PAGE, confirm_form, delete_form, language_of, page
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.kit.clock import now_utc

PREFIX: Final = "/privacy"
router = APIRouter(
    prefix=PREFIX,
    tags=["privacy"],
    default_response_class=HTMLResponse,
    responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
_FORM_ERRORS: Final = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_EMAIL: Final = r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}$"
Code = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


@router.get("/delete")
async def ask_page(request: Request, state: State) -> Response:
    """Show how to delete an account without the app."""
    language, settings = language_of(request.headers.get("accept-language")), state.settings
    return page(
        language,
        "delete",
        form=delete_form(language),
        contact=settings.privacy_contact,
        days=settings.erasure_grace_days,
    )


@router.post("/delete", responses=_FORM_ERRORS)
async def ask(
    request: Request,
    people: People,
    access: AccessControl,
    email: Annotated[str, Form(max_length=254, pattern=_EMAIL)],
) -> Response:
    """Have a link sent to an address; the answer is the same whether there is such an account or not."""
    await access.limiter.take(access.rates.strangers, access.addresses.key_of(request.scope))
    await people.ask_by_email(email)
    return page(language_of(request.headers.get("accept-language")), "sent")


@router.get("/requests/{code}", responses=MISSING_PAGE)
async def request_page(request: Request, state: State, people: People, code: Code) -> Response:
    """Show where a request to be forgotten stands; one that is not confirmed can be confirmed here."""
    language = language_of(request.headers.get("accept-language"))
    found = await people.request(code)
    if found is None:
        return page(language, "unknown", status=HTTPStatus.NOT_FOUND)
    if found.done:
        return page(language, "done")
    if not found.confirmed:
        days = state.settings.erasure_grace_days
        return page(language, "confirm", form=confirm_form(language), days=days)
    if found.asked_at is None:
        return page(language, "cancelled")
    return page(language, "pending", due=(found.asked_at + people.grace).date().isoformat())


@router.post("/requests/{code}", responses=MISSING_PAGE)
async def confirm(request: Request, state: State, people: People, access: AccessControl, code: Code) -> Response:
    """Confirm a request to be forgotten."""
    await access.limiter.take(access.rates.strangers, access.addresses.key_of(request.scope))
    if not await people.confirm(code):
        return page(language_of(request.headers.get("accept-language")), "unknown", status=HTTPStatus.NOT_FOUND)
    return await request_page(request, state, people, code)


@router.post(
    "/facebook",
    response_class=JSONResponse,
    response_model=FacebookAnswer,
    responses={**_FORM_ERRORS, **answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)},
)
async def facebook(
    request: Request,
    state: State,
    people: People,
    access: AccessControl,
    signed_request: Annotated[str, Form(max_length=8192)],
) -> Response:
    """Delete the account of a Facebook user: Facebook's data deletion callback, proven by its signature."""
    secret = state.settings.facebook_app_secret
    if secret is None:
        raise NotFound("Facebook's callback is not configured here.")
    try:
        subject = user_of(signed_request, secret.get_secret_value(), now_utc())
    except BadSignature:
        await access.limiter.take(access.rates.auth_failures, access.addresses.key_of(request.scope))
        raise Forbidden("The signed_request is not Facebook's.") from None
    code = await people.forget_identity("facebook", subject)
    url = f"{str(state.settings.public_url).rstrip('/')}{PREFIX}/requests/{code}"
    return json_response(FacebookAnswer(url=url, confirmation_code=code).model_dump(), headers=NO_STORE)
