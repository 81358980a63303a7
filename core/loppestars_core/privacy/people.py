"""Which rows of a table are a person's, by the registry of tables."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, select

from loppestars_core.privacy.policies import POLICIES

# All tables by name: `loppestars_core.tables.Base.metadata.tables`.
Tables = Mapping[str, Table]


def rows_of(tables: Tables, name: str, user_id: str) -> ColumnElement[bool] | None:
    """Return the condition of the rows of a table that are the user's; None where rows belong to nobody."""
    policy, table = POLICIES[name], tables[name]
    if policy.owner is not None:
        return table.c[policy.owner] == user_id
    if policy.through is not None:
        column, parent = policy.through
        theirs = rows_of(tables, parent, user_id)
        return None if theirs is None else table.c[column].in_(select(tables[parent].c.id).where(theirs))
    if policy.key is not None:
        return table.c[policy.key].contains(user_id, autoescape=True)
    if policy.about is not None:
        kind, identifier = policy.about
        return (table.c[kind] == "user") & (table.c[identifier] == user_id)
    return None
