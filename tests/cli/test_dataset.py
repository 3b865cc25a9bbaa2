"""`giqa dataset build` and `check`: arguments, what they print, exit codes."""

from __future__ import annotations

import json

import datasets
import pytest
from PIL import Image

import giqa_hf  # noqa: F401  # makes "giqa-160k" known
from giqa_hf.cli import dataset, main
from tests.annotation.handmade_build import PHOTOS, make_record, write_build


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
    assert (
        out.splitlines()[-1]
        == f'made {tmp_path / "mine"}: load_dataset("giqa-160k", data_dir={str(tmp_path / "mine")!r})'
    )
    assert datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "mine"), split="train").num_rows == 25
    code, _, err = giqa(capsys, "build", build, "--out", tmp_path / "mine")
    assert code == 2 and err.startswith("giqa: ") and err.count("\n") == 1 and "--overwrite" in err


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
    assert given["overwrite"] and given["allow_overlap"]
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
    assert code == 2 and "add --allow-overlap" in err and not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "nowhere", "--out", "x"], "expected a folder that `giqa annotate` has made"),
        (["check", "nowhere", "--against", "nowhere"], "expected photos"),
    ],
)
def test_what_is_not_there(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = giqa(capsys, *arguments)
    assert code == 2 and says in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["build"], ["build", "x"], ["check", "x"], ["build", "x", "--out", "y", "--seed", "z"]]
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        giqa(capsys, *arguments)
    assert caught.value.code == 2
