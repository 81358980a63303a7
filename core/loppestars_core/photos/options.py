"""What a caller may ask of the treatment of faces. Any value only makes it stronger than the product's own floor."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from loppestars_core.contract.photo_options import BLUR_STRENGTH, DOWNSCALE_FOR_DETECTION, PIXELATE_SIZE


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd")
    return value


PixelateSize = Annotated[int, Field(ge=PIXELATE_SIZE.least, le=PIXELATE_SIZE.most)]
BlurStrength = Annotated[int, Field(ge=BLUR_STRENGTH.least, le=BLUR_STRENGTH.most), AfterValidator(_odd)]
DetectionSide = Annotated[int, Field(ge=DOWNSCALE_FOR_DETECTION.least, le=DOWNSCALE_FOR_DETECTION.most)]


class PhotoOptions(BaseModel):
    """Options of one photo, as stored with it.

    Attributes:
        mode: `pixelate` shows a mosaic; `blur` looks smooth and is a mosaic underneath.
        pixelate_size: size of a mosaic cell in pixels.
        blur_strength: diameter of the smoothing in pixels.
        downscale_for_detection: long side in pixels that detection may shrink the photo to; never below our own.
        output: `jpeg`, or `same` to keep PNG and WebP as they are (other readable formats become JPEG).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    mode: Literal["pixelate", "blur"] = "pixelate"
    pixelate_size: PixelateSize = PIXELATE_SIZE.default
    blur_strength: BlurStrength = BLUR_STRENGTH.default
    downscale_for_detection: DetectionSide = DOWNSCALE_FOR_DETECTION.default
    output: Literal["jpeg", "same"] = "jpeg"
