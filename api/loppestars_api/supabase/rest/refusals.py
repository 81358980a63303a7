"""What core and PostgreSQL refuse, as the errors that clients read."""

from http import HTTPStatus
from types import TracebackType
from typing import Final

from loppestars_api.access.principal import Principal
from loppestars_api.supabase.errors import DialectError, refuse
from loppestars_core.database.rows import refusals

_STATUSES: Final = {
    "23503": HTTPStatus.CONFLICT,
    "23505": HTTPStatus.CONFLICT,
    "42883": HTTPStatus.NOT_FOUND,
    "P0001": HTTPStatus.BAD_REQUEST,
}


class Refusals:
    """Turns refusals into errors at the end of a `with` statement."""

    def __init__(self, caller: Principal) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Raise the error of the dialect."""
        match error:
            case refusals.ColumnNotFound():
                raise DialectError(HTTPStatus.BAD_REQUEST, "42703", str(error)) from None
            case refusals.RelationNotFound():
                raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST200", str(error)) from None
            case refusals.RelationAmbiguous():
                hint = f"Try one of these after an exclamation mark: {', '.join(error.names)}"
                raise DialectError(HTTPStatus.MULTIPLE_CHOICES, "PGRST201", str(error), hint=hint) from None
            case refusals.NotOffered():
                raise refuse(f'"failed to parse filter ({error})"', "not offered here") from None
            case refusals.RowRefused():
                raise self._of_row(error) from None

    def _of_row(self, error: refusals.RowRefused) -> DialectError:
        status = _STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)
        if error.code == "42501":
            status = HTTPStatus.UNAUTHORIZED if self._caller.anonymous else HTTPStatus.FORBIDDEN
        return DialectError(status, error.code, str(error), details=error.details, hint=error.hint)
