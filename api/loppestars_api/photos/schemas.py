"""What clients send about a photo, and what they get back."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from loppestars_core.photos import PhotoOptions

# One path segment, as tokens' subjects are.
USER_ID = r"^[A-Za-z0-9][A-Za-z0-9._|:@-]{0,127}$"
IMAGE_PATH = r"^[A-Za-z0-9][A-Za-z0-9._|:@-]{0,127}/[0-9]{1,20}\.jpg$"

Mode = Literal["pixelate", "blur"]


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd")
    return value


class Treatment(BaseModel):
    """How faces are made unrecognisable. Each value only makes it stronger than the product's own floor."""

    model_config = ConfigDict(extra="ignore")

    mode: Mode = Field("pixelate", description="`pixelate` shows a mosaic; `blur` looks smooth.")
    pixelate_size: int = Field(20, alias="pixelateSize", ge=5, le=50, description="Size of a mosaic cell in pixels.")
    blur_strength: Annotated[int, AfterValidator(_odd)] = Field(
        31,
        alias="blurStrength",
        ge=1,
        le=99,
        description="Diameter of the smoothing in pixels, an odd number.",
        json_schema_extra={"not": {"multipleOf": 2}},
    )
    downscale_for_detection: int = Field(
        800,
        alias="downscaleForDetection",
        ge=200,
        le=2000,
        description="Long side in pixels to which detection may shrink the photo.",
    )

    def options(self, output: Literal["jpeg", "same"]) -> PhotoOptions:
        return PhotoOptions(
            mode=self.mode,
            pixelate_size=self.pixelate_size,
            blur_strength=self.blur_strength,
            downscale_for_detection=self.downscale_for_detection,
            output=output,
        )


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
    faces_detected: int = Field(alias="facesDetected", ge=0)
    mode: Mode
