"""What clients send about a photo, and what they get back."""

from collections.abc import Mapping
from typing import Final, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loppestars_core.photos import PhotoOptions
from loppestars_core.photos.options import BlurStrength, DetectionSide, PixelateSize

# One path segment, as tokens' subjects are.
USER_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._|:@-]{0,127}$"
IMAGE_PATH: Final = r"^[A-Za-z0-9][A-Za-z0-9._|:@-]{0,127}/[0-9]{1,20}\.jpg$"

Mode = Literal["pixelate", "blur"]


class Treatment(BaseModel):
    """How faces are made unrecognisable. Each value only makes it stronger than the product's own floor."""

    model_config = ConfigDict(extra="ignore")

    mode: Mode = Field("pixelate", description="`pixelate` shows a mosaic; `blur` looks smooth.")
    pixelate_size: PixelateSize = Field(20, alias="pixelateSize", description="Size of a mosaic cell in pixels.")
    blur_strength: BlurStrength = Field(
        31,
        alias="blurStrength",
        description="Diameter of the smoothing in pixels, an odd number.",
        json_schema_extra={"not": {"multipleOf": 2}},
    )
    downscale_for_detection: DetectionSide = Field(
        800, alias="downscaleForDetection", description="Long side in pixels to which detection may shrink the photo."
    )

    @classmethod
    def of_fields(cls, fields: Mapping[str, str]) -> Self:
        """Read the options among the fields of a form. Raise `RequestValidationError`."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise RequestValidationError(
                [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
            ) from None

    def options(self, output: Literal["jpeg", "same"]) -> PhotoOptions:
        """Return the options as they are stored with the photo."""
        return PhotoOptions(**{name: getattr(self, name) for name in Treatment.model_fields}, output=output)


class ProcessRequest(Treatment):
    """An original that has been uploaded, and whose it is."""

    image_path: str = Field(
        alias="imagePath",
        pattern=IMAGE_PATH,
        description="Path in the bucket of originals.",
        examples=["3f0c…/1718000000000.jpg"],
    )
    user_id: str = Field(alias="userId", pattern=USER_ID, description="Owner: the first part of the path.")


class ProcessResponse(BaseModel):
    success: Literal[True] = True
    processed_image_url: str = Field(alias="processedImageUrl", description="Stable: it may be stored.")
    screen_url: str = Field(alias="screenUrl", description="A copy of at most 1280 pixels a side, or the photo itself.")
    thumbnail_url: str = Field(alias="thumbnailUrl", description="A copy of at most 400 pixels a side, as JPEG.")
    faces_detected: int = Field(alias="facesDetected", ge=0)
    mode: Mode
