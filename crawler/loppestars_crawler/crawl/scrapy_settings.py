"""Scrapy's settings: the manners of the crawl in one place."""

from importlib.metadata import version
from typing import Any, Final

from loppestars_crawler.settings import CrawlerSettings

_MIDDLEWARES: Final = "loppestars_crawler.fetching"
_UNUSED_EXTENSIONS: Final = (
    "closespider.CloseSpider",
    "feedexport.FeedExporter",
    "logcount.LogCount",
    "logstats.LogStats",
    "memdebug.MemoryDebugger",
    "memusage.MemoryUsage",
    "remote_control.RemoteControl",
    "spiderstate.SpiderState",
    "telnet.TelnetConsole",
)


def user_agent(contact: str) -> str:
    """Return who asks, and where to complain."""
    return f"LoppestarsCrawler/{version('loppestars')} (+{contact})"


def scrapy_settings(settings: CrawlerSettings, delay_seconds: float | None = None) -> dict[str, Any]:
    """Return settings for one request at a time, by the site's robots.txt, as fast as the site answers.

    `delay_seconds` is a source's own; what robots.txt asks for is added either way.
    """
    delay = settings.crawl_delay_seconds if delay_seconds is None else delay_seconds
    return {
        "ADDONS": {"scrapy_poet.Addon": 300},
        "USER_AGENT": user_agent(settings.crawler_contact),
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": 1,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_ITEMS": 1,
        "DOWNLOAD_DELAY": delay,
        # A delay that varies would look less like a machine; this one does not hide, and the least is the least.
        "DOWNLOAD_DELAY_JITTER": 0.0,
        # With no delay asked for, as on a copy on this machine, there is nothing to adapt to.
        "AUTOTHROTTLE_ENABLED": delay > 0,
        "AUTOTHROTTLE_START_DELAY": delay,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": 1.0,
        "DOWNLOAD_TIMEOUT": settings.download_timeout,
        "DOWNLOAD_MAXSIZE": settings.max_page_bytes,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "COOKIES_ENABLED": False,
        "REFERRER_POLICY": "no-referrer",
        "RETRY_TIMES": settings.retry_times,
        "RETRY_DELAY": settings.retry_delay,
        "MAX_RETRY_AFTER_SECONDS": settings.max_retry_after_seconds,
        "DOWNLOADER_MIDDLEWARES": {
            f"{_MIDDLEWARES}.site_bounds.SiteBoundsMiddleware": 50,
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            f"{_MIDDLEWARES}.robots.PoliteRobotsMiddleware": 100,
            f"{_MIDDLEWARES}.retrying.PatientRetryMiddleware": 550,
            # Inside of decompression (590): what is stored is what pages are read from.
            f"{_MIDDLEWARES}.revalidating.RevalidatingMiddleware": 585,
        },
        # Web pages only: a link to a file, a bucket or an FTP server is not for a crawl.
        "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3")),
        # What is left is the throttle: no console and no remote control, no feeds, no second opinion on when to stop.
        "EXTENSIONS": dict.fromkeys(f"scrapy.extensions.{name}" for name in _UNUSED_EXTENSIONS),
        "LOG_ENABLED": False,
    }
