"""Claims of organisers to markets.

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_ROLE = "(SELECT coalesce(nullif(current_setting('loppestars.role', true), ''), 'none'))"
_USER = "(SELECT nullif(current_setting('loppestars.user_id', true), ''))"
_RULE = f"{_ROLE} IN ('system', 'admin') OR ({_ROLE} = 'user' AND user_id = {_USER})"

# As with ratings: what is said of a market moves before a merge deletes it. Of two standing claims one stays.
MOVE = """
CREATE FUNCTION loppestars_move_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    kept uuid := (SELECT market_id FROM market_redirects WHERE id = OLD.id);
    acting text := current_setting('loppestars.role', true);
BEGIN
    IF kept IS NOT NULL THEN
        PERFORM set_config('loppestars.role', 'system', true);
        DELETE FROM market_claims AS moved USING market_claims AS there
         WHERE moved.market_id = OLD.id AND there.market_id = kept AND there.user_id = moved.user_id
           AND moved.state IN ('requested', 'granted') AND there.state IN ('requested', 'granted')
           AND (there.state = 'granted' OR moved.state = 'requested');
        DELETE FROM market_claims AS there USING market_claims AS moved
         WHERE moved.market_id = OLD.id AND there.market_id = kept AND there.user_id = moved.user_id
           AND moved.state = 'granted' AND there.state = 'requested';
        UPDATE market_claims SET market_id = kept WHERE market_id = OLD.id;
        PERFORM set_config('loppestars.role', coalesce(acting, ''), true);
    END IF;
    RETURN OLD;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "market_claims",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Uuid(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'granted', 'refused', 'revoked')", name=op.f("ck_market_claims_state_is_known")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_market_claims_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["market_id"], ["markets.id"], name=op.f("fk_market_claims_market_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_market_claims_decided_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_claims")),
    )
    op.create_index(op.f("ix_market_claims_market_id"), "market_claims", ["market_id"])
    op.create_index(
        "ix_market_claims_requested", "market_claims", ["created_at"], postgresql_where=sa.text("state = 'requested'")
    )
    op.create_index(
        "uq_market_claims_standing",
        "market_claims",
        ["user_id", "market_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'granted')"),
    )
    op.execute("ALTER TABLE market_claims ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE market_claims FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY market_claims_all ON market_claims USING ({_RULE}) WITH CHECK ({_RULE})")
    op.execute(MOVE)
    op.execute(
        "CREATE TRIGGER move_claims BEFORE DELETE ON markets FOR EACH ROW EXECUTE FUNCTION loppestars_move_claims()"
    )
