"""The way to the API server: HTTP over one aiohttp session, with the official client's credentials.

Credentials are the official client's (in-cluster token with refresh, kubeconfig, exec plugins). Tests put an API server
in memory in this place.
"""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

CONNECT_SECONDS: Final = 10.0
# A watch sends bookmarks about every minute; longer silence means a dead connection.
WATCH_SILENCE_SECONDS: Final = 75.0


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `seconds` is its time-out; a stream has none but for silence."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = CONNECT_SECONDS


@dataclass(frozen=True, slots=True)
class Response:
    """What the API server answered."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """The API server did not answer in time, or not at all."""


class Transport(Protocol):
    """What `KubeClient` needs of a connection."""

    async def send(self, request: Request) -> Response:
        """Return the response, whatever its status.

        Raises:
            NoAnswer: there was none in time.
        """
        ...

    def stream(self, request: Request) -> AsyncIterator[bytes | Response]:
        """Yield the lines of a response, or the one response of a refusal.

        Raises:
            NoAnswer: the connection failed, or was silent for too long.
        """
        ...

    async def close(self) -> None:
        """Drop all connections."""
        ...


class HttpTransport:
    """Connections to one API server."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._url = configuration.host.rstrip("/")
        connector = aiohttp.TCPConnector(limit=0, ssl=_tls(configuration), keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector)

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Self:
        """Find the API server: the named file, else the pod's ServiceAccount, else KUBECONFIG or ~/.kube/config.

        Raises:
            kubernetes.config.ConfigException: none of them is there.
        """
        configuration = Configuration()
        if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        return cls(configuration)

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()

    async def send(self, request: Request) -> Response:
        """Return the response, whatever its status."""
        async with self._answer(request, aiohttp.ClientTimeout(total=request.seconds)) as answer:
            return Response(answer.status, await answer.read())

    async def stream(self, request: Request) -> AsyncIterator[bytes | Response]:
        """Yield the lines of a response, or the one response of a refusal."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=WATCH_SILENCE_SECONDS)
        async with self._answer(request, timeout) as answer:
            if answer.status >= 400:  # noqa: PLR2004 - every status from here on is an error
                yield Response(answer.status, await answer.read())
                return
            # Objects may exceed the stream's own limit of a line.
            rest = b""
            async for chunk in answer.content.iter_any():
                *complete, rest = (rest + chunk).split(b"\n")
                for line in filter(None, complete):
                    yield line

    @asynccontextmanager
    async def _answer(self, request: Request, timeout: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:  # noqa: ASYNC109 - handed on to aiohttp
        try:
            # Reads the token's file again each minute, which may just be being replaced.
            token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            headers = {**request.headers, **({"Authorization": token} if token else {})}
            async with self._session.request(
                request.method,
                self._url + request.path,
                headers=headers,
                params=request.params,
                data=request.body,
                timeout=timeout,
            ) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, ConfigException) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error


def _tls(configuration: Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
