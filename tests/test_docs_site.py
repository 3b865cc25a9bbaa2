"""The site that `make docs` builds: without a warning, complete, all links sound, nothing from another host."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import pytest

pytest.importorskip("mkdocs", reason='the site needs the extra "docs": pip install -e ".[docs]"')
griffe = pytest.importorskip("griffe", reason='the site needs the extra "docs": pip install -e ".[docs]"')

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "src" / "giqa_hf"
HERE = "https://site.invalid/"
"""Stands for the root of the site while links are resolved."""


def build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(out)],
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    out = tmp_path_factory.mktemp("site")
    built = build(REPOSITORY / "mkdocs.yml", out)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


class Page(NamedTuple):
    """What a page of the site holds that others or a browser turn to."""

    anchors: set[str]
    links: list[str]
    """What a reader may follow."""
    loaded: list[str]
    """What a browser fetches by itself."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page(set(), [], [])

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.page.anchors.update(given[name] for name in ("id", "name") if name in given)
        if "src" in given:
            self.page.loaded.append(given["src"])
        self.page.loaded.extend(x.split()[0] for x in given.get("srcset", "").split(",") if x.strip())
        self.page.loaded.extend(re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", "")))
        if "href" in given:
            navigates = tag in ("a", "area") or given.get("rel") in ("canonical", "next", "prev")
            (self.page.links if navigates else self.page.loaded).append(given["href"])


@cache
def read_page(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def pages_of(folder: Path) -> dict[str, Page]:
    """The pages by their paths in the site."""
    return {path.relative_to(folder).as_posix(): read_page(path) for path in sorted(folder.rglob("*.html"))}


def broken(folder: Path) -> Iterator[str]:
    """Links, pictures, scripts and styles of pages that lead to no file or no anchor of the site."""
    for name, page in pages_of(folder).items():
        for link in dict.fromkeys([*page.links, *page.loaded]):
            target = urlsplit(urljoin(HERE + name, link))
            if f"{target.scheme}://{target.netloc}/" != HERE:
                continue
            path = folder / unquote(target.path).lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            anchor = unquote(target.fragment)
            if not path.is_file() or (
                anchor and path.suffix == ".html" and anchor not in read_page(path).anchors
            ):
                yield f"{name}: {link}"


def foreign(folder: Path) -> Iterator[str]:
    """What a browser would fetch from another host: of pages, and of style sheets."""
    for name, page in pages_of(folder).items():
        yield from (
            f"{name}: {x}" for x in page.loaded if not urljoin(HERE + name, x).startswith((HERE, "data:"))
        )
    for path in folder.rglob("*.css"):
        fetched = re.findall(r"(?:url\(|@import )\s*['\"]?([^'\")\s;]+)", path.read_text(encoding="utf-8"))
        name = path.relative_to(folder).as_posix()
        yield from (f"{name}: {x}" for x in fetched if re.match(r"(?!data:)[a-z]+:|//", x))


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Path) -> None:
    assert len(pages_of(site)) >= 100  # pages, reference, and the files that pages link to
    assert list(broken(site)) == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    assert list(foreign(site)) == []
    # Material's script fetches a library for diagrams from another host where a page has one.
    assert [name for name in pages_of(site) if 'class="mermaid"' in (site / name).read_text()] == []


def test_the_checker_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="a/b.html#there">b</a> <a href="#top">x</a>'
    )
    (tmp_path / "a" / "b.html").write_text(
        '<h1 id="there">x</h1> <a href="../">up</a> <a href="https://example.org/#x">web</a>'  # sound
        '<a href="gone.html">1</a> <a href="../index.html#gone">2</a> <img src="/gone.png">'  # three faults
        '<script src="//cdn.example/x.js"></script><link rel="stylesheet" href="https://fonts.example/f.css">'
        '<img src="data:image/png;base64,AA=="><p style="background: url(https://pix.example/p.png)">'
    )
    (tmp_path / "s.css").write_text("a{b:url(x.png)} @import 'https://css.example/c.css'; b{c:url(data:x)}")
    assert list(broken(tmp_path)) == [
        "a/b.html: gone.html",
        "a/b.html: ../index.html#gone",
        "a/b.html: /gone.png",
    ]
    assert [fault.split(": ")[1] for fault in foreign(tmp_path)] == [
        "//cdn.example/x.js",
        "https://fonts.example/f.css",
        "https://pix.example/p.png",
        "https://css.example/c.css",
    ]


