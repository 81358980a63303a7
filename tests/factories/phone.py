"""A phone that signs in: what the released app, its browser and supabase-js do together, over real requests."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

REDIRECT = "loppestars://auth/callback"


@dataclass
class Phone:
    """One device. `api` answers under `/auth/v1`; the provider's pages are fetched over real HTTP."""

    api: httpx.AsyncClient
    key: str
    session: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"apikey": self.key, "Authorization": f"Bearer {self.session.get('access_token', self.key)}"}

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return await self.api.request(method, f"/auth/v1/{path}", headers=headers, **more)

    async def at_provider(self, person: str, **query: str) -> str:
        """Begin a sign-in and return the address at which the provider sends the browser back."""
        given = {"provider": "google", "redirect_to": REDIRECT, "login_hint": person, **query}
        answer = await self.api.get("/auth/v1/authorize?" + urlencode(given))
        assert answer.status_code == 302, answer.text
        async with httpx.AsyncClient() as browser:
            page = await browser.get(answer.headers["location"])
        assert page.status_code == 302, page.text
        return str(page.headers["location"])

    async def back(self, address: str) -> str:
        """Follow the provider's redirect to us, and return ours to the app."""
        answer = await self.api.get(address)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    async def sign_in(self, person: str = "visitor", **query: str) -> dict[str, Any]:
        """Sign in by the implicit flow, the default of 2.58."""
        address = await self.back(await self.at_provider(person, **query))
        assert address.startswith(REDIRECT), address
        found = fragment(address)
        self.session = {**found, "expires_in": int(found["expires_in"]), "expires_at": int(found["expires_at"])}
        return self.session

    async def code(self, person: str = "visitor", method: str = "s256", **query: str) -> tuple[str, str]:
        """Sign in up to the code of PKCE; return it and the verifier."""
        verifier = secrets.token_hex(28)
        challenge = verifier if method == "plain" else challenge_of(verifier)
        given = {"code_challenge": challenge, "code_challenge_method": method, **query}
        address = await self.back(await self.at_provider(person, **given))
        return dict(parse_qsl(urlsplit(address).query))["code"], verifier

    async def token(self, grant: str, **body: str) -> httpx.Response:
        return await self.ask("POST", f"token?grant_type={grant}", json=body)

    async def refresh(self, token: str = "") -> httpx.Response:
        """Refresh as the client does; keep what comes."""
        answer = await self.token("refresh_token", refresh_token=token or self.session["refresh_token"])
        if answer.status_code == 200:
            self.session = answer.json()
        return answer


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def fragment(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).fragment))
