"""Functions that clients call: those of roles, and functions of PostgreSQL that are offered."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from loppestars_api.access.principal import Kind, Principal
from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.refusals import Refusals
from loppestars_api.supabase.rest.service import actor_of, denied
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import active_roles, grant_role, revoke_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.access import act_as
from loppestars_core.database.rows.refusals import guarded

_ADMIN_CALLS: Final = frozenset({"grant_admin_rights", "revoke_admin_rights"})
_QUESTIONS: Final = frozenset({"user_is_admin", "current_user_is_admin"})
NAMES: Final = _ADMIN_CALLS | _QUESTIONS
MAX_USER: Final = 128
MAX_NOTES: Final = 1000


def no_function(name: str, arguments: Mapping[str, Any]) -> DialectError:
    """Return the refusal of a function that does not exist, or not with these arguments."""
    named = f"({', '.join(arguments)[:60]})" if arguments else ""
    message = f"Could not find the function public.{name[:60]}{named} in the schema cache"
    return DialectError(HTTPStatus.NOT_FOUND, "PGRST202", message)


async def call_role(sessions: Any, caller: Principal, name: str, arguments: Mapping[str, Any]) -> object:  # noqa: ANN401 - of core's engine
    """Ask for, grant or revoke the role of an admin."""
    if name == "current_user_is_admin":
        return caller.kind is Kind.ADMIN
    user = arguments.get("target_user_id" if name in _ADMIN_CALLS else "user_id")
    if not isinstance(user, str) or not 0 < len(user) <= MAX_USER:
        raise no_function(name, arguments)
    if caller.anonymous or (name in _ADMIN_CALLS and caller.kind is not Kind.ADMIN):
        raise denied(caller, name)
    notes = str(arguments.get("notes") or "")[:MAX_NOTES]
    with Refusals(caller):
        async with sessions.begin() as session:
            await act_as(session, actor_of(caller))
            if name == "user_is_admin":
                asked = caller.kind is Kind.ADMIN or user == caller.id
                return asked and Role.ADMIN in await active_roles(session, user)
            if name == "revoke_admin_rights":
                return await revoke_role(session, user, Role.ADMIN, revoked_by=caller.id, notes=notes)
            await guarded(ensure_user(session, user))
            await guarded(grant_role(session, user, Role.ADMIN, granted_by=caller.id, notes=notes))
    return user