FAULTS = {
    # a line of a page, and what the build says of it
    "[a](gone.md)": "'gone.md'",  # no such page
    "[b](#nowhere)": "'#nowhere'",  # no such heading
    "[c](../src/lost.py)": "'../src/lost.py'",  # outside of docs, and not there
    "[d][giqa_hf.missing]": "giqa_hf.missing",  # a name without an entry
    "::: fault.f": "no argument has the name 'astray'",
}


def test_a_build_with_faults_fails_and_names_each(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "assets").mkdir(parents=True)
    (docs / "assets" / "site.css").write_text("")
    (docs / "index.md").write_text("\n\n".join(FAULTS))
    (tmp_path / "fault.py").write_text(
        'def f(a):\n    """Do.\n\n    Args:\n        astray (`int`): is not.\n    """\n'
    )
    config = (REPOSITORY / "mkdocs.yml").read_text()
    config = config[: config.index("\nnav:")].replace("paths: [src]", f"paths: [{tmp_path}]")
    (tmp_path / "mkdocs.yml").write_text(config.replace("[docs/tools/", f"[{REPOSITORY}/docs/tools/"))
    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert built.returncode == 1
    assert [said for said in FAULTS.values() if said not in built.stderr] == [], built.stderr


def exported() -> Iterator[str]:
    """The public names of the root and of every package that lists its own, as `package.name`; nothing is imported."""
    for path in sorted(PACKAGE.rglob("__init__.py")):
        package = ".".join(["giqa_hf", *path.parent.relative_to(PACKAGE).parts])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                yield from (f"{package}.{name}" for name in ast.literal_eval(node.value))


