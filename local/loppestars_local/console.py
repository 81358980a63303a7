"""What the person at the terminal sees: a table that updates, or plain lines where the output is a file."""

import contextlib
import sys
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loppestars_local.components import Addresses
from loppestars_local.data_folder import DataFolder

_NAME_WIDTH: Final = 12


def say(text: str) -> None:
    """Print a line; a terminal that has been closed is no reason to leave anything running."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


class Progress:
    """The state of each component while the platform starts."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._live: Live | None = None

    def show(self, name: str, state: str) -> None:
        """Show that `name` is in `state`."""
        if self._states.get(name) == state:
            return
        self._states[name] = state
        if not sys.stdout.isatty():
            self.note(name, state)
            return
        with contextlib.suppress(OSError):
            if self._live is None:
                # Without a thread of its own: processes are started meanwhile.
                self._live = Live(console=Console(), auto_refresh=False)
                self._live.start()
            table = Table.grid(padding=(0, 2))
            for row in self._states.items():
                table.add_row(*row)
            self._live.update(table, refresh=True)

    def note(self, name: str, state: str) -> None:
        """Write a line that stays, also below a table that is closed."""
        say(f"{name:<{_NAME_WIDTH}}  {state}")

    def close(self) -> None:
        """Leave the table as it is; lines that follow stand below it."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError):
                live.stop()


def explain_platform(addresses: Addresses, folder: DataFolder, local: str, photo: str) -> None:
    """Print what runs where, three calls that can be pasted, and that it is ready: the last line."""
    url = addresses.url
    say(
        f"""
  Page      {url}  (markets, search, sign-in, the face blur to try)
  API       {url}/docs
  Metrics   {"  ".join(addresses.metrics_urls.values())}
  Crawled   {addresses.sample_site_url or "the real sites"}
  Data      {folder.path}
  Logs      {folder.logs}

  Try first, in another terminal:
    curl '{url}/markets/nearby?latitude=55.6761&longitude=12.5683&radius=50'
    curl -F file=@{photo} -o without-faces.jpg {url}/process-face
    curl -X POST -H "Authorization: Bearer $({local} token)" {url}/scraper/trigger
"""
    )
    say(f"Loppestars is ready at {url}")
