"""`giqa annotate`: a table of real photographs through the classic profile, on, again, and one record explained."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest

from giqa_hf.annotation import shards
from giqa_hf.cli import annotate
from giqa_hf.cli import main as cli

TEXTS = [
    ("photo.png", "The face is sharp and clear. The background is blurry, which lowers the quality."),
    ("photo.png", "The flag in the background is dark."),
    ("gone.png", "The sky is noisy."),
]


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "COMMANDS", (annotate,))
    photo.resize((160, 160)).save("photo.png")
    with open("my.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "description"), *TEXTS])


def run(capsys, *arguments, code=0):
    assert cli.main(["annotate", *arguments]) == code
    return SimpleNamespace(**dict(zip(("out", "err"), capsys.readouterr(), strict=True)))


def refused(capsys, *arguments):
    err = run(capsys, *arguments, code=2).err
    assert err.startswith("giqa: ") and err.count("\n") == 1
    return err


def test_a_table_through_the_classic_profile(capsys, tmp_path):
    told = run(capsys, "my.csv").out
    assert "gone.png" in told and "records: candidates" in told and told.endswith("build: build\n")
    records = list(shards.read_build(tmp_path / "build"))
    assert [r.description for r in records] == [text for _, text in TEXTS]
    assert records[2].fate.reason == "photo missing" and records[0].live_tags and records[0].live_pairs
    audit = json.loads((tmp_path / "build" / "audit.json").read_text())
    assert audit["candidates"]["record"] == 3
    again = run(capsys, "my.csv").out
    assert "1 of 1 shard is there already" in again


def test_options_reach_the_build(capsys, tmp_path):
    run(
        capsys, "my.csv", "--out", "b", "--limit", "2", "--shard-size", "1", "--source", "holiday", "--license", "CC0-1.0",
        "--set", "merge.area_threshold=0.1", "--set", "fusion.position_request=syntax", "--text-column", "description",
    )  # fmt: skip
    manifest = shards.read_manifest(tmp_path / "b")
    stages = {stage["name"]: stage for stage in manifest["stages"]}
    assert (manifest["corpus"]["rows"], manifest["shard_size"], manifest["profile"]["name"]) == (
        2,
        1,
        "classic",
    )
    assert stages["merge"]["area_threshold"] == 0.1 and stages["fusion"]["position_request"] == "syntax"
    assert {(r.source, r.license) for r in shards.read_build(tmp_path / "b")} == {("holiday", "CC0-1.0")}


def test_other_settings_need_fresh(capsys, tmp_path):
    run(capsys, "my.csv")
    said = refused(capsys, "my.csv", "--set", "seed=1")
    assert "begun with --set seed=0 (now seed=1); run" in said and "--fresh" in said
    run(capsys, "my.csv", "--set", "seed=1", "--fresh")
    assert shards.read_manifest(tmp_path / "build")["stages"][4]["seed"] == 1


def test_missing_photos_stop_it_when_told(capsys, tmp_path):
    assert "1 of 3 rows has no photo (the first: gone.png)" in refused(
        capsys, "my.csv", "--on-missing", "stop"
    )
    assert not (tmp_path / "build").exists()


def test_explain(capsys, tmp_path):
    run(capsys, "my.csv")
    first = next(shards.read_build(tmp_path / "build"))
    told = run(capsys, "--explain", first.record_id).out
    assert told.startswith(f"{first.record_id}: kept\n") and "with pictures: build/explain/" in told
    page = (tmp_path / told.rsplit("with pictures: ", 1)[1].strip()).read_text()
    assert "data:image/" in page and first.tags[0].name in page
    (tmp_path / "photo.png").rename(tmp_path / "elsewhere.png")
    run(capsys, "--explain", first.record_id, "--root", "nowhere")
    said = refused(capsys, "--explain", first.record_id[:-1])
    assert first.record_id in said


def test_the_first_rows_and_then_all(capsys, tmp_path):
    run(capsys, "my.csv", "--limit", "1")
    assert "my.csv: 3 rows in 1 shard" in run(capsys, "my.csv").out
    assert len(list(shards.read_build(tmp_path / "build"))) == 3
    assert "begun with all 3 rows, without --limit (now --limit 2)" in refused(
        capsys, "my.csv", "--limit", "2"
    )


def test_resume_wants_a_build(capsys, tmp_path):
    assert "--resume: build holds no build to go on with" in refused(capsys, "my.csv", "--resume")
    run(capsys, "my.csv")
    assert "1 of 1 shard is there already" in run(capsys, "my.csv", "--resume").out
    with pytest.raises(SystemExit, match="2"):
        cli.main(["annotate", "my.csv", "--resume", "--fresh"])


def test_absolute_paths_below_the_root(capsys, tmp_path):
    text = (tmp_path / "my.csv").read_text()
    (tmp_path / "my.csv").write_text(text.replace("photo.png", str(tmp_path / "photo.png")))
    run(capsys, "my.csv", "--root", ".")
    assert next(shards.read_build(tmp_path / "build")).image == "photo.png"


REFUSED = {
    "no corpus": ([], "expected the name of a corpus, or --explain ID"),
    "no such corpus": (["nothing.csv"], "nothing.csv is not there"),
    "no such profile": (["my.csv", "--profile", "modern"], "expected one of classic, paper"),
    "no such key": (["my.csv", "--set", "merge.x=1"], "there is no setting 'x'; there are: area_threshold"),
    "no value": (["my.csv", "--set", "merge"], "--set: expected KEY=VALUE"),
    "a value that a stage refuses": (
        ["my.csv", "--set", "filter.threshold=2"],
        "threshold: expected a probability in 0..1",
    ),
    "a server for a profile without": (
        ["my.csv", "--llm", "http://localhost:1/v1"],
        "--llm: the profile classic asks no language model; add --profile paper",
    ),
    "no build to explain": (["--explain", "r1"], "expected a folder that `giqa annotate` has made"),
    "a number that cannot be": (
        ["my.csv", "--workers", "0"],
        "--workers: expected a whole number of at least 1",
    ),
    "photos in no folder": (
        ["my.csv", "--root", "fotos"],
        "fotos: expected the folder of the photos (--root), found no such folder; check the path",
    ),
    "photos elsewhere": (
        ["my.csv", "--root", "empty"],
        "my.csv: none of its 3 rows can be used: photo missing (3 rows, the first at line 2: no file 'photo.png' below "
        "the root); name the folder that the photos' paths start from with --root",
    ),
    "a file for the build": (["my.csv", "--out", "my.csv"], "expected a folder, found a file"),
}


@pytest.mark.parametrize("arguments, said", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_one_sentence(capsys, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    assert said in refused(capsys, *arguments)
    assert not (tmp_path / "build").exists()


VALUES = [
    ("0.4", 0.4),
    ("3", 3),
    ("true", True),
    ("null", None),
    ("./dino", "./dino"),
    ("a: b: c", "a: b: c"),
    ("", None),
]


@pytest.mark.parametrize("written, read", VALUES)
def test_values_are_read_as_in_the_file(written, read):
    args = SimpleNamespace(settings=[f"a.b={written}"], llm=None, llm_model="m")
    assert annotate.overrides(args) == {"a.b": read, "llm.model": "m"}
