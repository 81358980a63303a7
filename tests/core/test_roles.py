"""Roles on the command line: who may do what is changed with a trail."""

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.command import main
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import active_roles, grant_role, revoke_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.events.models import AuditEntry


class TestRoles:
    @pytest.fixture(autouse=True)
    def _database(self, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
        monkeypatch.setenv("DATABASE_URL", database_url)

    def run(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        main(list(words))
        return capsys.readouterr().out.strip()

    def test_grant_list_revoke(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Each says what is so now, and the second time that it was so already."""
        assert self.run(capsys, "grant", "u1", "admin") == "u1 is now admin"
        assert self.run(capsys, "grant", "u1", "admin") == "u1 was already admin"
        assert self.run(capsys, "list").startswith("u1\tadmin\t")
        assert self.run(capsys, "revoke", "u1", "admin") == "u1 is no longer admin"
        assert self.run(capsys, "revoke", "u1", "admin") == "u1 was not admin"
        assert self.run(capsys, "list") == ""

    def test_bad_input(self, capsys: pytest.CaptureFixture[str]) -> None:
        """An unknown role and an impossible id are refused with what is allowed."""
        for words, code, text in (
            (["grant", "u1", "king"], 2, "'king' is not one of"),
            (["grant", "a/b", "admin"], 1, "is not a valid user id"),
        ):
            with pytest.raises(SystemExit) as ended:
                main(words)
            assert ended.value.code == code
            assert text in capsys.readouterr().err


class TestTrail:
    async def test_the_audit_log_tells(self, session: AsyncSession) -> None:
        """A grant and its revocation are two entries, and the role counts only between them."""
        await ensure_user(session, "u1")
        assert await grant_role(session, "u1", Role.SELLER, granted_by=None, notes="a")
        assert await active_roles(session, "u1") == {Role.SELLER}
        assert await revoke_role(session, "u1", Role.SELLER, revoked_by=None, notes="b")
        assert await active_roles(session, "u1") == set()
        entries = await session.execute(select(AuditEntry.action, AuditEntry.subject_id).order_by(AuditEntry.id))
        assert [tuple(row) for row in entries] == [("role.granted", "u1"), ("role.revoked", "u1")]
