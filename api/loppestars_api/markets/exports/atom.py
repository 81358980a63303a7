"""A feed (Atom, RFC 4287) of what changed last, cancelled markets included, written batch by batch. Pure."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from loppestars_api.markets.exports.words import CALLED_OFF, description, place
from loppestars_api.markets.schemas import Row

MEDIA_TYPE: Final = "application/atom+xml; charset=utf-8"
# XML 1.0 has no way to hold these.
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When an empty feed was changed: it needs a time, and the same one each time."""


async def write_atom(batches: AsyncIterator[list[Row]], *, address: str, site: str) -> AsyncIterator[bytes]:
    """Yield a feed of rows, the latest change first, at `address`; its entries lead to the pages of `site`."""
    begun = False
    async for batch in batches:
        opening = "" if begun else _opening(batch[0]["scraped_at"], address, site)
        begun = True
        yield (opening + "".join(_entry(row, site) for row in batch)).encode()
    yield ("</feed>" if begun else f"{_opening(_NEVER, address, site)}</feed>").encode()


def _opening(changed: datetime, address: str, site: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:georss="http://www.georss.org/georss" xml:lang="da">'
        f"<id>{_safe(address)}</id><title>Loppestars</title><subtitle>Loppemarkeder i Danmark</subtitle>"
        f"<updated>{_time(changed)}</updated><author><name>Loppestars</name></author>"
        f'<link rel="self" type="application/atom+xml" href={_quoted(address)}/>'
        f'<link rel="alternate" type="text/html" href={_quoted(f"{site}/")}/>\n'
    )


def _entry(row: Row, site: str) -> str:
    called_off = CALLED_OFF.get(row["state"])
    title = row["name"] if called_off is None else f"{called_off}: {row['name']}"
    days = " / ".join(dict.fromkeys((row["start_date"], row["end_date"])))
    summary = "\n".join(filter(None, (days, place(row), description(row))))
    parts = [
        f"<entry><id>urn:uuid:{row['id']}</id><title>{_safe(title)}</title>",
        f"<updated>{_time(row['scraped_at'])}</updated><category term={_quoted(row['category'])}/>",
        f'<link rel="alternate" href={_quoted(site + "/markets/" + row["id"])}/>',
        f'<link rel="via" href={_quoted(row["source_url"])}/>' if row["source_url"] else "",
        f'<summary type="text">{_safe(summary)}</summary>',
    ]
    if row["latitude"] is not None:
        parts.append(f"<georss:point>{row['latitude']} {row['longitude']}</georss:point>")
    return "".join((*parts, "</entry>\n"))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _safe(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("", text))
