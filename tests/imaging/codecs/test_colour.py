"""What a file says of its colour: the result shows the same colours, and says nothing else."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from loppestars_imaging.codecs.colour.icc import canonical_profile, kept_profile
from loppestars_imaging.codecs.colour.spaces import D65, KNOWN, P3, SRGB, Space, srgb_inverse
from loppestars_imaging.pipeline import Anonymiser

LCMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
PATCHES = [(200, 100, 50), (40, 160, 90), (128, 128, 128), (30, 60, 180)]


def patches() -> Image.Image:
    """Four flat squares of 64 pixels, so that no codec blurs the colours that are compared."""
    rows = [[PATCHES[row * 2 + column] for column in (0, 1)] for row in (0, 1)]
    return Image.fromarray(np.array(rows, np.uint8)).resize((128, 128), Image.Resampling.NEAREST)


def saved(kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(patches()).save(target, quality=100, chroma=444, save_nclx_profile=True)
    else:
        patches().save(target, kind, **options)
    return target.getvalue()


def with_code_points(kind: str, primaries: int, transfer: int) -> bytes:
    """Return the patches as a file that says these code points, and the same numbers."""
    if kind == "PNG":
        data = saved("PNG")
        body = b"cICP" + bytes((primaries, transfer, 0, 1))
        return data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    data = saved(kind, **({"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {}))
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def shown(data: bytes) -> np.ndarray:
    """The centres of the four patches as sRGB, as a viewer that knows colour profiles shows them."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
        if profile := image.info.get("icc_profile"):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, source, LCMS_SRGB)
        return np.array([picture.getpixel(at) for at in ((32, 32), (96, 32), (32, 96), (96, 96))])


def expected(space: Space) -> np.ndarray:
    """The patches' numbers in this space, as sRGB."""
    light = space.curve(np.array(PATCHES) / 255)
    rgb = light @ (np.linalg.inv(SRGB.primaries.to_xyz()) @ space.primaries.to_xyz()).T
    return np.asarray(np.rint(srgb_inverse(np.clip(rgb, 0, 1)) * 255))


def profile_with(*tags: tuple[bytes, bytes], padding: int = 0) -> bytes:
    """Return a Display P3 profile with more tags, and bytes behind the last."""
    usual = canonical_profile(KNOWN[1])
    (count,) = struct.unpack_from(">I", usual, 128)
    table, body, more = usual[132 : 132 + 12 * count], usual[132 + 12 * count :], b""
    start = 132 + 12 * (count + len(tags))
    moved = b"".join(
        struct.pack(">4sII", name, offset + 12 * len(tags), size)
        for name, offset, size in struct.iter_unpack(">4sII", table)
    )
    for name, value in tags:
        moved += struct.pack(">4sII", name, start + len(body) + len(more), len(value))
        more += value + bytes(-len(value) % 4)
    whole = usual[4:128] + struct.pack(">I", count + len(tags)) + moved + body + more + bytes(padding)
    return struct.pack(">I", len(whole) + 4) + whole


class TestProfiles:
    @pytest.mark.parametrize("space", [space for space in KNOWN if space.primaries.white == D65], ids=lambda s: s.name)
    def test_canonical(self, space: Space) -> None:
        """Ours are read by lcms, name their space, show its colours, and come back as themselves."""
        profile = canonical_profile(space)
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        assert ImageCms.getProfileDescription(opened).strip() == space.name
        converted = ImageCms.profileToProfile(patches(), opened, LCMS_SRGB)
        assert np.abs(np.asarray(converted)[32::64, 32::64].reshape(4, 3) - expected(space)).max() <= 2
        assert kept_profile(profile) == profile

    def test_private_tags_and_padding(self) -> None:
        """What names a computer or fills a file goes; the known space stays."""
        made = profile_with((b"mmod", b"MacBook of Anna"), (b"vcgt", b"MacBook of Anna"), padding=900_000)
        assert b"MacBook" in made
        assert kept_profile(made) == canonical_profile(KNOWN[1])

    def test_other_spaces(self) -> None:
        """An unknown space keeps its numbers: lcms converts with ours as with the original, and no other byte stays."""
        strange = profile_with((b"mmod", b"MacBook of Anna"), padding=10_000)
        at = strange.index(b"XYZ \0\0\0\0", 300)
        strange = strange[: at + 8] + struct.pack(">i", round(0.45 * 65536)) + strange[at + 12 :]
        kept = kept_profile(strange)
        assert kept is not None
        assert b"MacBook" not in kept
        assert len(kept) < 3000
        results = [
            np.asarray(ImageCms.profileToProfile(patches(), ImageCms.ImageCmsProfile(io.BytesIO(data)), LCMS_SRGB))
            for data in (strange, kept)
        ]
        assert np.array_equal(*results)

    @pytest.mark.parametrize("cut", [100, 131, 200, 700])
    def test_damaged(self, cut: int) -> None:
        """A profile that ends early is none."""
        assert kept_profile(canonical_profile(SRGB)[:cut]) is None

    @pytest.mark.parametrize("seed", range(40))
    def test_random_damage(self, seed: int) -> None:
        """Whatever the bytes are, the answer is a profile or none."""
        random = np.random.default_rng(seed)
        data = bytearray(canonical_profile(KNOWN[seed % len(KNOWN)]))
        for place in random.integers(0, 400, 12):
            data[place] = random.integers(0, 256)
        kept_profile(bytes(data))


