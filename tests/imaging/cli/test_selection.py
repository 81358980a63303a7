"""Which files of the inputs `blur` takes, and where their results go."""

import os
from pathlib import Path

from loppestars_imaging.cli.selection import collect, overwritten


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def targets(inputs: list[Path], output: Path, reserved: set[Path] | None = None) -> dict[str, str]:
    selected = collect(inputs, output, reserved)
    return {item.source.name: str(item.target.relative_to(output)) for item in selected.work}


class TestCollecting:
    def test_sub_folders_kept_others_named(self, tmp_path: Path) -> None:
        """Photos by their suffix, in any case; the rest is left out and said."""
        made(tmp_path / "in", "a.jpg", "deep/er/B.JPEG", "notes.txt", "film.mp4", "c.heic")
        selected = collect([tmp_path / "in"], tmp_path / "out")
        found = [str(item.target.relative_to(tmp_path / "out")) for item in selected.work]
        assert found == ["a.jpg", "c.heic", "deep/er/B.JPEG"]
        left_out = [(left.path.name, left.reason) for left in selected.left_out]
        assert left_out == [("film.mp4", "a video"), ("notes.txt", "not a photo")]

    def test_a_named_file_is_tried_whatever_its_name(self, tmp_path: Path) -> None:
        """The bytes decide; who names a file wants it done."""
        made(tmp_path, "photo.bin")
        assert targets([tmp_path / "photo.bin"], tmp_path / "out") == {"photo.bin": "photo.bin"}

    def test_equal_names_get_results_of_their_own(self, tmp_path: Path) -> None:
        """Also where only the suffix that a result gets makes them equal, and beside the preview."""
        made(tmp_path, "one/a.jpg", "two/a.jpg", "two/b.heic", "two/b.heic.jpg", "two/preview.jpg")
        out = tmp_path / "out"
        selected = collect([tmp_path / "one", tmp_path / "two"], out, {out / "preview.jpg"})
        names = [item.target.name for item in selected.work]
        assert names == ["a.jpg", "a-2.jpg", "b.heic", "b.heic-2.jpg", "preview-2.jpg"]

    def test_results_of_an_earlier_run_are_left_out(self, tmp_path: Path) -> None:
        """The folder of results may lie inside the folder of photos."""
        made(tmp_path, "a.jpg", "out/a.jpg", "out/deep/b.jpg")
        assert targets([tmp_path], tmp_path / "out") == {"a.jpg": "a.jpg"}

    def test_links_that_go_round_end(self, tmp_path: Path) -> None:
        """A link to a folder above, and a link to itself."""
        made(tmp_path / "in", "a.jpg")
        (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
        (tmp_path / "in" / "loop.jpg").symlink_to("loop.jpg")
        assert targets([tmp_path / "in"], tmp_path / "out") == {"a.jpg": "a.jpg"}

    def test_an_original_is_never_a_result(self, tmp_path: Path) -> None:
        """Noticed also through a link, and where the suffix is added."""
        made(tmp_path, "a.jpg", "b.heic", "b.heic.jpg")
        (tmp_path / "link").symlink_to(tmp_path)
        for name, hit in (("a.jpg", "a.jpg"), ("b.heic", None)):
            selected = collect([tmp_path / name], tmp_path / "link")
            assert overwritten(selected, set()) == (tmp_path / hit if hit else None)
        both = collect([tmp_path / "b.heic", tmp_path / "b.heic.jpg"], tmp_path / "link")
        assert overwritten(both, set()) == tmp_path / "b.heic.jpg"

    def test_nor_is_it_the_report(self, tmp_path: Path) -> None:
        """What else is written replaces no original either, and no result replaces it."""
        made(tmp_path, "in/a.jpg")
        selected = collect([tmp_path / "in"], tmp_path / "out", {tmp_path / "out/a.jpg"})
        assert [item.target.name for item in selected.work] == ["a-2.jpg"]
        assert overwritten(selected, {tmp_path / "out/a.jpg"}) is None
        assert overwritten(selected, {tmp_path / "in/a.jpg"}) == tmp_path / "in/a.jpg"

    def test_names_that_are_one_on_a_memory_card(self, tmp_path: Path) -> None:
        """Upper and lower case, and the two ways to write å, are the same name there."""
        made(tmp_path / "in", "A.JPG", "a.jpg", "\u00e5.jpg", "a\u030a.jpg")
        names = sorted(targets([tmp_path / "in"], tmp_path / "out").values())
        assert [name for name in names if "-2" in name] == ["a-2.jpg", "\u00e5-2.jpg"]

    def test_a_file_that_is_named_twice_is_done_once(self, tmp_path: Path) -> None:
        """By its folder and by itself."""
        made(tmp_path / "in", "a.jpg", "deep/b.jpg")
        selected = collect([tmp_path / "in", tmp_path / "in/deep", tmp_path / "in/a.jpg"], tmp_path / "out")
        assert [item.source.name for item in selected.work] == ["a.jpg", "b.jpg"]

    def test_what_is_no_photo_is_left_out(self, tmp_path: Path) -> None:
        """Companions that macOS writes beside photos, pipes, links that lead nowhere, links to folders."""
        made(tmp_path / "in", "a.jpg", "._a.jpg")
        (tmp_path / "in" / "gone.jpg").symlink_to("nowhere")
        (tmp_path / "in" / "there").symlink_to(tmp_path)
        os.mkfifo(tmp_path / "in" / "pipe.jpg")
        selected = collect([tmp_path / "in"], tmp_path / "out")
        assert [item.source.name for item in selected.work] == ["a.jpg"]
        assert (len(selected.left_out), selected.links) == (3, 1)
