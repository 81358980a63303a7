"""The markets that a crawl found, for a person: on the terminal after a dry run, or in a file."""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from loppestars_core.kit.cli import show
from loppestars_core.markets.sighting import SourceMarket

log = structlog.get_logger(__name__)
_SHOWN: Final = ("source", "start_date", "end_date", "name", "address", "postal_code", "city", "opening_hours")
# Spreadsheets run cells that begin so.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_found(found: Sequence[SourceMarket] | None, output: Path | None) -> None:
    """Write the markets to a file, or show them when there is a terminal; a file that fails does not fail the crawl."""
    if found is None:
        return
    if output is None:
        if sys.stdout.isatty():
            show([{name: getattr(market, name) for name in _SHOWN} for market in found])
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            if output.suffix.lower() == ".csv":
                rows = [market.content() for market in found]
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
                writer.writeheader()
                writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
            else:
                json.dump([market.content() for market in found], file, ensure_ascii=False, indent=1)
    except OSError as error:
        log.error("markets_not_written", path=str(output), error=error.strerror)  # noqa: TRY400 - the reason is enough


def _cell(value: Any) -> Any:  # noqa: ANN401 - a value of JSON
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
