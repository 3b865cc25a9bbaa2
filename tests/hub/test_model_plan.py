"""The files of a model: weights as safetensors, a card from its runs, results as the Hub reads them."""

from __future__ import annotations

import json

import pytest
import yaml
from huggingface_hub import HfApi, ModelCard
from huggingface_hub._eval_results import parse_eval_result_entries

from giqa_hf.backbones import checkpoint_identity
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.hub.model_plan import model_plan
from giqa_hf.hub.plan import content_of
from giqa_hf.hub.upload import look_up, upload
from tests.hub.test_model_card import bench, run  # fixtures

__all__ = ["bench", "run"]


def contents(plan):
    return {file.path_in_repo: content_of(file) for file in plan.files}


def test_a_run_with_its_results(run, bench):
    folder = run()
    (folder / "final" / "training_args.bin").write_bytes(b"pickled")
    runs = [bench(checkpoint_identity(str(folder / "final")))]
    plan = model_plan(folder, "me/grounding-iqa-llava", bench_runs=runs, bench_dataset="me/giqa-bench")
    files = contents(plan)
    assert set(files) == {
        "README.md", "config.json", "evaluations.json", "loss_curve.json", "model.safetensors",
        # one value per entry, one task per figure; VQA mIoU is not available, so it has no file
        ".eval_results/me--giqa-bench-giqa_bench_des_miou.yaml",
        ".eval_results/me--giqa-bench-giqa_bench_des_llm_score_lexical.yaml",
    }  # fmt: skip
    assert plan.files[0].path_in_repo == "README.md"
    assert any("training_args.bin" in note for note in plan.notes)
    card = ModelCard(plan.card)
    assert card.data.model_name == "grounding-iqa-llava" and len(card.data.eval_results) == 2
    assert (
        "# grounding\\-iqa\\-llava" in card.text and 'load_checkpoint("me/grounding-iqa-llava")' in card.text
    )
    assert "THIS_REPOSITORY" not in card.text
    text = files[".eval_results/me--giqa-bench-giqa_bench_des_miou.yaml"]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("me/giqa-bench", "giqa_bench_des_miou", 0.5955)
    assert entry.notes == (
        "DES mIoU; 95 % interval 0.5500 to 0.6400; 250 rows; metric:giqa_bench|version:1|judge:lexical|data:3f2a"
    )


def test_results_need_the_name_of_the_benchmark(run, bench):
    folder = run()
    plan = model_plan(folder, "me/x", bench_runs=[bench(checkpoint_identity(str(folder / "final")))])
    assert not any("eval_results/" in path for path in contents(plan))
    assert any("--bench-dataset" in note for note in plan.notes)
    assert any("no benchmark run was given" in note for note in model_plan(folder, "me/x").notes)


BENCH = "me/giqa-bench"
OURS = [
    f".eval_results/me--giqa-bench-giqa_bench_{figure}.yaml"
    for figure in ("des_miou", "des_llm_score_lexical")
]


def test_an_update_takes_away_the_results_of_the_old_weights_and_no_others(run, bench, hub):
    def send(plan):
        return upload(plan, look_up(plan, update=True, say=list), say=list)

    folder = run()
    runs = [bench(checkpoint_identity(str(folder / "final")))]
    send(model_plan(folder, "me/x", bench_runs=runs, bench_dataset=BENCH))
    by_hand = [
        ".eval_results/somebody-else.yaml",
        "notes/mine.yaml",
        "config.yaml",
        ".eval_results/me--b-other.yaml",
    ]
    for path in by_hand:
        HfApi().upload_file(path_or_fileobj=b"- {}\n", path_in_repo=path, repo_id="me/x")
    again = send(model_plan(folder, "me/x", bench_runs=runs, bench_dataset=BENCH))
    assert again.removed == ()
    # another benchmark: those of the first are of the old weights
    moved = send(model_plan(folder, "me/x", bench_runs=runs, bench_dataset="me/b"))
    assert sorted(moved.removed) == sorted(OURS)
    left = send(model_plan(folder, "me/x"))
    assert sorted(left.removed) == sorted(path.replace("me--giqa-bench", "me--b") for path in OURS)
    assert {path for path in hub.files("model", "me/x") if path.endswith(".yaml")} == set(by_hand)


LEXICAL = {"DES mIoU": 0.5, "DES LLM-Score[lexical]": 63.0}
JUDGED = {"DES LLM-Score[llm]": 70.0, "VQA mIoU": None}


@pytest.mark.parametrize(
    "second, says",
    [
        ({"figures": JUDGED}, None),
        # a value that is not available is no second value
        ({"figures": JUDGED | {"DES mIoU": None}}, None),
        # the later one would have been written over the first
        (
            {"figures": JUDGED | {"DES mIoU": 0.6}},
            r"expected each figure from one run, found DES mIoU in \S+/bench and in \S+/second; give one of the two",
        ),
        # other rows are another benchmark, or a part of it
        (
            {"figures": JUDGED, "rows_sha256": "cd" * 32},
            r"found those of \S+/bench \(giqa-bench, SHA-256 efefefefefef\) and of \S+/second \(giqa-bench, SHA-256 cd",
        ),
    ],
)
def test_several_runs(run, bench, second, says):
    folder = run()
    identity = checkpoint_identity(str(folder / "final"))
    runs = [bench(identity, figures=LEXICAL), bench(identity, name="second", **second)]
    # without the benchmark's name all of them go into the card
    assert len(ModelCard(model_plan(folder, "me/x", bench_runs=runs).card).data.eval_results) >= 3
    if says is not None:
        with pytest.raises(DataError, match=says):
            model_plan(folder, "me/x", bench_runs=runs, bench_dataset=BENCH)
        return
    files = contents(model_plan(folder, "me/x", bench_runs=runs, bench_dataset=BENCH))
    assert {path for path in files if path.startswith(".eval_results/")} == {
        *OURS, ".eval_results/me--giqa-bench-giqa_bench_des_llm_score_llm.yaml"
    }  # fmt: skip


