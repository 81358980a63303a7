"""What each component may do with each table, as grants to a role of its own. Roles are optional and made by others."""

from collections.abc import Mapping
from typing import Final

from psycopg import sql
from sqlalchemy import Connection, text

_READ: Final = "SELECT"
_ADD: Final = "SELECT, INSERT"
_WRITE: Final = "SELECT, INSERT, UPDATE, DELETE"

# What no component is named for, no component may touch; the tables belong to the migration's user.
GRANTS: Final[dict[str, dict[str, str]]] = {
    "users": {"api": _WRITE, "imaging": _READ, "crawler": _READ, "jobs": _WRITE},
    "identities": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "role_grants": {"api": _WRITE, "jobs": "SELECT, UPDATE, DELETE"},
    "sessions": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "sign_ins": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "ratings": {"api": _WRITE, "imaging": _READ, "jobs": "SELECT, UPDATE, DELETE"},
    "favourites": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "app_events": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "market_claims": {"api": "SELECT, INSERT, UPDATE", "jobs": "SELECT, DELETE"},
    "notifications": {"api": "SELECT, UPDATE", "jobs": _WRITE},
    "notification_deliveries": {"jobs": _WRITE, "api": _READ},
    "notification_preferences": {"api": "SELECT, INSERT, UPDATE", "jobs": "SELECT, DELETE"},
    "push_subscriptions": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "event_positions": {"jobs": "SELECT, INSERT, UPDATE"},
    "consents": {"api": _ADD, "jobs": "SELECT, DELETE"},
    "erasure_requests": {"api": "SELECT, INSERT, UPDATE", "jobs": "SELECT, INSERT, UPDATE, DELETE"},
    "takedowns": {"api": "SELECT, INSERT, UPDATE", "jobs": "SELECT, DELETE"},
    "scraping_logs": {"api": _ADD, "jobs": "SELECT, DELETE"},
    "photos": {"api": _WRITE, "imaging": "SELECT, UPDATE, DELETE", "jobs": "SELECT, UPDATE, DELETE"},
    "photo_variants": {"api": "SELECT, DELETE", "imaging": _WRITE, "jobs": "SELECT, DELETE"},
    "markets": {"api": _WRITE, "crawler": _WRITE, "jobs": _READ},
    "market_redirects": {"api": _WRITE, "crawler": _WRITE, "jobs": _READ},
    "market_sightings": {"api": _WRITE, "crawler": _WRITE, "jobs": "SELECT, DELETE"},
    "market_overrides": {"api": _WRITE, "crawler": "SELECT, UPDATE", "jobs": "SELECT, UPDATE"},
    "market_decisions": {
        "api": "SELECT, INSERT, UPDATE",
        "crawler": "SELECT, INSERT, UPDATE",
        "jobs": "SELECT, UPDATE",
    },
    "geocodes": {"api": _READ, "crawler": _WRITE, "jobs": "SELECT, DELETE"},
    "crawl_runs": {"api": _WRITE, "crawler": _WRITE, "jobs": "SELECT, UPDATE, DELETE"},
    "sources": {"api": _WRITE, "crawler": _WRITE, "jobs": _READ},
    "crawl_events": {"api": _READ, "crawler": _ADD, "jobs": "SELECT, DELETE"},
    "crawl_quarantine": {"api": "SELECT, UPDATE", "crawler": _WRITE, "jobs": "SELECT, UPDATE, DELETE"},
    "crawl_sources": {"api": _READ, "crawler": _WRITE, "jobs": "SELECT, DELETE"},
    "crawl_failed_items": {"api": _READ, "crawler": _WRITE, "jobs": "SELECT, DELETE"},
    "crawled_pages": {"crawler": _WRITE, "jobs": "SELECT, DELETE"},
    "audit_log": {"api": _ADD, "imaging": "INSERT", "crawler": "INSERT", "jobs": "SELECT, INSERT, DELETE"},
    "domain_events": {"api": _ADD, "imaging": _ADD, "crawler": _ADD, "jobs": "SELECT, INSERT, DELETE"},
    "retention_runs": {"jobs": _WRITE},
    "queue_workers": {"api": _READ, "imaging": _READ, "jobs": _WRITE},
    "rate_limits": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "rate_windows": {"api": _WRITE, "jobs": "SELECT, DELETE"},
    "schema_releases": {"api": _READ, "imaging": _READ, "crawler": _READ, "jobs": _READ},
}
COMPONENTS: Final = ("api", "imaging", "crawler", "jobs")
# Which components use the queue.
_QUEUE: Final = ("api", "imaging", "jobs")


class RoleMissing(RuntimeError):
    """A role that grants are to be made to does not exist, or cannot be granted to."""


def grant(connection: Connection, roles: Mapping[str, str]) -> None:
    """Give the role of each component what it needs and take away everything else, in one transaction.

    Raises:
        RoleMissing: a role does not exist: somebody who may has to make it first.
    """
    for component, role in roles.items():
        if connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first() is None:
            connection.rollback()
            raise RoleMissing(f"the role {role!r} of {component} does not exist; make it with CREATE ROLE … LOGIN")
        for statement in _statements(connection, component, role):
            connection.exec_driver_sql(statement)
    connection.commit()


def _statements(connection: Connection, component: str, role: str) -> list[str]:
    to = sql.Identifier(role).as_string()
    queue = connection.execute(
        text(
            "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relname LIKE 'procrastinate%' AND relkind IN ('r', 'p', 'S')"
        )
    ).all()
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {to}",
        f"GRANT USAGE ON SCHEMA public TO {to}",
        *(f"GRANT {rights[component]} ON {table} TO {to}" for table, rights in GRANTS.items() if component in rights),
    ]
    if component in _QUEUE:
        kinds = {"S": ("USAGE, SELECT", "SEQUENCE")}
        for name, kind in queue:
            rights, what = kinds.get(kind, (_WRITE, "TABLE"))
            statements.append(f"GRANT {rights} ON {what} {name} TO {to}")
    return statements
