"""What may be asked of a photo's treatment: the API, the stored options and the contract have the same bounds."""

import pytest

from loppestars_api.photos.schemas import Treatment
from loppestars_core.contract import photo_options as contract
from loppestars_core.photos.options import PhotoOptions

BOUNDS = {
    "pixelate_size": contract.PIXELATE_SIZE,
    "blur_strength": contract.BLUR_STRENGTH,
    "downscale_for_detection": contract.DOWNSCALE_FOR_DETECTION,
}


class TestBounds:
    @pytest.mark.parametrize("name", BOUNDS)
    def test_same_on_both_sides(self, name: str) -> None:
        """Least, most and default of each option."""
        for model in (PhotoOptions, Treatment):
            schema = model.model_json_schema(by_alias=False)["properties"][name]
            assert (schema["minimum"], schema["maximum"], schema["default"]) == BOUNDS[name]

    def test_values(self) -> None:
        """The bounds that the app was written for."""
        assert BOUNDS == {
            "pixelate_size": (5, 50, 20),
            "blur_strength": (1, 99, 31),
            "downscale_for_detection": (200, 2000, 800),
        }

    def test_modes(self) -> None:
        """The same modes, and the same one by default."""
        modes = [model.model_json_schema(by_alias=False)["properties"]["mode"] for model in (PhotoOptions, Treatment)]
        assert [(mode["enum"], mode["default"]) for mode in modes] == [(["pixelate", "blur"], "pixelate")] * 2
