"""The plain Scrapy spider beside which a crawl is measured: it reads the same pages and stores nothing.

`scrapy runspider plain_spider.py -a start=http://…/sitemap.xml,…`
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urljoin

import scrapy
from scrapy.http import Response


class PlainSpider(scrapy.Spider):
    """Yields the events of all pages that some sitemaps list, as their JSON-LD says them."""

    name = "plain"

    def __init__(self, start: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sitemaps = start.split(",")

    async def start(self) -> AsyncIterator[Any]:
        for url in self._sitemaps:
            yield scrapy.Request(url, self.parse_sitemap)

    def parse_sitemap(self, response: Response) -> Iterator[scrapy.Request]:
        for url in response.xpath("//loc/text()").getall():
            yield scrapy.Request(urljoin(response.url, url), self.parse_page)

    def parse_page(self, response: Response) -> Iterator[dict[str, Any]]:
        for script in response.xpath('//script[@type="application/ld+json"]/text()').getall():
            for event in json.loads(script):
                place = event["location"]["address"]
                yield {"name": event["name"], "start": event["startDate"], "town": place["addressLocality"]}
