"""`loppestars-sample-site`: the sample site on its own. It needs nothing of the other components."""

from datetime import date, datetime
from typing import Annotated, Final

import typer

from loppestars_core.kit.cli import Version, epilog, run, single
from loppestars_local.sample_site.server import LOOPBACK, serve

app: Final = single(
    "loppestars-sample-site",
    "Serve a made-up copy of the market sites.",
    epilog=epilog(examples=["loppestars-sample-site --port 8081", "loppestars-sample-site --today 2026-11-21"]),
)


@app.command()
def sample_site(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="port; 0 takes a free one")] = 8081,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="address to listen on; 0.0.0.0 in a pod")] = LOOPBACK,
    today: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="date to pretend")] = None,
    version: Version = False,  # noqa: ARG001 - the option acts by itself
) -> None:
    """Serve made-up markets as the real sites would list them.

    The first line printed is the address; the next ones are the settings that point a crawl at it.
    """
    day: date | None = today.date() if today is not None else None
    raise typer.Exit(serve(port, day, host))


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    run(app, arguments)
