"""All tables. Importing this package registers every one of them with `Base.metadata`."""

from loppestars_core.database.base import Base
from loppestars_core.database.models.crawls import (
    COUNT_NAMES,
    CrawlFailedItem,
    CrawlRun,
    CrawlSource,
    CrawlState,
    CrawlTrigger,
)
from loppestars_core.database.models.ledger import AuditEntry, DomainEvent
from loppestars_core.database.models.limits import RateLimit, RateWindow
from loppestars_core.database.models.markets import (
    Geocode,
    Market,
    MarketOverride,
    MarketRedirect,
    MarketSighting,
    MarketState,
)
from loppestars_core.database.models.pages import CrawledPage
from loppestars_core.database.models.photos import (
    Photo,
    PhotoState,
    PhotoSubject,
    PhotoVariant,
    VariantKind,
    Visibility,
)
from loppestars_core.database.models.users import Identity, Role, RoleGrant, User
from loppestars_core.database.releases import SchemaRelease

__all__ = [
    "COUNT_NAMES",
    "AuditEntry",
    "Base",
    "CrawlFailedItem",
    "CrawlRun",
    "CrawlSource",
    "CrawlState",
    "CrawlTrigger",
    "CrawledPage",
    "DomainEvent",
    "Geocode",
    "Identity",
    "Market",
    "MarketOverride",
    "MarketRedirect",
    "MarketSighting",
    "MarketState",
    "Photo",
    "PhotoState",
    "PhotoSubject",
    "PhotoVariant",
    "RateLimit",
    "RateWindow",
    "Role",
    "RoleGrant",
    "SchemaRelease",
    "User",
    "VariantKind",
    "Visibility",
]
