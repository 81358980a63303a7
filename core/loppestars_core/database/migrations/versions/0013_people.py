"""Consents, requests to be forgotten, requests to take photos down, and why a photo is withdrawn.

Revision: 0013, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_ROLE = "(SELECT coalesce(nullif(current_setting('loppestars.role', true), ''), 'none'))"
_USER = "(SELECT nullif(current_setting('loppestars.user_id', true), ''))"
_SYSTEM = f"{_ROLE} = 'system'"
_OWN = f"({_ROLE} IN ('user', 'admin') AND user_id = {_USER})"

RULES = {
    "consents": f"{_SYSTEM} OR {_OWN}",
    "erasure_requests": f"{_SYSTEM} OR {_OWN}",
    "takedowns": f"{_ROLE} IN ('system', 'admin')",
}


def _time(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        _time("at", now=True),
        sa.CheckConstraint(
            "kind IN ('terms', 'privacy', 'photos', 'notifications')", name=op.f("ck_consents_kind_is_known")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_consents_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_user_id_kind_id", "consents", ["user_id", "kind", "id"])
    op.create_table(
        "erasure_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        _time("requested_at", now=True),
        _time("confirmed_at"),
        sa.CheckConstraint(
            "channel IN ('app', 'web', 'facebook', 'operator')", name=op.f("ck_erasure_requests_channel_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_erasure_requests_user_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_requests")),
        sa.UniqueConstraint("code", name=op.f("uq_erasure_requests_code")),
    )
    op.create_index(op.f("ix_erasure_requests_user_id"), "erasure_requests", ["user_id"])
    op.create_table(
        "takedowns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        _time("created_at", now=True),
        _time("decided_at"),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'confirmed', 'restored')", name=op.f("ck_takedowns_state_is_known")),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_takedowns_photo_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_takedowns_decided_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takedowns")),
    )
    op.create_index(op.f("ix_takedowns_photo_id"), "takedowns", ["photo_id"])
    op.create_index("ix_takedowns_open", "takedowns", ["created_at"], postgresql_where=sa.text("state = 'open'"))
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_all ON {table} USING ({rule}) WITH CHECK ({rule})")
    op.add_column("users", sa.Column("erasure_warned", sa.Integer(), nullable=True))
    op.add_column("photos", sa.Column("withdrawn_for", sa.Text(), nullable=True))
    # The migration acts for the system, so it sees every row.
    op.execute(
        "UPDATE photos SET withdrawn_for = 'erasure' FROM users"
        " WHERE users.id = owner_id AND users.deleted_at IS NOT NULL AND visibility = 'withdrawn'"
    )
