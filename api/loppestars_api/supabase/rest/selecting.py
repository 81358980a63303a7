"""The languages of `select` and `order`."""

from http import HTTPStatus
from typing import Final

from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.reader import Reader
from loppestars_core.database.rows.asked import Asked, Chosen, Count, Embedded, Item, Order, Path

_AGGREGATES: Final = frozenset({"sum", "avg", "min", "max", "count"})


def parse_select(text: str) -> tuple[Item, ...]:
    """Parse `select`. Raise `DialectError`."""
    return _Select(text).items()


class _Select:
    """The language of `select`."""

    def __init__(self, text: str) -> None:
        self._reader = Reader(text, "select parameter")

    def items(self) -> tuple[Item, ...]:
        found = self._reader.several(self._item)
        if not self._reader.ended:
            raise self._reader.refused()
        return found

    def _item(self) -> Item:
        reader = self._reader
        reader.spaces()
        if reader.skip("..."):
            return self._embedded(reader.name(), None, spread=True)
        if reader.skip("*"):
            reader.spaces()
            return Chosen(Path("*"), "*")
        name, alias = reader.name(), None
        if not reader.peek("::") and reader.skip(":"):
            name, alias = reader.name(), name
        if reader.peek("(") or reader.peek("!"):
            return self._embedded(name, alias)
        steps = reader.steps()
        if reader.skip("."):
            if reader.word() in _AGGREGATES:
                raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST123", "Use of aggregate functions is not allowed")
            raise reader.refused()
        cast = reader.name() if reader.skip("::") else None
        reader.spaces()
        return Chosen(Path(name, steps), alias or (steps[-1][1] if steps else name), cast)

    def _embedded(self, name: str, alias: str | None, *, spread: bool = False) -> Item:
        reader = self._reader
        hints = []
        while reader.skip("!"):
            hints.append(reader.name())
        if name == "count" and not hints and reader.skip("()"):
            return Count(alias or "count")
        reader.expect("(")
        select: tuple[Item, ...] = () if reader.peek(")") else reader.several(self._item)
        reader.expect(")")
        reader.spaces()
        hint = next((found for found in hints if found not in {"inner", "left"}), None)
        counts = len(select) == 1 and isinstance(select[0], Chosen) and select[0].path.column == "count"
        inner = Asked((Count(select[0].alias),) if counts and isinstance(select[0], Chosen) else select)
        return Embedded(name, alias or name, inner, hint, "inner" in hints, spread)


def parse_order(text: str) -> tuple[Order, ...]:
    """Parse `order`. Raise `DialectError`."""
    reader = Reader(text, "order")

    def term() -> Order:
        name, of = reader.name(), None
        if reader.skip("("):
            of, name = name, reader.name()
            steps = reader.steps()
            reader.expect(")")
        else:
            steps = reader.steps()
        words = set()
        while reader.skip("."):
            words.add(reader.word())
        if not words <= {"asc", "desc", "nullsfirst", "nullslast"} or not (reader.ended or reader.peek(",")):
            raise reader.refused()
        nulls = True if "nullsfirst" in words else False if "nullslast" in words else None
        return Order(Path(name, steps), "desc" in words, nulls, of)

    found = reader.several(term) if text else ()
    if not reader.ended:
        raise reader.refused()
    return found
