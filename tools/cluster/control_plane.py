"""A Kubernetes API without machines: etcd and kube-apiserver on free loopback ports, ready in seconds.

Enough for everything that reads and writes objects. With `controllers` Deployments get ReplicaSets, Jobs get pods and
owned objects are garbage-collected; pods stay Pending, as there is no node (`fake_nodes` makes them complete). Several
control planes run side by side; all of it ends with the process that started it.
"""

import http.client
import json
import shutil
import socket
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tools.cluster import tools
from tools.cluster.certificates import CertificateAuthority
from tools.cluster.errors import LocalClusterError
from tools.cluster.processes import Child, wait_until

ADMIN: Final = ("admin", ("system:masters",))
SERVICE_ADDRESSES: Final = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS: Final = "10.96.0.1"
# On, so that a controller without `finalizers: update` on an owner is refused here as in a hardened cluster.
ADMISSION_PLUGINS: Final = "OwnerReferencesPermissionEnforcement"
UNUSED_CONTROLLERS: Final = ("node-ipam", "cloud-node-lifecycle", "node-route", "service-lb")
START_ATTEMPTS: Final = 3


class ControlPlane:
    """`with ControlPlane() as plane:` starts it; `plane.kubeconfig` is a cluster administrator's.

    Args:
        controllers: run kube-controller-manager too.
        admission_plugins: more than the API server's own; with the default it takes up to 30 s to know a new CRD as
            an owner.
        audit: write one JSON line a request to `audit_log` (metadata only, no bodies).
        directory: keep state there; by default a temporary directory that is removed at the end.
        apiserver_options: more command line options of kube-apiserver.
    """

    def __init__(
        self,
        *,
        controllers: bool = False,
        audit: bool = False,
        admission_plugins: str = ADMISSION_PLUGINS,
        directory: Path | None = None,
        apiserver_options: Sequence[str] = (),
    ) -> None:
        names = ["etcd", "kube-apiserver", *(["kube-controller-manager"] if controllers else [])]
        self._programs = tools.find(names)
        self._controllers = controllers
        self._audit = audit
        self._admission_plugins = admission_plugins
        self._apiserver_options = tuple(apiserver_options)
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="loppestars-control-plane-"))
        self.authority = CertificateAuthority(self.directory / "pki")
        self.url = ""
        self._children: dict[str, Child] = {}

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig of any user, service accounts included, for trying what roles allow."""
        name = user.replace(":", "-").replace("/", "-")
        return self.authority.kubeconfig(self.directory / f"{name}.kubeconfig", self.url, user, groups)

    def start(self) -> Self:
        """Raise `LocalClusterError` with the last lines of the program that failed."""
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._start()
            except LocalClusterError:
                # A free port may be taken by somebody else before our program gets it.
                self._end()
                if attempt == START_ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                return self
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def stop(self) -> None:
        self._end()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get(self, path: str, timeout: float = 5.0) -> bytes:
        """Return the body of a GET as administrator; raise `urllib.error.HTTPError` for an answer other than 2xx."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(*self.authority.issue("user-admin", *ADMIN))
        with urllib.request.urlopen(self.url + path, context=context, timeout=timeout) as answer:  # noqa: S310 - https
            body: bytes = answer.read()
        return body

    def _start(self) -> None:
        etcd_port, peer_port, api_port, controllers_port = _free_ports(4)
        self.url = f"https://127.0.0.1:{api_port}"
        self.authority.kubeconfig(self.kubeconfig, self.url, *ADMIN)
        etcd = f"http://127.0.0.1:{etcd_port}"
        self._run("etcd", etcd_options(self.directory / "etcd", etcd, f"http://127.0.0.1:{peer_port}"))
        self._run(
            "kube-apiserver",
            [
                *apiserver_options(self.authority, etcd, admission_plugins=self._admission_plugins),
                *(audit_options(self.directory, self.audit_log) if self._audit else []),
                "--bind-address=127.0.0.1",
                f"--secure-port={api_port}",
                "--advertise-address=127.0.0.1",
                # There is no way to the services of this cluster, so nothing may depend on its own endpoint.
                "--endpoint-reconciler-type=none",
                *self._apiserver_options,
            ],
        )
        wait_until(self._is_ready, "kube-apiserver", timeout=60)
        if self._controllers:
            kubeconfig = self.authority.kubeconfig(
                self.directory / "controllers.kubeconfig",
                self.url,
                "system:kube-controller-manager",
            )
            self._run(
                "kube-controller-manager",
                [
                    *controller_options(self.authority, kubeconfig),
                    "--bind-address=127.0.0.1",
                    f"--secure-port={controllers_port}",
                    # Controllers that need nodes or a cloud only fill the log here.
                    "--controllers=*," + ",".join(f"-{name}-controller" for name in UNUSED_CONTROLLERS),
                ],
            )
            wait_until(self._has_default_service_account, "kube-controller-manager", timeout=60)

    def _run(self, program: str, options: Sequence[str]) -> None:
        log = self.directory / "logs" / f"{program}.log"
        self._children[program] = Child(program, [self._programs[program], *options], log)

    def _end(self) -> None:
        # Nothing here is worth a graceful end: the data goes away with it.
        for child in reversed(self._children.values()):
            child.kill()
        self._children.clear()
        shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    def _is_ready(self) -> bool:
        for child in self._children.values():
            child.require_alive()
        try:
            return self.get("/readyz") == b"ok"
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            return False

    def _has_default_service_account(self) -> bool:
        self._children["kube-controller-manager"].require_alive()
        try:
            self.get("/api/v1/namespaces/default/serviceaccounts/default")
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            return False
        return True


