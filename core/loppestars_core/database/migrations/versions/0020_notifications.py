"""Notifications, their deliveries, preferences and devices, and how far the events have been read.

Revision: 0020, after 0019.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

_ROLE = "(SELECT coalesce(nullif(current_setting('loppestars.role', true), ''), 'none'))"
_USER = "(SELECT nullif(current_setting('loppestars.user_id', true), ''))"
_SYSTEM = f"{_ROLE} = 'system'"
_OWN = f"{_SYSTEM} OR ({_ROLE} IN ('user', 'admin') AND user_id = {_USER})"
RULES = {
    "notifications": _OWN,
    "notification_preferences": _OWN,
    "push_subscriptions": _OWN,
    # As far as the notification itself can be seen.
    "notification_deliveries": "EXISTS (SELECT FROM notifications WHERE notifications.id = notification_id)",
}
_KINDS = (
    "'market_cancelled', 'market_moved', 'market_vanished', 'photo_ready', 'claim_decided', 'erasure_warning',"
    " 'erasure_link'"
)


def _time(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("true"), nullable=False)


def upgrade() -> None:
    # Not concurrently: that waits for every transaction, another migration's too, which waits for this one. Events of
    # ninety days are few.
    op.create_index("ix_domain_events_transaction_id_id", "domain_events", ["transaction_id", "id"])
    op.create_table(
        "event_positions",
        sa.Column("reader", sa.Text(), nullable=False),
        _number("transaction_id"),
        _number("event_id"),
        _number("floor_id"),
        _time("updated_at", now=True),
        sa.PrimaryKeyConstraint("reader", name=op.f("pk_event_positions")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        _time("created_at", now=True),
        _time("read_at"),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_notifications_kind_is_known")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("user_id", "event_id", "kind", name=op.f("uq_notifications_user_id_event_id_kind")),
    )
    op.create_index("ix_notifications_user_id_created_at", "notifications", ["user_id", "created_at"])
    op.create_table(
        "push_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("p256dh", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        _time("created_at", now=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_push_subscriptions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_push_subscriptions_endpoint")),
    )
    op.create_index(op.f("ix_push_subscriptions_user_id"), "push_subscriptions", ["user_id"])
    op.create_table(
        "notification_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        _time("due_at", now=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        _time("sent_at"),
        sa.CheckConstraint("channel IN ('email', 'push')", name=op.f("ck_notification_deliveries_channel_is_known")),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'failed')", name=op.f("ck_notification_deliveries_state_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_deliveries_notification_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["push_subscriptions.id"],
            name=op.f("fk_notification_deliveries_subscription_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_deliveries")),
        sa.UniqueConstraint(
            "notification_id",
            "channel",
            "subscription_id",
            name=op.f("uq_notification_deliveries_notification_id_channel_subscription_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "ix_notification_deliveries_due",
        "notification_deliveries",
        ["due_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(op.f("ix_notification_deliveries_subscription_id"), "notification_deliveries", ["subscription_id"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="da", nullable=False),
        _flag("email"),
        _flag("push"),
        sa.Column("digest", sa.Text(), server_default="none", nullable=False),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_until", sa.Time(), nullable=True),
        sa.Column("muted", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint(
            "digest IN ('none', 'daily', 'weekly')", name=op.f("ck_notification_preferences_digest_is_known")
        ),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_until IS NULL)",
            name=op.f("ck_notification_preferences_quiet_hours_are_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notification_preferences_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_preferences")),
    )
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_all ON {table} USING ({rule}) WITH CHECK ({rule})")
    # What happened before there were notifications concerns nobody any more.
    op.execute(
        "INSERT INTO event_positions (reader, transaction_id, event_id)"
        " SELECT 'notifications', transaction_id, id FROM domain_events"
        " WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        " ORDER BY transaction_id DESC, id DESC LIMIT 1 ON CONFLICT DO NOTHING"
    )
