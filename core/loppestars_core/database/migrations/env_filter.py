"""Which tables the models describe."""


def is_ours(name: str | None, kind: str) -> bool:
    """Leave the queue's tables to procrastinate's own migrations."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))
