"""kubectl and helm of one cluster, in the words of the tests."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tools.cluster import tools
from tools.cluster.processes import run, wait_until

Object = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """One cluster, as its administrator; `namespace` is where names without one are looked up."""

    kubeconfig: Path
    namespace: str = "default"

    def within(self, namespace: str) -> Self:
        return type(self)(self.kubeconfig, namespace)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl; raise `CommandFailed` with its words."""
        program = tools.find(["kubectl"])["kubectl"]
        where = [f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]
        return run([program, *where, *arguments], stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 300) -> str:
        program = tools.find(["helm"])["helm"]
        return run(
            [program, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments], timeout=timeout
        )

    def apply(self, *documents: Object | str) -> None:
        """Apply objects, or YAML text, as a person's `kubectl apply` does."""
        text = "\n---\n".join(one if isinstance(one, str) else json.dumps(one) for one in documents)
        self.kubectl("apply", "--filename=-", stdin=text)

    def create(self, document: Object) -> str:
        """Create one object (`generateName` works); returns its name."""
        answer = self.kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(document))
        return str(json.loads(answer)["metadata"]["name"])

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def find(self, kind: str, name: str) -> Object | None:
        """The object, or None when there is none of that name."""
        text = self.kubectl("get", kind, name, "--ignore-not-found", "--output=json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, selector: str = "") -> list[Object]:
        found: list[Object] = json.loads(self.kubectl("get", kind, f"--selector={selector}", "--output=json"))["items"]
        return found

    def patch(self, kind: str, name: str, change: Object, *, subresource: str | None = None) -> None:
        """A JSON merge patch."""
        where = [f"--subresource={subresource}"] if subresource else []
        self.kubectl("patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}", *where)

    def delete(self, kind: str, name: str, *, wait: bool = True) -> None:
        self.kubectl("delete", kind, name, "--ignore-not-found", f"--wait={str(wait).lower()}")

    def wait(self, condition: str, target: str, seconds: int = 120) -> None:
        self.kubectl("wait", f"--for={condition}", target, f"--timeout={seconds}s", timeout=seconds + 20)

    def logs(self, target: str, *arguments: str) -> str:
        return self.kubectl("logs", target, *arguments)

    def watch(self, kind: str, name: str, seconds: float) -> Iterator[Object]:
        """Every version of an object during `seconds`, by kubectl's own watch."""
        program = tools.find(["kubectl"])["kubectl"]
        command = [str(program), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", "get", kind, name,
                   "--watch", "--output=json", f"--request-timeout={seconds:.0f}s"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
        decoder, text = json.JSONDecoder(), done.stdout.strip()
        while text:
            document, end = decoder.raw_decode(text)
            yield document
            text = text[end:].lstrip()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60, interval: float = 0.5) -> float:
        """Wait until `condition`; returns the seconds it took, raises `NotReady` naming `what`."""
        began = time.monotonic()
        wait_until(condition, what, timeout=seconds, interval=interval)
        return time.monotonic() - began


def condition_of(document: Object, kind: str) -> Object:
    """The condition of that type, or an empty object."""
    conditions = document.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def restarts_of(pods: list[Object]) -> int:
    """How often containers of these pods were started again."""
    statuses = [status for pod in pods for status in pod.get("status", {}).get("containerStatuses", [])]
    return sum(status["restartCount"] for status in statuses)
