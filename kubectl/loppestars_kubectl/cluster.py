"""The cluster, by way of kubectl: credentials, contexts and proxies are its business.

A plugin of kubectl runs where kubectl is. Through it every way to sign in works that works for the person already.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from loppestars_operator.naming import GROUP, RETRY_ANNOTATION

Object = dict[str, Any]

STACKS: Final = f"loppestarsstacks.{GROUP}"
CRAWLS: Final = f"crawls.{GROUP}"
FIELD_MANAGER: Final = "kubectl-loppestars"


class KubectlError(Exception):
    """What kubectl said when it failed, or why it could not be asked."""


class NotFound(KubectlError):
    """The object is not there."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One namespace of a cluster, as kubectl sees it with these global options."""

    options: Sequence[str] = ()

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints.

        Raises:
            NotFound: the object is not there.
            KubectlError: kubectl failed for another reason, or is not there.
        """
        command = ["kubectl", *self.options, *arguments]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell
        except FileNotFoundError:
            raise KubectlError("kubectl is not on the PATH; https://kubernetes.io/docs/tasks/tools/ has it") from None
        if done.returncode:
            said = done.stderr.strip() or f"kubectl ended with code {done.returncode}"
            raise (NotFound if "(NotFound)" in said else KubectlError)(said)
        return done.stdout

    def stream(self, *arguments: str) -> int:
        """Run kubectl on this terminal and return its exit code."""
        return subprocess.run(["kubectl", *self.options, *arguments], check=False).returncode  # noqa: S603, S607 - likewise

    def get(self, kind: str, name: str) -> Object:
        """Return one object."""
        found: Object = json.loads(self.run("get", kind, name, "--output=json"))
        return found

    def list(self, kind: str, *selection: str) -> list[Object]:
        """Return the objects of a kind, those of a selector where one is given."""
        found: list[Object] = json.loads(self.run("get", kind, "--output=json", *selection))["items"]
        return found

    def create(self, body: Object) -> Object:
        """Create an object."""
        made: Object = json.loads(
            self.run(
                "create", "--filename=-", "--output=json", f"--field-manager={FIELD_MANAGER}", stdin=json.dumps(body)
            )
        )
        return made

    def would_be(self, body: Object) -> Object:
        """Return an object as it would be after an apply, with all defaults: the server judges and writes nothing."""
        words = ["--server-side", "--dry-run=server", "--force-conflicts", f"--field-manager={FIELD_MANAGER}"]
        found: Object = json.loads(self.run("apply", "--filename=-", "--output=json", *words, stdin=json.dumps(body)))
        return found

    def set_spec(self, stack: str, **fields: object) -> None:
        """Set fields of a stack's spec."""
        patch = json.dumps({"spec": fields})
        self.run("patch", STACKS, stack, "--type=merge", f"--patch={patch}", f"--field-manager={FIELD_MANAGER}")

    def ask_retry(self, stack: str, value: str) -> None:
        """Ask for another try of what failed."""
        words = ["--overwrite", f"--field-manager={FIELD_MANAGER}"]
        self.run("annotate", STACKS, stack, f"{RETRY_ANNOTATION}={value}", *words)

    def stack(self, name: str | None) -> Object:
        """Return the stack of a name, or the one that there is.

        Raises:
            KubectlError: there is none, or there are several and none is named.
        """
        if name:
            return self.get(STACKS, name)
        stacks = self.list(STACKS)
        if len(stacks) == 1:
            return stacks[0]
        names = ", ".join(sorted(stack["metadata"]["name"] for stack in stacks))
        raise KubectlError(
            f"there are several stacks here, name one: {names}"
            if names
            else "there is no stack in this namespace; -n names another"
        )
