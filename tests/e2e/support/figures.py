"""Figures that the scenarios measured, shown together at the end of a run."""

FIGURES: list[str] = []


def measured(line: str) -> None:
    """Note one figure, in words."""
    FIGURES.append(line)
