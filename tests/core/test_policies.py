"""Every table says what it holds of people."""

from loppestars_core.database.models import Base
from loppestars_core.database.policies import POLICIES, Erasure


class TestPolicies:
    def test_every_table_is_registered(self) -> None:
        """A new table fails here until its owner, retention, export and erasure are decided."""
        assert set(POLICIES) == set(Base.metadata.tables)

    def test_owner_columns_are_foreign_keys_with_a_delete_rule(self) -> None:
        """Each owner column refers to users and says what happens when the user goes; the audit log keeps a name."""
        for name, policy in POLICIES.items():
            if policy.owner is None or name == "users" or policy.erasure is Erasure.KEEP:
                continue
            keys = list(Base.metadata.tables[name].c[policy.owner].foreign_keys)
            assert [key.target_fullname for key in keys] == ["users.id"], name
            assert keys[0].ondelete, name
