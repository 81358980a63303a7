"""The page, in a real browser and without one."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, async_playwright
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import MarketState
from loppestars_core.sign_in.signing import new_key
from loppestars_local.openid.provider import CLIENT_ID, LocalProvider
from loppestars_local.openid.server import ProviderServer
from loppestars_local.ports import free_ports
from tests.api.conftest import PROVIDER_SECRET
from tests.factories.browser import browser_command
from tests.factories.markets import add_market
from tests.factories.photo_consumer import PhotoConsumer
from tests.factories.running_api import RunningApi

TODAY = today_in_denmark()
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MAX_BYTES = 150_000
PHOTO = Path(__file__).parents[2] / "imaging/photos/city.jpg"


def day(offset: int) -> date:
    return TODAY + timedelta(days=offset)


async def add(session: AsyncSession, name: str, **columns: Any) -> str:
    """Add a market that runs today; each column may be given."""
    first = columns.pop("start_date", TODAY)
    made = await add_market(session, **{"name": name, "start_date": first, "end_date": first, **columns})
    await session.commit()
    return str(made)


class TestNegotiation:
    async def test_a_browser_gets_a_page_and_others_json(
        self, client: httpx.AsyncClient, session: AsyncSession
    ) -> None:
        """Whatever was JSON stays so for those who do not ask for HTML first."""
        made = await add(session, "Remisen")
        for path in ("/", f"/markets/{made}"):
            page = await client.get(path, headers=HTML)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "Accept" in page.headers["vary"]
            for accept in ("*/*", "application/json", "application/json, text/html"):
                other = await client.get(path, headers={"Accept": accept})
                assert other.headers["content-type"] == "application/json"
        assert (await client.get("/")).json() == {"message": "Welcome to the Loppestars API"}
        assert (await client.head("/", headers=HTML)).status_code == 200

    async def test_danish_unless_english_is_wanted(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """By the browser's language, or by the link, which stays in every further link."""
        made = await add(session, "Remisen")
        assert '<html lang="da">' in (await client.get("/", headers=HTML)).text
        english = await client.get("/", headers={**HTML, "Accept-Language": "en-GB,en;q=0.9"})
        assert "Flea markets in Denmark" in english.text
        chosen = await client.get("/", params={"lang": "en"}, headers=HTML)
        assert f"/markets/{made}?lang=en" in chosen.text


