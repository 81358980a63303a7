"""Retries with patience: a site that asks for time gets it, one that is down is asked a few times and then left."""

import asyncio
import email.utils
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from scrapy import Request
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.utils.response import response_status_message

_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_MAX_PAUSE_SECONDS: Final = 60.0


class RetryAfterTooLong(IgnoreRequest):
    """The site asks for a longer pause than this crawl can make."""


class PatientRetryMiddleware(RetryMiddleware):
    """Scrapy's retries, with a pause before each: what Retry-After says, else a delay that doubles.

    A crawl makes one request at a time, so whoever waits here holds up all other requests to the site, as intended.
    """

    async def process_response(  # type: ignore[override]  # Scrapy awaits it; its own one is older than that
        self, request: Request, response: Response
    ) -> Request | Response:
        again = super().process_response(request, response)
        if not isinstance(again, Request) or response.status not in self.retry_http_codes:
            return again
        pause = self._pause(again)
        if response.status in _BUSY:
            asked = seconds_to_wait(response.headers.get("Retry-After"), datetime.now(UTC))
            longest = self.crawler.settings.getfloat("MAX_RETRY_AFTER_SECONDS")
            if asked is not None and asked > longest:
                reason = response_status_message(response.status)
                raise RetryAfterTooLong(f"{reason}: to be asked again in {asked:.0f} s, longer than {longest:.0f} s")
            pause = pause if asked is None else asked
        await asyncio.sleep(pause)
        return again

    async def process_exception(  # type: ignore[override]  # as above
        self, request: Request, exception: Exception
    ) -> Request | Response | None:
        again = super().process_exception(request, exception)
        if isinstance(again, Request):
            await asyncio.sleep(self._pause(again))
        return again

    def _pause(self, again: Request) -> float:
        times = int(again.meta.get("retry_times", 1))
        first = self.crawler.settings.getfloat("RETRY_DELAY")
        return float(min(first * 2 ** (times - 1), _MAX_PAUSE_SECONDS))


def seconds_to_wait(retry_after: bytes | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, a number or a date; None for nonsense."""
    text = (retry_after or b"").decode("latin-1").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    except (ValueError, OverflowError):  # a year or an offset from UTC that no calendar holds
        return None
