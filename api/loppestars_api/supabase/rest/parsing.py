"""Parameters of a request as a question and its values. Nothing here knows a table."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus
from re import compile as pattern
from typing import Any, Final
from urllib.parse import parse_qsl

from loppestars_api.supabase.errors import DialectError, refuse
from loppestars_api.supabase.rest.reader import MAX_PARTS, Reader
from loppestars_api.supabase.rest.selecting import parse_order, parse_select
from loppestars_api.supabase.rest.values import listed, split
from loppestars_core.database.rows.asked import (
    MAX_ROWS,
    Asked,
    Comparison,
    Condition,
    Embedded,
    Group,
    Item,
    Order,
    Path,
    Test,
)
from loppestars_core.database.rows.expressions import OPERATORS

MAX_OFFSET: Final = 100_000
MAX_DIGITS: Final = 6
# Questions of this length or less are remembered with what they mean.
MAX_REMEMBERED: Final = 2000
_MANY: Final = frozenset({"eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"})
_STATES: Final = frozenset({"null", "not_null", "true", "false", "unknown"})
_LANGUAGES: Final = frozenset({"fts", "plfts", "phfts", "wfts"})
_RANGE: Final = pattern(r"(?:items=)?(\d{1,9})-(\d{0,9})", 0)
_ELSEWHERE: Final = frozenset({"columns", "on_conflict", "apikey"})
RESERVED: Final = _ELSEWHERE | {"select", "order", "limit", "offset"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, with its values; `shape` is the same for questions that differ in nothing but values."""

    asked: Asked
    values: tuple[Any, ...]
    offset: int = 0
    columns: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
    shape: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """The values by the names of their parameters."""
        return {f"v{number}": value for number, value in enumerate(self.values)}


@dataclass(slots=True)
class _Level:
    """What is said of one table, while it is being read."""

    conditions: list[Condition] = field(default_factory=list)
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    inner: dict[str, "_Level"] = field(default_factory=dict)


def parse(query: str, range_header: str | None = None, arguments: frozenset[str] = frozenset()) -> Question:
    """Parse the query of a request; `arguments` are a function's. Raise `DialectError`."""
    if len(query) <= MAX_REMEMBERED:
        return _remembered(query, range_header, arguments)
    return _Parser(query, arguments).question(range_header)


@lru_cache(maxsize=2048)
def _remembered(query: str, range_header: str | None, arguments: frozenset[str]) -> Question:
    return _Parser(query, arguments).question(range_header)


