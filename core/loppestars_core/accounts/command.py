"""`loppestars-roles`: grant, revoke and list roles on the command line. This is how the first admin is made."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role, list_grants, revoke_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import Json, epilog, fail, program, run, show
from loppestars_core.kit.logging import redact_text
from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, describe, load_settings

Result = TypeVar("Result")
User = Annotated[str, typer.Argument(help="id of the user: the subject of their tokens")]
Notes = Annotated[str, typer.Option(help="reason, for the audit log")]


class RolesSettings(DatabaseSettings, ComponentSettings):
    """`loppestars-roles` needs the database and nothing else."""


app: Final = program(
    "loppestars-roles",
    "Grant, revoke and list roles. Every change is written to the audit log.",
    local=True,
    epilog=epilog(
        describe(RolesSettings),
        examples=[
            "loppestars-roles grant 6f9619ff-8b86-d011-b42d-00c04fc964ff admin --notes 'first admin'",
            "loppestars-roles list --json",
            "loppestars-roles list --local      the database of `make run`",
        ],
    ),
)


@app.command()
def grant(user: User, role: Role, *, notes: Notes = "on the command line") -> None:
    """Give a user a role; the user is made when new."""

    async def change(session: AsyncSession) -> bool:
        await ensure_user(session, user)
        return await grant_role(session, user, role, granted_by=None, notes=notes)

    done = _in_transaction(change, user)
    sys.stdout.write(f"{user} {'is now' if done else 'was already'} {role}\n")


@app.command()
def revoke(user: User, role: Role, *, notes: Notes = "on the command line") -> None:
    """Take a role away from a user."""
    done = _in_transaction(lambda session: revoke_role(session, user, role, revoked_by=None, notes=notes), user)
    sys.stdout.write(f"{user} {'is no longer' if done else 'was not'} {role}\n")


@app.command("list")
def list_(*, json: Json = False) -> None:
    """Show who holds which role."""
    grants = _in_transaction(list_grants)
    show(
        [{"user": grant.user_id, "role": grant.role, "granted": f"{grant.granted_at:%Y-%m-%d}"} for grant in grants],
        json=json,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 when what was asked for is so, 1 when it could not be done."""
    run(app, arguments)


def _in_transaction(work: Callable[[AsyncSession], Awaitable[Result]], user: str = "") -> Result:
    settings = load_settings(RolesSettings)

    async def carry_out() -> Result:
        engine = create_engine(settings, application="loppestars-roles")
        try:
            async with sessions(engine).begin() as session:
                return await work(session)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(carry_out())
    except IntegrityError:
        fail(f"{user!r} is not a valid user id: 1 to 128 characters, no slash, no control characters")
    except (DBAPIError, OSError) as error:
        fail(f"the database cannot be reached or refused: {redact_text(str(error))}")
