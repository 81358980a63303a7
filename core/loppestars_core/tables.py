"""All tables. Importing this module registers every one of them with `Base.metadata`, for migrations and policies."""

from loppestars_core.accounts import models as accounts
from loppestars_core.crawls import models as crawls
from loppestars_core.database import releases
from loppestars_core.database.base import Base
from loppestars_core.events import models as events
from loppestars_core.limits import models as limits
from loppestars_core.markets import models as markets
from loppestars_core.photos import models as photos
from loppestars_core.privacy import models as privacy
from loppestars_core.queue import models as queue

__all__ = ["Base", "accounts", "crawls", "events", "limits", "markets", "photos", "privacy", "queue", "releases"]
