"""The documentation does what it says: its code runs, its links lead somewhere, its commands exist.

The ```python blocks of a page run in order, as one program of their own, in an empty folder and without a
network. Lines `# -> ...` in a block are all that it prints; without any, it may print what it likes. A block
under `<!-- not run: reason -->` is only compiled, and the names that it imports from us must exist.

Where a page loads giqa-tiny, it gets the tests' own checkpoint, which has learned nothing and is quick: the
pages are tried here, not the model.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import giqa_hf
from giqa_hf.cli.main import main

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "src" / "giqa_hf"
TINY = REPOSITORY / "tests" / "make_tiny_checkpoint.py"
FILES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
PAGES = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
FENCED = re.compile(r"(?ms)^```.*?^```$")
WITH_ACTIONS = ("dataset", "bench", "publish")
"""Commands whose second word is an action, as in `giqa dataset build`."""
NOT_RUN = re.compile(r"<!-- not run:(.*)-->")

# Runs the blocks [line, code] of a page, given as JSON; says which one fails, or prints something else.
PROGRAM = r"""
import contextlib, io, json, runpy, sys
name, blocks, tiny = json.load(sys.stdin)
if tiny:
    import giqa_hf.models.giqa_tiny as giqa_tiny
    made = runpy.run_path(tiny)["make_tiny_checkpoint"]("../checkpoint")
    giqa_tiny.BASE = giqa_tiny.TUNED = str(made)
def no_network(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise ConnectionError(f"{name} calls out of this machine: {args[1:]}")
sys.addaudithook(no_network)
namespace = {"__name__": "__main__"}
for line, code in blocks:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * line + code, name, "exec"), namespace)
    found = printed.getvalue().splitlines()
    said = [row[5:] for row in code.splitlines() if row.startswith("# -> ")]
    if said and found != said:
        sys.exit(f"{name}, block at line {line}: the page says {said}, the code printed {found}")
"""


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    """Of its fence, from 1."""
    language: str
    code: str
    reason: str | None
    """Why it is not run, if it is not."""


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks of a page; a fence that is never closed is an error."""
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        if lines[number].startswith("```"):
            end = lines.index("```", number + 1)
            mark = NOT_RUN.fullmatch(lines[number - 1]) if number else None
            code = "\n".join(lines[number + 1 : end]) + "\n"
            yield Block(number + 1, lines[number][3:], code, mark[1].strip() if mark else None)
            number = end
        number += 1


def python_of(page: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "python"]


def prose_of(page: str) -> str:
    """A page without its fenced blocks and without code in backticks, where brackets are no links."""
    return re.sub(r"`[^`\n]+`", "", FENCED.sub("", page))


