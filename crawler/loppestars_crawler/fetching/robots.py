"""robots.txt by RFC 9309: unreachable forbids everything; and the Crawl-delay that many sites ask for."""

from http import HTTPStatus
from typing import Any, Final

import structlog
from protego import Protego
from scrapy import Request
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response

log = structlog.get_logger(__name__)
MAX_ROBOTS_BYTES: Final = 512_000
"""What is read of a robots.txt: the least that RFC 9309 asks for (section 2.5)."""
_FORBIDS_EVERYTHING: Final = b"User-agent: *\nDisallow: /\n"
_ALLOWS_EVERYTHING: Final = b""


class RobotsUnreachable(IgnoreRequest):
    """The site does not say what it allows, so nothing is (RFC 9309, section 2.3.1.4)."""


class CrawlDelayTooLong(IgnoreRequest):
    """The site asks for longer pauses between requests than this crawl makes."""


class PoliteRobotsMiddleware(RobotsTxtMiddleware):
    """Scrapy's middleware, which by itself reads the body of any answer and takes an error for permission."""

    async def process_request(self, request: Request, spider: Any = None) -> None:  # noqa: ANN401 - Scrapy's own
        """Refuse a request that robots.txt forbids, or all where it cannot be read."""
        del spider
        if not request.meta.get("dont_obey_robotstxt"):
            await self.robot_parser(request)
            if reason := self._refusals.get(_host(request)):
                raise reason
        await super().process_request(request)

    @property
    def _refusals(self) -> dict[str, IgnoreRequest]:
        """Why nothing of a host is fetched."""
        refusals: dict[str, IgnoreRequest] = self.__dict__.setdefault("refusals", {})
        return refusals

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        """Read robots.txt; one that does not exist allows everything, a server that fails nothing."""
        if len(response.body) > MAX_ROBOTS_BYTES:
            response = response.replace(body=response.body[:MAX_ROBOTS_BYTES])
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._refusals[_host(request)] = RobotsUnreachable(f"robots.txt answers HTTP {response.status}")
            response = response.replace(body=_FORBIDS_EVERYTHING)
        elif response.status >= HTTPStatus.BAD_REQUEST:
            response = response.replace(body=_ALLOWS_EVERYTHING)
        else:
            self._keep_delay(response, request)
        await super()._parse_robots(response, netloc, request)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        """Forbid everything on a host that cannot be reached."""
        self._refusals[netloc] = RobotsUnreachable(f"robots.txt cannot be fetched: {type(exc).__name__}: {exc}")
        super()._robots_error(exc, netloc)

    def _keep_delay(self, response: Response, request: Request) -> None:
        """Wait between requests for as long as the site asks, or leave it alone."""
        rules = Protego.parse(response.body.decode("utf-8", "ignore"))
        delay = rules.crawl_delay(self._default_useragent)
        if not delay or delay <= self.crawler.settings.getfloat("DOWNLOAD_DELAY"):
            return
        longest = self.crawler.settings.getfloat("MAX_RETRY_AFTER_SECONDS")
        if delay > longest:
            reason = f"robots.txt asks for {delay:.0f} s between requests, longer than {longest:.0f} s"
            self._refusals[_host(request)] = CrawlDelayTooLong(reason)
            return
        log.info("crawl_delay_honoured", host=_host(request), seconds=delay)
        for slot in self.crawler.engine.downloader.slots.values():
            slot.delay = max(slot.delay, delay)
        throttles = [item for item in self.crawler.extensions.middlewares if isinstance(item, AutoThrottle)]
        for throttle in throttles:
            throttle.mindelay = max(throttle.mindelay, delay)
            throttle.maxdelay = max(throttle.maxdelay, delay)


def _host(request: Request) -> str:
    return request.url.split("/")[2]
