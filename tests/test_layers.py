"""The plan of the house: a file of giqa_hf imports only from files and folders above it in LAYERS.

Every import counts, also one inside a function, except under `if TYPE_CHECKING`. The root (`__init__`,
`_register`) may import anything; nothing may import the root, save for the constant `__version__`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "giqa_hf"
ROOT = ("__init__", "_register")
LAYERS = (
    "errors",
    "files",
    "progress",
    "words",
    "thoughts",
    "boxes",
    "grid",
    "frames",
    "grounded_text",
    "formats",
    "schema",
    "images",
    "report",
    "distortions",
    "corpora",
    "builders",
    "processing",
    "first_token",
    "models",
    "backbones",
    "annotation",
    "metrics",
    "benchmark",
    "training",
    "interchange",
    "inference",
    "hub",
    "app",
    "quickstart",
    "cli",
)


class Edge(NamedTuple):
    """The module `source` imports the module `target`: dotted names below the package, "" for the root."""

    source: str
    target: str
    line: int


def modules(folder: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name below it; the package itself is ""."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(node: ast.AST) -> Iterator[ast.AST]:
    """Every import below a syntax node, and every `import_module("...")`, but not those for type checkers."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        by_name = isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[-1] == "import_module"
        if by_name or isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from imports(child)


def targets(node: ast.AST, package: str) -> Iterator[str]:
    """The absolute dotted names that an import in `package` asks for, whether modules or what is in them."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Call):
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            name = node.args[0].value
            dots = len(name) - len(name.lstrip("."))
            yield ".".join([*above(package, dots), name.lstrip(".")]) if dots else name
    elif isinstance(node, ast.ImportFrom):
        base = [*(above(package, node.level) if node.level else []), *([node.module] if node.module else [])]
        yield from (".".join([*base, alias.name]) for alias in node.names)


def above(package: str, dots: int) -> list[str]:
    """What so many leading dots mean inside a package: one dot is the package itself."""
    parts = package.split(".")
    return parts[: len(parts) - dots + 1]


def edges(folder: Path) -> list[Edge]:
    """Every import between modules of the package in `folder`, which is known as PACKAGE."""
    known = modules(folder)
    found = []
    for source, path in known.items():
        parts = [PACKAGE, *filter(None, source.split("."))]
        package = ".".join(parts if path.name == "__init__.py" else parts[:-1])
        for node in imports(ast.parse(path.read_text(encoding="utf-8"))):
            for name in targets(node, package):
                inside = name.split(".")
                if inside[0] != PACKAGE or name == f"{PACKAGE}.__version__":
                    continue
                while ".".join(inside[1:]) not in known:  # `from .boxes import iou` asks for boxes
                    inside.pop()
                found.append(Edge(source, ".".join(inside[1:]), node.lineno))
    return found


def layer(module: str) -> str:
    """The file or folder right below the package that a module lies in."""
    return module.split(".")[0] or "__init__"


def faults(folder: Path) -> list[str]:
    """One sentence for everything in a package that breaks the plan."""
    unknown = sorted({layer(name) for name in modules(folder)} - {*LAYERS, *ROOT})
    said = [f"{name} is not in LAYERS: give it its place there" for name in unknown]
    graph: dict[str, set[str]] = {}
    for source, target, line in edges(folder):
        low, high = layer(source), layer(target)
        if low in ROOT or low in unknown or high in unknown:
            continue
        where = f"{source or '__init__'}, line {line}: imports {target or 'the root'}"
        if high in ROOT:
            said.append(f"{where}, but nothing may import the root")
        elif LAYERS.index(high) > LAYERS.index(low):
            said.append(f"{where}, but {high} stands below {low}")
        else:
            graph.setdefault(source, set()).add(target)
    return said + [f"a circle: {' -> '.join(circle)}" for circle in circles(graph)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The circles that a walk along the arrows from each node, depth first, closes."""
    found, done, way = [], set(), []

    def walk(node: str) -> None:
        if node in way:
            found.append([*way[way.index(node) :], node])
        elif node not in done:
            way.append(node)
            for following in sorted(graph.get(node, ())):
                walk(following)
            done.add(way.pop())

    for start in sorted(graph):
        walk(start)
    return found


