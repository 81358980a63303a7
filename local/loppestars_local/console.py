"""What the person at the terminal sees."""

import contextlib
import sys

from loppestars_local.components import Addresses
from loppestars_local.data_folder import DataFolder
from loppestars_local.ports import LOOPBACK


def say(text: str) -> None:
    """Print a line; a terminal that has been closed is no reason to leave anything running."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def explain_platform(addresses: Addresses, folder: DataFolder, token: str, token_days: int) -> None:
    """What runs where, the admin token, three calls to try, and that it is ready: the last line."""
    url = addresses.url
    site = "the real sites" if addresses.sample_site is None else f"http://{LOOPBACK}:{addresses.sample_site}"
    say(
        f"""
  API       {url}  (documentation: {url}/docs)
  Metrics   {"  ".join(addresses.metrics_urls.values())}
  Crawled   {site}
  Data      {folder.path}
  Logs      {folder.path / "logs"}

  Admin token (for {token_days} days):
  {token}

  Try first:
    curl '{url}/markets/nearby?latitude=55.6761&longitude=12.5683&radius=50'
    curl -F file=@photo.jpg -o without-faces.jpg {url}/process-face
    curl -X POST -H "Authorization: Bearer $TOKEN" {url}/scraper/trigger
"""
    )
    say(f"Loppestars is ready at {url}")