@pytest.mark.parametrize("kind", ["PNG", "AVIF", "HEIF"])
class TestCodePoints:
    def test_display_p3(self, anonymiser: Anonymiser, kind: str) -> None:
        """P3 without a profile gets one: the colours are as deep as on the phone."""
        done = anonymiser.anonymise(with_code_points(kind, 12, 13))
        assert np.abs(shown(done.data) - expected(Space("", P3, KNOWN[1].curve))).max() <= 6

    def test_pq(self, anonymiser: Anonymiser, kind: str) -> None:
        """Light beyond white, as of HDR photos, is converted: PQ's 203 cd/m² is white, and nothing is washed out."""
        done = anonymiser.anonymise(with_code_points(kind, 9, 16))
        with Image.open(io.BytesIO(done.data)) as image:
            assert image.info.get("icc_profile") is None
        gray = shown(done.data)[2]
        # 128 of 255 in PQ is 92 cd/m²: 45 % of white, which sRGB writes as 178.
        assert np.abs(gray - 178).max() <= 6

    @pytest.mark.parametrize("transfer", [1, 2, 6, 13])
    def test_usual(self, anonymiser: Anonymiser, kind: str, transfer: int) -> None:
        """What says nothing special keeps its numbers and gets no profile."""
        done = anonymiser.anonymise(with_code_points(kind, 1, transfer))
        assert np.abs(shown(done.data) - np.array(PATCHES)).max() <= 6


class TestPng:
    def test_code_points_before_profile(self, anonymiser: Anonymiser) -> None:
        """CICP counts where a file has both."""
        target = io.BytesIO()
        patches().save(target, "PNG", icc_profile=canonical_profile(KNOWN[2]))
        data = target.getvalue()
        body = b"cICP" + bytes((12, 13, 0, 1))
        chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
        done = anonymiser.anonymise(data[:33] + chunk + data[33:], jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as image:
            assert image.info["icc_profile"] == canonical_profile(KNOWN[1])

    @pytest.mark.parametrize("gamma", [45455, 100_000])
    def test_gamma(self, anonymiser: Anonymiser, gamma: int) -> None:
        """A PNG of linear light, which says so in gAMA alone, does not come out dark."""
        data = saved("PNG")
        body = b"gAMA" + struct.pack(">I", gamma)
        chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
        done = anonymiser.anonymise(data[:33] + chunk + data[33:], jpeg_only=False)
        exponent = 100_000 / gamma
        wanted = np.array(PATCHES) if gamma == 45455 else srgb_inverse((np.array(PATCHES) / 255) ** exponent) * 255
        assert np.abs(shown(done.data) - wanted).max() <= 3

    def test_deep_pq(self, anonymiser: Anonymiser) -> None:
        """Sixteen bits are converted with all of them."""
        levels = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
        target = io.BytesIO()
        Image.fromarray(levels).save(target, "PNG")
        data, body = target.getvalue(), b"cICP" + bytes((9, 16, 0, 1))
        chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
        done = anonymiser.anonymise(data[:33] + chunk + data[33:], jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as image:
            converted = np.asarray(image).ravel()
        assert (np.diff(converted.astype(int)) >= 0).all()
        assert converted[-1] > 65000
        assert len(np.unique(converted)) > 3000
