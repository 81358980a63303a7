"""What the real client libraries sent, sent again without them: the same calls in the same order, the same statuses."""

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.users import ensure_user
from tests.mobile.conftest import ADMIN, FOLDER, KEY, OTHER, seed, token

ME = "user-me"
PHOTO = b"\xff\xd8\xff\xe0" + bytes(500)


def headers_of(who: str) -> dict[str, str]:
    """The key and the bearer of a caller."""
    if who == "nobody":
        return {}
    bearers = {"anon": KEY, "me": token(ME), "other": token(OTHER), "admin": token(ADMIN), "expired": token(ME, -3600)}
    return {"apikey": KEY, "authorization": f"Bearer {bearers[who]}"}


def content_of(call: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The body of a call, with the ids of this run."""
    if "form" in call:
        return {"files": [(name, (None, text) if text else ("blob", PHOTO)) for name, text in call["form"]]}
    if "body" in call:
        return {"content": filled(call["body"], names).encode()}
    return {"content": PHOTO} if call.get("photo") else {}


def filled(text: str, names: dict[str, str]) -> str:
    for name, found in names.items():
        text = text.replace(f"{{{name}}}", found)
    return text


class TestRecorded:
    @pytest.mark.parametrize("library", ["released", "newest"])
    async def test_replay(self, api_settings: ApiSettings, session: AsyncSession, library: str) -> None:
        """Each call gets the status that it got when it was recorded."""
        calls = json.loads((FOLDER / f"recorded-{library}.json").read_text())
        names = {"me": ME, **await seed(session)}
        await ensure_user(session, ME)
        await session.commit()
        app = create_app(api_settings.model_copy(update={"anon_keys": (SecretStr(KEY),), "crawl_command": "true"}))
        wrong = []
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                for call in calls:
                    given = {name: text for name, text in call["headers"].items() if "form" not in call}
                    answer = await client.request(
                        call["method"],
                        filled(call["path"], names),
                        headers={**given, **headers_of(call["who"])},
                        **content_of(call, names),
                    )
                    if answer.status_code != call["status"]:
                        wrong.append((call["who"], call["method"], call["path"], answer.status_code, answer.text[:200]))
                    elif "names" in call:
                        names[call["names"]] = answer.json()["id"]
                    elif "/upload/sign/" in call["path"] and call["method"] == "POST":
                        names["link"] = answer.json()["token"]
        assert wrong == []
        assert len(calls) >= 115
