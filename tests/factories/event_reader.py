"""A process that reads events without end, in small batches, until it is killed."""

import asyncio
import os
import sys

from pydantic import SecretStr

from loppestars_core.database.engine import create_engine
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_jobs.notifying import reader


async def read_on() -> None:
    """Say that it begins, then read."""
    engine = create_engine(DatabaseSettings(database_url=SecretStr(os.environ["DATABASE_URL"])))
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    while True:
        await reader.read_events(engine, "http://api.test")
        await asyncio.sleep(0.01)


def main() -> None:
    """Read in batches that are smaller than those of the product, so that a kill meets one half done."""
    reader._BATCH = 7  # type: ignore[misc]  # a constant of the product
    asyncio.run(read_on())
