"""One stack on the cluster, and the things that people do with it."""

import time
from dataclasses import dataclass
from typing import Any

import jwt

from tests.e2e.support.client import Answer, Ingress
from tests.e2e.support.cluster import Cluster, Object, condition_of
from tools.cluster.paths import REPOSITORY

KIND = "loppestarsstacks.loppestars.dev"
SAMPLE_SITES = [
    {"name": "MARKEDSKALENDEREN_URL", "value": "http://sample-site:8081"},
    {"name": "LOPPEMARKEDER_URL", "value": "http://sample-site:8081"},
    # The sample site is ours: nothing needs to be spared.
    {"name": "CRAWL_DELAY_SECONDS", "value": "0"},
]
TOKEN_SECRET = "development-only-secret-of-32-bytes-or-more"


def sample(name: str) -> str:
    """The text of a sample, e.g. `01-minimal`."""
    return (REPOSITORY / "k8s" / "samples" / f"{name}.yaml").read_text()


@dataclass(frozen=True)
class Stack:
    """A LoppestarsStack by name, in a namespace of its own that has the development services."""

    cluster: Cluster
    name: str
    ingress: Ingress

    def read(self) -> Object:
        return self.cluster.get(KIND, self.name)

    def change(self, **spec: Any) -> None:
        """Merge into the spec."""
        self.cluster.patch(KIND, self.name, {"spec": spec})

    def annotate(self, key: str, value: str) -> None:
        self.cluster.patch(KIND, self.name, {"metadata": {"annotations": {key: value}}})

    def condition(self, kind: str) -> Object:
        """A condition that speaks of the spec as it is now; empty while the operator has not seen it."""
        document = self.read()
        found = condition_of(document, kind)
        seen = found.get("observedGeneration", document.get("status", {}).get("observedGeneration"))
        return found if found and seen == document["metadata"]["generation"] else {}

    def wait_for(self, kind: str, status: str = "True", reason: str = "", seconds: float = 180) -> Object:
        """Wait for a condition about the present spec; returns it."""
        what = f"{kind}={status}{f' ({reason})' if reason else ''} of {self.name}"

        def there() -> bool:
            found = self.condition(kind)
            return found.get("status") == status and (not reason or found.get("reason") == reason)

        self.cluster.until(there, what, seconds)
        return self.condition(kind)

    def wait_ready(self, seconds: float = 180) -> None:
        self.wait_for("Ready", seconds=seconds)

    def pods(self, component: str) -> list[Object]:
        selector = f"loppestars.dev/stack={self.name},app.kubernetes.io/component={component}"
        return [pod for pod in self.cluster.list("pods", selector) if "deletionTimestamp" not in pod["metadata"]]

    def crawl(self, **spec: Any) -> Object:
        """Create a Crawl and wait for its end; returns its status."""
        name = self.cluster.create(
            {
                "apiVersion": "loppestars.dev/v1alpha1",
                "kind": "Crawl",
                "metadata": {"generateName": "by-hand-"},
                "spec": {"stackRef": {"name": self.name}, **spec},
            },
        )
        finished = {"Succeeded", "Failed", "Cancelled", "Superseded"}
        self.cluster.until(lambda: self._crawl_state(name) in finished, f"end of crawl {name}", 120)
        status: Object = self.cluster.get("crawls.loppestars.dev", name)["status"]
        return status

    def _crawl_state(self, name: str) -> str:
        return str(self.cluster.get("crawls.loppestars.dev", name).get("status", {}).get("state", ""))

    def process(self, path: str, user: str) -> Answer:
        """Ask for a photo's faces to be covered, as the app does; waits for the result."""
        return self.ingress.post_json("/process", {"imagePath": path, "userId": user}, self.token(user))

    def token(self, user: str) -> str:
        """A bearer token of that user, valid for an hour."""
        now = int(time.time())
        return jwt.encode({"sub": user, "iat": now, "exp": now + 3600}, TOKEN_SECRET, algorithm="HS256")
