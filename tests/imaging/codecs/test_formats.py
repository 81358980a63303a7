"""The format table of the HTTP contract, row by row, on real files."""

import contextlib
import io
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from loppestars_imaging.codecs.colour import spaces
from loppestars_imaging.codecs.colour.icc import canonical_profile
from loppestars_imaging.errors import (
    EmptyPhoto,
    PhotoRefused,
    TooManyBytes,
    TooManyPixels,
    UnreadablePhoto,
    UnsupportedFormat,
)
from loppestars_imaging.inspect import Limits
from loppestars_imaging.pipeline import Anonymiser


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(target, quality=90, **options)
        return target.getvalue()
    image.save(target, format=kind, **options)
    return target.getvalue()


def gradient(width: int = 96, height: int = 64) -> Image.Image:
    values = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    return Image.fromarray(values)


ACCEPTED = [
    ("pillow/hopper.jpg", "jpeg"),
    ("pillow/hopper_gray.jpg", "jpeg"),
    ("pillow/pil_sample_cmyk.jpg", "jpeg"),
    ("thumbor/Giunchedi_Filippo_January_2015_01-cmyk-orientation-exif.jpg", "jpeg"),
    ("deface/city.jpg", "jpeg"),  # progressive
    ("pillow/frozenpond.mpo", "jpeg"),
    ("pillow/hopper_16bit_qtables.jpg", "jpeg"),
    ("pillow/multiple_exif.jpg", "jpeg"),
    ("thumbor/invalid_quantization.jpg", "jpeg"),
    ("pillow/transparent.png", "png"),
    ("thumbor/1bit.png", "png"),
    ("thumbor/256_color_palette.png", "png"),
    ("thumbor/paletted-transparent.png", "png"),
    ("thumbor/1x1.png", "png"),
    ("thumbor/940x2.png", "png"),
    ("pillow/hopper.webp", "webp"),
    ("pillow/transparent.webp", "webp"),
    ("pillow/hopper.avif", "jpeg"),
    ("thumbor/image.avif", "jpeg"),
    ("thumbor/image.heic", "jpeg"),
]

REFUSED = [
    ("thumbor/animated.gif", UnsupportedFormat),
    ("pillow/decompression_bomb.gif", UnsupportedFormat),
    ("thumbor/gradient_lsb_16bperchannel.tif", UnsupportedFormat),
    ("pillow/oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif", UnsupportedFormat),
    ("thumbor/image_invalid.jpg", UnsupportedFormat),
    ("dlib/testing.xml", UnsupportedFormat),
    ("pillow/truncated_jpeg.jpg", UnreadablePhoto),
    ("thumbor/BlueSquare_truncated.jpg", UnreadablePhoto),
    ("pillow/hopper_bad_exif.jpg", UnreadablePhoto),  # eight wrong Huffman codes
    ("pillow/truncated_image.png", UnreadablePhoto),
    ("pillow/truncated_end_chunk.png", UnreadablePhoto),
    ("pillow/broken.png", UnreadablePhoto),
    ("pillow/broken_data_stream.png", UnreadablePhoto),
    ("thumbor/16384x16384.png", TooManyPixels),
    ("thumbor/16383x16383.png", TooManyPixels),
    ("thumbor/9643x10328.jpg", TooManyPixels),
]


