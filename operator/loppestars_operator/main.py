"""Entry point of `loppestars-operator`: elect a leader, reconcile while leading, end on any doubt."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.config import ConfigException as NoConfigInPod

from loppestars_core.kit.cli import Version, epilog, single
from loppestars_core.kit.cli import run as run_command
from loppestars_core.kit.logging import configure_logging
from loppestars_core.kit.metrics import Readiness, start_metrics_server
from loppestars_core.kit.settings import describe, load_settings
from loppestars_operator.controller import Controller
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.kube.lease import LeaderElector, LeaseLost
from loppestars_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)

FAILED: Final = 1
# A loop that has not turned for this long is as good as dead: the Lease has run out long before.
STUCK_SECONDS: Final = 60.0
BEAT_SECONDS: Final = 2.0


command: Final = single(
    "loppestars-operator",
    "Reconcile LoppestarsStack and Crawl resources. Install it by the chart loppestars-operator.",
    epilog=epilog(
        describe(OperatorSettings),
        examples=["KUBECONFIG=~/.kube/config LEASE_NAMESPACE=default loppestars-operator"],
        notes="The API server is found by the pod's service account, else by KUBECONFIG or ~/.kube/config.\n"
        "exit codes: 0 ended by SIGTERM or SIGINT, 1 the lead was lost or there is no API server, 2 wrong usage",
    ),
)


class Pulse:
    """Tells the probes how the process is, and ends one whose event loop is stuck."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self.state = Readiness(ready=False, reason="starting")
        self.controller: Controller | None = None

    async def beat(self) -> None:
        """Beat until cancelled; a thread watches whether it does."""

        def watch() -> None:
            while True:
                time.sleep(BEAT_SECONDS)
                if time.monotonic() - self._beat > STUCK_SECONDS:
                    sys.stderr.write("the event loop is stuck; ending the process\n")
                    os._exit(FAILED)

        threading.Thread(target=watch, name="watchdog", daemon=True).start()
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    def readiness(self) -> Readiness:
        """Return the answer of /ready: a standby is ready to take over."""
        if self.controller is not None and (missing := self.controller.missing):
            return Readiness(ready=False, reason=f"leading; waits for {missing}")
        return self.state


async def run(settings: OperatorSettings) -> int:
    """Run until SIGTERM or SIGINT (0) or until the lead is lost (1)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pulse = Pulse()
    server = start_metrics_server("operator", settings.metrics_host, settings.metrics_port, pulse.readiness)
    log.info("metrics_served", port=server.port)
    # The Lease has connections of its own: calls that hang must not keep it from being renewed.
    async with await KubeClient.connect() as kube, await KubeClient.connect() as kube_of_lease:
        elector = LeaderElector(kube_of_lease, settings.lease_namespace, settings.lease_name)
        work = asyncio.create_task(_lead(kube, settings, elector, pulse, stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.info("process_stopped")
                return 0
            log.error("process_ended", error=str(work.exception()), exc_info=work.exception())
            return FAILED
        finally:
            for task in (work, stopping):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ExceptionGroup, LeaseLost):
                await work
            await elector.release()
            server.stop()


async def _lead(
    kube: KubeClient, settings: OperatorSettings, elector: LeaderElector, pulse: Pulse, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(pulse.beat(), name="pulse")
        pulse.state = Readiness(ready=True, reason="standby")
        await elector.acquire()
        group.create_task(elector.hold(), name="lease")
        kube.may_write = elector.is_held
        pulse.controller = Controller(kube, settings, elector.identity, stop.set)
        pulse.state = Readiness(ready=True, reason="leading")
        await pulse.controller.run()


@command.command()
def operate(*, version: Version = False) -> None:  # noqa: ARG001 - its callback prints the version
    """Reconcile LoppestarsStack and Crawl resources. Install it by the chart loppestars-operator."""
    settings = load_settings(OperatorSettings)
    configure_logging("operator", settings.log_level)
    try:
        code = asyncio.run(run(settings))
    except (ConfigException, NoConfigInPod) as error:
        sys.stderr.write(f"no way to the API server: {error}; set KUBECONFIG or run inside a cluster\n")
        code = FAILED
    raise SystemExit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the operator; exit with 0 after SIGTERM, 1 when the lead is lost or no API server is found."""
    run_command(command, arguments)