def inventory_of(site: Path) -> dict[str, str]:
    """The reference's entries, by name, with where they are: Sphinx's objects.inv, which mkdocstrings writes."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    rows = [line.split(" ") for line in zlib.decompress(packed).decode().splitlines()]
    return {row[0]: row[3].replace("$", row[0]) for row in rows}


def test_every_public_name_has_an_entry(site: Path) -> None:
    names, entries = list(exported()), inventory_of(site)
    assert {"giqa_hf.Grid", "giqa_hf.training.grpo", "giqa_hf.distortions.SEVERITIES"} <= set(names)
    assert [name for name in names if name not in entries] == []
    lost = []
    for name in names:
        page, _, anchor = entries[name].partition("#")
        if anchor not in read_page(site / page).anchors:
            lost.append(name)
    assert lost == []


def words_of(path: Path) -> str:
    """What is read on a page, without its code."""
    page = re.sub(r"(?s)<(script|style|pre)\b.*?</\1>", "", path.read_text(encoding="utf-8"))
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page)).replace("\N{EN DASH}", "-").split())


def test_an_entry_shows_types_defaults_and_errors(site: Path) -> None:
    entry = words_of(site / "reference" / "boxes.html")
    for shown in (
        "cols (int, default: 20 ) - cells along the width, n in Eq. 1; 1 to 1000.",
        "boxes_norm (array of shape (N, 4)) - normalised x1, y1, x2, y2",
        "Returns: int64 array of shape (N, 2) - left, right",
        "Raises: ValueError - on indices that are no integers, outside the grid, or whose right cell lies left of or above",
    ):
        assert shown in entry
    unread = [path.name for path in (site / "reference").rglob("*.html") if "*optional*" in words_of(path)]
    assert unread == []


def test_a_link_to_a_file_outside_of_docs_leads_to_a_page_of_it(site: Path) -> None:
    assert "files/src/giqa_hf/grid.py.html" in read_page(site / "paper_index.html").links
    code = words_of(site / "files" / "src" / "giqa_hf" / "grid.py.html")
    assert "src/giqa_hf/grid.py" in code
    assert "def decode" in re.sub(r"<[^>]+>", "", (site / "files/src/giqa_hf/grid.py.html").read_text())
    # what a Markdown file links to from where it lies: docs/metrics.md, from the README
    assert "../metrics.html" in read_page(site / "files" / "README.md.html").links
    # a folder has no page: its words stay
    assert not any(link.endswith("src/giqa_hf/metrics") for link in read_page(site / "metrics.html").links)


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "docstrings", REPOSITORY / "docs" / "tools" / "docstrings.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READ = {
    # a docstring, and its sections as (kind, [(name, type, default, text)])
    "type and default": (
        "Do.\n\nArgs:\n    a (`int`, *optional*, defaults to `20`): cells.",
        [("text", "Do."), ("parameters", [("a", "int", "20", "cells.")])],
    ),
    "brackets in a type, text on the next line": (
        "Do.\n\nArgs:\n    a (`array` of shape (N, 4)):\n        boxes,\n        in order.",
        [("text", "Do."), ("parameters", [("a", "array of shape (N, 4)", None, "boxes,\nin order.")])],
    ),
    "a colon in a default": (
        'Do.\n\nArgs:\n    a (`dict`, *optional*, defaults to `{"x": 1}`): size.',
        [("text", "Do."), ("parameters", [("a", "dict", '{"x": 1}', "size.")])],
    ),
    "optional without a default is None; words beside code": (
        "Do.\n\nArgs:\n    a (`list` of `str`, *optional*): names: all.",
        [("text", "Do."), ("parameters", [("a", "list of str", "None", "names: all.")])],
    ),
    "two names, one text": (
        "Do.\n\nArgs:\n    a, b (`int`): sides.",
        [("text", "Do."), ("parameters", [("a", "int", None, "sides."), ("b", "int", None, "sides.")])],
    ),
    "an error whose text goes on at the same indentation": (
        "Do.\n\nRaises:\n    `ValueError`: on one, or\n    another; it says so: first.\n    `DataError`, `GiqaError`: else.",
        [
            ("text", "Do."),
            (
                "raises",
                [
                    (None, "ValueError", None, "on one, or\nanother; it says so: first."),
                    (None, "DataError, GiqaError", None, "else."),
                ],
            ),
        ],
    ),
    "what is returned, with a shape": (
        "Do.\n\nReturns:\n    `int64 array` of shape (N, 2): cells:\n    left, right.",
        [("text", "Do."), ("returns", [("", "int64 array of shape (N, 2)", None, "cells:\nleft, right.")])],
    ),
    "what is returned, in words alone": (
        "Do.\n\nReturns:\n    The share: 0..1.",
        [("text", "Do."), ("returns", [("", None, None, "The share: 0..1.")])],
    ),
    "examples, fenced or indented, in a console's colours": (
        "Do.\n\nExample:\n\n```python\n>>> 1\n1\n```\n\nExample:\n    >>> 2\n    2",
        [("text", "Do.\n\nExample:\n\n```pycon\n>>> 1\n1\n```\n\nExample:\n\n```pycon\n>>> 2\n2\n```\n")],
    ),
    "text behind a section is text": (
        "Do.\n\nArgs:\n    a: one.\n\nThen more.",
        [("text", "Do."), ("parameters", [("a", None, None, "one.")]), ("text", "Then more.")],
    ),
}


@pytest.mark.parametrize("said, sections", READ.values(), ids=READ)
def test_docstrings_are_read(said: str, sections: list[object], docstrings: ModuleType) -> None:
    def plain(section: griffe.DocstringSection) -> object:
        if section.kind.value == "text":
            return ("text", section.value)
        items = [
            (
                getattr(x, "name", None),
                x.annotation if x.annotation is None else str(x.annotation),
                getattr(x, "value", None),
                x.description,
            )
            for x in section.value
        ]
        return (section.kind.value, items)

    assert [plain(section) for section in docstrings.Docstring(said).parse()] == sections