class TestAcceptedFiles:
    @pytest.mark.parametrize(("name", "result"), ACCEPTED)
    def test_a_readable_photo_keeps_or_becomes_its_format(
        self, anonymiser: Anonymiser, photos: Path, name: str, result: str
    ) -> None:
        """JPEG, PNG and WebP keep their format; AVIF and HEIC become JPEG; the size is the upright one."""
        done = anonymiser.anonymise((photos / name).read_bytes(), jpeg_only=False)
        assert done.format == result
        with Image.open(io.BytesIO(done.data)) as image:
            image.load()
            assert image.size == (done.width, done.height)
            assert image.format == result.upper()

    @pytest.mark.parametrize("name", ["pillow/transparent.png", "pillow/hopper.webp", "pillow/hopper.avif"])
    def test_everything_becomes_jpeg_where_only_jpeg_is_wanted(
        self, anonymiser: Anonymiser, photos: Path, name: str
    ) -> None:
        """`/process` stores JPEG, whatever was sent."""
        assert anonymiser.anonymise((photos / name).read_bytes(), jpeg_only=True).format == "jpeg"

    def test_heic_made_by_an_encoder_is_read(self, anonymiser: Anonymiser) -> None:
        """HEIC is decoded by libheif and becomes JPEG."""
        target = io.BytesIO()
        pillow_heif.from_pillow(gradient(128, 96)).save(target, quality=90)
        done = anonymiser.anonymise(target.getvalue(), jpeg_only=False)
        assert (done.format, done.width, done.height) == ("jpeg", 128, 96)

    @pytest.mark.parametrize("orientation", [1, 6])
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("lossless", [True, False])
    def test_every_kind_of_webp(self, anonymiser: Anonymiser, mode: str, orientation: int, *, lossless: bool) -> None:
        """Lossy and lossless, with alpha or not, turned by EXIF, with its colour profile and without the rest."""
        exif, icc = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exif[0x0112] = orientation
        image = gradient()
        if mode == "RGBA":
            image.putalpha(gradient().convert("L"))
        data = saved(image, "WEBP", lossless=lossless, quality=95, exif=exif.tobytes(), icc_profile=icc)
        done = anonymiser.anonymise(data, jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as after, Image.open(io.BytesIO(data)) as before:
            shown = np.asarray(ImageOps.exif_transpose(before)).astype(int)
            profile = after.info["icc_profile"]
            assert (after.mode, profile, len(after.getexif())) == (mode, canonical_profile(spaces.SRGB), 0)
            assert np.abs(np.asarray(after).astype(int) - shown).mean() < (0.01 if lossless else 4)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_every_kind_of_png(self, anonymiser: Anonymiser, mode: str) -> None:
        """Bits, gray, alpha and palettes: a photo without faces looks as it did."""
        image = gradient().convert(mode)
        done = anonymiser.anonymise(saved(image, "PNG"), jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as result:
            assert result.size == image.size
            assert np.array_equal(np.asarray(result.convert("RGBA")), np.asarray(image.convert("RGBA")))

    @pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": "4:2:0"}, {"subsampling": "4:4:4"}])
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_every_kind_of_jpeg(self, anonymiser: Anonymiser, mode: str, options: dict[str, object]) -> None:
        """Gray, colour and CMYK, in passes or not, however subsampled: a photo without faces keeps its pixels."""
        data = saved(gradient().convert(mode), "JPEG", **options)
        done = anonymiser.anonymise(data)
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(done.data)) as after:
            assert (after.mode, after.size) == (mode, before.size)
            assert np.array_equal(np.asarray(before), np.asarray(after))

    @pytest.mark.parametrize("spectral", [b"\0\0\0", b"\0\x3f\x10", b"\1\x3f\0", b"\0\xff\xff"])
    def test_odd_scan_headers(self, either_way: Anonymiser, spectral: bytes) -> None:
        """Some Samsung phones write a baseline scan that does not say 0, 63, 0: no pixel changes by it."""
        data = saved(gradient(), "JPEG")
        at = data.index(b"\xff\xda")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        done = either_way.anonymise(data[: at - 3] + spectral + data[at:])
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(done.data)) as after:
            difference = np.asarray(before).astype(int) - np.asarray(after)
        assert np.abs(difference).max() <= (0 if done.in_blocks else 8)

    def test_unknown_jfif_revision(self, either_way: Anonymiser) -> None:
        """A number in the header that no program knows changes nothing either."""
        data = saved(gradient(), "JPEG")
        at = data.index(b"JFIF\0") + 5
        assert either_way.anonymise(data[:at] + b"\x09" + data[at + 1 :]).faces == []

    def test_sixteen_bit_png_stays_sixteen_bit(self, anonymiser: Anonymiser) -> None:
        """A deep PNG without faces comes back with every bit of its pixels."""
        deep = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
        done = anonymiser.anonymise(saved(Image.fromarray(deep), "PNG"), jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as image:
            assert np.array_equal(np.asarray(image), deep)

    def test_lossless_webp_without_faces_keeps_its_pixels(self, anonymiser: Anonymiser) -> None:
        """A lossless WebP is written without loss."""
        done = anonymiser.anonymise(saved(gradient(), "WEBP", lossless=True), jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(gradient()))


class TestRefusedFiles:
    @pytest.mark.parametrize(("name", "reason"), REFUSED)
    def test_hostile_or_foreign_file(
        self, anonymiser: Anonymiser, photos: Path, name: str, reason: type[PhotoRefused]
    ) -> None:
        """The reason is that of the table."""
        data = (photos / name).read_bytes()
        with pytest.raises(reason):
            anonymiser.anonymise(data)

    @pytest.mark.parametrize(
        ("data", "reason", "says"),
        [
            (b"", EmptyPhoto, "empty"),
            (b"\xff\xd8\xff", UnreadablePhoto, "ends before"),
            (b"%PDF-1.7", UnsupportedFormat, "PDF"),
            (b'<?xml version="1.0"?><svg/>', UnsupportedFormat, "SVG"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedFormat, "SVG"),
            (b"BM" + bytes(60), UnsupportedFormat, "BMP"),
            (b"\0\0\0\x18ftypmp42" + bytes(12), UnsupportedFormat, "video"),
            (b"\0\0\0\x18ftypavis" + bytes(12), UnsupportedFormat, "moving"),
            (b"RIFF\0\0\0\0WEBPVP8X", UnreadablePhoto, "WebP has no header"),
            (b"just text", UnsupportedFormat, "unknown"),
            (b"\x1aE\xdf\xa3" + bytes(60), UnsupportedFormat, "video"),
            (b"RIFF\0\0\0\0AVI LIST", UnsupportedFormat, "video"),
            (b"\xff\x0a" + bytes(60), UnsupportedFormat, "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", UnsupportedFormat, "JPEG 2000"),
        ],
    )
    def test_made_up_bytes(self, anonymiser: Anonymiser, data: bytes, reason: type[PhotoRefused], says: str) -> None:
        """The bytes decide, and the message names what they are."""
        with pytest.raises(reason, match=says):
            anonymiser.anonymise(data)

    @pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
    def test_animations_are_refused(self, anonymiser: Anonymiser, kind: str) -> None:
        """Later frames could show faces nobody looked at."""
        frames = [Image.new("RGB", (96, 64), color) for color in ("red", "blue")]
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        with pytest.raises(UnsupportedFormat):
            anonymiser.anonymise(data)

    @pytest.mark.parametrize("filler", [b"\xff", b"\xff\xd0", b"\xff\xe1\0\2", b"\xff\0"])
    def test_a_header_that_never_ends(self, anonymiser: Anonymiser, filler: bytes) -> None:
        """Tens of megabytes of padding are passed over; of empty segments, only so many are looked at."""
        photo = saved(gradient(), "JPEG")
        size = 20_000_000 // len(filler)
        with contextlib.suppress(PhotoRefused):
            anonymiser.anonymise(photo[:2] + filler * size + photo[2:])

    @pytest.mark.parametrize(
        ("frame", "says"),
        [(0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xC3, "lossless"), (0xC5, "hierarchical"), (0xCB, "lossless")],
    )
    def test_rare_kinds_of_jpeg(self, either_way: Anonymiser, frame: int, says: str) -> None:
        """What is not read is refused by its name, and not called damaged."""
        data = saved(gradient(), "JPEG").replace(b"\xff\xc0", bytes((0xFF, frame)), 1)
        with pytest.raises(UnsupportedFormat, match=f"{says}.* JPEG"):
            either_way.anonymise(data)

    def test_jpeg_of_twelve_bits(self, either_way: Anonymiser) -> None:
        """Likewise, with its depth."""
        data = saved(gradient(), "JPEG")
        at = data.index(b"\xff\xc0") + 4
        with pytest.raises(UnsupportedFormat, match="JPEG of 12 bits"):
            either_way.anonymise(data[:at] + b"\x0c" + data[at + 1 :])

    def test_photo_editors_write_long_texts(self, anonymiser: Anonymiser) -> None:
        """A PNG with more text than Pillow likes is a photo like any other."""
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type xmp", "a" * 3_000_000, zip=True)
        assert anonymiser.anonymise(saved(gradient(), "PNG", pnginfo=text)).faces == []

    def test_too_many_bytes_are_refused_before_anything_else(self, anonymiser: Anonymiser) -> None:
        """A file over the limit is refused with both numbers."""
        data = b"\xff\xd8\xff" + bytes(anonymiser.limits.max_bytes)
        with pytest.raises(TooManyBytes, match=str(anonymiser.limits.max_bytes)):
            anonymiser.anonymise(data)

    def test_the_pixel_limit_names_both_numbers(self, anonymiser: Anonymiser) -> None:
        """The sender learns how large the photo is and what is allowed."""
        small = Anonymiser(anonymiser.search.detector, limits=Limits(max_pixels=1000))
        with pytest.raises(TooManyPixels, match="96 x 64 = 6144 pixels; at most 1000"):
            small.anonymise(saved(gradient(), "JPEG"))

    @pytest.mark.parametrize("size", [(1, 65_501), (70_000, 2)])
    def test_a_side_that_no_jpeg_can_have(self, anonymiser: Anonymiser, size: tuple[int, int]) -> None:
        """Refused by the header, with the number that is allowed; the engine lives on."""
        with pytest.raises(TooManyPixels, match=f"{size[0]} x {size[1]} pixels; a side may have at most 65500"):
            anonymiser.anonymise(saved(Image.new("L", size), "PNG"))

    @pytest.mark.parametrize("kind", ["JPEG", "progressive", "CMYK", "L", "PNG", "WEBP", "lossless", "AVIF", "HEIF"])
    def test_every_cut_of_a_file_is_refused(self, anonymiser: Anonymiser, kind: str) -> None:
        """A truncated upload never becomes half a photo, wherever it was cut."""
        image = gradient(256, 256)
        if kind in {"CMYK", "L"}:
            data = saved(image.convert(kind), "JPEG")
        elif kind in {"progressive", "lossless"}:
            data = saved(image, "JPEG" if kind == "progressive" else "WEBP", **{kind: True})
        else:
            data = saved(image, kind)
        for share in range(1, 16):
            with pytest.raises((UnsupportedFormat, UnreadablePhoto)):
                anonymiser.anonymise(data[: len(data) * share // 16])


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class TestColourProfiles:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
    @pytest.mark.parametrize(
        ("profile", "kept"),
        [
            (SRGB, canonical_profile(spaces.SRGB)),
            (SRGB + b"55.676 N, 12.568 E", canonical_profile(spaces.SRGB)),
            (SRGB[:300], None),
            (b"abc", None),
            (bytes(4096), None),
            (b"\xff\xd8\xff\xe0 a small photo of a face" * 20, None),
        ],
    )
    def test_only_a_profile_is_kept(
        self, anonymiser: Anonymiser, kind: str, profile: bytes, kept: bytes | None
    ) -> None:
        """What is damaged, or something else in its place, goes like other metadata; the photo stays."""
        done = anonymiser.anonymise(saved(gradient(), kind, icc_profile=profile), jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as image:
            assert image.info.get("icc_profile") == kept


class TestTransparency:
    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_a_jpeg_shows_it_over_white(self, anonymiser: Anonymiser, mode: str) -> None:
        """As a page would, and to within the rounding of a JPEG; also where a photo has more rows than a strip."""
        image = gradient(1200, 1000).convert(mode)
        image.putalpha(gradient(1200, 1000).convert("L").transpose(Image.Transpose.ROTATE_180))
        shown = Image.new("RGBA", image.size, "white")
        shown.alpha_composite(image.convert("RGBA"))
        done = anonymiser.anonymise(saved(image, "PNG"), jpeg_only=True)
        with Image.open(io.BytesIO(done.data)) as result:
            difference = np.asarray(result.convert("RGB")).astype(int) - np.asarray(shown.convert("RGB"))
        assert np.abs(difference).mean() < 2

    @pytest.mark.parametrize("channels", [3, 4])
    def test_sixteen_bits_of_every_colour(self, anonymiser: Anonymiser, channels: int) -> None:
        """Deep colours, with alpha or not, come back as they were, in their order; as JPEG their upper eight bits."""
        deep = np.random.default_rng(2).integers(0, 65536, (1100, 1000, channels), dtype=np.uint16)
        deep[:, :, 0] //= 4
        data = cv2.imencode(".png", deep)[1].tobytes()
        done = anonymiser.anonymise(data, jpeg_only=False)
        assert np.array_equal(cv2.imdecode(np.frombuffer(done.data, np.uint8), cv2.IMREAD_UNCHANGED), deep)
        with Image.open(io.BytesIO(anonymiser.anonymise(data, jpeg_only=True).data)) as result:
            red, green, blue = (np.asarray(band).mean() for band in result.split())
        assert blue < min(red, green) - 20

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    @pytest.mark.parametrize("alpha", [0, 3, 128, 255])
    def test_a_face_that_hardly_shows_is_a_face(
        self, anonymiser: Anonymiser, photos: Path, kind: str, alpha: int
    ) -> None:
        """The colours of transparent pixels are in the file, for anybody to uncover."""
        with Image.open(photos / "thumbor/example.jpg") as opened:
            image = opened.convert("RGB")
        image.putalpha(alpha)
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        done = anonymiser.anonymise(saved(image, kind, **options), jpeg_only=False)
        assert len(done.faces) == 1
        with Image.open(io.BytesIO(done.data)) as result:
            colours = np.asarray(result.convert("RGBA"))[:, :, 2::-1]
        assert anonymiser.search.find(np.ascontiguousarray(colours), image.size) == []

    def test_a_face_in_the_alpha_channel_is_a_face(self, anonymiser: Anonymiser, photos: Path) -> None:
        """White paint of varying thickness shows it on a dark page."""
        with Image.open(photos / "thumbor/example.jpg") as opened:
            image = Image.new("RGB", opened.size, "white")
            image.putalpha(opened.convert("L"))
        done = anonymiser.anonymise(saved(image, "PNG"), jpeg_only=False)
        assert len(done.faces) == 1
        with Image.open(io.BytesIO(done.data)) as result:
            shown = Image.new("RGBA", result.size, "black")
            shown.alpha_composite(result.convert("RGBA"))
        colours = np.ascontiguousarray(np.asarray(shown)[:, :, 2::-1])
        assert anonymiser.search.find(colours, image.size) == []

    def test_what_is_covered_is_opaque_and_the_rest_is_as_it_was(self, anonymiser: Anonymiser, photos: Path) -> None:
        """No page shows through a covered face; transparency elsewhere is kept."""
        with Image.open(photos / "thumbor/example.jpg") as opened:
            image = opened.convert("RGB")
        image.putalpha(200)
        done = anonymiser.anonymise(saved(image, "PNG"), jpeg_only=False)
        with Image.open(io.BytesIO(done.data)) as result:
            alpha = np.asarray(result)[:, :, 3]
        (face,) = done.faces
        assert alpha[round(face.y + face.height / 2), round(face.x + face.width / 2)] == 255
        assert {200, 255} <= set(np.unique(alpha))
        assert alpha.min() == 200
        assert (alpha == 255).mean() < 0.5
