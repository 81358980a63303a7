"""The custom resources as kopf's watches last showed them, newer answers to our own writes included."""

from typing import Any

from loppestars_operator.cache.owned import is_newer
from loppestars_operator.cache.packing import Body, Packed
from loppestars_operator.naming import StackKey


def crawl_stack_key(body: Body) -> StackKey:
    """Return the stack a Crawl's body refers to."""
    return StackKey(body["metadata"]["namespace"], body.get("spec", {}).get("stackRef", {}).get("name", ""))


class CustomResourceCache:
    """Bodies of LoppestarsStacks and Crawls, packed; an older reading never replaces a newer one."""

    def __init__(self) -> None:
        self._stacks: dict[StackKey, tuple[str, Packed]] = {}
        self._crawls: dict[StackKey, dict[str, tuple[str, Packed]]] = {}
        self._hosts: dict[StackKey, tuple[str, frozenset[str]]] = {}

    def put_stack(self, body: Body) -> StackKey:
        """Remember a stack."""
        key = StackKey(body["metadata"]["namespace"], body["metadata"]["name"])
        if _put(self._stacks, key, body):
            self._hosts[key] = (body["metadata"].get("creationTimestamp", ""), _hosts(body.get("spec") or {}))
        return key

    def stack_with_host(self, key: StackKey, hosts: set[str]) -> StackKey | None:
        """Return an older stack, in any namespace, that has one of the hosts."""
        if not hosts:
            return None
        age = (self._hosts.get(key, ("", frozenset()))[0], key)
        older = [(created, other) for other, (created, taken) in self._hosts.items() if other != key and taken & hosts]
        return next((other for created, other in sorted(older) if (created, other) < age), None)

    def has_stack(self, key: StackKey, version: str) -> bool:
        """Return whether a stack is known in this version or a newer one."""
        return key in self._stacks and not is_newer(version, self._stacks[key][0])

    def put_crawl(self, body: Body) -> StackKey:
        """Remember a Crawl and return its stack's key."""
        key = crawl_stack_key(body)
        _put(self._crawls.setdefault(key, {}), body["metadata"]["name"], body)
        return key

    def forget_stack(self, key: StackKey) -> None:
        """Forget a stack that is gone."""
        self._stacks.pop(key, None)
        self._hosts.pop(key, None)

    def forget_crawl(self, body: Body) -> StackKey:
        """Forget a Crawl that is gone; return its stack's key."""
        key = crawl_stack_key(body)
        self._crawls.get(key, {}).pop(body["metadata"]["name"], None)
        if not self._crawls.get(key):
            self._crawls.pop(key, None)
        return key

    def drop_crawl(self, key: StackKey, name: str) -> None:
        """Drop a Crawl that turned out to be gone, though no event said so."""
        self.forget_crawl(
            {"metadata": {"namespace": key.namespace, "name": name}, "spec": {"stackRef": {"name": key.name}}}
        )

    def keep_stacks(self, namespace: str | None, listed: set[StackKey], version: str) -> set[StackKey]:
        """Forget the stacks that a complete list at a resource version does not name; return their keys."""
        gone = {
            key
            for key, (known, _) in self._stacks.items()
            if namespace in {None, key.namespace} and key not in listed and not is_newer(known, version)
        }
        for key in gone:
            self.forget_stack(key)
        return gone

    def keep_crawls(self, namespace: str | None, listed: set[tuple[str, str]], version: str) -> set[StackKey]:
        """Forget the Crawls that a complete list of namespaces and names does not have; return their stacks' keys."""
        gone = [
            (key, name)
            for key, crawls in self._crawls.items()
            for name, (known, _) in crawls.items()
            if namespace in {None, key.namespace}
            and (key.namespace, name) not in listed
            and not is_newer(known, version)
        ]
        for key, name in gone:
            self.drop_crawl(key, name)
        return {key for key, _ in gone}

    def stack(self, key: StackKey) -> Body | None:
        """Return a stack's body."""
        entry = self._stacks.get(key)
        return entry[1].open() if entry else None

    def crawls(self, key: StackKey) -> list[Body]:
        """Return the bodies of a stack's Crawls."""
        return [packed.open() for _, packed in self._crawls.get(key, {}).values()]

    def all_keys(self) -> list[StackKey]:
        """Return the keys of all stacks, and of stacks that only Crawls speak of."""
        return sorted({*self._stacks, *self._crawls})


def _put(known: dict[Any, tuple[str, Packed]], key: Any, body: Body) -> bool:
    version = body["metadata"]["resourceVersion"]
    if key in known and not is_newer(version, known[key][0]):
        return False
    slim = {**body, "metadata": {name: value for name, value in body["metadata"].items() if name != "managedFields"}}
    known[key] = (version, Packed.of(slim))
    return True


def _hosts(spec: Body) -> frozenset[str]:
    ingress, gateway = spec.get("ingress") or {}, spec.get("gateway") or {}
    hosts = set(gateway.get("hostnames") or ()) if gateway.get("parentRefs") else set()
    if ingress.get("host") and ingress.get("enabled", True):
        hosts.add(ingress["host"])
    return frozenset(hosts)
