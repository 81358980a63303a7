"""Decides how a face is made unrecognisable: which area, how coarse, in which style.

Pure arithmetic on boxes; cover/ applies it to pixels and to DCT blocks. What hides a face and what does
not was measured (docs/imaging.md): cells sized by the face do, fixed kernels and plain Gaussians do not.
"""

from dataclasses import dataclass, replace

from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Shape, Style


@dataclass(frozen=True, slots=True)
class Strength:
    """How coarse the treatment is."""

    style: Style
    cells: int
    """Cells along the longer side of the treated area, 1-5."""
    fade: float
    """Share of mid-gray mixed into the cells, 0-1: skin colour alone makes detectors see a face from afar."""
    margin: float
    """How much wider and taller than the detected box the area is: 0.3 means 15 % on each side."""


FLOOR = {
    Style.MOSAIC: Strength(Style.MOSAIC, cells=3, fade=0.5, margin=0.4),
    Style.SMOOTH: Strength(Style.SMOOTH, cells=3, fade=0.5, margin=0.4),
    Style.SOLID: Strength(Style.SOLID, cells=1, fade=1.0, margin=0.4),
}
"""The weakest treatment of each style. Requests and the second detection pass only ever go beyond it."""

_STEPS = (
    Strength(Style.MOSAIC, cells=2, fade=0.75, margin=0.55),
    Strength(Style.SOLID, cells=1, fade=1.0, margin=0.7),
)
"""What follows where the second pass still sees a face; the style of the request is kept until the last step, a box.
After it the box only grows."""

_GROWTH = 0.4
"""How much wider a mid-gray box becomes each time it is still taken for a face."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One area of the upright photo (pixels, may reach over its edges) and how it is covered."""

    face: Face
    shape: Shape
    strength: Strength
    cell_pixels: int = 0
    step: int = 0

    @property
    def center(self) -> tuple[float, float]:
        """Centre of the area."""
        return self.face.x + self.face.width / 2, self.face.y + self.face.height / 2

    @property
    def radii(self) -> tuple[float, float]:
        """Half the width and half the height of the area, margin included."""
        grow = 1 + self.strength.margin
        # An ellipse that hides the box's corners would be 1.41 times as large; faces have no corners.
        return self.face.width / 2 * grow, self.face.height / 2 * grow

    @property
    def cells(self) -> int:
        """Cells along the longer side, after the request's own wish for larger ones."""
        if self.cell_pixels <= 0:
            return self.strength.cells
        longer = 2 * max(self.radii)
        return max(1, min(self.strength.cells, int(longer / self.cell_pixels)))

    @property
    def cell_size(self) -> float:
        """Side of a (square) cell in pixels."""
        return 2 * max(self.radii) / self.cells

    def stronger(self) -> "Treatment":
        """Return the next stronger treatment."""
        if self.step >= len(_STEPS):
            return replace(self, strength=replace(self.strength, margin=self.strength.margin + _GROWTH))
        following = _STEPS[self.step]
        last = following.style is Style.SOLID
        strength = Strength(
            following.style if last else self.strength.style,
            min(following.cells, self.strength.cells),
            max(following.fade, self.strength.fade),
            max(following.margin, self.strength.margin),
        )
        return replace(self, strength=strength, shape=Shape.BOX if last else self.shape, step=self.step + 1)

    def scaled(self, horizontal: float, vertical: float) -> "Treatment":
        """Return the same treatment for a picture that is larger by these factors."""
        return replace(
            self,
            face=self.face.scaled(horizontal, vertical),
            cell_pixels=round(self.cell_pixels * max(horizontal, vertical)),
        )


def plan(faces: list[Face], options: Options) -> list[Treatment]:
    """Return how each face is to be covered at least."""
    floor = FLOOR[options.style]
    return [Treatment(face, options.shape, floor, options.cell_pixels) for face in faces]
