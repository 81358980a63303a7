"""Choose the launcher by the settings."""

import shutil
import sys
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.crawls.cluster_launcher import ClusterCrawlLauncher
from loppestars_api.crawls.launcher import CrawlLauncher
from loppestars_api.crawls.local_launcher import LocalCrawlLauncher, crawler_environment
from loppestars_api.settings import ApiSettings


def open_launcher(settings: ApiSettings, engine: AsyncEngine) -> CrawlLauncher:
    """Return the launcher that the settings choose."""
    if settings.crawl_launcher == "cluster":
        return ClusterCrawlLauncher(stack=settings.crawl_stack, namespace=settings.crawl_namespace)
    direct = settings.database_direct_url.get_secret_value() if settings.database_direct_url else None
    return LocalCrawlLauncher(
        engine, [find_command(settings.crawl_command)], crawler_environment(settings.pooled_url, direct)
    )


def find_command(name: str) -> str:
    """Find the command: a path as given, else next to our own interpreter, else by PATH."""
    if "/" in name:
        return name
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name
