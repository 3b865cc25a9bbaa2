"""`giqa dataset build` and `check`: arguments, what they print, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import giqa_hf  # makes "giqa-160k" known
from giqa_hf.cli import dataset, main
from tests.annotation.handmade_build import PHOTOS, TEXT, make_record, write_build


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(main, "COMMANDS", tuple(dict.fromkeys((*main.COMMANDS, dataset))))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    records = [make_record(folder / "corpus", f"r{i}", name, answers="ynww") for i, name in enumerate(PHOTOS)]
    return write_build(folder / "build", folder / "corpus", records)


def giqa(capsys, *arguments):
    """Exit code, what was printed, and what was complained of."""
    code = main.main(["dataset", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_build(build, tmp_path, capsys):
    code, out, err = giqa(capsys, "build", build, "--out", tmp_path / "mine")
    assert (code, err) == (0, "")
    table = [line.split() for line in out.splitlines()]
    assert ["mine", "5", "25", "5", "10", "10"] in table  # 5 descriptions, 5 Yes, 5 No, 10 What
    code, _, err = giqa(capsys, "build", build, "--out", tmp_path / "mine")
    assert code == 2 and err.startswith("giqa: ") and err.count("\n") == 1 and "--overwrite" in err


NAMES = ["plain", "with spaces/two words", "a'b\"c", "größe 100% #1"]


def test_the_line_that_it_prints_opens_the_dataset_from_any_folder(build, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program = []
    for name in NAMES:  # folders relative to this one
        code, out, _ = giqa(capsys, "build", build, "--out", name)
        said, line = out.splitlines()[-2:]
        assert code == 0 and said == f"made {name}; in Python, from any folder:"
        program += [line, "print(rows['train'].num_rows, len(rows['train'][0]['answer']))"]
    (tmp_path / "elsewhere").mkdir()
    pasted = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(Path(giqa_hf.__file__).parents[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert pasted.stdout == f"25 {len(TEXT)}\n" * len(NAMES), pasted.stderr


@pytest.mark.parametrize("name", ["run [2]", "a*", "b?", "c::d", "e[f/set"])
def test_a_folder_that_datasets_takes_for_a_pattern_is_refused(build, tmp_path, capsys, name):
    code, _, err = giqa(capsys, "build", build, "--out", tmp_path / name)
    assert code == 2 and "which datasets reads as a pattern; choose another folder" in err
    assert list(tmp_path.iterdir()) == []


def test_arguments_become_settings(monkeypatch, tmp_path, capsys):
    from giqa_hf.annotation import export
    from giqa_hf.builders.giqa_160k.statistics import Tally

    calls = []
    monkeypatch.setattr(
        export,
        "build_dataset",
        lambda *args, **options: calls.append((args, options)) or {"statistics": Tally().to_dict()},
    )
    options = "--seed 3 --validation 0.1 --test 0.2 --no-balance --publishable --overwrite --allow-overlap --against a --against b --root c"
    assert giqa(capsys, "build", "x", "--out", tmp_path, *options.split())[0] == 0
    assert giqa(capsys, "build", "x", "--out", tmp_path)[0] == 0
    (args, given), (_, plain) = calls
    assert args[2] == export.ExportSettings(3, 0.1, 0.2, False, True)
    assert [str(path) for path in given["against"]] == ["a", "b"] and str(given["root"]) == "c"
    assert given["overwrite"] and given["allow_overlap"] and not given["leave_out_overlap"]
    assert giqa(capsys, "build", "x", "--out", tmp_path, "--against", "a", "--leave-out-overlap")[0] == 0
    assert calls[2][1]["leave_out_overlap"] and not calls[2][1]["allow_overlap"]
    assert calls[1][0][2] == export.ExportSettings() and not plain["overwrite"] and plain["against"] == []


def test_check(build, tmp_path, capsys):
    giqa(capsys, "build", build, "--out", tmp_path / "a")
    bench = tmp_path / "bench"
    bench.mkdir()
    Image.new("RGB", (64, 64)).save(bench / "flat.png")
    code, out, err = giqa(capsys, "check", tmp_path / "a", "--against", bench)
    assert (code, err) == (0, "") and out.splitlines()[-1] == "no photo is in both"
    with Image.open(build.parent / "corpus" / "photos" / "chelsea.jpg") as photo:
        photo.save(bench / "lossless.png")
        photo.resize((60, 40)).save(bench / "small.jpg")
    report = tmp_path / "report.json"
    code, out, err = giqa(capsys, "check", bench, "--against", tmp_path / "a", "--json", report)
    assert code == 2 and err.count("\n") == 1
    assert (
        "found 2: 'lossless.png' = 'chelsea.jpg' (same pixels and look); 'small.jpg' = 'chelsea.jpg' (same look)"
        in err
    )
    assert "  same pixels: 1\n  same source id: 0\n  same look: 1\n" in out
    assert json.loads(report.read_text())["overlapping"] == 2
    code, _, err = giqa(capsys, "build", build, "--out", tmp_path / "b", "--against", bench)
    assert code == 2 and "add --leave-out-overlap" in err and "or --allow-overlap" in err
    assert not (tmp_path / "b").exists()
    code, out, err = giqa(
        capsys, "build", build, "--out", tmp_path / "b", "--against", bench, "--leave-out-overlap"
    )
    assert (code, err) == (0, "") and "left out 1 photo with 5 rows\n" in out
    code, out, _ = giqa(capsys, "check", tmp_path / "b", "--against", bench)
    assert code == 0 and out.endswith("no photo is in both\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "nowhere", "--out", "x"], "expected a folder that `giqa annotate` has made"),
        (
            ["check", "nowhere", "--against", "nowhere"],
            "nowhere: expected the folder of a dataset or of photos, found no such folder; check the path",
        ),
    ],
)
def test_what_is_not_there(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = giqa(capsys, *arguments)
    assert code == 2 and says in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["build"],
        ["build", "x"],
        ["check", "x"],
        ["build", "x", "--out", "y", "--seed", "z"],
        ["build", "x", "--out", "y", "--allow-overlap", "--leave-out-overlap"],
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        giqa(capsys, *arguments)
    assert caught.value.code == 2
