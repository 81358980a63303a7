"""Details of one market from two places. Pure."""

from dataclasses import fields, replace

from loppestars_crawler.items import MarketDetails


def completed(first: MarketDetails, second: MarketDetails) -> MarketDetails:
    """Return what the first says, completed by the second; a flag is set when either sets it."""
    said = {field.name: getattr(first, field.name) for field in fields(MarketDetails)}
    details = replace(second, **{name: value for name, value in said.items() if value not in (None, False, {})})
    return replace(details, unclear={name: text for name, text in details.unclear.items() if _is_open(details, name)})


def _is_open(details: MarketDetails, name: str) -> bool:
    """Return whether nothing is known of a field that one of the places leaves in doubt."""
    return getattr(details, name) is None
