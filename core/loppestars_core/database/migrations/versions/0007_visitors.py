"""Ratings, favourites, events of the app, sign-ins and reports about crawls.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"

# A market that is merged into another is deleted after its redirect was written; what visitors said of it moves before
# that. Who rated both keeps the rating of the market that stays.
MOVE = """
CREATE FUNCTION loppestars_move_to_merged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    kept uuid := (SELECT market_id FROM market_redirects WHERE id = OLD.id);
    acting text := current_setting('loppestars.role', true);
BEGIN
    IF kept IS NOT NULL THEN
        PERFORM set_config('loppestars.role', 'system', true);
        DELETE FROM ratings AS moved USING ratings AS there
         WHERE moved.market_id = OLD.id AND there.market_id = kept AND there.user_id = moved.user_id
           AND there.stall_name IS NOT DISTINCT FROM moved.stall_name;
        UPDATE ratings SET market_id = kept WHERE market_id = OLD.id;
        DELETE FROM favourites AS moved USING favourites AS there
         WHERE moved.market_id = OLD.id AND there.market_id = kept AND there.user_id = moved.user_id;
        UPDATE favourites SET market_id = kept WHERE market_id = OLD.id;
        PERFORM set_config('loppestars.role', coalesce(acting, ''), true);
    END IF;
    RETURN OLD;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "scraping_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scraped_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("summary", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scraping_logs")),
    )
    op.create_index("ix_scraping_logs_scraped_at", "scraping_logs", ["scraped_at"])
    op.create_table(
        "app_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "entity_type IN ('market', 'rating', 'photo')", name=op.f("ck_app_events_entity_type_is_known")
        ),
        sa.CheckConstraint(
            "event_type IN ('market_selected', 'market_marked_here', 'market_favorited', 'market_unfavorited',"
            " 'stall_rated', 'market_rated', 'photo_added', 'rating_deleted', 'photo_deleted', 'market_viewed')",
            name=op.f("ck_app_events_event_type_is_known"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_app_events_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_events")),
    )
    op.create_index("ix_app_events_user_id_event_type_timestamp", "app_events", ["user_id", "event_type", "timestamp"])
    op.create_table(
        "favourites",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_id"], ["markets.id"], name=op.f("fk_favourites_market_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_favourites_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "market_id", name=op.f("pk_favourites")),
    )
    op.create_index(op.f("ix_favourites_market_id"), "favourites", ["market_id"])
    op.create_table(
        "ratings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("market_id", sa.Uuid(), nullable=False),
        sa.Column("stall_name", sa.Text(), nullable=True),
        sa.Column("mobilepay_phone", sa.Text(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("photo_url", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("rating_type", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("rating_type IN ('stall', 'market')", name=op.f("ck_ratings_rating_type_is_known")),
        sa.CheckConstraint("rating BETWEEN 1 AND 10", name=op.f("ck_ratings_rating_in_range")),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_ratings_market_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ratings_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ratings")),
        sa.UniqueConstraint(
            "user_id",
            "market_id",
            "stall_name",
            name=op.f("uq_ratings_user_id_market_id_stall_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_ratings_market_id_created_at", "ratings", ["market_id", "created_at"])
    op.create_index("ix_ratings_photo_url", "ratings", ["photo_url"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("counter", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("redirect_to", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.Text(), nullable=True),
        sa.Column("code_challenge_method", sa.Text(), nullable=True),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=True),
        sa.Column("code_hash", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_sign_ins_session_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_ins_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_sign_ins_code_hash")),
    )
    op.add_column("identities", sa.Column("provider", sa.Text(), nullable=True))
    op.add_column("identities", sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("identities", sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("email", sa.Text(), nullable=True))
    op.add_column(
        "users",
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.add_column("users", sa.Column("legal_hold", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(MOVE)
    op.execute(
        "CREATE TRIGGER move_to_merged BEFORE DELETE ON markets"
        " FOR EACH ROW EXECUTE FUNCTION loppestars_move_to_merged()"
    )