def run_blocks(name: str, blocks: list[Block], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks that are to be run as one program, in the empty folder `folder/empty`."""
    (folder / "empty").mkdir()
    code = [(block.line, block.code) for block in blocks if block.reason is None]
    loads_tiny = any("models.giqa_tiny import" in block for _, block in code)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIQA_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([name, code, str(TINY) if loads_tiny else None]),
        cwd=folder / "empty",
        env=kept | {"PYTHONPATH": str(PACKAGE.parent), "HF_HOME": str(folder / "hf")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if python_of(page)])
def test_the_code_of_a_page_runs(name: str, tmp_path: Path) -> None:
    run = run_blocks(name, python_of(PAGES[name]), tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]


def test_there_is_code() -> None:
    """If the blocks were not found any more, the test above would be empty and pass."""
    assert len(python_of(PAGES["README.md"])) >= 5
    assert sum(len(python_of(page)) for page in PAGES.values()) >= 25


@pytest.mark.parametrize("name", PAGES)
def test_code_that_is_not_run_is_sound_and_says_why(name: str) -> None:
    skipped = [block for block in blocks_of(PAGES[name]) if block.reason is not None]
    assert len(skipped) == PAGES[name].count("<!-- not run"), "a mark is not right above a fence"
    for block in skipped:
        assert block.language == "python"
        assert block.reason, f"{name}, line {block.line}: no reason"
        for node in ast.walk(ast.parse(block.code, name)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("giqa_hf"):
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


FAULTY = {
    # code of two blocks, and what is said of them; None when nothing is wrong
    "one namespace": ("x = 1\n", "print(x)\n# -> 1\n", None),
    "raises": ("x = 1\n", "print(y)\n# -> 1\n", "line 6, in <module>"),  # the second block's fence is line 5
    "prints another": (
        "x = 1\n",
        "print(x)\n# -> 2\n",
        "line 5: the page says ['2'], the code printed ['1']",
    ),
    "prints too much": (
        "x = 1\n",
        "print(x)\n# -> 1\nprint(2)\n",
        "the page says ['1'], the code printed ['1', '2']",
    ),
    "says nothing of what it prints": ("x = 1\n", "print(x)\n", None),
    "prints too little": ("x = 1\n", "x\n# -> 1\n", "the page says ['1'], the code printed []"),
    "does not compile": ("x = 1\n", "x =\n", "SyntaxError"),
    "calls out": ("import socket\n", "socket.create_connection(('192.0.2.1', 80))\n", "page.md calls out"),
    "is not in the repository": ("import os\n", "print(os.listdir())\n# -> []\n", None),
}


@pytest.mark.parametrize("first, second, said", FAULTY.values(), ids=FAULTY)
def test_a_faulty_page_is_found(first: str, second: str, said: str | None, tmp_path: Path) -> None:
    page = f"```python\n{first}```\n\n```python\n{second}```\n"
    run = run_blocks("page.md", python_of(page), tmp_path)
    assert (run.returncode == 0) == (said is None), run.stderr
    assert said is None or said in run.stderr


def test_a_marked_block_is_not_run() -> None:
    page = "<!-- not run: no GPU -->\n```python\nimport gone\n```\n\n```python\nx = 1\n```\n```text\ny\n```\n"
    assert [(block.line, block.reason) for block in python_of(page)] == [(2, "no GPU"), (6, None)]


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.+)$", FENCED.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: str, folder: Path) -> list[str]:
    """Links of a page in `folder` that lead to no file or no heading; links to the web are not followed."""

    def leads_somewhere(target: str) -> bool:
        name, _, anchor = target.partition("#")
        if name and not (folder / name).exists():
            return False
        return not anchor or anchor in anchors_of((folder / name).read_text() if name else page)

    targets = re.findall(r"\]\(([^)\s]+)\)", prose_of(page))
    return [target for target in targets if not target.startswith("http") and not leads_somewhere(target)]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(PAGES[name], (REPOSITORY / name).parent) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# What is it?\n")
    page = (
        "# Here\n[a](there.md) [b](there.md#what-is-it) [c](#here) ![d](https://example.org/d) `[e](<1,2>)`\n"
    )
    assert broken_links(page, tmp_path) == []
    page += "[f](gone.md) ![g](gone.png) [h](there.md#gone) [i](#gone)\n```text\n[j](gone.md)\n```\n"
    assert broken_links(page, tmp_path) == ["gone.md", "gone.png", "there.md#gone", "#gone"]


@pytest.mark.parametrize("name", PAGES)
def test_names_in_backticks_exist(name: str) -> None:
    """Dotted names of ours are modules or what is in them; paths from a top folder are there."""
    for span in re.findall(r"`([^`\n]+)`", PAGES[name]):
        if re.fullmatch(r"giqa_hf(\.\w+)+", span):
            thing, module = giqa_hf, "giqa_hf"
            for part in span.split(".")[1:]:
                if not hasattr(thing, part):
                    importlib.import_module(f"{module}.{part}")
                thing, module = getattr(thing, part), f"{module}.{part}"
        elif re.fullmatch(r"(src|tests|docs|benchmarks|dataset_scripts)/[\w./-]*", span):
            assert (REPOSITORY / span).exists(), span


def test_all_pages_are_in_the_index() -> None:
    index = PAGES["docs/index.md"]
    for name in PAGES:
        assert name == "docs/index.md" or f"]({Path(name).name})" in index or f"](../{name})" in index, name


def test_the_tree_of_the_readme_is_there() -> None:
    (tree,) = (block.code for block in blocks_of(PAGES["README.md"]) if block.code.startswith("src/giqa_hf/"))
    entries = [(line.startswith("  "), line.split()[0]) for line in tree.splitlines()]
    inside = [entry for indented, entry in entries if indented]
    paths = [PACKAGE / entry for entry in inside] + [
        REPOSITORY / entry for deep, entry in entries if not deep
    ]
    assert [str(path) for path in paths if not path.exists()] == []
    # and nothing of the package is left out
    there = {path.name for path in PACKAGE.iterdir() if not path.name.startswith(("_", "."))} - {"py.typed"}
    assert {entry.split("/")[0] for entry in inside} == there


def commands_of(page: str) -> list[str]:
    """What a page tells to type: indented lines, lines of text blocks, and code in backticks."""
    plain = FENCED.sub("", page)
    fenced = "".join(block.code for block in blocks_of(page) if block.language != "python")
    indented = re.findall(r"(?m)^ {4}(\S.*)$", plain)
    return [*fenced.splitlines(), *indented, *re.findall(r"`([^`\n]+)`", plain)]


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (REPOSITORY / "Makefile").read_text()))
    found = [re.match(r"(?:time )?make ([a-z]+)", line) for line in commands_of(PAGES[name])]
    told = {match[1] for match in found if match}
    assert told <= targets
    if name == "README.md":
        assert {"quickstart", "test"} <= told


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_giqa_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # make quickstart ARGS="--seed 1" is giqa quickstart --seed 1
    lines = [
        re.sub(r'^make quickstart ARGS="(.*)"', r"giqa quickstart \1", x) for x in commands_of(PAGES[name])
    ]
    told = [line for line in lines if re.match(r"giqa [a-z]+", line)]
    for line in told:
        with pytest.raises(SystemExit) as end:
            words = line.split()
            main([*words[1 : 3 if words[1] in WITH_ACTIONS else 2], "--help"])
        assert end.value.code == 0, line
        options = re.findall(r"--[a-z-]+", capsys.readouterr().out)
        assert set(re.findall(r"--[a-z-]+", line)) <= set(options), line
    if name == "README.md":
        assert "describe" in {line.split()[1] for line in told}


@pytest.mark.parametrize("name", PAGES)
def test_no_number_is_owed(name: str) -> None:
    """A place that waits for a measurement is marked; none is left in what users read."""
    assert PAGES[name].count("<!-- numbers:") == 0
