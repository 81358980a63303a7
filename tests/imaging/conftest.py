"""Photos and the loaded pipeline, shared by the imaging tests."""

from pathlib import Path

import pytest

from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.pipeline import Anonymiser

PHOTOS = Path(__file__).parents[2].parent / "shared" / "images"


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of public photos that lies beside a checkout; without it, these tests say so and are left out."""
    if not PHOTOS.is_dir():
        pytest.skip("the folder ../shared/images with the public photos is not here")
    return PHOTOS


@pytest.fixture(scope="session")
def people() -> Path:
    """The photos of people that are part of the repository."""
    return Path(__file__).parent / "photos"


@pytest.fixture(scope="session")
def anonymiser() -> Anonymiser:
    """The pipeline with the product's detector."""
    return Anonymiser(YuNet())


@pytest.fixture(scope="session")
def decoding_anonymiser() -> Anonymiser:
    """The same where libjpeg-turbo cannot be used: every photo is decoded and encoded."""
    return Anonymiser(YuNet(), in_blocks=False)


@pytest.fixture(params=["blocks", "pixels"])
def either_way(request: pytest.FixtureRequest, anonymiser: Anonymiser, decoding_anonymiser: Anonymiser) -> Anonymiser:
    """The pipeline where blocks are edited, and where they are not."""
    return anonymiser if request.param == "blocks" else decoding_anonymiser
