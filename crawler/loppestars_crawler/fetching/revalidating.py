"""Asks "has this page changed?" by ETag and Last-Modified, and reads the stored copy when it has not (RFC 9110, 13)."""

from http import HTTPStatus
from typing import Final, Self

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from loppestars_crawler.fetching.spider import SiteSpider
from loppestars_crawler.fetching.stored_pages import StoredPage
from loppestars_crawler.metrics import PAGES

_MAX_VALIDATOR: Final = 1000
_KEY: Final = "stored_page"


class RevalidatingMiddleware:
    """Stands inside of decompression, so bodies are stored and handed on as text."""

    def __init__(self, spider: SiteSpider) -> None:
        self._spider = spider

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not isinstance(crawler.spider, SiteSpider):
            raise TypeError("only a spider of a source has stored pages")
        return cls(crawler.spider)

    async def process_request(self, request: Request) -> None:
        if request.method != "GET" or request.meta.get("dont_obey_robotstxt") or _KEY in request.meta:
            return
        stored = await self._spider.pages.find(request.url)
        if stored is None:
            return
        request.meta[_KEY] = stored
        if stored.etag:
            request.headers["If-None-Match"] = stored.etag
        if stored.last_modified:
            request.headers["If-Modified-Since"] = stored.last_modified

    async def process_response(self, request: Request, response: Response) -> Response:
        PAGES.labels(self._spider.name, str(response.status)).inc()
        stored: StoredPage | None = request.meta.get(_KEY)
        if response.status == HTTPStatus.NOT_MODIFIED and stored is not None:
            headers = {"Content-Type": stored.content_type} if stored.content_type else {}
            kind = responsetypes.from_args(
                url=request.url,
                body=stored.body,
                headers={name.encode(): value.encode() for name, value in headers.items()},
            )
            return kind(url=request.url, status=HTTPStatus.OK, headers=headers, body=stored.body, request=request)
        if response.status == HTTPStatus.OK and request.method == "GET" and not request.meta.get("dont_obey_robotstxt"):
            etag, last_modified = _header(response, "ETag"), _header(response, "Last-Modified")
            if etag or last_modified:
                page = StoredPage(etag, last_modified, _header(response, "Content-Type"), response.body)
                await self._spider.pages.keep(request.url, page)
        return response


def _header(response: Response, name: str) -> str | None:
    value = response.headers.get(name)
    text = value.decode("latin-1").strip() if value else ""
    # Longer ones are not validators but an attack, and a control character would not be a header again.
    return text if 0 < len(text) <= _MAX_VALIDATOR and text.isprintable() else None
