"""Reads the small languages of parameters character by character: names, quoted texts, lists in brackets."""

from collections.abc import Callable
from typing import Final, TypeVar

from loppestars_api.supabase.errors import refuse

Part = TypeVar("Part")

MAX_NAME: Final = 63
MAX_PARTS: Final = 100
MAX_DEPTH: Final = 8
_BRACKETS: Final = {"(": ")", "{": "}", "[": "]"}
_SPECIAL: Final = frozenset(',.:()!"')


class Reader:
    """A text and how far it has been read; `what` it is, for errors."""

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._at = 0
        self._depth = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._text)

    def refused(self) -> Exception:
        """Return the error for a text that is not understood."""
        shown = self._text[self._at : self._at + 20]
        return refuse(
            f'"failed to parse {self._what} ({self._text[:100]})" (line 1, column {self._at + 1})',
            f"unexpected {shown!r}" if shown else "unexpected end of input",
        )

    def peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def skip(self, text: str) -> bool:
        """Skip the text, if it is next."""
        found = self.peek(text)
        self._at += len(text) if found else 0
        return found

    def expect(self, text: str) -> None:
        """Skip the text, which must be next."""
        if not self.skip(text):
            raise self.refused()

    def spaces(self) -> None:
        while self.peek(" "):
            self._at += 1

    def name(self) -> str:
        """Read a name: letters, digits, `_`, `$` and blanks inside; or anything in double quotes."""
        self.spaces()
        if self.peek('"'):
            found = self.quoted()
        else:
            start = self._at
            while not self.ended and not self.peek("->") and self._text[self._at] not in _SPECIAL:
                self._at += 1
            found = self._text[start : self._at].strip()
            if not all(character.isalnum() or character in "_$ " for character in found):
                self._at = start
                raise self.refused()
        if not 0 < len(found) <= MAX_NAME or "\x00" in found:
            raise self.refused()
        return found

    def quoted(self) -> str:
        """Read a text in double quotes, in which a backslash quotes the next character."""
        self.expect('"')
        found: list[str] = []
        while not self.ended:
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(found)
            if character == "\\" and not self.ended:
                character = self._text[self._at]
                self._at += 1
            found.append(character)
        raise self.refused()

    def steps(self) -> tuple[tuple[str, str], ...]:
        """Read arrows into JSON, each with its key."""
        found: list[tuple[str, str]] = []
        while self.peek("->"):
            arrow = "->>" if self.skip("->>") else "->"
            self.skip("->" if arrow == "->" else "")
            found.append((arrow, self.name() if not self.skip("-") else f"-{self.name()}"))
            if len(found) > MAX_DEPTH:
                raise self.refused()
        return tuple(found)

    def word(self) -> str:
        """Read small letters, digits and underscores; perhaps none."""
        start = self._at
        while not self.ended and (
            self._text[self._at].isascii() and (self._text[self._at].isalnum() or self.peek("_"))
        ):
            self._at += 1
        return self._text[start : self._at]

    def rest(self) -> str:
        """Read everything that is left."""
        found, self._at = self._text[self._at :], len(self._text)
        return found

    def value(self) -> str:
        """Read a value inside a list of conditions: a quoted text, one in brackets, or what comes before `,` or `)`."""
        if self.peek('"'):
            return self.quoted()
        start = self._at
        if not self.ended and self._text[self._at] in "({":
            self._skip_brackets()
        while not self.ended and not self.peek(",") and not self.peek(")"):
            self._at += 1
        return self._text[start : self._at]

    def _skip_brackets(self) -> None:
        open_brackets: list[str] = []
        while not self.ended:
            character = self._text[self._at]
            if character == '"':
                self.quoted()
                continue
            self._at += 1
            if character in _BRACKETS and (not open_brackets or character == "("):
                open_brackets.append(_BRACKETS[character])
            elif open_brackets and character == open_brackets[-1]:
                open_brackets.pop()
                if not open_brackets:
                    return
        raise self.refused()

    def several(self, part: Callable[[], Part]) -> tuple[Part, ...]:
        """Read parts with commas between them. Raise for too many, or too deep."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.refused()
        found = [part()]
        while self.skip(","):
            found.append(part())
            if len(found) > MAX_PARTS:
                raise self.refused()
        self._depth -= 1
        return tuple(found)
