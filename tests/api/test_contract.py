"""What the OpenAPI document promises is what the API does, whatever it is asked: schemathesis over every operation."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from tests.factories.markets import add_market
from tests.factories.photo_consumer import PhotoConsumer
from tests.factories.running_api import RunningApi

SECRET = "a-secret-of-at-least-thirty-two-bytes"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)


class TestOpenApi:
    # About a hundred operations, each with many questions.
    @pytest.mark.timeout(400)
    @pytest.mark.parametrize("who", ["admin", "anonymous"])
    async def test_no_fault_and_no_undocumented_answer(
        self, start: Callable[..., RunningApi], consumer: PhotoConsumer, session: AsyncSession, tmp_path: Path, who: str
    ) -> None:
        """Every parameter at, within and beyond its bounds, wrong types, odd text, missing and broken bodies."""
        await ensure_user(session, "admin-1")
        await session.execute(insert(RoleGrant).values(user_id="admin-1", role="admin"))
        await add_market(session)
        await session.commit()
        token = jwt.encode({"sub": "admin-1", "exp": int(time.time()) + 600}, SECRET, algorithm="HS256")
        limits = ("LISTS", "PHOTOS", "TRIGGERS", "AUTH_FAILURES")
        api = await asyncio.to_thread(
            start,
            JWT_SECRET=SECRET,
            SIGNING_SECRET="signs-links-in-tests",
            CRAWL_COMMAND="/bin/true",
            **{f"RATE_LIMIT_{name}_PER_MINUTE": "0" for name in limits},
        )
        # Without a token only these behave differently.
        more = {
            "admin": ["--header", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing"],
            "anonymous": ["--include-path-regex", "^/(process|scraper)", "--phases", "fuzzing"],
        }
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{api.url}/openapi.json", "--checks", CHECKS),
            # Who has asked to be forgotten gets nothing but 401 from the others.
            *("--exclude-name", "DELETE /me"),
            *("--max-examples", "4", "--seed", "1", "--no-color", "--continue-on-failure", *more[who]),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0, told.decode()
        assert [line for line in api.log() if line["event"] == "fault"] == []
