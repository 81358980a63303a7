"""What the options of `blur` mean to an engine."""

from pathlib import Path

from loppestars_imaging.cli.request import BlurRequest
from loppestars_imaging.options import Style


def request(**options: object) -> BlurRequest:
    return BlurRequest([Path("a.jpg")], Path("out"), **options)  # type: ignore[arg-type]


class TestRequest:
    def test_smooth(self) -> None:
        """The soft fill, as soft as asked for."""
        assert (request().task().mode, request().task().blur_strength) == ("blur", 31)
        assert request(strength=90).task().blur_strength == 90

    def test_mosaic(self) -> None:
        """Cells by the face, or of the side that is asked for."""
        assert (request(style=Style.MOSAIC).task().mode, request(style=Style.MOSAIC).task().cell_pixels) == (
            "pixelate",
            0,
        )
        assert request(style=Style.MOSAIC, strength=40).task().cell_pixels == 40

    def test_solid(self) -> None:
        """Every face of the installation's style."""
        assert request(style=Style.SOLID).settings().anonymise_style is Style.SOLID

    def test_size(self) -> None:
        """A folder keeps every pixel unless a side is given."""
        assert (request().task().max_side, request(side=2048).task().max_side) == (0, 2048)

    def test_memory(self) -> None:
        """By the largest photo that is allowed, or as asked for."""
        assert request().engine_memory_mib == 2256
        assert request(max_megapixels=100).engine_memory_mib == 4256
        assert request(memory=500).engine_memory_mib == 500