def test_predictions_from_elsewhere_have_no_results(run, bench):
    folder = run()
    own = bench(checkpoint_identity(str(folder / "final")))
    # the same figures of other rows, which is no matter: they are not filed
    foreign = bench({"name": "answers"}, backend="predictions", name="foreign", rows_sha256="cd" * 32)
    plan = model_plan(folder, "me/x", bench_runs=[foreign], bench_dataset=BENCH)
    assert not any(path.startswith(".eval_results/") for path in contents(plan))
    assert any(f"{foreign}: its record does not say of which checkpoint it is" in note for note in plan.notes)
    plan = model_plan(folder, "me/x", bench_runs=[foreign, own], bench_dataset=BENCH)
    assert {path for path in contents(plan) if path.startswith(".eval_results/")} == set(OURS)
    assert sum("does not say of which checkpoint" in note for note in plan.notes) == 1


def test_an_adapter_and_its_merged_weights(run):
    folder = run(adapter=True)
    (folder / "merged").mkdir()
    (folder / "merged" / "model.safetensors").write_bytes(b"merged")
    assert "adapter_config.json" in contents(model_plan(folder, "me/x"))
    assert contents(model_plan(folder, "me/x", merged=True))["model.safetensors"] == b"merged"


def test_a_checkpoint_with_a_card(run, bench, tmp_path):
    folder = run().joinpath("final")
    with pytest.raises(GiqaError, match="expected a card with metadata"):
        model_plan(folder, "me/x")
    text = "---\nlicense: mit\ntags: [a]\n---\n\n# Mine\n"
    (folder / "README.md").write_text(text)
    assert model_plan(folder, "me/x").card == text
    plan = model_plan(folder, "me/x", bench_runs=[bench(checkpoint_identity(str(folder)))])
    card = ModelCard(plan.card)
    assert (
        card.data.license == "mit"
        and len(card.data.eval_results) == 2
        and "giqa_bench_des_miou" in card.data.metrics
    )
    assert "# Mine" in card.text and "| DES mIoU | 0.5955 | 0.5500 to 0.6400 |" in card.text


@pytest.mark.parametrize(
    "name",
    [
        "optimizer.pt", "optimizer.bin", "optimizer_1.bin", "scheduler.bin", "sampler.bin", "rng_state_0.pth",
        "random_states_0.pkl", "dl_state_dict.bin", "checkpoint-5/scaler.pt", "trainer_state.json",
        "global_step5/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "optimizer_0/__0_0.distcp",
    ],
)  # fmt: skip
def test_files_of_the_trainer_stay(run, name):
    folder = run()
    place = folder / "final" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"\x80\x04pickled")
    plan = model_plan(folder, "me/x")
    assert name not in contents(plan) and f"the trainer's own files stay here: {name}" in plan.notes


@pytest.mark.parametrize(
    "name",
    # weights, or unknown
    ["pytorch_model_fsdp.bin", "pytorch_model_fsdp_0/__0_0.distcp", "mp_rank_00_model_states.pt", "optimizer_best.pth"],
)  # fmt: skip
def test_pickled_files_that_may_be_weights_are_refused_and_do_not_stay(run, name):
    folder = run()
    place = folder / "final" / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"\x80\x04pickled")
    with pytest.raises(GiqaError, match=f"{name}: expected weights as safetensors"):
        model_plan(folder, "me/x")


@pytest.mark.parametrize(
    "files, says",
    [
        (["pytorch_model.bin"], r"found pytorch_model.bin, which run code when they are opened"),
        (["model.pt", "training_args.bin"], r"found model.pt, which"),
        ([], "expected weights as safetensors, found none"),
        # beside good ones: somebody would load them
        (
            ["model.safetensors", "old/pytorch_model.bin"],
            "old/pytorch_model.bin: expected weights as safetensors",
        ),
    ],
)
def test_pickled_weights(tmp_path, files, says):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(GiqaError, match=says) as caught:
        model_plan(tmp_path, "me/x")
    assert "save_pretrained" in str(caught.value)


def test_a_token_in_the_recorded_command(run):
    folder = run()
    record = json.loads((folder / "run.json").read_text())
    record["sessions"][0]["arguments"] += ["--token", "hf_" + "a1" * 20]
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(GiqaError, match="README.md: .* looks like an access token"):
        model_plan(folder, "me/x")


@pytest.mark.parametrize("name", ["train.log", "run.sh", "LICENSE", "notes.ipynb", "cfg.toml", "x.csv"])
def test_a_token_in_any_file_of_the_folder(run, name):
    folder = run()
    (folder / "final" / name).write_text("HF_TOKEN=hf_" + "a1" * 20)
    with pytest.raises(GiqaError, match=f"^{name}: .* looks like an access token") as caught:
        model_plan(folder, "me/x")
    assert "a1a1" not in str(caught.value)
