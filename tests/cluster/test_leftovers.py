"""What is removed outside our directory is ours."""

import json
from pathlib import Path

from tools.cluster.leftovers import remove_log_links, remove_pod_networks


def note(results: Path, network: str, container: str, namespace: str) -> None:
    interfaces = [{"name": "cni0"}, {"name": "eth0", "sandbox": f"/var/run/netns/{namespace}"}]
    (results / f"{network}-{container}-eth0").write_text(json.dumps({"result": {"interfaces": interfaces}}))
    (results / f"cni-loopback-{container}-lo").write_text("{}")


class TestLeftovers:
    """What is removed outside our directory is ours."""

    def test_only_our_pods_lose_their_network(self, tmp_path: Path) -> None:
        """Namespaces and notes of another cluster on the machine stay; a note cut off half-way is removed alone."""
        results, namespaces = tmp_path / "results", tmp_path / "netns"
        for directory in (results, namespaces):
            directory.mkdir()
        for name in ("cni-ours", "cni-theirs", "work"):
            (namespaces / name).touch()
        note(results, "loppestars", "a1", "cni-ours")
        note(results, "theirs", "b2", "cni-theirs")
        note(results, "loppestars", "c3", "work")
        (results / "loppestars-d4-eth0").write_text('{"result": {"interf')
        remove_pod_networks("loppestars", results, namespaces)
        assert sorted(path.name for path in namespaces.iterdir()) == ["cni-theirs", "work"]
        assert sorted(path.name for path in results.iterdir()) == ["cni-loopback-b2-lo", "theirs-b2-eth0"]

    def test_only_links_to_our_logs_go(self, tmp_path: Path) -> None:
        """Other kubelets link there too."""
        links, ours = tmp_path / "links", tmp_path / "ours"
        links.mkdir()
        (links / "ours.log").symlink_to(ours / "pod" / "0.log")
        (links / "theirs.log").symlink_to(tmp_path / "oursish" / "0.log")
        (links / "file.log").write_text("a file, not a link")
        remove_log_links(ours, links)
        assert sorted(path.name for path in links.iterdir()) == ["file.log", "theirs.log"]

    def test_a_machine_without_any(self, tmp_path: Path) -> None:
        """Nothing to remove is no error."""
        remove_log_links(tmp_path, tmp_path / "absent")
        remove_pod_networks("loppestars", tmp_path / "absent", tmp_path / "absent")
