"""Row-level rules of personal tables, and an audit log that only grows.

Revision: 0009, after 0008.

Every access path says for whom it acts, for one transaction: `loppestars.role` is anon, user, admin or system, and
`loppestars.user_id` the user. The rules hold for the owner of the tables too. Tables that an earlier release writes are
open as long as a connection has never said a role, because that release says none; a later migration closes them.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_ROLE = "(SELECT coalesce(nullif(current_setting('loppestars.role', true), ''), 'none'))"
_USER = "(SELECT nullif(current_setting('loppestars.user_id', true), ''))"
_SYSTEM = f"{_ROLE} = 'system'"
_STAFF = f"{_ROLE} IN ('system', 'admin')"
_ANYONE = f"{_ROLE} IN ('system', 'admin', 'user', 'anon')"
# Of a connection that has never said a role: an earlier release.
_EARLIER = "(SELECT current_setting('loppestars.role', true)) IS NULL"


def _own(column: str) -> str:
    return f"({_ROLE} IN ('user', 'admin') AND {column} = {_USER})"


# Table, command, rule: rows that a statement may see or write.
RULES = (
    ("ratings", "SELECT", _ANYONE),
    ("ratings", "INSERT", f"{_SYSTEM} OR {_own('user_id')}"),
    ("ratings", "UPDATE", f"{_SYSTEM} OR {_own('user_id')}"),
    ("ratings", "DELETE", f"{_STAFF} OR {_own('user_id')}"),
    ("favourites", "ALL", f"{_SYSTEM} OR {_own('user_id')}"),
    ("app_events", "ALL", f"{_SYSTEM} OR {_own('user_id')}"),
    ("sessions", "ALL", f"{_SYSTEM} OR {_own('user_id')}"),
    ("sign_ins", "ALL", _SYSTEM),
    ("scraping_logs", "ALL", _STAFF),
    ("users", "ALL", f"{_EARLIER} OR {_STAFF} OR {_own('id')}"),
    ("identities", "ALL", f"{_EARLIER} OR {_STAFF} OR {_own('user_id')}"),
    ("role_grants", "SELECT", f"{_EARLIER} OR {_STAFF} OR {_own('user_id')}"),
    ("role_grants", "INSERT", f"{_EARLIER} OR {_STAFF}"),
    ("role_grants", "UPDATE", f"{_EARLIER} OR {_STAFF}"),
    ("role_grants", "DELETE", f"{_EARLIER} OR {_SYSTEM}"),
    ("photos", "SELECT", f"{_EARLIER} OR {_STAFF} OR {_own('owner_id')} OR (visibility = 'public' AND {_ANYONE})"),
    ("photos", "INSERT", f"{_EARLIER} OR {_SYSTEM} OR {_own('owner_id')}"),
    ("photos", "UPDATE", f"{_EARLIER} OR {_STAFF} OR {_own('owner_id')}"),
    ("photos", "DELETE", f"{_EARLIER} OR {_SYSTEM} OR {_own('owner_id')}"),
    # As far as the photo itself can be seen.
    ("photo_variants", "SELECT", "EXISTS (SELECT FROM photos WHERE photos.id = photo_id)"),
    ("photo_variants", "INSERT", f"{_EARLIER} OR {_SYSTEM}"),
    ("photo_variants", "UPDATE", f"{_EARLIER} OR {_SYSTEM}"),
    ("photo_variants", "DELETE", f"{_EARLIER} OR {_SYSTEM}"),
)

APPEND_ONLY = """
CREATE FUNCTION loppestars_audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '730 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log only grows: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    for table in dict.fromkeys(rule[0] for rule in RULES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, command, rule in RULES:
        seen = "" if command == "INSERT" else f" USING ({rule})"
        written = "" if command in {"SELECT", "DELETE"} else f" WITH CHECK ({rule})"
        op.execute(f"CREATE POLICY {table}_{command.lower()} ON {table} FOR {command}{seen}{written}")
    op.execute(APPEND_ONLY)
    op.execute(
        "CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON audit_log"
        " FOR EACH ROW EXECUTE FUNCTION loppestars_audit_only_grows()"
    )
    op.execute(
        "CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON audit_log"
        " FOR EACH STATEMENT EXECUTE FUNCTION loppestars_audit_only_grows()"
    )
