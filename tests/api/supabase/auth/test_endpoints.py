"""`/auth/v1` as the released app uses it: sign in, refresh, the user, sign out."""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_local.openid.people import PEOPLE
from loppestars_local.openid.server import ProviderServer
from tests.factories.phone import REDIRECT, Phone, fragment

VERSION = "x-supabase-api-version"


class TestSignIn:
    async def test_implicit(self, phone: Phone) -> None:
        """The app gets its pair in the fragment, and is signed in with it."""
        session = await phone.sign_in("visitor")
        assert session["token_type"] == "bearer"
        assert session["expires_in"] == 3600
        found = (await phone.ask("GET", "user")).json()
        assert found["email"] == "visitor@example.org"
        assert found["app_metadata"] == {"provider": "google", "providers": ["google"]}
        assert found["user_metadata"]["full_name"] == "Visitor"
        assert [identity["id"] for identity in found["identities"]] == ["visitor"]

    async def test_same_person(self, phone: Phone, new_phone: Callable[[], Phone]) -> None:
        """A person is one user on every device; the same name at another provider is another person."""
        ids = []
        for device, provider in ((phone, "google"), (new_phone(), "google"), (new_phone(), "facebook")):
            await device.sign_in("visitor", provider=provider)
            ids.append((await device.ask("GET", "user")).json()["id"])
        assert ids[0] == ids[1] != ids[2]

    @pytest.mark.parametrize("method", ["s256", "S256", "plain"])
    async def test_pkce(self, phone: Phone, method: str) -> None:
        """The app gets a code and exchanges it; the client spells the method in lower case."""
        code, verifier = await phone.code("visitor", method)
        answer = await phone.token("pkce", auth_code=code, code_verifier=verifier)
        assert answer.status_code == 200
        phone.session = answer.json()
        assert set(phone.session) == {
            *("access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user")
        }
        assert (await phone.ask("GET", "user")).json()["id"] == phone.session["user"]["id"]

    async def test_parameters_of_the_redirect(self, phone: Phone) -> None:
        """What newer clients add to their own address comes back to them."""
        address = await phone.back(await phone.at_provider("visitor", redirect_to=f"{REDIRECT}?sb_flow_id=7&code=x"))
        assert dict(parse_qsl(urlsplit(address).query)) == {"sb_flow_id": "7"}
        assert fragment(address)["access_token"]

    async def test_default_redirect(self, phone: Phone) -> None:
        """Without an address a sign-in returns to the first one that is registered."""
        assert (await phone.back(await phone.at_provider("visitor", redirect_to=""))).startswith(f"{REDIRECT}#")

    async def test_refusal(self, phone: Phone) -> None:
        """Who does not sign in at the provider comes back with an error, in query and fragment."""
        address = await phone.at_provider("", prompt="none")
        back = await phone.back(address)
        expected = {
            "error": "access_denied",
            "error_code": "bad_oauth_callback",
            "error_description": "login_required",
        }
        assert dict(parse_qsl(urlsplit(back).query)) == fragment(back) == expected

    async def test_form(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """Apple answers with a form; the way to the app is the same."""
        address = urlsplit(await phone.at_provider("visitor"))
        answer = await api.post(address.path, data=dict(parse_qsl(address.query)))
        assert answer.status_code == 303
        assert fragment(answer.headers["location"])["access_token"]

    async def test_identity_token(self, phone: Phone, provider: ProviderServer) -> None:
        """An app that got an identity token by itself exchanges it, also one for another client of ours."""
        token = provider.provider.id_token(PEOPLE[0], aud="the-app-on-ios")
        answer = await phone.token("id_token", provider="google", id_token=token)
        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["email"] == "visitor@example.org"


class TestToken:
    async def test_claims(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """An access token is what GoTrue makes: ES256, one hour, verifiable by the published keys."""
        session = await phone.sign_in()
        keys = jwt.PyJWKSet.from_dict((await api.get("/auth/v1/.well-known/jwks.json")).json())
        key = keys[jwt.get_unverified_header(session["access_token"])["kid"]]
        claims = jwt.decode(session["access_token"], key, ["ES256"], audience="authenticated")
        assert claims["iss"] == "http://api.test/auth/v1"
        assert claims["exp"] - claims["iat"] == 3600
        assert set(claims) == {
            *("iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata", "role", "aal"),
            *("amr", "session_id", "is_anonymous"),
        }

    async def test_used_elsewhere(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """The token signs in on the other prefixes too."""
        await phone.sign_in()
        answer = await api.get("/rest/v1/ratings?select=id", headers=phone.headers)
        assert answer.status_code == 200


class TestRefresh:
    async def test_next_pair(self, phone: Phone) -> None:
        """Each refresh gives the next pair."""
        await phone.sign_in()
        tokens = [phone.session["refresh_token"]]
        for _ in range(3):
            assert (await phone.refresh()).status_code == 200
            tokens.append(phone.session["refresh_token"])
        assert len(set(tokens)) == 4

    async def test_lost_answer(self, phone: Phone) -> None:
        """A phone that repeats the token whose answer it lost gets the same pair, as often as it asks."""
        await phone.sign_in()
        lost = phone.session["refresh_token"]
        answers = [(await phone.refresh(lost)).json()["refresh_token"] for _ in range(3)]
        assert len(set(answers)) == 1
        assert (await phone.refresh(answers[0])).status_code == 200


class TestUser:
    async def test_change(self, phone: Phone) -> None:
        """Data is merged; a null removes an entry; e-mail and password are the provider's."""
        await phone.sign_in()
        for data in ({"city": "Odense", "theme": "dark"}, {"theme": None}):
            assert (await phone.ask("PUT", "user", json={"data": data})).status_code == 200
        found = (await phone.ask("GET", "user")).json()["user_metadata"]
        assert found["city"] == "Odense"
        assert "theme" not in found
        answer = await phone.ask("PUT", "user", json={"email": "other@example.org"})
        assert (answer.status_code, answer.json()["code"]) == (422, "email_provider_disabled")

    async def test_limits(self, phone: Phone) -> None:
        """Data stays small in all, and a token smaller: it still signs in."""
        await phone.sign_in()
        for number in range(8):
            answer = await phone.ask("PUT", "user", json={"data": {f"part{number}": "x" * 1500}})
            assert answer.status_code == (200 if number < 5 else 400)
        assert (await phone.refresh()).status_code == 200
        assert len(phone.session["access_token"]) < 2000
        assert (await phone.ask("GET", "user")).json()["user_metadata"]["part0"]
        for data in (["x"], "x", {"name": "a\x00b"}):
            assert (await phone.ask("PUT", "user", json={"data": data})).status_code == 400

    async def test_list(self, phone: Phone, session: AsyncSession) -> None:
        """Only admins list users."""
        assert (await phone.ask("GET", "admin/users")).status_code == 401
        await phone.sign_in()
        refused = await phone.ask("GET", "admin/users")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_admin")
        me = (await phone.ask("GET", "user")).json()["id"]
        await grant_role(session, me, Role.ADMIN, granted_by=None, notes="")
        await session.commit()
        listed = await phone.ask("GET", "admin/users?page=1&per_page=10")
        assert [user["id"] for user in listed.json()["users"]] == [me]
        assert listed.headers["x-total-count"] == "1"


class TestSignOut:
    @pytest.mark.parametrize(
        ("scope", "signed_out"), [("local", [0]), ("others", [1, 2]), ("global", [0, 1, 2]), ("", [0, 1, 2])]
    )
    async def test_scopes(self, new_phone: Callable[[], Phone], scope: str, signed_out: list[int]) -> None:
        """This device, the others, or all: at once, for access tokens as well as for refreshing."""
        phones = [new_phone() for _ in range(3)]
        for device in phones:
            await device.sign_in()
        answer = await phones[0].ask("POST", f"logout?scope={scope}" if scope else "logout")
        assert answer.status_code == 204
        for number, device in enumerate(phones):
            found = await device.ask("GET", "user")
            refreshed = await device.refresh()
            if number in signed_out:
                assert (found.status_code, found.json()["code"]) == (403, "session_not_found")
                assert (refreshed.status_code, refreshed.json()["code"]) == (400, "refresh_token_not_found")
            else:
                assert (found.status_code, refreshed.status_code) == (200, 200)


class TestOpenDocuments:
    async def test_answers(self, api: httpx.AsyncClient) -> None:
        """Settings, health and keys need no key; every answer has the version."""
        for path in ("settings", "health", ".well-known/jwks.json", "nothing", "user"):
            answer = await api.get(f"/auth/v1/{path}")
            assert answer.headers[VERSION] == "2024-01-01"
        external = (await api.get("/auth/v1/settings")).json()["external"]
        assert (external["google"], external["apple"], external["email"]) == (True, False, False)
        assert (await api.get("/auth/v1/health")).json()["name"] == "GoTrue"
        assert [key["alg"] for key in (await api.get("/auth/v1/.well-known/jwks.json")).json()["keys"]] == ["ES256"]


class TestBrowser:
    async def test_preflight(self, api: httpx.AsyncClient) -> None:
        """A page of another origin may send what both clients send, and read what they decide by."""
        asked = "authorization, apikey, content-type, x-client-info, x-supabase-api-version, x-retry-count, traceparent"
        headers = {"Origin": "https://web.example", "Access-Control-Request-Headers": asked}
        for method in ("GET", "POST", "PUT"):
            answer = await api.options("/auth/v1/user", headers={**headers, "Access-Control-Request-Method": method})
            assert answer.status_code == 200, answer.text
        answer = await api.post("/auth/v1/token", headers={"Origin": "https://web.example"})
        assert answer.headers["access-control-allow-origin"] in {"*", "https://web.example"}
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"content-range", VERSION, "retry-after"} <= {name.strip() for name in exposed.split(",")}


class TestDeletedAccount:
    async def test_refused_everywhere(self, phone: Phone, api: httpx.AsyncClient, session: AsyncSession) -> None:
        """Who asked to be forgotten is signed out; signing in again is good for taking that back, and nothing else."""
        await phone.sign_in()
        await session.execute(text("UPDATE users SET deleted_at = now()"))
        await session.commit()
        assert (await phone.ask("GET", "user")).status_code == 401
        assert (await api.get("/rest/v1/ratings?select=id", headers=phone.headers)).status_code == 401
        assert (await api.post("/scraper/trigger", headers=phone.headers)).status_code == 401
        assert (await phone.refresh()).status_code == 400
        await phone.sign_in()
        assert (await phone.ask("GET", "user")).status_code == 401
        await session.execute(text("UPDATE users SET deleted_at = NULL"))
        await session.commit()
        assert (await phone.ask("GET", "user")).status_code == 200
