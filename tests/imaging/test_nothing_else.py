"""What a result holds beside the picture: nothing. What differs beside the treated blocks: nothing."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import piexif
import pytest
from PIL import Image

from benchmarks.imaging.exactness import compare
from benchmarks.imaging.published import problems
from loppestars_imaging.detect.scales import ScalePlan
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.errors import PhotoRefused
from loppestars_imaging.options import Options, Orientations
from loppestars_imaging.pipeline import Anonymised, Anonymiser

ONE_BLOCK = 24
"""An area takes in whole blocks of subsampled chroma (16 pixels), and the luma blocks (8) that they show in."""
ALLOWED = {"SourceFile", "ExifTool", "System", "File", "Composite", "JFIF", "Adobe", "PNG", "RIFF"}
"""Groups of exiftool: the file itself, and what the formats cannot do without. Colour profiles are allowed too."""
HARMLESS = {
    "PNG": {"BitDepth", "ColorType", "Compression", "Filter", "ImageHeight", "ImageWidth", "Interlace", "ProfileName"}
    | {"Palette", "Transparency"},
}
FORMATS = ["jpeg", "png", "webp"]


@pytest.fixture(scope="module")
def results(photos: Path) -> dict[str, tuple[bytes, Anonymised]]:
    """Every public photo that is not refused, with its result; a coarser search than a worker's finds enough faces."""
    anonymiser = Anonymiser(YuNet(), scales=ScalePlan(fine_side=640))
    found = {}
    for path in sorted(photos.glob("*/*")):
        data = path.read_bytes()
        try:
            options = Options(orientations=Orientations.NEVER)
            found[f"{path.parent.name}/{path.name}"] = data, anonymiser.anonymise(data, options, jpeg_only=False)
        except PhotoRefused:
            continue
    return found


def thumbnail(data: bytes) -> np.ndarray:
    """The pixels as stored, small and gray."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L").resize((24, 24), Image.Resampling.BOX)).ravel()


class TestNothingElse:
    """What a result holds beside the picture: nothing. What differs beside the treated blocks: nothing."""

    def test_no_pixel_differs_outside_the_treated_blocks(self, results: dict[str, tuple[bytes, Anonymised]]) -> None:
        """For every JPEG that is edited in its blocks; and no block further from a face's area than chroma needs."""
        checked = faces = 0
        for name, (before, done) in results.items():
            if done.in_blocks:
                found = compare(before, done)
                assert found.outside == 0, name
                assert found.reach <= ONE_BLOCK, name
                checked, faces = checked + 1, faces + len(done.faces)
        assert checked >= 40
        assert faces >= 80

    def test_only_the_named_photos_are_not_edited_in_their_blocks(
        self, results: dict[str, tuple[bytes, Anonymised]]
    ) -> None:
        """Everything else that is a JPEG takes the fast path."""
        slow = [name for name, (before, done) in results.items() if before[:2] == b"\xff\xd8" and not done.in_blocks]
        # Turned by EXIF, and its edge holds half a block, which cannot be mirrored.
        assert slow == ["thumbor/Giunchedi_Filippo_January_2015_01-cmyk-orientation-exif.jpg"]

    def test_results_hold_nothing_but_the_picture(self, results: dict[str, tuple[bytes, Anonymised]]) -> None:
        """No metadata, no second frame, no thumbnail, no byte after the end, in any format."""
        wrong = {name: found for name, (_, r) in results.items() if (found := problems(r.data, (r.width, r.height)))}
        assert wrong == {}
        assert {str(done.format) for _, done in results.values()} == set(FORMATS)

    def test_exiftool_finds_nothing(self, results: dict[str, tuple[bytes, Anonymised]], tmp_path: Path) -> None:
        """The tool that knows most kinds of metadata finds only what the formats need, and colour profiles."""
        if shutil.which("exiftool") is None:
            pytest.skip("exiftool (Debian's libimage-exiftool-perl) is not here")
        for number, (_, done) in enumerate(results.values()):
            (tmp_path / f"{number}.{done.format}").write_bytes(done.data)
        command = ["exiftool", "-json", "-groupNames1", "-duplicates", "-unknown", str(tmp_path)]
        said = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
        files = json.loads(said)
        assert len(files) == len(results)
        found = {key for file in files for key in file}
        strange = {key for key in found if key.split(":")[0] not in ALLOWED and not key.startswith("ICC")}
        strange |= {
            key
            for key in found
            if (group := key.partition(":")[0]) in HARMLESS and key.partition(":")[2] not in HARMLESS[group]
        }
        assert strange == set()

    def test_upright_in_a_viewer_that_ignores_exif(self, results: dict[str, tuple[bytes, Anonymised]]) -> None:
        """The same photo stored in eight orientations, as JPEG and WebP: every result shows it the same way up."""
        upright = thumbnail(results["pillow/hopper.jpg"][1].data)
        turned = [name for name in results if name.startswith("pillow/hopper_orientation_")]
        assert len(turned) == 8
        for name in turned:
            alike = np.corrcoef(upright, thumbnail(results[name][1].data))[0, 1]
            assert alike > 0.9, name

    def test_the_originals_are_full_of_it(self, photos: Path) -> None:
        """The folder has what must go: positions, second frames, thumbnails, XMP, IPTC."""
        originals = {path.name: path.read_bytes() for path in photos.glob("pillow/*")}
        assert piexif.load(originals["exif_gps.jpg"])["GPS"]
        assert b"http://ns.adobe.com/xap" in originals["xmp_test.jpg"]
        assert b"Photoshop 3.0" in originals["app13-multiple.jpg"]
        with Image.open(photos / "pillow/frozenpond.mpo") as image:
            assert image.n_frames == 2
