"""SQL of questions that were asked before: a question has no values, so its SQL serves the next one of its kind."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

MAX_PLANS: Final = 2000
_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Plan:
    """SQL for psycopg, and the values that belong to the question itself."""

    sql: bytes
    fixed: dict[str, Any]

    def with_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters of an execution."""
        return {**self.fixed, **values}


class Plans:
    """The SQL of the questions that were asked last."""

    def __init__(self, most: int = MAX_PLANS) -> None:
        self._most = most
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()

    def of(self, question: Hashable, translate: Callable[[], Select[Any]]) -> Plan:
        """Return the plan of a question, which is translated when it is new."""
        found = self._plans.get(question)
        if found is None:
            compiled = translate().compile(dialect=_DIALECT)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._plans[question] = Plan(str(compiled).encode(), fixed)
            if len(self._plans) > self._most:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(question)
        return found
