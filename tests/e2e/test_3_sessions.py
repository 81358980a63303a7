"""A phone that is signed in stays so while the API is rolled."""

import json
import time

import pytest

from loppestars_core.sign_in.signing import new_key
from tests.e2e.support.figures import measured
from tests.e2e.support.stack import Stack

pytestmark = pytest.mark.e2e

KEY = "sb_publishable_of_the_node"
LABELS = {"loppestars.dev/stacks": "any"}
ROLL_SECONDS = 120
# What the released app takes for a server that is away for a moment: it keeps its session.
KEPT = {502, 503, 504}
# A sign-in needs a provider; this is what is left of one: a session, and its first refresh token.
SIGN_IN = """
import asyncio
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.sign_in.refresh_tokens import RefreshTokens
from loppestars_core.sign_in.sessions import start_session
async def main():
    settings = ApiSettings()
    engine = create_engine(settings)
    async with sessions(engine).begin() as session:
        await ensure_user(session, "phone-owner")
        started = await start_session(session, "phone-owner", provider="google", user_agent="phone")
    await engine.dispose()
    secrets = [secret.get_secret_value() for secret in settings.auth_session_secrets]
    print(RefreshTokens(secrets).derive(started.id, started.counter))
asyncio.run(main())
"""


def secret(name: str, **values: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": LABELS},
        "stringData": values,
    }


def refresh(stack: Stack, token: str) -> tuple[int, dict[str, str]]:
    """One request of the library; a broken connection counts as a server that is away."""
    try:
        answer = stack.ingress.request(
            "POST",
            "/auth/v1/token?grant_type=refresh_token",
            body=json.dumps({"refresh_token": token}).encode(),
            headers={"apikey": KEY, "Content-Type": "application/json"},
            timeout=15,
        )
    except OSError:
        return 503, {}
    return answer.status, json.loads(answer.body) if answer.status == 200 else {}


class TestSessions:
    def test_survive_a_roll(self, stack: Stack) -> None:
        """Refreshed without a pause through `rollout restart`, the session is answered or told to wait, never ended."""
        stack.cluster.apply(
            secret("loppestars-sign-in", signingKeys=new_key(), sessionSecrets="s" * 32),
            secret("loppestars-app", anonKeys=KEY),
        )
        stack.change(
            auth={"signInSecretRef": {"name": "loppestars-sign-in"}, "redirects": ["loppestars://auth/callback"]},
            api={"anonKeysSecretRef": {"name": "loppestars-app"}},
        )
        stack.wait_ready()
        pod = stack.pods("api")[0]["metadata"]["name"]
        token = stack.cluster.kubectl("exec", pod, "--", "python", "-c", SIGN_IN).strip().splitlines()[-1]
        before = {pod["metadata"]["uid"] for pod in stack.pods("api")}
        stack.cluster.kubectl("rollout", "restart", "deployment/fair-api")
        statuses: list[int] = []
        deadline = time.monotonic() + ROLL_SECONDS
        rolled = False
        while time.monotonic() < deadline and not rolled:
            status, found = refresh(stack, token)
            statuses.append(status)
            token = found.get("refresh_token", token)
            if len(statuses) % 10 == 0:
                pods = stack.pods("api")
                ready = all(found_pod["status"].get("containerStatuses", [{}])[0].get("ready") for found_pod in pods)
                rolled = bool(pods) and ready and not before & {found_pod["metadata"]["uid"] for found_pod in pods}
        measured(f"roll of the API: {len(statuses)} refreshes, {statuses.count(200)} answered at once")
        assert rolled
        assert set(statuses) <= {200, *KEPT}
        assert refresh(stack, token)[0] == 200
        stack.change(auth={"signInSecretRef": None, "redirects": None}, api={"anonKeysSecretRef": None})
        stack.wait_ready()
