"""Which scales a photo is searched at, and the tiles of a scale."""

from itertools import pairwise

import numpy as np
import pytest

from loppestars_imaging.detect.scales import ScalePlan, Shape, crowd_side, sides, tiles

PLAN = ScalePlan()


class TestSides:
    @pytest.mark.parametrize("size", [(4000, 3000), (8064, 6048), (2048, 1536), (65500, 720), (1601, 900)])
    def test_own_scale(self, size: tuple[int, int]) -> None:
        """Whatever is published is searched at its own scale, and no step to a coarser one is large."""
        searched = sides(*size, PLAN)
        assert searched[0] == max(size)
        assert searched[-1] <= PLAN.coarse_side
        assert all(fine <= coarse * (PLAN.max_step + 0.1) for fine, coarse in pairwise(searched))

    def test_small_photos(self) -> None:
        """A thumbnail is enlarged within bounds."""
        assert sides(100, 80, PLAN) == [300, 125]
        assert sides(500, 375, PLAN)[0] == 1500
        assert sides(1000, 800, PLAN)[0] == PLAN.fine_side

    def test_request(self) -> None:
        """`downscaleForDetection` can only ask for finer."""
        assert sides(1000, 800, PLAN, 200) == sides(1000, 800, PLAN)
        assert sides(1000, 800, PLAN, 2000)[0] == 2000

    def test_crowds(self) -> None:
        """An enlarged photo with small faces is enlarged more; one at its own scale has none that is too small."""
        assert crowd_side(500, 375, PLAN, 1500) == 500 * PLAN.crowd_enlargement
        assert crowd_side(4000, 3000, PLAN, 4000) is None


class TestTiles:
    @pytest.mark.parametrize(
        "size", [(4000, 3000), (500, 375), (32, 32), (1, 1), (940, 2), (8000, 600), (65500, 720), (2016, 1512)]
    )
    def test_every_pixel(self, size: tuple[int, int]) -> None:
        """No strip is left out, and tiles are of the few sizes that the network is prepared for."""
        covered = np.zeros((size[1], size[0]), np.bool_)
        for tile in tiles(*size, PLAN):
            assert tile.width % 32 == tile.height % 32 == 0
            assert Shape(tile.width, tile.height) in PLAN.shapes
            covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = True
        assert covered.all()

    @pytest.mark.parametrize("size", [(4032, 3024), (2016, 1512), (1512, 2016), (8064, 6048)])
    def test_little_is_searched_twice(self, size: tuple[int, int]) -> None:
        """Photos of a phone's shape fit the tiles."""
        pixels = sum(tile.width * tile.height for tile in tiles(*size, PLAN))
        assert pixels < 1.15 * size[0] * size[1]
