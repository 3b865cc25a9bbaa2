"""One door for all corpora, and the list of missing photos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from giqa_hf.corpora import CorpusRow, missing_report, open_corpus
from giqa_hf.errors import DataError

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown": ("photos", {}, "there is no corpus 'photos'; there are: q-pathway, dq-495k, a table (.csv, "),
    "misspelt": ("Q-Pathwy", {}, "(did you mean q-pathway?)"),
    "no root": ("q-pathway", {}, "q-pathway: name the folder that it lies in with --root; get Q-Pathway"),
    "no root for the other": (
        "dq-495k",
        {},
        "from https://huggingface.co/datasets/zhiyuanyou/DataDepictQA (licence: ",
    ),
    "an option without meaning": (
        "dq-495k",
        {"split": "test", "source": "x"},
        "dq-495k takes no --source, --split; leave",
    ),
    "a split of a table": ("t.csv", {"split": "test"}, "t.csv takes no --split"),
    "a table that is not there": ("t.csv", {}, "t.csv is not there"),
    "a file of another kind": ("t.xlsx", {}, "there is no corpus 't.xlsx'"),
    "photos in no folder": (
        "t.csv",
        {"root": Path("fotos")},
        "fotos: expected the folder of the photos (--root), found no such folder; check the path",
    ),
    "a path that is not there": ("./some/where/else", {}, "there is no corpus './some/where/else'"),
    "a way up": ("../x", {}, "there is no corpus '../x'"),
    "empty": ("", {}, "there is no corpus ''"),
}


@pytest.mark.parametrize("what, options, said", REFUSED.values(), ids=REFUSED)
def test_refused(
    what: str, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        open_corpus(what, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def row(image: str, problem: str | None) -> CorpusRow:
    return CorpusRow(image, image, image, "Dark.", "mine", "cc0-1.0", problem)


def test_missing_report() -> None:
    rows = [row(f"{i}.jpg", "photo missing" if i % 2 else None) for i in range(60)]
    missing = missing_report(rows)
    assert missing.count == 30  # the odd ones of 0 to 59
    assert missing.first == [f"{i}.jpg" for i in range(1, 41, 2)]
    lines = str(missing).splitlines()
    assert lines[0] == "30 rows whose photo is missing:" and lines[-1] == "  and 10 more"
    assert len(lines) == 1 + 20 + 1


def test_nothing_is_missing() -> None:
    assert str(missing_report([row("a.jpg", None), row("b.jpg", "no description")])) == "no photo is missing"
    assert str(missing_report([row("a.jpg", "photo missing")])) == "1 row whose photo is missing:\n  a.jpg"


def test_a_csv_needs_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,text\na.jpg,Dark.\n")
    code = (
        "import sys; from giqa_hf.corpora import open_corpus; rows = list(open_corpus('t.csv')); "
        "print(len(rows), sorted({'torch', 'transformers', 'datasets', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "1 []\n", run.stderr
