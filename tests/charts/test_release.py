"""A release: versions agree, and charts can be installed from the registry that they were pushed to."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from loppestars_local.ports import answers, free_ports
from tests.factories.required import leave_out
from tools import release
from tools.cluster import images, tools
from tools.cluster.errors import MissingBinaries
from tools.cluster.processes import Child, wait_until
from tools.supply_chain import provenance, sbom
from tools.supply_chain import verify as verify_command
from tools.supply_chain.registry import Layer, Repository
from tools.supply_chain.signing import SignatureRefused, attest, load_key, sign_image, verify

pytestmark = pytest.mark.cluster
CONFIGURATION = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry on loopback."""
    try:
        program = tools.find(["registry", "helm"])["registry"]
    except MissingBinaries as missing:
        leave_out(f"needs a registry and helm: {missing}")
    (port,) = free_ports(1)
    configuration = tmp_path / "registry.yaml"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path / "registry", port=port))
    child = Child("registry", [program, "serve", configuration], tmp_path / "registry.log")
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/"), "the registry", timeout=20)
        yield f"127.0.0.1:{port}/loppestars"
    finally:
        child.stop()


def keys(folder: Path) -> tuple[Path, Path]:
    """Return the files of a new private key and its public one, as docs/releases.md makes them."""
    private, public = folder / "release.key", folder / "release.pub"
    key = ec.generate_private_key(ec.SECP256R1())
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


