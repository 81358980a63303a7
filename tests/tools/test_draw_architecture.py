"""The picture of the parts is what its script draws, and no label leaves its box."""

from dataclasses import replace

from tools import draw_architecture


class TestPicture:
    def test_is_up_to_date(self) -> None:
        """`make docs` would change nothing."""
        assert draw_architecture.PICTURE.read_text(encoding="utf-8") == draw_architecture.draw()

    def test_a_long_label(self) -> None:
        """What does not fit is found by its width."""
        box = draw_architecture.BOXES["api"]
        assert draw_architecture.too_wide(box) == []
        assert draw_architecture.too_wide(replace(box, name="a name that no box holds")) == ["a name that no box holds"]

    def test_every_component_is_drawn(self) -> None:
        """The folders of the components and the boxes of ours are the same."""
        drawn = {name for name, box in draw_architecture.BOXES.items() if box.owner in {"ours", "operator"}}
        folders = {path.parent.name for path in draw_architecture.REPOSITORY.glob("*/loppestars_*") if path.is_dir()}
        assert folders - {"core", "jpeg", "kubectl", "local"} == drawn - {"owned"}
