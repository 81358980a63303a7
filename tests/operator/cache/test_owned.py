"""What is known of owned objects, whatever the order in which answers and events are read."""

from typing import Any

import pytest

from loppestars_operator.cache import owned as store_module
from loppestars_operator.cache.owned import CachedObject, OwnedCache
from loppestars_operator.naming import STACK_LABEL, StackKey

KEY = StackKey("shop", "fair")


def live(uid: str = "u1", version: int = 1, name: str = "fair-api") -> dict[str, Any]:
    """A Service of the stack."""
    meta = {
        "name": name,
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {STACK_LABEL: "fair"},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta}


def known(store: OwnedCache) -> list[str]:
    return sorted(observed.uid for observed in store.of(KEY).values())


class TestLabels:
    def test_object_named_as_its_stack_that_is_relabelled(self) -> None:
        """It is still known as that stack's, which is told of the change."""
        store = OwnedCache()
        store.put(live(name="fair"))
        changed = live(name="fair", version=2)
        changed["metadata"]["labels"][STACK_LABEL] = "another"
        assert store.put(changed) == KEY
        assert store.of(StackKey("shop", "another")) == {}

    def test_stacks_whose_names_begin_alike(self) -> None:
        """`fair` and `fair-api` in one namespace: each knows its own."""
        store = OwnedCache()
        longer = live("u2", name="fair-api-api")
        longer["metadata"]["labels"][STACK_LABEL] = "fair-api"
        store.put(live("u1", name="fair-api"))
        assert store.put(longer) == StackKey("shop", "fair-api")
        assert known(store) == ["u1"]


class TestOrder:
    def test_the_answer_to_a_write_after_the_objects_end(self) -> None:
        """An object that is deleted before the answer to its creation is read does not come back as a ghost."""
        store = OwnedCache()
        assert store.remove(live()) == KEY, "whoever is writing it looks again"
        assert store.put(live()) is None
        assert known(store) == []
        assert store.put(live("u2", 5)) == KEY
        assert known(store) == ["u2"]

    def test_older_readings_and_incarnations(self) -> None:
        """Neither an older version nor the end of an older incarnation changes anything."""
        store = OwnedCache()
        store.put(live("u2", 7))
        assert store.put(live("u2", 6)) is None
        assert store.remove(live("u1", 9)) is None
        assert known(store) == ["u2"]

    def test_a_list_keeps_what_was_written_after_it(self) -> None:
        """What is newer than the list stays, what it does not name goes."""
        store = OwnedCache()
        store.put(live("u1", 3, "a"))
        store.put(live("u2", 9, "b"))
        changed = store.replace("Service", None, [CachedObject.of(live("u3", 4, "c"), KEY)], "5")
        assert changed == {KEY}
        assert known(store) == ["u2", "u3"]

    def test_what_is_remembered_of_deleted_objects_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The oldest are forgotten first."""
        monkeypatch.setattr(store_module, "MAX_DELETED", 3)
        store = OwnedCache()
        for number in range(5):
            store.remove(live(f"u{number}"))
        assert store.put(live("u4")) is None
        assert store.put(live("u1")) == KEY

    def test_labels_that_somebody_changed(self) -> None:
        """An object stays its stack's: what it is labelled with is drift, and losing the label is no end."""
        store = OwnedCache()
        store.put(live("u1", 3))
        relabelled = live("u1", 4)
        relabelled["metadata"]["labels"] = {STACK_LABEL: "other"}
        assert store.put(relabelled) == KEY
        unlabelled = live("u1", 5)
        unlabelled["metadata"]["labels"] = {}
        assert store.remove(unlabelled) == KEY
        assert known(store) == []
        assert store.put(live("u1", 6)) == KEY, "labelled again"
        assert known(store) == ["u1"]

    def test_a_stack_whose_name_begins_another(self) -> None:
        """Objects of `fair-api` are not those of `fair`."""
        store = OwnedCache()
        store.put(live("u1", 3, "fair-api"))
        inner = live("u2", 4, "fair-api-api")
        inner["metadata"]["labels"] = {STACK_LABEL: "fair-api"}
        assert store.put(inner) == StackKey("shop", "fair-api")
        assert known(store) == ["u1"]

    def test_objects_of_nobody(self) -> None:
        """Without our label there is no stack to tell."""
        body = live()
        body["metadata"]["labels"] = {}
        assert OwnedCache().put(body) is None
        assert OwnedCache().remove(body) is None