class TestSignatures:
    @pytest.fixture
    def image(self, registry: str) -> tuple[Repository, str]:
        """Something that is pushed, and its digest."""
        repository = Repository(f"{registry}/api")
        return repository, repository.push("1.2.3", [Layer("application/octet-stream", b"a layer", {})])

    def test_verified(self, image: tuple[Repository, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What was stated comes back, by our own command and by cosign where it is installed."""
        private, public = keys(tmp_path)
        repository, digest = image
        made = datetime.now(UTC)
        bill = sbom.bill_of_materials("api", "1.2.3", "", made, digest)
        base = f"debian@sha256:{'a' * 64}"
        built = provenance.provenance("api", version="1.2.3", revision="c0ffee", base=base, began=made, ended=made)
        sign_image(repository, digest, load_key(private))
        attest(repository, digest, {sbom.TYPE: bill, provenance.TYPE: built}, load_key(private))
        predicates = verify(repository, digest, public.read_bytes())
        assert predicates == {sbom.TYPE: bill, provenance.TYPE: built}
        assert verify_command.main([f"{repository.name}@{digest}", str(public)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "signed: image", f"signed: {sbom.TYPE}", f"signed: {provenance.TYPE}",
        ]  # fmt: skip
        if cosign := shutil.which("cosign"):
            options = [
                f"--key={public}",
                "--insecure-ignore-tlog",
                "--allow-http-registry",
                f"{repository.name}@{digest}",
            ]
            for words in (
                ["verify"],
                *(["verify-attestation", f"--type={kind}"] for kind in ("cyclonedx", "slsaprovenance1")),
            ):
                done = subprocess.run([cosign, *words, *options], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr

    def test_another_key(self, image: tuple[Repository, str], tmp_path: Path) -> None:
        """A signature by anyone else is refused."""
        private, _ = keys(tmp_path)
        repository, digest = image
        sign_image(repository, digest, load_key(private))
        attest(repository, digest, {}, load_key(private))
        (tmp_path / "other").mkdir()
        _, other = keys(tmp_path / "other")
        with pytest.raises(SignatureRefused, match="is not signed by this key"):
            verify(repository, digest, other.read_bytes())

    def test_another_image(self, image: tuple[Repository, str], tmp_path: Path) -> None:
        """A good signature that is copied to another image is refused."""
        private, public = keys(tmp_path)
        repository, digest = image
        sign_image(repository, digest, load_key(private))
        other = repository.push("1.2.4", [Layer("application/octet-stream", b"malice", {})])
        layers = repository.pull(f"{digest.replace(':', '-')}.sig")
        repository.push(f"{other.replace(':', '-')}.sig", layers)
        with pytest.raises(SignatureRefused, match="is of another image"):
            verify(repository, other, public.read_bytes())

    def test_not_signed(self, image: tuple[Repository, str], tmp_path: Path) -> None:
        """An image without a signature is refused, also where an empty artefact lies in its place."""
        _, public = keys(tmp_path)
        repository, digest = image
        for layers in ([], [Layer("application/json", b"{}", {})]):
            with pytest.raises(SignatureRefused, match="is not signed"):
                verify(repository, digest, public.read_bytes())
            repository.push(f"{digest.replace(':', '-')}.sig", layers)
        with pytest.raises(SignatureRefused, match="is not signed by this key"):
            verify(repository, digest, public.read_bytes())


class TestRelease:
    """A release: versions agree, and charts can be installed from the registry that they were pushed to."""

    def test_charts_come_back_from_the_registry(
        self, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each is printed with the digest that the registry has, and the operator's brings its CRDs along."""
        assert release.main([f"--registry={registry}", "--charts-only", "--dirty", "--unsigned"]) == 0
        lines = capsys.readouterr().out.splitlines()
        version = images.project_version()
        assert [line.partition("@")[0] for line in lines] == [
            f"oci://{registry}/charts/{chart}:{version}" for chart in release.CHARTS
        ]
        for chart, line in zip(release.CHARTS, lines, strict=True):
            host, _, prefix = registry.partition("/")
            request = urllib.request.Request(f"http://{host}/v2/{prefix}/charts/{chart}/manifests/{version}")
            request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.headers["Docker-Content-Digest"] == line.partition("@")[2]
        helm = str(tools.find(["helm"])["helm"])
        command = [helm, "template", "x", f"oci://{registry}/charts/loppestars-operator", "--plain-http"]
        done = subprocess.run(
            [*command, "--kube-version=1.34.0"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "kind: CustomResourceDefinition" in done.stdout

    def test_charts_are_signed(self, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The signature lies where cosign looks for it, and is of the digest that was printed."""
        private, public = keys(tmp_path)
        assert release.main([f"--registry={registry}", "--charts-only", "--dirty", f"--key={private}"]) == 0
        for line in capsys.readouterr().out.splitlines():
            name, _, digest = line.removeprefix("oci://").partition("@")
            repository = Repository(name.rpartition(":")[0])
            (layer,) = repository.pull(f"{digest.replace(':', '-')}.sig")
            assert json.loads(layer.content)["critical"]["image"]["docker-manifest-digest"] == digest
            if cosign := shutil.which("cosign"):
                command = [cosign, "verify", f"--key={public}", "--insecure-ignore-tlog", "--allow-http-registry"]
                image = f"{repository.name}@{digest}"
                done = subprocess.run([*command, image], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr

    def test_a_version_that_differs_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is pushed, and every place is told."""
        monkeypatch.setattr(images, "project_version", lambda: "7.8.9")
        assert release.main(["--registry=127.0.0.1:1/x", "--dirty", "--unsigned"]) == 1
        told = capsys.readouterr().err
        assert "pyproject.toml says 7.8.9" in told
        assert "charts/loppestars-crds/Chart.yaml says version 0.1.0" in told

    def test_a_tree_that_is_no_commit_is_not_released(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Unless somebody says so."""
        monkeypatch.setattr(images, "revision", lambda: "abc-dirty")
        assert release.main(["--registry=127.0.0.1:1/x", "--unsigned"]) == 1
        assert "commit first, or say --dirty" in capsys.readouterr().err

    def test_a_base_image_by_its_tag_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is built on what may be another image tomorrow."""
        monkeypatch.setenv("BASE_IMAGE", "python:3.11-slim")
        monkeypatch.setattr(images, "builder", images.Buildah)
        assert release.main(["--registry=127.0.0.1:1/x", "--dirty", "--unsigned"]) == 1
        assert "python:3.11-slim is named by its tag" in capsys.readouterr().err

    def test_no_key(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever wants no signatures says so; a file that holds no key is named."""
        with pytest.raises(SystemExit, match="2"):
            release.main(["--registry=127.0.0.1:1/x"])
        (tmp_path / "release.key").write_text("not a key")
        assert release.main(["--registry=127.0.0.1:1/x", f"--key={tmp_path / 'release.key'}"]) == 1
        assert "release.key is not a private key in PEM form" in capsys.readouterr().err
