"""README and tutorials, followed as printed by somebody who knows nothing else."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.newcomer.pages import PAGES, REPOSITORY, Block, blocks_of, says
from tests.newcomer.person import Person

pytestmark = [pytest.mark.newcomer, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=[None, "nobody"], ids=["as is", "ordinary"])
def newcomer(request: pytest.FixtureRequest) -> Iterator[Person]:
    """A fresh clone and an empty home: whoever runs the tests, and where that is root an ordinary user as well."""
    if request.param and os.geteuid() != 0:
        pytest.skip("only root can become another user; 'as is' was an ordinary one")
    # Not pytest's folder, which is private to whoever runs the tests.
    folder = Path(mkdtemp(prefix="loppestars-newcomer-"))
    folder.chmod(0o755)
    yield Person.arrive(request.param, folder)
    shutil.rmtree(folder, ignore_errors=True)


class TestPages:
    @pytest.mark.parametrize("page", PAGES)
    def test_every_command(self, newcomer: Person, page: str) -> None:
        """Each block does what the page says and prints what it shows."""
        with ExitStack() as terminals:
            for block in blocks_of(page, (newcomer.clone / page).read_text(encoding="utf-8")):
                if block.how == "background":
                    terminals.enter_context(newcomer.running(block))
                elif not block.how:
                    printed = newcomer.run(block)
                    assert says(printed, block.answer or ""), f"{block} printed:\n{printed}"


class TestElsewhere:
    @pytest.mark.parametrize("page", PAGES)
    def test_is_run_there(self, page: str) -> None:
        """What is not run here is run by name: `.ci/run` has each of these commands."""
        script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
        blocks = [block for block in _blocks(page) if block.how == "elsewhere"]
        for command in (line for block in blocks for line in block.commands.splitlines()):
            target = command.partition("#")[0].strip().removeprefix("make ")
            assert f"make {target}" in script or f"once_more {target}" in script, command

    @pytest.mark.parametrize("page", PAGES)
    def test_no_other_kind(self, page: str) -> None:
        """A block that nobody runs is a mistake."""
        assert {block.how for block in _blocks(page)} <= {"", "background", "elsewhere", "cluster"}


def _blocks(page: str) -> list[Block]:
    return blocks_of(page, (REPOSITORY / page).read_text(encoding="utf-8"))
