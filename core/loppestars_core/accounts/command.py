"""`loppestars-roles`: grant, revoke and list roles on the command line. This is how the first admin is made."""

import argparse
import asyncio
import sys

from sqlalchemy.exc import DBAPIError, IntegrityError

from loppestars_core.accounts.models import Role
from loppestars_core.accounts.roles import grant_role, list_grants, revoke_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.logging import redact_text
from loppestars_core.kit.settings import ComponentSettings, DatabaseSettings, describe, load_settings


class RolesSettings(DatabaseSettings, ComponentSettings):
    """`loppestars-roles` needs the database and nothing else."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point; exits 0 when what was asked for is so, 1 when it could not be done."""
    options = _parser().parse_args(arguments)
    settings = load_settings(RolesSettings)
    try:
        message = asyncio.run(_carry_out(settings, options))
    except IntegrityError:
        _give_up(f"{options.user!r} cannot be a user id: 1 to 128 characters, no slash, no control characters")
    except (DBAPIError, OSError) as error:
        _give_up(f"the database cannot be reached or refused: {redact_text(str(error))}")
    sys.stdout.write(message + "\n")


async def _carry_out(settings: RolesSettings, options: argparse.Namespace) -> str:
    engine = create_engine(settings, application="loppestars-roles")
    try:
        async with sessions(engine).begin() as session:
            if options.command == "list":
                grants = await list_grants(session)
                return "\n".join(f"{grant.user_id}\t{grant.role}\t{grant.granted_at:%Y-%m-%d}" for grant in grants)
            role = Role(options.role)
            if options.command == "grant":
                await ensure_user(session, options.user)
                done = await grant_role(session, options.user, role, granted_by=None, notes=options.notes)
                return f"{options.user} {'is now' if done else 'was already'} {role}"
            done = await revoke_role(session, options.user, role, revoked_by=None, notes=options.notes)
            return f"{options.user} {'is no longer' if done else 'was not'} {role}"
    finally:
        await engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loppestars-roles",
        description="Grant, revoke and list roles. Every change is written to the audit log.",
        epilog=describe(RolesSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (("grant", "give a user a role"), ("revoke", "take a role away")):
        command = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
        command.add_argument("user", help="id of the user: the subject of their tokens")
        command.add_argument("role", choices=[str(role) for role in Role])
        command.add_argument("--notes", default="on the command line", help="why, for the audit log")
    commands.add_parser("list", help="show who holds which role", description="Show who holds which role.")
    return parser


def _give_up(reason: str) -> None:
    sys.stderr.write(f"loppestars-roles: {reason}\n")
    sys.exit(ExitCode.FAILED)
