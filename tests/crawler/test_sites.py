"""Sites and their copies."""

import pytest

from loppestars_crawler.sites import Site

COPY = Site("https://markedskalenderen.dk", "http://127.0.0.1:8081/kopi/")


class TestSite:
    """A site and the copy that stands in for it."""

    @pytest.mark.parametrize(
        ("link", "fetched"),
        [
            ("https://markedskalenderen.dk/marked/x?page=2", "http://127.0.0.1:8081/kopi/marked/x?page=2"),
            ("http://www.markedskalenderen.dk/marked/x", "http://127.0.0.1:8081/kopi/marked/x"),
            ("https://markedskalenderen.dk", "http://127.0.0.1:8081/kopi/"),
            ("http://127.0.0.1:8081/kopi/marked/x", "http://127.0.0.1:8081/kopi/marked/x"),
            # A copy below a path still holds the site's own links, which begin at the site's root.
            ("http://127.0.0.1:8081/marked/x?page=2", "http://127.0.0.1:8081/kopi/marked/x?page=2"),
            ("http://127.0.0.1:8081/", "http://127.0.0.1:8081/kopi/"),
            ("http://127.0.0.1:8081/kopier/x", "http://127.0.0.1:8081/kopi/kopier/x"),
            ("http://127.0.0.1:8081/kopi", "http://127.0.0.1:8081/kopi"),
            # What a host allows is said at its root, whatever lies below.
            ("http://127.0.0.1:8081/robots.txt", "http://127.0.0.1:8081/robots.txt"),
            ("http://127.0.0.1:9999/marked/x", None),
            ("https://markedskalenderen.dk.example.org/x", None),
            ("https://example.org/x", None),
            ("javascript:alert(1)", None),
            ("http://[broken", None),
            ("http://host:99999/", None),
        ],
    )
    def test_links_are_fetched_from_the_copy(self, link: str, fetched: str | None) -> None:
        """Only the site's own pages, and those from where this crawl fetches them."""
        assert COPY.on_base(link) == fetched
        if fetched is not None:
            assert COPY.on_base(fetched) == fetched, "a page is fetched from one address"

    def test_links_are_published(self) -> None:
        """A copy's address is not what a market's link says."""
        assert COPY.as_published("http://127.0.0.1:8081/kopi/marked/x") == "https://markedskalenderen.dk/marked/x"
        assert COPY.as_published("http://127.0.0.1:8081/kopi") == "https://markedskalenderen.dk/"
        for path in ("/marked/x?a=b", "/kopier/x"):
            assert COPY.as_published(f"http://127.0.0.1:8081{path}") == f"https://markedskalenderen.dk{path}"
        assert COPY.as_published("https://example.org/x") == "https://example.org/x"
        assert COPY.as_published(None) is None
        real = Site("https://markedskalenderen.dk", "https://markedskalenderen.dk/")
        assert real.on_base("https://markedskalenderen.dk/x") == "https://markedskalenderen.dk/x"

    @pytest.mark.parametrize(
        "link",
        [
            "http://markedskalenderen.dk/x?page=2",
            "http://markedskalenderen.dk:80/x?page=2",
            "https://name:password@markedskalenderen.dk/x?page=2",
        ],
    )
    def test_links_stay_on_tls(self, link: str) -> None:
        """Certificates are always verified, also where a page or a redirect names http://, and no link signs us in."""
        real = Site("https://markedskalenderen.dk", "https://markedskalenderen.dk/")
        assert real.on_base(link) == "https://markedskalenderen.dk/x?page=2"