def etcd_options(data: Path, client_url: str, peer_url: str) -> list[str]:
    """Command line of an etcd that forgets nothing but a power cut: no fsync, as this is not for keeps."""
    return [
        "--name=default", f"--data-dir={data}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls={client_url}", f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]  # fmt: skip


def apiserver_options(
    authority: CertificateAuthority,
    etcd: str,
    addresses: Sequence[str] = (),
    admission_plugins: str = ADMISSION_PLUGINS,
) -> list[str]:
    """Return what every kube-apiserver is started with; its certificate names `addresses` too."""
    certificate, key = authority.issue(
        "apiserver",
        "kube-apiserver",
        addresses=["127.0.0.1", FIRST_SERVICE_ADDRESS, *addresses],
    )
    return [
        f"--etcd-servers={etcd}", f"--service-cluster-ip-range={SERVICE_ADDRESSES}", "--authorization-mode=Node,RBAC",
        "--allow-privileged", f"--enable-admission-plugins={admission_plugins}",
        f"--client-ca-file={authority.certificate}", f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={authority.service_account_public_key}",
        f"--service-account-signing-key-file={authority.service_account_key}",
    ]  # fmt: skip


def audit_options(directory: Path, log: Path) -> list[str]:
    """Return one line a finished request: who, verb, object, code. No bodies: they would hold secrets."""
    policy = directory / "audit-policy.yaml"
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(
        json.dumps(
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived", "ResponseStarted"],
                "rules": [
                    {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*", "/openapi*"]},
                    {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
                    {"level": "None"},
                ],
            }
        )
    )
    return [
        f"--audit-policy-file={policy}", f"--audit-log-path={log}",
        "--audit-log-maxsize=100", "--audit-log-maxbackup=2",
    ]  # fmt: skip


def controller_options(authority: CertificateAuthority, kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}", f"--root-ca-file={authority.certificate}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={authority.service_account_key}", "--use-service-account-credentials",
        "--leader-elect=false",
        # The defaults (20 requests a second) stall after a thousand objects.
        "--kube-api-qps=500", "--kube-api-burst=1000",
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
