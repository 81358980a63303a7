"""Users of this machine: made and given roles as an admin would."""

from typing import Final

from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError

from loppestars_core.accounts.models import User
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_core.accounts.users import add_identity, ensure_user
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.sign_in.providers import FACEBOOK, GOOGLE
from loppestars_local.tokens import ADMIN, UserRefused

_ORGANISER: Final = "local-organiser"


async def prepare_people(database_url: str) -> None:
    """Make the admin of this machine, and let its provider's people who hold a role sign in as who holds it."""
    await prepare_user(database_url, ADMIN, Role.ADMIN, notes="the admin of this machine")
    engine = create_engine(DatabaseSettings(database_url=SecretStr(database_url)), application="loppestars-local")
    try:
        async with sessions(engine).begin() as session:
            known = await session.get(User, _ORGANISER)
            for subject, user in (("admin", ADMIN), ("organiser", _ORGANISER)):
                await ensure_user(session, user)
                for provider, issuer in (("google", GOOGLE), ("facebook", FACEBOOK)):
                    await add_identity(session, user, issuer=issuer, subject=subject, provider=provider)
            if known is None:
                notes = "the organiser of this machine"
                await grant_role(session, _ORGANISER, Role.ORGANISER, granted_by=None, notes=notes)
    finally:
        await engine.dispose()


async def prepare_user(database_url: str, user: str, role: Role | None, *, notes: str) -> None:
    """Make a user unless there is one, and grant `role`; raise `UserRefused`."""
    engine = create_engine(DatabaseSettings(database_url=SecretStr(database_url)), application="loppestars-local")
    try:
        async with sessions(engine).begin() as session:
            await ensure_user(session, user)
            if role is not None:
                await grant_role(session, user, role, granted_by=None, notes=notes)
    except IntegrityError:
        raise UserRefused(f"{user!r} is not a valid user id: 1 to 128 characters, no slash") from None
    finally:
        await engine.dispose()