class _Parser:
    def __init__(self, query: str, arguments: frozenset[str]) -> None:
        try:
            self._parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARTS, errors="strict")
        except ValueError:
            raise refuse(f"the query is not UTF-8, or has more than {MAX_PARTS} parameters") from None
        self._arguments = arguments
        self._values: list[Any] = []
        self._root = _Level()

    def question(self, range_header: str | None) -> Question:
        single: dict[str, str] = {}
        for name, text in self._parameters:
            if name == "select" or name in _ELSEWHERE:
                single[name] = text
            elif name not in self._arguments:
                self._parameter(name, text)
        limit, offset = self._page(range_header)
        select = parse_select(single.get("select") or "*")
        asked = self._asked(select, self._root)
        return Question(
            asked=replace(asked, limit=limit, offset=offset),
            values=tuple(self._values),
            offset=int(self._values[offset]),
            columns=_names(single.get("columns", "")),
            conflict=_names(single.get("on_conflict", "")),
            shape=repr((asked, limit, offset)),
        )

    def _parameter(self, name: str, text: str) -> None:
        reader = Reader(name, "parameter")
        names = [reader.name()]
        steps = reader.steps()
        while not steps and reader.skip("."):
            names.append(reader.name())
            steps = reader.steps()
        if not reader.ended:
            raise reader.refused()
        negated = names[-1] in {"and", "or"} and names[-2:-1] == ["not"]
        level = self._root
        for part in names[: -2 if negated else -1]:
            level = level.inner.setdefault(part, _Level())
        last = names[-1]
        if steps or last not in {"and", "or", "order", "limit", "offset"}:
            level.conditions.append(self._comparison(Path(last, steps), Reader(text, "filter"), whole=True))
        elif last in {"and", "or"}:
            level.conditions.append(self._group(last, Reader(text, "logic tree"), negated=negated, whole=True))
        elif last == "order":
            level.order = parse_order(text)
        elif not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or int(text) > MAX_OFFSET:
            raise refuse(f"{last} must be a number from 0 to {MAX_OFFSET}")
        else:
            setattr(level, last, self._value(int(text)))

    def _value(self, value: Any) -> int:  # noqa: ANN401 - of a parameter
        self._values.append(value)
        return len(self._values) - 1

    def _page(self, range_header: str | None) -> tuple[int, int]:
        limit, offset = MAX_ROWS, 0
        found = _RANGE.fullmatch((range_header or "").strip())
        if found:
            offset = int(found[1])
            limit = int(found[2]) - offset + 1 if found[2] else MAX_ROWS
            if limit < 1:
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                details = "The lower boundary must be lower than or equal to the upper boundary in the Range header."
                raise DialectError(status, "PGRST103", "Requested range not satisfiable", details=details)
        if self._root.limit is not None:
            limit = self._values[self._root.limit]
        if self._root.offset is not None:
            offset = self._values[self._root.offset]
        return self._value(min(limit, MAX_ROWS)), self._value(offset)

    def _asked(self, select: tuple[Item, ...], level: _Level) -> Asked:
        """Return what is asked of a table, with what is said of the tables in it at their place."""
        aliases = {item.alias for item in select if isinstance(item, Embedded)}
        for name in level.inner:
            if name not in aliases:
                message = f"'{name[:60]}' is not an embedded resource in this request"
                hint = f"Verify that '{name[:60]}' is included in the 'select' query parameter."
                raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST108", message, hint=hint)
        items = tuple(
            replace(item, asked=self._asked(item.asked.select, level.inner.get(item.alias, _Level())))
            if isinstance(item, Embedded)
            else item
            for item in select
        )
        return Asked(items, tuple(level.conditions), level.order, level.limit, level.offset)

    def _group(self, word: str, reader: Reader, *, negated: bool, whole: bool = False) -> Group:
        reader.expect("(")
        members = reader.several(lambda: self._member(reader))
        reader.expect(")")
        if whole and not reader.ended:
            raise reader.refused()
        return Group(word, members, negated)

    def _member(self, reader: Reader) -> Condition:
        reader.spaces()
        for prefix in ("not.", ""):
            for word in ("and", "or"):
                if reader.peek(f"{prefix}{word}("):
                    reader.skip(f"{prefix}{word}")
                    return self._group(word, reader, negated=bool(prefix))
        path = Path(reader.name(), reader.steps())
        reader.expect(".")
        return self._comparison(path, reader)

    def _comparison(self, path: Path, reader: Reader, *, whole: bool = False) -> Condition:
        negated = reader.skip("not.")
        operator = reader.word()
        if operator not in OPERATORS and operator != "is":
            raise reader.refused()
        quantifier = self._quantifier(reader, operator)
        reader.expect(".")
        text = reader.rest() if whole else reader.value()
        if operator == "is":
            if text.lower() not in _STATES:
                raise refuse(f'"failed to parse filter (is.{text[:20]})"', "unexpected value after is")
            return Test(path, text.lower(), negated)
        many = quantifier if operator in _MANY else None
        if operator == "in":
            text = listed(text)
        elif operator in {"like", "ilike"}:
            text = text.replace("*", "%")
        language = quantifier if operator in _LANGUAGES else None
        return Comparison(path, operator, self._value(text), negated, many, language)

    @staticmethod
    def _quantifier(reader: Reader, operator: str) -> str | None:
        if not reader.skip("("):
            return None
        word = reader.word()
        known = word in {"any", "all"} if operator in _MANY else operator in _LANGUAGES and 0 < len(word) <= MAX_PARTS
        if not known or not word.isascii():
            raise reader.refused()
        reader.expect(")")
        return word


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in split(text) if name.strip())[:MAX_PARTS]
