"""Photos in a size for screens, next to thumbnails.

Revision: 0008, after 0007.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

oldest_compatible = "0.1.0"


def upgrade() -> None:
    name = op.f("ck_photo_variants_kind_is_known")
    op.drop_constraint(name, "photo_variants", type_="check")
    op.create_check_constraint(name, "photo_variants", "kind IN ('original', 'processed', 'thumbnail', 'screen')")
