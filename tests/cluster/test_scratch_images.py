"""Images of one program: what `docker load` and `ctr images import` expect."""

import hashlib
import json
import tarfile
from pathlib import Path

from tools.cluster.scratch_images import write_image


class TestScratchImages:
    """Images of one program: what `docker load` and `ctr images import` expect."""

    def test_archive_holds_the_program_under_its_own_name(self, tmp_path: Path) -> None:
        """Manifest, config and layer refer to each other by digest; the program is executable and not root's."""
        binary = tmp_path / "server-v1.2.3"
        binary.write_bytes(b"\x7fELF and so on")
        archive = write_image(tmp_path / "image.tar", "localhost/server:v1.2.3", binary, architecture="arm64")
        with tarfile.open(archive) as tar:
            contents = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
        manifest = json.loads(contents["manifest.json"])
        assert manifest[0]["RepoTags"] == ["localhost/server:v1.2.3"]
        config = json.loads(contents[manifest[0]["Config"]])
        assert config["architecture"] == "arm64"
        assert config["config"]["Entrypoint"] == ["/server"]
        assert config["config"]["User"] == "65532:65532"
        layer = contents[manifest[0]["Layers"][0]]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
        (tmp_path / "layer.tar").write_bytes(layer)
        with tarfile.open(tmp_path / "layer.tar") as tar:
            member = tar.getmember("server")
            assert member.mode == 0o755
            assert tar.extractfile(member).read() == binary.read_bytes()  # type: ignore[union-attr]

    def test_same_input_same_bytes(self, tmp_path: Path) -> None:
        """No clock in it, so that an unchanged program is an unchanged image."""
        binary = tmp_path / "server"
        binary.write_bytes(b"program")
        one = write_image(tmp_path / "one.tar", "localhost/server:v1", binary, architecture="amd64")
        two = write_image(tmp_path / "two.tar", "localhost/server:v1", binary, architecture="amd64")
        assert one.read_bytes() == two.read_bytes()
