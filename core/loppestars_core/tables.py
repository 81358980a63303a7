"""All tables. Importing this module registers every one of them with `Base.metadata`, for migrations and policies."""

from loppestars_core.accounts import models as accounts
from loppestars_core.activity import models as activity
from loppestars_core.crawls import models as crawls
from loppestars_core.database import releases
from loppestars_core.database.base import Base
from loppestars_core.events import models as events
from loppestars_core.favourites import models as favourites
from loppestars_core.limits import models as limits
from loppestars_core.markets import models as markets
from loppestars_core.notifications import models as notifications
from loppestars_core.organisers import models as organisers
from loppestars_core.photos import models as photos
from loppestars_core.privacy import models as privacy
from loppestars_core.queue import models as queue
from loppestars_core.ratings import models as ratings

__all__ = [
    "Base",
    "accounts",
    "activity",
    "crawls",
    "events",
    "favourites",
    "limits",
    "markets",
    "notifications",
    "organisers",
    "photos",
    "privacy",
    "queue",
    "ratings",
    "releases",
]
