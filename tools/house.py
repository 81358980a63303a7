"""Measure how the code reads: package cycles, functions that are called once, sizes; `--cycles`, `--once`, `--json`.

    python3 tools/house.py                 # a table of every component
    python3 tools/house.py operator        # one, with the private functions that are called exactly once
    python3 tools/house.py PATH/TO/PACKAGE # any other project, for comparison

A private function begins with one underscore and is defined in a module or class. It is called once when its name is
referred to exactly once in its package; `super()._name` does not count, since a library chose that name. Lines of a
function are counted from `def` to its end, without decorators.
"""

import argparse
import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
LEFT_OUT: Final = {"migrations", "tests", "test", "__pycache__"}
MAX_INLINE_LINES: Final = 4
MAX_FUNCTION_LINES: Final = 30


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method; `lines` from `def` to its last line."""

    name: str
    path: Path
    line: int
    lines: int

    @property
    def is_private(self) -> bool:
        """Whether the name begins with exactly one underscore."""
        return self.name.startswith("_") and not self.name.startswith("__")


@dataclass(slots=True)
class Package:
    """What was read of one package."""

    name: str
    functions: list[Function] = field(default_factory=list)
    file_lines: list[int] = field(default_factory=list)
    references: Counter[str] = field(default_factory=Counter)
    imports: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def called_once(self) -> list[Function]:
        """Return the private functions that the package refers to exactly once."""
        return [f for f in self.functions if f.is_private and self.references[f.name] == 1]


def python_files(root: Path) -> Iterator[Path]:
    """Yield the modules below `root`, without tests and migrations."""
    for path in sorted(root.rglob("*.py")):
        if not LEFT_OUT & set(path.relative_to(root).parts[:-1]):
            yield path


def read_package(root: Path) -> Package:
    """Read every module below `root`, a package's folder."""
    package = Package(root.name)
    for path in python_files(root):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        package.file_lines.append(text.count("\n"))
        module = ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        is_package = path.name == "__init__.py"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                package.functions.append(Function(node.name, path, node.lineno, lines))
            elif isinstance(node, ast.Name):
                package.references[node.id] += 1
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) != "super()":
                package.references[node.attr] += 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                package.imports[module] |= set(imported(node, module, is_package=is_package))
    return package


def imported(node: ast.Import | ast.ImportFrom, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield the full names that an import statement of `module` refers to."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        kept = parts[: len(parts) - node.level + (1 if is_package else 0)]
        base = ".".join([*kept, base]).strip(".")
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def package_edges(package: Package) -> dict[str, set[str]]:
    """Return which folder of the package imports which other; modules at its top stand for themselves."""
    modules = set(package.imports)
    folders = {module.rsplit(".", 1)[0] for module in modules if "." in module}

    def room(module: str) -> str:
        parts = module.split(".")
        return ".".join(parts[:2]) if len(parts) > 1 else module

    edges: dict[str, set[str]] = defaultdict(set)
    for module, names in package.imports.items():
        for name in names:
            target = name
            while target and target not in modules and target not in folders:
                target = target.rpartition(".")[0]
            if not target.startswith(package.name):
                continue
            here, there = room(module), room(target)
            if there not in {here, package.name}:
                edges[here].add(there)
    return edges


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components with more than one member (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for following in sorted(edges.get(node, ())):
            if following not in index:
                visit(following)
                low[node] = min(low[node], low[following])
            elif following in stack:
                low[node] = min(low[node], index[following])
        if low[node] == index[node]:
            members: list[str] = []
            while not members or members[-1] != node:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def figures(packages: list[Package]) -> dict[str, float | int]:
    """Return the figures of some packages together."""
    lines = [f.lines for p in packages for f in p.functions]
    files = [count for p in packages for count in p.file_lines]
    once = sum(len(p.called_once()) for p in packages)
    private = sum(f.is_private for p in packages for f in p.functions)
    return {
        "files": len(files),
        "lines": sum(files),
        "file_median": median(files),
        "file_max": max(files),
        "functions": len(lines),
        "function_median": median(lines),
        "function_p90": quantiles(lines, n=10)[-1] if len(lines) > 1 else lines[0],
        "function_max": max(lines),
        "private_percent": round(100 * private / len(lines), 1),
        "called_once_percent": round(100 * once / len(lines), 1),
        "cycles": sum(len(cycles(package_edges(p))) for p in packages),
    }


def components(repository: Path) -> list[Path]:
    """Return the folders of the import packages of this project, by name."""
    return sorted(path for path in repository.glob("*/loppestars_*") if (path / "__init__.py").exists())


def print_table(table: dict[str, dict[str, float | int]]) -> None:
    """Print a row of figures per package."""
    keys = list(next(iter(table.values())))
    width = max(map(len, table))
    print(" " * width, *(key.rjust(max(8, len(key))) for key in keys))
    for name, row in table.items():
        print(name.ljust(width), *(f"{row[key]:g}".rjust(max(8, len(key))) for key in keys))


def print_places(package: Package) -> None:
    """Print where a reader of the package jumps, waits or goes round in circles."""
    for members in cycles(package_edges(package)):
        print("cycle:", " <-> ".join(members))
    for function in sorted(package.called_once(), key=lambda f: f.lines):
        remark = "  inline" if function.lines <= MAX_INLINE_LINES else ""
        print(f"{function.path}:{function.line}: {function.name} is called once, {function.lines} lines{remark}")
    for function in package.functions:
        if function.lines > MAX_FUNCTION_LINES:
            print(f"{function.path}:{function.line}: {function.name} has {function.lines} lines")


def main() -> int:
    """Print the table, or what one component should look at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("where", nargs="*", help="components (api, core, …) or folders of packages; all without")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    arguments = parser.parse_args()
    known = {path.parent.name: path for path in components(REPOSITORY)}
    roots = [known.get(name, Path(name)) for name in arguments.where] or list(known.values())
    if missing := [str(root) for root in roots if not root.is_dir()]:
        print(f"No such component: {', '.join(missing)}. Known are {', '.join(known)}.", file=sys.stderr)
        return 2
    packages = [read_package(root) for root in roots]
    table = {package.name: figures([package]) for package in packages}
    if len(packages) > 1:
        table["all"] = figures(packages)
    if arguments.json:
        print(json.dumps(table, indent=2))
        return 0
    print_table(table)
    for package in packages if arguments.where else []:
        print_places(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
