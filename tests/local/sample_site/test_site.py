"""The sample site: enough markets on any day, the same for one day, and answers as real servers give them."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from loppestars_core.places.points import Point, distance_km
from loppestars_local.sample_site.catalogue import listed_on
from loppestars_local.sample_site.server import SampleServer
from loppestars_local.sample_site.site import SampleSite

PROGRAM = str(Path(sys.executable).with_name("loppestars-local"))
DAY = date(2026, 11, 21)
COPENHAGEN = Point(55.6761, 12.5683)
LIST = "/marked/kategori/loppemarked"
EVENTS = "/wp-json/tribe/events/v1/events"


@pytest.fixture(scope="module")
def site_url() -> Iterator[str]:
    """The sample site of one day on loopback."""
    with SampleServer(SampleSite(lambda: DAY)) as server:
        yield server.url


def fetch(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """GET over a real socket; an answer that is no success is returned like any other."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read(), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


class TestImage:
    def test_needs_no_component(self) -> None:
        """The image of the sample site has the base dependencies only: nothing of a database or a framework."""
        code = "import sys, loppestars_local.sample_site.command; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        heavy = {"sqlalchemy", "psycopg", "jwt", "fastapi", "scrapy", "cv2", "numpy", "boto3"}
        assert heavy.isdisjoint(loaded)


class TestSite:
    """The sample site: enough markets on any day, the same for one day, and answers as real servers give them."""

    @pytest.mark.parametrize("offset", range(0, 400, 11))
    def test_there_are_enough_markets_on_any_day(self, offset: int) -> None:
        """At least 60 markets, 10 of them near Copenhagen within 30 days, and some today, on any day of a year."""
        today = DAY + timedelta(days=offset)
        listed = listed_on("m", today) + listed_on("l", today)
        near = {
            market.number
            for market, start, end in listed
            if distance_km(Point(*market.point), COPENHAGEN) < 50
            and start <= today + timedelta(days=30)
            and end >= today
        }
        running = {market.number for market, start, end in listed if start <= today <= end}
        assert len({market.number for market, _, _ in listed}) >= 60
        assert len(near) >= 10
        assert len(running) >= 3

    def test_tomorrow_lists_what_today_does(self) -> None:
        """Occurrences keep their dates: from one day to the next nearly all stay."""
        today = {(market.number, start) for market, start, _ in listed_on("m", DAY)}
        tomorrow = {(market.number, start) for market, start, _ in listed_on("m", DAY + timedelta(days=1))}
        assert len(today & tomorrow) > 0.8 * len(today)

    def test_a_page_is_the_same_when_asked_again(self, site_url: str) -> None:
        """Deterministic for a day, told by the ETag and the date, which both answer 304."""
        status, body, headers = fetch(site_url + LIST)
        assert (status, body) == fetch(site_url + LIST)[:2]
        assert fetch(site_url + LIST, If_None_Match=headers["ETag"])[0] == 304
        assert fetch(site_url + LIST, If_Modified_Since=headers["Last-Modified"])[0] == 304
        assert fetch(site_url + LIST, If_None_Match='"other"', If_Modified_Since=headers["Last-Modified"])[0] == 200
        assert fetch(site_url + LIST, If_Modified_Since="nonsense")[0] == 200

    def test_the_calendar_has_the_quirks_of_the_real_one(self, site_url: str) -> None:
        """A header and 100 rows, a link with » to the real host, two-date cells, glyphs, one detail link for nine."""
        page = fetch(site_url + LIST)[1].decode()
        assert page.count("<tr><td><") + page.count("<tr><th>") == 101
        assert "https://markedskalenderen.dk/marked/kategori/loppemarked?page=2" in page
        assert "&raquo;" in page
        assert "<br>" in page
        assert "\ue115" in page
        assert "&#xe086;" in page
        everything = page + fetch(f"{site_url}{LIST}?page=2")[1].decode()
        assert everything.count("/marked/000-2100") == 9
        assert "蚤市场" in everything
        assert fetch(f"{site_url}{LIST}?page=3")[0] == 404

    def test_the_events_have_the_quirks_of_the_real_ones(self, site_url: str) -> None:
        """Pages that link on by the real host, titles in two shapes, venues in three, entities, hidden events."""
        first = json.loads(fetch(f"{site_url}{EVENTS}?per_page=100")[1])
        assert (len(first["events"]), first["total_pages"]) == (100, 2)
        assert first["next_rest_url"].startswith("https://loppemarkeder.nu/wp-json/")
        second = json.loads(fetch(f"{site_url}{EVENTS}/?page=2&per_page=100")[1])
        assert "next_rest_url" not in second
        events = first["events"] + second["events"]
        assert len(events) == first["total"]
        assert {type(event["title"]) for event in events} == {str, dict}
        assert {type(event["venue"]) for event in events} == {dict, list}
        assert [] in [event["venue"] for event in events]
        assert any(event["hide_from_listings"] for event in events)
        assert fetch(f"{site_url}{EVENTS}?per_page=100&page=9")[0] == 404

    def test_robots_and_what_is_not_there(self, site_url: str) -> None:
        """robots.txt is served, an unknown page is 404, a market's page is found below both sites' paths."""
        assert b"Disallow: /wp-admin/" in fetch(f"{site_url}/robots.txt")[1]
        assert fetch(f"{site_url}/nothing")[0] == 404
        assert b"Blegdamsvej 132" in fetch(f"{site_url}/marked/000-2100")[1]

    def test_the_command_prints_where_it_serves_and_stops_on_sigterm(self) -> None:
        """A supervisor starts it on a free port, reads the address from the first line, and ends it cleanly."""
        command = [PROGRAM, "sample-site", "--port", "0", "--today", "2026-11-21"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.removeprefix("Sample site is ready at ").strip()
            assert fetch(url + LIST)[0] == 200
            process.terminate()
            assert process.wait(10) == 0

    def test_a_port_in_use_is_one_clear_sentence(self, site_url: str) -> None:
        """Exit 2, naming the port and what to do."""
        port = site_url.rpartition(":")[2]
        command = [PROGRAM, "sample-site", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 2
        assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr
