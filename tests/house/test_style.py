"""The house style that ruff cannot hold: one dialect in every component (docs/house-style.md)."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = sorted(
    path
    for pattern in ("*/loppestars_*/**/*.py", "tools/**/*.py")
    for path in REPOSITORY.glob(pattern)
    if "migrations" not in path.parts and ".venv" not in path.parts
)
TESTS: Final = sorted((REPOSITORY / "tests").rglob("*.py"))
BENCHMARKS: Final = sorted((REPOSITORY / "benchmarks").rglob("*.py"))

# How a sentence about a function does not begin: it says what the function does.
NOT_A_VERB: Final = {
    *("a", "all", "an", "any", "both", "each", "every", "how", "if", "its", "no", "none", "one", "our", "some", "that"),
    *("the", "their", "these", "this", "those", "what", "when", "where", "whether", "which", "who", "whose", "why"),
}
LOG_METHODS: Final = {"critical", "debug", "error", "exception", "info", "warning"}
EVENT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]*")
NOQA: Final = re.compile(r"#\s*noqa(?!: [A-Z0-9]+(, ?[A-Z0-9]+)* - \S)")
LIMIT: Final = re.compile(r"_?(LONGEST|MOST|LARGEST|BIGGEST|SHORTEST|SMALLEST)_")

type_of_function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, line: int, text: str) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line}: {text}"


def is_logger(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"log", "logger"}


def odd_log_events(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the log calls whose event is not in snake_case."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in LOG_METHODS or not is_logger(node.func.value) or not node.args:
            continue
        event = node.args[0]
        if not (isinstance(event, ast.Constant) and isinstance(event.value, str) and EVENT.fullmatch(event.value)):
            yield place(path, node.lineno, f"log event {ast.unparse(event)}")


def plain_constants(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the constants that are not annotated as Final."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and CONSTANT.fullmatch(target.id):
                    yield place(path, node.lineno, f"constant {target.id} is not Final")


def odd_limits(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the names of limits that are not MAX_ or MIN_."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and LIMIT.match(node.id):
            yield place(path, node.lineno, f"limit {node.id}: MAX_ or MIN_")


def functions_that_are_not_verbs(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the functions whose docstring does not begin with a verb; properties and fixtures name a thing."""
    for node in ast.walk(tree):
        if not isinstance(node, type_of_function):
            continue
        if any("property" in ast.unparse(d) or "fixture" in ast.unparse(d) for d in node.decorator_list):
            continue
        words = (ast.get_docstring(node) or "").split()
        if words and words[0].strip(",.;:`").lower() in NOT_A_VERB:
            yield place(path, node.lineno, f"{node.name}: {' '.join(words[:5])} …")


def future_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield imports of `annotations` from the future: types are written as they are."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            yield place(path, node.lineno, "from __future__")


def ones(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield loop variables that are called `one` instead of what they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "one":
            yield place(path, node.lineno, "a variable called one")


def error_suffixes(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield exceptions named …Error; only the base of a component (or a library's protocol) is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and len(node.bases) == 1:
            base = ast.unparse(node.bases[0])
            if base.endswith(("Error", "Exception")) and base not in {"Exception", "HTTPException", "RuntimeError"}:
                yield place(path, node.lineno, f"exception {node.name}")


def silent_noqa(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the `noqa` comments that give no rule or no reason."""
    del tree
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if NOQA.search(line):
            yield place(path, number, line.strip()[-60:])


def loose_tests(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the tests outside a class."""
    for node in tree.body:
        if isinstance(node, type_of_function) and node.name.startswith("test_"):
            yield place(path, node.lineno, node.name)


Rule = Callable[[Path, ast.Module], Iterator[str]]


class TestOneDialect:
    """Each rule names the places that break it."""

    @pytest.mark.parametrize(
        "rule",
        [
            odd_log_events,
            plain_constants,
            odd_limits,
            functions_that_are_not_verbs,
            future_imports,
            ones,
            error_suffixes,
            silent_noqa,
        ],
        ids=lambda rule: rule.__name__,
    )
    def test_product(self, rule: Rule) -> None:
        """Every module of every component follows the rule."""
        assert not [found for path in PRODUCT for found in rule(path, parsed(path))]

    @pytest.mark.parametrize(
        "rule",
        [odd_log_events, plain_constants, odd_limits, future_imports, ones, error_suffixes, silent_noqa],
        ids=lambda rule: rule.__name__,
    )
    def test_benchmarks(self, rule: Rule) -> None:
        """So do the benchmarks, which people read to judge the figures."""
        assert not [found for path in BENCHMARKS for found in rule(path, parsed(path))]

    @pytest.mark.parametrize(
        "rule",
        [loose_tests, odd_log_events, odd_limits, future_imports, error_suffixes, silent_noqa],
        ids=lambda rule: rule.__name__,
    )
    def test_tests(self, rule: Rule) -> None:
        """Tests have one shape: a class per thing under test."""
        assert not [found for path in TESTS for found in rule(path, parsed(path))]
