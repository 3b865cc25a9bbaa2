"""Which rows go out with their photos, what the card, Croissant and eval.yaml say, and what is refused."""

from __future__ import annotations

import io
import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard
from PIL import Image

from giqa_hf.benchmark.humans.agreement import Agreement
from giqa_hf.benchmark.humans.bench import write_bench
from giqa_hf.builders.giqa_160k.licences import Terms, gate_of, is_restricted, licence_lines, licence_text
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.hub.bench_figures import metric_type
from giqa_hf.hub.dataset_plan import dataset_plan
from giqa_hf.hub.plan import content_of
from tests.hub.small_dataset import HELD, small_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_dataset(tmp_path_factory.mktemp("made") / "giqa-160k")


def contents(folder, **options):
    with dataset_plan(folder, "me/giqa-160k", **options) as plan:
        return plan, {file.path_in_repo: content_of(file) for file in plan.files}


def rows_in(data):
    return pq.read_table(io.BytesIO(data)).to_pylist()


def test_photos_that_may_not_be_passed_on_stay(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    plan, files = contents(folder)
    held_photo = next(row for row in pq.read_table(folder / "des").to_pylist() if row["image_id"] == HELD)[
        "image"
    ]["bytes"]
    for name, data in files.items():
        assert held_photo not in data, name
        if name.endswith(".parquet"):
            for row, original in zip(rows_in(data), rows_in((folder / name).read_bytes()), strict=True):
                is_held = row["source"] == "spaq"
                assert row["image"] == (None if is_held else original["image"])
                assert {**row, "image": 0} == {**original, "image": 0}  # the annotations are all there
    lines = [json.loads(line) for line in files["photos.jsonl"].splitlines()]
    assert [line["image_id"] for line in lines if line["publish"] == "annotations"] == [HELD]
    assert all(len(line["sha256"]) == 64 for line in lines)
    assert "noise.html" not in files  # its sheet shows the photo
    assert any("3 rows go out without their photos" in note and "'spaq'" in note for note in plan.notes)
    assert plan.gated and not plan.refusals
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not list(folder.parent.glob(".*publish*"))  # what was written anew is gone


def test_whole_is_refused_with_the_rows_and_why(folder):
    plan, _ = contents(folder, whole=True)
    (refusal,) = plan.refusals
    assert "3 rows on 1 photo may not be passed on" in refusal
    assert "'spaq' (licence 'research and education only')" in refusal and HELD in refusal
    with pytest.raises(GiqaError, match="nothing was sent: --whole asks for all photos"):
        plan.check()


def test_what_may_be_passed_on_goes_out_as_it_is(tmp_path):
    folder = small_dataset(tmp_path / "giqa-160k", open_only=True)
    plan, files = contents(folder, whole=True)
    assert plan.refusals == () and not plan.gated
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.endswith((".parquet", ".html", ".jsonl")):
            assert files[name] == path.read_bytes()
    assert "extra_gated" not in plan.card


def test_a_build_without_those_photos_is_sent_as_it_is(tmp_path):
    folder = small_dataset(tmp_path / "giqa-160k", publishable=True)
    _, files = contents(folder)
    for path in folder.rglob("*.parquet"):
        assert files[path.relative_to(folder).as_posix()] == path.read_bytes()
    assert "noise.html" in files  # its sheet was made without them


def test_the_rows_are_asked_and_not_what_dataset_json_says(folder, tmp_path):
    import hashlib
    import shutil

    copy = tmp_path / "giqa-160k"
    shutil.copytree(folder, copy)
    path = copy / "des" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("source")
    pq.write_table(table.set_column(place, "source", pa.array(["spaq"] * len(table))), path)
    told = json.loads((copy / "dataset.json").read_text())
    told["files"]["des/train-00000-of-00001.parquet"] = hashlib.sha256(path.read_bytes()).hexdigest()
    told["licences"] = []
    told["settings"]["publishable"] = True
    (copy / "dataset.json").write_text(json.dumps(told))
    plan, files = contents(copy)
    assert all(row["image"] is None for row in rows_in(files["des/train-00000-of-00001.parquet"]))
    assert plan.gated and "| spaq |" in plan.card and json.loads(files["dataset.json"])["licences"]


def test_the_same_dataset_gives_the_same_bytes(folder):
    assert contents(folder)[1] == contents(folder)[1]


def test_the_card_is_as_the_hub_wants_it(folder):
    plan, files = contents(folder)
    card = DatasetCard(plan.card)
    assert (card.data.license, card.data.license_name, card.data.license_link) == (
        "other",
        "per-row",
        "LICENSE.md",
    )
    assert [config["config_name"] for config in card.data.configs] == ["all", "des", "vqa"]
    assert card.data.extra_gated_fields and "spaq" in card.data.extra_gated_prompt
    assert 'load_dataset("me/giqa-160k")' in card.text and "data_dir" not in card.text
    for heading in (
        "Statistics",
        "Balance",
        "Noise",
        "Contamination",
        "Sources and licences",
        "How to build it again",
    ):
        assert f"## {heading}" in card.text
    assert "grid ceiling" in card.text and "giqa dataset join" in card.text and "noise.html" not in card.text
    for name, data in files.items():
        if name.startswith("previews/"):
            assert f"]({name})" in card.text and max(Image.open(io.BytesIO(data)).size) <= 512
    assert sum(name.startswith("previews/") for name in files) == 4


def test_croissant(folder):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is an extra of one's own")
    _, files = contents(folder)
    logging.getLogger("absl").setLevel(logging.ERROR)
    value = json.loads(files["croissant.json"])
    found = mlcroissant.Dataset(jsonld=value)
    assert not found.metadata.ctx.issues.errors
    # What only a person knows is not made up.
    assert {warning.rsplit("/", 1)[-1].split('"')[0] for warning in found.metadata.ctx.issues.warnings} == {
        "datePublished", "version",
    }  # fmt: skip
    told = found.metadata.to_json()
    assert told["conformsTo"][0].endswith("/croissant/1.1") or "1.1" in str(told["conformsTo"])
    assert "1 photo left out" in told["rai:dataCollectionMissingData"]
    assert told["rai:machineAnnotationTools"] and told["rai:dataAnnotationAnalysis"].endswith(
        "kept 66.7% of them."
    )
    assert [record["@id"] for record in value["recordSet"]] == ["all-train", "des-train", "vqa-train"]
    fields = {field["name"] for field in value["recordSet"][0]["field"]}
    assert fields == set(pq.read_schema(folder / "des" / "train-00000-of-00001.parquet").names)


@pytest.fixture
def bench(folder, tmp_path):
    rows = pq.read_table(folder / "des").to_pylist()[:3]
    out = tmp_path / "giqa-bench"
    write_bench(rows, out, Agreement(**dict.fromkeys(Agreement._fields, 1)), min_annotators=3)
    return out


def test_a_benchmark(bench):
    card = bench / "README.md"
    card.write_text(card.read_text() + "\n## Annotators\n\nThree people of our lab, paid.\n")
    with dataset_plan(bench, "me/giqa-bench") as plan:
        files = {file.path_in_repo: content_of(file) for file in plan.files}
    (held,) = [row for row in rows_in(files["test-00000-of-00001.parquet"]) if row["image"] is None]
    assert held["image_id"] == HELD
    lines = [
        json.loads(line) for line in files["photos.jsonl"].splitlines()
    ]  # a bench has no list of its own
    assert {line["image_id"] for line in lines} == {"astronaut.jpg", HELD, "chelsea.jpg"}
    found = DatasetCard(plan.card)
    assert (
        found.data.configs[0]["data_files"][0]["path"] == "test-*.parquet"
        and found.data.license_name == "per-row"
    )
    assert 'load_dataset("me/giqa-bench", split="test")' in found.text and "import giqa_hf" not in found.text
    assert "Three people of our lab, paid." in found.text and found.text.count("## Sources and licences") == 1
    assert "publishable: no" not in found.text
    told = yaml.safe_load(files["eval.yaml"])
    assert told["evaluation_framework"] == "inspect-ai"
    assert [task["id"] for task in told["tasks"]][:4] == [
        "giqa_bench_des_miou", "giqa_bench_des_tag_recall", "giqa_bench_des_bleu_4", "giqa_bench_des_llm_score_lexical",
    ]  # fmt: skip
    assert {(task["config"], task["split"]) for task in told["tasks"]} == {("default", "test")}
    assert len(told["tasks"]) == 9 and told["tasks"][6]["id"] == metric_type("VQA Acc (Y)")
    with dataset_plan(bench, "me/giqa-bench", left_out=["eval.yaml"]) as plan:
        assert "eval.yaml" not in {file.path_in_repo for file in plan.files}


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda told: told.clear(), "expected a dataset of `giqa dataset build`"),
        (lambda told: told["files"].update({"../secret.parquet": "00"}), "path leaves the root"),
        (lambda told: told["files"].update({"/etc/x.parquet": "00"}), "path leaves the root"),
        (lambda told: told["files"].update({"photos.jsonl": "00"}), "no Parquet file"),
        (lambda told: told["files"].popitem(), "found a difference in"),
        (
            lambda told: told["files"].update({"des/train-00000-of-00001.parquet": "00"}),
            "found another content",
        ),
    ],
)
def test_a_dataset_json_that_lies(folder, tmp_path, change, says):
    import shutil

    copy = tmp_path / "giqa-160k"
    shutil.copytree(folder, copy)
    told = json.loads((copy / "dataset.json").read_text())
    change(told)
    (copy / "dataset.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=says) as caught, dataset_plan(copy, "me/x"):
        pass
    assert "\n" not in str(caught.value)


def test_a_photo_that_nobody_could_put_back(folder, tmp_path):
    import shutil

    copy = tmp_path / "giqa-160k"
    shutil.copytree(folder, copy)
    lines = (copy / "photos.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "photos.jsonl").write_bytes(b"".join(line for line in lines if HELD.encode() not in line))
    with (
        pytest.raises(DataError, match=rf"found none for 1 \({HELD}\); nobody could put them back"),
        dataset_plan(copy, "me/x"),
    ):
        pass


@pytest.mark.parametrize(
    "license, expected",
    [
        ("CC0-1.0", False), ("MIT", False), ("CC-BY-4.0", False), ("CC BY-NC 4.0", True), ("cc-by-nc-sa-4.0", True),
        ("S-Lab-1.0 (non-commercial)", True), ("free for research, no formal licence", True), ("", True),
    ],
)  # fmt: skip
def test_terms_that_restrict(license, expected):
    assert is_restricted(license) is expected


def test_nothing_from_data_is_markup_in_terms():
    lines = licence_lines([(Terms("<script>alert(1)</script>", "[x](http://y) `z` CC BY-NC"), "a")])
    prompt, text = gate_of(lines)["extra_gated_prompt"], licence_text(lines, "x")
    assert not set("<>[]`") & set(prompt)
    assert "<script>" not in text.replace("\\<script\\>", "") and "[x](" not in text
