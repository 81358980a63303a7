"""With what the operator renders, every library that makes connections reaches the outside of a closed cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loppestars_operator.rendering import ClusterFacts
from loppestars_operator.rendering.context import Proxy as ProxyFact
from loppestars_operator.rendering.surroundings import CA_FILE, variables
from tests.factories.outside import HOST, Proxy, outside
from tests.factories.stacks import make_context, make_stack

URL = f"https://{HOST}/"
# What each component connects with: keys of tokens and identities, push messages, photos, geocoders, sites.
CLIENTS = {
    "keys": f"""
import asyncio, ssl
from loppestars_core.sign_in.issuer_keys import fetch
print(asyncio.run(fetch({URL!r}, timeout=10, tls=ssl.create_default_context())).decode())
""",
    "push": f"""
import requests
with requests.Session() as session:
    print(session.get({URL!r}, timeout=10).text)
""",
    "storage": f"""
from loppestars_core.storage.s3 import make_client
keys = {{"access_key_id": "a", "secret_access_key": "b"}}
client = make_client(endpoint_url={URL!r}, region="eu-west-1", path_style=True, **keys)
print(client.get_object(Bucket="photos", Key="one")["Body"].read().decode())
""",
    "geocoder": f"""
from loppestars_crawler.geocoding.services import _JsonService
print(_JsonService({URL!r}, "tests").get("", {{}}))
""",
    "sites": f"""
import scrapy
from scrapy.crawler import CrawlerProcess
class Spider(scrapy.Spider):
    name = "site"
    start_urls = [{URL!r}]
    def parse(self, response):
        print(response.text)
process = CrawlerProcess({{"LOG_ENABLED": False, "DOWNLOAD_VERIFY_CERTIFICATES": True, "TELNETCONSOLE_ENABLED": False}})
process.crawl(Spider)
process.start()
""",
    "database": """
from psycopg.pq import Conninfo
print([option.val for option in Conninfo.get_defaults() if option.keyword == b"sslrootcert"], "outside")
""",
}


def ask(client: str, environment: dict[str, str]) -> str:
    """What a process that has only these variables is answered."""
    command = [sys.executable, "-c", CLIENTS[client]]
    known = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}
    done = subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr[-2000:]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Path]]:
    with outside(tmp_path_factory.mktemp("outside")) as found:
        yield found


def rendered(proxy: Proxy, bundle: Path) -> dict[str, str]:
    """The variables, with the bundle where it lies here."""
    facts = ClusterFacts(proxy=ProxyFact(proxy.url, proxy.url))
    context = make_context(make_stack(caBundle={"configMapRef": {"name": "trust"}}), facts)
    return {found["name"]: found["value"].replace(CA_FILE, str(bundle)) for found in variables(context)}


class TestOutside:
    @pytest.mark.parametrize("client", CLIENTS)
    def test_reached(self, closed: tuple[Proxy, Path], client: str) -> None:
        """Through the proxy, by the private authority."""
        proxy, bundle = closed
        before = len(proxy.asked)
        said = ask(client, rendered(proxy, bundle))
        if client == "database":
            assert str(bundle) in said
            return
        assert "outside" in said, said
        assert proxy.asked[before:], "not through the proxy"

    @pytest.mark.parametrize("client", ["keys", "storage", "sites"])
    def test_unknown_authority(self, closed: tuple[Proxy, Path], client: str) -> None:
        """Without the bundle nothing of it is believed."""
        proxy, bundle = closed
        known = {name: text for name, text in rendered(proxy, bundle).items() if "PROXY" in name}
        assert '"outside"' not in ask(client, known)