def test_the_plan(repository: Path) -> None:
    folder = repository / "src" / PACKAGE
    assert len(edges(folder)) > 50, "the walk has found hardly any import: it is broken"
    assert faults(folder) == []


GOOD = {
    "__init__.py": "from ._register import register\ndef f():\n    from .cli import main",
    "_register.py": "def f():\n    from . import __version__\n    from .metrics import m",
    "errors.py": "import os, numpy.linalg",
    "boxes.py": "from .errors import GiqaError",
    "formats/__init__.py": "from . import giqa\nfrom .giqa import read",
    "formats/giqa.py": "from ..boxes import iou\nfrom .. import errors\nfrom ._text import words",
    "formats/_text.py": "",
    "metrics/m/__init__.py": "",
    "metrics/m/m.py": f"import {PACKAGE}.boxes\nfrom {PACKAGE}.formats import giqa\nfrom ... import errors",
    "cli/main.py": "from ..formats import giqa\nfrom ..metrics.m.m import m",
}
ROWS = {
    # what is planted in which file, and what is said of it
    "nothing": ("boxes.py", "", None),
    "an edge back": (
        "boxes.py",
        "from .formats import giqa",
        "boxes, line 2: imports formats.giqa, but formats stands below boxes",
    ),
    "of a package": ("boxes.py", "from . import formats", "boxes, line 2: imports formats, but"),
    "in a function": (
        "boxes.py",
        "def f():\n    from .formats.giqa import read",
        "boxes, line 3: imports formats.giqa",
    ),
    "absolute": ("boxes.py", f"import {PACKAGE}.cli.main as m", "boxes, line 2: imports cli.main, but"),
    "from a subfolder": (
        "formats/_text.py",
        "from ..metrics.m import m",
        "formats._text, line 2: imports metrics.m.m",
    ),
    "by name": ("boxes.py", f"import_module('{PACKAGE}.cli.main')", "boxes, line 2: imports cli.main"),
    "by relative name": (
        "formats/giqa.py",
        "importlib.import_module('..cli', __package__)",
        "giqa, line 4: imports",
    ),
    "the root": ("boxes.py", "from . import Grid", "boxes, line 2: imports the root, but nothing may"),
    "the version": ("boxes.py", "from . import __version__", None),
    "the root, absolute": (
        "boxes.py",
        f"import {PACKAGE}",
        "boxes, line 2: imports the root, but nothing may",
    ),
    "the register": ("cli/main.py", "from .._register import register", "imports _register, but nothing may"),
    "for types only": ("boxes.py", "if TYPE_CHECKING:\n    from .formats import giqa", None),
    "not for types": (
        "boxes.py",
        "if TYPE_CHECKING:\n    x = 1\nelse:\n    from .formats import giqa",
        "boxes, line 5",
    ),
    "a circle": (
        "formats/_text.py",
        "from .giqa import read",
        "a circle: formats.giqa -> formats._text -> formats.giqa",
    ),
    "a circle of one": ("boxes.py", "from .boxes import iou", "a circle: boxes -> boxes"),
    "an unknown file": ("utils.py", "", "utils is not in LAYERS"),
    "an unknown folder": ("common/x.py", "from ..cli import main", "common is not in LAYERS"),
}


@pytest.mark.parametrize("path, planted, said", ROWS.values(), ids=ROWS)
def test_the_test(path: str, planted: str, said: str | None, tmp_path: Path) -> None:
    """A tree that keeps to the plan passes; with one line planted in it, exactly that line is found."""
    for name, text in {path: "", **GOOD}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text or '#'}\n" + (planted if name == path else ""))
    found = faults(tmp_path)
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert said in found[0]