class TestFirstPaint:
    async def test_it_is_there_without_a_script(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """Markets of today on list and map; the next ones when there are none; search and place by address alone."""
        await add(session, "Søndag", start_date=day(3))
        page = (await client.get("/", headers=HTML)).text
        assert ("Ingen markeder i dag" in page, "Søndag" in page) == (True, True)
        made = await add(session, "Remisen <b>&", latitude=56.1572, longitude=10.2107, city="Aarhus")
        page = (await client.get("/", headers=HTML)).text
        assert "Remisen &lt;b&gt;&amp;" in page
        assert f'data-spot="{made}"' in page
        found = (await client.get("/", params={"q": "aarhus"}, headers=HTML)).text
        assert ("Remisen" in found, "Søndag" in found) == (True, False)
        near = (await client.get("/", params={"latitude": "56.1", "longitude": "10.2"}, headers=HTML)).text
        assert "6,4 km" in near

    @pytest.mark.parametrize(
        "query",
        [{"latitude": "x"}, {"latitude": "91", "longitude": "0"}, {"when": "x"}, {"q": "\x00" * 300}, {"lang": "x"}],
    )
    async def test_odd_questions_are_answered(self, client: httpx.AsyncClient, query: dict[str, str]) -> None:
        """A page is shown, whatever stands in its address."""
        assert (await client.get("/", params=query, headers=HTML)).status_code == 200

    async def test_a_market_says_where_it_comes_from(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """State, facts, other days of its series; what a source says is text and never a script."""
        series = "00000000-0000-0000-0000-000000000001"
        evil = "javascript:alert(1)"
        made = await add(
            session,
            "Remisen",
            series_id=series,
            state=MarketState.CANCELLED,
            description="</script><i>x",
            source_url=evil,
        )
        other = await add(session, "Remisen", series_id=series, start_date=day(7))
        page = (await client.get(f"/markets/{made}", headers=HTML)).text
        assert "Aflyst" in page
        assert f"/markets/{other}" in page
        assert "<i>x" not in page
        assert f'href="{evil}' not in page
        missing = await client.get("/markets/nothing", headers=HTML)
        assert (missing.status_code, "Vi kender ikke" in missing.text) == (404, True)

    async def test_it_is_small_and_strict(self, client: httpx.AsyncClient, session: AsyncSession) -> None:
        """All of it in less than 150 KB, nothing from elsewhere, no inline script or style."""
        for number in range(70):
            await add(session, f"Marked {number}", latitude=55 + number / 40)
        page = await client.get("/", headers=HTML)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*src)|style=|\son\w+=", page.text)
        files = re.findall(r'(?:src|href)="(/page/[^"]+)"', page.text)
        answers = {address: await client.get(address) for address in files}
        assert {answer.status_code for answer in answers.values()} == {200}
        assert all("immutable" in answer.headers["cache-control"] for answer in answers.values())
        total = len(page.content) + sum(len(answer.content) for answer in answers.values())
        assert total < MAX_BYTES
        assert (await client.get("/page/../endpoints.py")).status_code == 404
        assert (await client.get("/favicon.ico")).headers["content-type"] == "image/png"


Open = Callable[..., Any]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium; the test is left out where it is not installed."""
    command = browser_command()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        yield browser
        await browser.close()


class TestBrowser:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1280])
    async def test_accessible_in_every_look(
        self, browser: Browser, start: Callable[..., RunningApi], session: AsyncSession, scheme: Any, width: int
    ) -> None:
        """No violation that axe knows of, nothing refused by the policy, nothing wider than the screen."""
        made = await add(session, "Loppemarked i Remisen", opening_hours="10:00-16:00", entry_fee=20)
        api = start()
        page = await browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        for path in ("/", f"/markets/{made}?lang=en"):
            await page.goto(api.url + path)
            results = await Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert said == []

    async def test_faces_are_covered_before_ones_eyes(
        self, browser: Browser, start: Callable[..., RunningApi], consumer: PhotoConsumer
    ) -> None:
        """A photo is chosen; before and after are shown, with how many faces there were."""
        api = start(SIGNING_SECRET="signs-links-in-tests")
        page = await browser.new_page(locale="da-DK")
        await page.goto(api.url)
        await page.set_input_files("#photo", PHOTO)
        await page.click("#blur-form button")
        await page.wait_for_selector("#blur-result:not([hidden])")
        # Waiting by a function of the page would need its policy to allow `eval`.
        assert await page.locator("#before").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert (await page.get_attribute("#after", "src") or "").startswith("blob:")
        assert "fundet" in await page.inner_text("#blur-status")

    async def test_near_me(self, browser: Browser, start: Callable[..., RunningApi], session: AsyncSession) -> None:
        """The position of the device, rounded, becomes the list of what is around it."""
        await add(session, "Aarhus marked", latitude=56.1572, longitude=10.2107)
        api = start()
        here = {"latitude": 56.123456, "longitude": 10.2}
        context = await browser.new_context(geolocation=here, permissions=["geolocation"])
        page = await context.new_page()
        await page.goto(api.url)
        await page.click("#near")
        await page.wait_for_url("**latitude=56.123&longitude=10.200**")
        assert "Aarhus marked" in await page.inner_text(".cards")

    async def test_who_signed_in_rates(
        self, browser: Browser, start: Callable[..., RunningApi], session: AsyncSession
    ) -> None:
        """By a provider's page and back; the rating is that person's, and no address keeps the session."""
        made = await add(session, "Remisen")
        url = f"http://127.0.0.1:{free_ports(1)[0]}"
        callback = f"{url}/auth/v1/callback"
        with ProviderServer(LocalProvider(PROVIDER_SECRET, frozenset({callback}))) as provider:
            start(
                PORT=url.rpartition(":")[2],
                PUBLIC_URL=url,
                AUTH_SIGNING_KEYS=new_key(),
                AUTH_SESSION_SECRETS="s" * 32,
                AUTH_REDIRECTS=f"{url}/",
                AUTH_GOOGLE_CLIENT_ID=CLIENT_ID,
                AUTH_GOOGLE_CLIENT_SECRET=PROVIDER_SECRET,
                AUTH_GOOGLE_ISSUER=provider.url,
            )
            page = await browser.new_page(locale="en-GB")
            await page.goto(url)
            await page.click(".sign-in a")
            await page.click("text=visitor")
            await page.wait_for_selector("#signed-in:not([hidden])")
            assert "token" not in page.url
            await page.goto(f"{url}/markets/{made}")
            await page.fill("#comment", "Go early")
            await page.locator("#stars").evaluate("input => { input.value = 9 }")
            await page.click("#rate button")
            await page.wait_for_selector("#rate [role=status]:not(:empty)")
            assert await page.inner_text("#rate [role=status]") == "Thank you for your rating."
        found = await session.execute(
            text("SELECT rating, comment, provider FROM ratings JOIN identities USING (user_id)")
        )
        assert [tuple(row) for row in found] == [(9, "Go early", "google")]
