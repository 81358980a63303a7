"""Who wrote what to the API server, from its own audit log."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Write:
    """One write request: who, verb, kind, name, and the answer's status."""

    user: str
    verb: str
    resource: str
    subresource: str
    name: str
    code: int


@dataclass(frozen=True)
class AuditLog:
    """The log at one moment; `writes_since` reads what came after."""

    path: Path

    def position(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def writes_since(self, position: int, user: str = "") -> list[Write]:
        """Writes after `position` by users whose name contains `user`."""
        with self.path.open("rb") as log:
            log.seek(position)
            events = [json.loads(line) for line in log.read().splitlines() if line.endswith(b"}")]
        return [_write(event) for event in events if user in event["user"]["username"]]


def _write(event: dict[str, dict[str, str]]) -> Write:
    reference = event.get("objectRef", {})
    return Write(
        user=event["user"]["username"],
        verb=str(event["verb"]),
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        name=reference.get("name", ""),
        code=int(event.get("responseStatus", {}).get("code", 0)),
    )
