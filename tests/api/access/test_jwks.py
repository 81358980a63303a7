"""Keys of an issuer that is slow, huge, redirecting or down."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import AnyHttpUrl, SecretStr, ValidationError

from loppestars_api.settings import ApiSettings
from loppestars_core.sign_in.issuer_keys import IssuerKeys, KeysUnavailable

KEY = ec.generate_private_key(ec.SECP256R1())
DOCUMENT = json.dumps(
    {"keys": [{**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k1", "alg": "ES256"}]}
).encode()
Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def issuer(*handlers: Handler) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve one handler after the other, the last one from then on; yields the URL and the calls so far."""
    calls: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        handler = handlers[min(len(calls), len(handlers) - 1)]
        calls.append(1)
        try:
            await handler(writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json", calls
    finally:
        server.close()


async def good(writer: asyncio.StreamWriter) -> None:
    """Answer with the keys."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT)
    await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def huge(writer: asyncio.StreamWriter) -> None:
    """Answer with more than any set of keys."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600000000\r\n\r\n")
    for _ in range(600):
        writer.write(b" " * 1_000_000)
        await writer.drain()
    pytest.fail("600 MB were read")


async def redirecting(writer: asyncio.StreamWriter) -> None:
    """Answer with another address."""
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


class TestFind:
    @pytest.mark.parametrize("bad", [dripping, huge, redirecting])
    async def test_it_is_bounded(self, bad: Handler) -> None:
        """In whole time and in bytes; every other caller fails as fast."""
        async with issuer(bad) as (url, calls):
            keys = IssuerKeys(url, cache_seconds=600, timeout=2)
            results = await asyncio.gather(*(keys.find("k1") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(result, KeysUnavailable) for result in results)
        assert len(calls) == 1

    @pytest.mark.parametrize("bad", [dripping, huge, redirecting])
    async def test_expired_keys_serve_meanwhile(self, bad: Handler) -> None:
        """Nobody who is signed in waits for an issuer that has become slow."""
        async with issuer(good, bad) as (url, calls):
            keys = IssuerKeys(url, cache_seconds=0.01, timeout=1)
            assert await keys.find("k1") is not None
            await asyncio.sleep(0.05)
            for _ in range(20):
                assert await keys.find("k1") is not None
            if keys._running is not None:
                await keys._running
            assert len(calls) == 2


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "accepted"),
        [
            ("https://issuer.example/jwks", True),
            ("http://127.0.0.1:9/jwks", True),
            ("http://localhost/jwks", True),
            ("http://[::1]/jwks", True),
            ("http://issuer.example/jwks", False),
            ("http://169.254.169.254/jwks", False),
            ("http://127.0.0.1.example/jwks", False),
        ],
    )
    def test_plain_http_is_for_loopback(self, url: str, *, accepted: bool) -> None:
        """Whoever changes the keys on the way could sign in as anyone."""
        database = SecretStr("postgresql://h/d")
        with nullcontext() if accepted else pytest.raises(ValidationError, match="https"):
            ApiSettings(database_url=database, jwks_url=AnyHttpUrl(url))

    @pytest.mark.parametrize("secret", ["x" * 40, "ab" * 20, "123" * 20])
    def test_a_simple_secret_is_refused(self, secret: str) -> None:
        """Length alone is not a secret."""
        with pytest.raises(ValidationError, match="too simple"):
            ApiSettings(database_url=SecretStr("postgresql://h/d"), jwt_secret=SecretStr(secret))

    def test_two_sources_of_keys_need_an_issuer(self) -> None:
        """Else one could speak for the users of the other."""
        with pytest.raises(ValidationError, match="JWT_ISSUER"):
            ApiSettings(
                database_url=SecretStr("postgresql://h/d"),
                jwt_secret=SecretStr("a-secret-of-at-least-thirty-two-bytes"),
                jwks_url=AnyHttpUrl("https://issuer.example/jwks"),
            )
