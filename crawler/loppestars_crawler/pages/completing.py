"""Details of one market from two places. Pure."""

from dataclasses import fields, replace

from loppestars_crawler.items import MarketDetails


def completed(first: MarketDetails, second: MarketDetails) -> MarketDetails:
    """Return what the first says, completed by the second; a flag is set when either sets it."""
    said = {field.name: getattr(first, field.name) for field in fields(MarketDetails)}
    details = replace(second, **{name: value for name, value in said.items() if value not in (None, False, {})})
    # A doubt stays only while nothing is known of its field.
    unclear = {name: text for name, text in details.unclear.items() if getattr(details, name) is None}
    return replace(details, unclear=unclear)
