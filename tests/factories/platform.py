"""The platform as real processes, each of which a test may kill and start again."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg

from loppestars_core.kit.processes import Child
from loppestars_core.sign_in.signing import new_key
from loppestars_local.components import Addresses, Command, Platform, Secrets
from loppestars_local.ports import answers, free_ports
from loppestars_local.postgres import EmbeddedPostgres

ADMIN = "admin"


class Stack:
    """Commands of `make run`, started one by one. `environment` is handed to each of them."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.storage = folder / "storage"
        self.storage.mkdir(parents=True)
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.postgres.start()
        self.postgres.ensure_database("loppestars")
        self.secrets = Secrets(
            *(secrets.token_urlsafe(48) for _ in range(3)), token_key=new_key(), openid=secrets.token_urlsafe(48)
        )
        self.addresses = Addresses(*free_ports(7))
        inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
        self.platform = Platform(
            inherited={**inherited, **(environment or {})},
            addresses=self.addresses,
            secrets=self.secrets,
            database_url=self.postgres.owner_url("loppestars"),
            storage_folder=self.storage,
        )
        self.children: list[Child] = []
        assert self.run(self.platform.migrate()) == 0
        self.client = httpx.Client(base_url=self.addresses.url, timeout=60)

    def start(self, command: Command, **variables: str) -> Child:
        log = self.folder / f"{command.name}-{len(self.children)}.log"
        child = Child(command.name, command.arguments, log, environment={**command.environment, **variables})
        self.children.append(child)
        return child

    def run(self, command: Command, **variables: str) -> int:
        """Run a finite command to its end."""
        child = self.start(command, **variables)
        return child.process.wait(60)

    def start_api(self) -> Child:
        child = self.start(self.platform.api())
        self.wait_until(lambda: answers(f"{self.addresses.url}/health"), "the API", child)
        return child

    def start_imaging(self, **variables: str) -> Child:
        port = free_ports(1)[0]
        child = self.start(self.platform.imaging(), METRICS_PORT=str(port), **variables)
        self.wait_until(lambda: answers(f"http://127.0.0.1:{port}/ready"), "imaging", child)
        return child

    def upload(self, user: str, number: int, data: bytes) -> str:
        """Put an original where the app's upload puts it; return its path."""
        path = self.storage / "stall-photos" / user / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{user}/{number}.jpg"

    def process(self, user: str, path: str) -> httpx.Response:
        return self.client.post("/process", json={"imagePath": path, "userId": user})

    def token(self, subject: str, **claims: Any) -> str:
        now = int(time.time())
        return jwt.encode({"sub": subject, "iat": now, "exp": now + 600, **claims}, self.secrets.jwt, "HS256")

    def make_admin(self) -> dict[str, str]:
        """The headers of an admin."""
        self.query("INSERT INTO users (id) VALUES (%s) ON CONFLICT DO NOTHING", ADMIN)
        self.query("INSERT INTO role_grants (user_id, role) VALUES (%s, 'admin') ON CONFLICT DO NOTHING", ADMIN)
        return {"Authorization": f"Bearer {self.token(ADMIN)}"}

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.owner_url("loppestars"), autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def wait_until(
        self, condition: Callable[[], object], what: str, child: Child | None = None, seconds: float = 60
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            log = child.log_tail(20) if child is not None else ""
            assert child is None or child.exit_code is None, f"{what} ended with {child.exit_code}:\n{log}"
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{log}"
            time.sleep(0.02)

    def kill(self, child: Child) -> None:
        """Kill -9, as the kernel does it to a process that uses too much memory."""
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def close(self) -> None:
        self.client.close()
        for child in reversed(self.children):
            child.stop(10)
        self.postgres.stop()
