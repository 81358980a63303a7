"""How the code reads, as figures of the whole project (decision 0006; `python3 -m tools.house` lists the places)."""

import pytest

from tools.house import REPOSITORY, components, figures, read_package

Figures = dict[str, float | int]


@pytest.fixture(scope="module")
def measured() -> Figures:
    """The figures of all components together."""
    return figures([read_package(path) for path in components(REPOSITORY)])


class TestShape:
    def test_hops(self, measured: Figures) -> None:
        """Of a hundred functions fewer than twelve exist to be called once: a reader seldom jumps."""
        assert measured["called_once_percent"] < 12

    def test_sizes(self, measured: Figures) -> None:
        """Functions fit in one look."""
        assert 6 <= measured["function_median"] <= 9
        assert measured["function_p90"] < 20

    def test_circles(self, measured: Figures) -> None:
        """No two folders of a package import each other."""
        assert measured["cycles"] == 0
