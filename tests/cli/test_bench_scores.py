"""`giqa bench scores` as typed, on a tiny model, with lists in JSON and as a table."""

from __future__ import annotations

import json

import pytest

from giqa_hf.cli.main import USER_ERROR, main
from tests.benchmark.tiny_bench import family


def giqa(*arguments):
    return main([str(argument) for argument in ("bench", "scores", *arguments)])


@pytest.fixture
def lists(photo, tmp_path):
    """Five photos with opinions in a JSON list and, under other names of the columns, in a table."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = []
    for number in range(5):
        photo.crop((40 * number, 0, 40 * number + 160, 120)).save(folder / f"{number}.png")
        rows.append({"img_path": f"{number}.png", "gt_score": f"{1 + number} "})
    (tmp_path / "spaq.json").write_text(json.dumps(rows))
    (tmp_path / "more.csv").write_text(
        "img_path,gt_score,sd\n" + "".join(f"{n}.png,{5 - n},0.1\n" for n in range(5))
    )
    return tmp_path


def test_two_lists_and_one_folder(lists, capsys):
    out = lists / "run"
    done = giqa(
        family("tiny"), "--labels", lists / "spaq.json", "--labels", lists / "more.csv", "--photos", lists / "photos",
        "--protocol", "five-levels", "--out", out,
    )  # fmt: skip
    said = capsys.readouterr().out
    assert done == 0 and "SRCC" in said and "protocol: five levels, 5..1" in said
    figures = {
        name: one["figures"] for name, one in json.loads((out / "scores.json").read_text())["sets"].items()
    }
    # the same photos with the opinions the other way round
    assert figures["more"]["srcc"] == pytest.approx(-figures["spaq"]["srcc"])


def test_a_photo_that_is_not_there_is_told(lists, capsys):
    (lists / "photos" / "2.png").unlink()
    labels = lists / "photos" / "list.jsonl"  # beside its photos: no folder is needed
    labels.write_text("".join(json.dumps({"p": f"{n}.png", "s": n}) + "\n" for n in range(4)))
    keys = ("--image-key", "p", "--score-key", "s", "--limit", 3)
    assert giqa(family("tiny"), "--labels", labels, *keys, "--out", lists / "run") == 0
    said = capsys.readouterr().out
    assert "list: 1 photo without a score (the first: 2.png, photo missing" in said and "2 of 3" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--labels", "nowhere.json"], "nowhere.json"),
        (["--labels", "a.json", "--labels", "b.json", "--labels", "c.json", "--photos", "x", "--photos", "y"],
         "expected one folder for all lists, or one for each of 3, got 2"),
        (["--labels", "a.json", "--limit", "0"], "--limit: expected at least 1, got 0"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert giqa(family("tiny"), *arguments) == USER_ERROR
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
