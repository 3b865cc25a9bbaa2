"""The whole loop in miniature: a very small random model, a dozen rows, two steps; stages, files, figures, going on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

import giqa_hf
from giqa_hf import quickstart as module
from giqa_hf.backbones import load_checkpoint
from giqa_hf.errors import GiqaError, MissingExtraError
from giqa_hf.metrics.giqa_bench.compute import giqa_bench
from giqa_hf.quickstart import MADE, Settings, quickstart, table
from giqa_hf.training import to_conversations
from tests.make_tiny_checkpoint import tiny_checkpoint

MINIATURE = Settings(model=str(tiny_checkpoint()), train_scenes=8, test_scenes=4, seed=0)


@pytest.fixture(autouse=True, scope="module")
def _small():
    """One thread, so that equal runs are equal to the last bit; short answers, so that they are fast."""
    threads, tokens = torch.get_num_threads(), module.ANSWER_TOKENS
    torch.set_num_threads(1)
    module.ANSWER_TOKENS = 30
    yield
    torch.set_num_threads(threads)
    module.ANSWER_TOKENS = tokens


class Run:
    """What a run gave, said and wrote."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.lines = []
        self.outcome = quickstart(self.folder, MINIATURE, say=self.lines.append)

    def json(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run from beginning to end; tests only read it."""
    return Run(tmp_path_factory.mktemp("done") / "out")


@pytest.fixture
def copied(done, tmp_path):
    return shutil.copytree(done.folder, tmp_path / "out")


@pytest.fixture
def no_work(monkeypatch):
    """Whoever trains or generates now fails."""

    def refuse(*args, **kwargs):
        raise AssertionError("this was done already")

    monkeypatch.setattr("giqa_hf.training.train", refuse)
    monkeypatch.setattr("giqa_hf.benchmark.generate", refuse)


def test_stages_and_progress_are_told(done):
    text = "\n".join(done.lines)
    # 8 pictures of 3 rows and 4 of 3; 24 rows in batches of 8 are 3 steps.
    for part in (
        "[1/5] data: 8 + 4 pictures",
        "24 rows to tune on, 12 to measure on",
        "[2/5] the model before tuning",
        "12/12 answers",
        "[3/5] tuning with TRL",
        "1/3 steps",
        "3/3 steps",
        "[4/5] the model after tuning",
        "[5/5] GIQA-Bench and the report",
    ):
        start = text.find(part)
        assert start >= 0, part
        text = text[start:]  # in this order
    assert re.search(r"before +after\n", text) and "DES Tag-Recall" in text
    assert text.endswith(
        f"report: {done.folder / 'report.html'}\nmodel:  {done.folder / 'training' / 'final'}"
    )


def test_files(done):
    assert {path.name for path in done.folder.iterdir()} == set(MADE)
    assert done.json("settings.json") == {
        "model": MINIATURE.model,
        "train_scenes": 8,
        "test_scenes": 4,
        "seed": 0,
    }
    assert [step for step, _ in done.json("training/final/loss_curve.json")] == [1, 2, 3]
    tuned = load_checkpoint(str(done.outcome.checkpoint)).model.state_dict()
    base = load_checkpoint(MINIATURE.model).model.state_dict()
    assert any(not torch.equal(tuned[name], base[name]) for name in tuned)


def test_the_figures_are_those_of_the_stored_answers(done):
    rows = load_rows(done.folder)["test"]
    processor = load_checkpoint(str(done.outcome.checkpoint)).processor
    sizes = list(zip(rows["width"], rows["height"], strict=True))
    for name, figures in (("before", done.outcome.before), ("after", done.outcome.after)):
        answers = processor.post_process_grounded_generation(done.json(f"answers-{name}.json"), sizes)
        assert giqa_bench(answers, list(rows.remove_columns("image"))) == figures
        assert done.json("metrics.json")[name] == json.loads(json.dumps(figures))
    assert done.outcome.before["DES mIoU"] is None  # it writes no boxes: not available, not 0


def load_rows(folder):
    from datasets import load_dataset

    assert giqa_hf.__version__
    return load_dataset("giqa-synth", train_scenes=8, test_scenes=4, seed=0, cache_dir=str(folder / "data"))


def test_the_report_holds_samples_figures_and_curve(done):
    page = done.outcome.report.read_text(encoding="utf-8")
    rows = load_rows(done.folder)["test"]
    shown = module._shown(list(rows.remove_columns("image")))
    assert len(shown) == 8 and len({rows[i]["task"] for i in shown}) == 2
    assert page.count("data:image/") == len(shown)
    for i in shown:
        first_words = rows[i]["question"].split("?")[0].split(".")[0]
        assert (
            first_words in page.replace("&#x27;", "'") or rows[i]["question_regions"]
        )  # names are marked up
    assert "Grounding-IQA in small" in page and "not available" in page
    assert "24 rows of giqa-synth" in page and "seed 0" in page and torch.__version__ in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page


def test_started_again_it_does_nothing_twice_and_gives_the_same(copied, done, no_work):
    report = (copied / "report.html").read_bytes()
    again = Run(copied)
    assert again.outcome.before == done.outcome.before and again.outcome.after == done.outcome.after
    assert not any("steps" in line or "12/12" in line for line in again.lines)
    assert (copied / "report.html").read_bytes() == report


def test_perfect_answers_get_perfect_figures(copied, no_work):
    """The true answers put in the place of the model's: the way from answers to figures loses nothing but the grid."""
    processor = load_checkpoint(MINIATURE.model).processor
    rows = to_conversations(load_rows(copied)["test"], processor)
    (copied / "answers-after.json").write_text(
        json.dumps([turn[0]["content"] for turn in rows["completion"]])
    )
    after = Run(copied).outcome.after
    assert after["DES Tag-Recall"] > 0.9 and after["DES mIoU"] > 0.7  # boxes on 20 x 20 cells
    assert after["DES BLEU@4"] == pytest.approx(100) and after["VQA Acc (Y)"] == 1.0


def test_interrupted_before_training_it_goes_on_and_nothing_is_lost(tmp_path, monkeypatch, done):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("giqa_hf.training.train", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Run(tmp_path / "out")
    kept = (tmp_path / "out" / "answers-before.json").stat().st_mtime_ns
    result = Run(tmp_path / "out")
    assert (tmp_path / "out" / "answers-before.json").stat().st_mtime_ns == kept
    assert sum("12/12 answers" in line for line in result.lines) == 1  # those after tuning
    # Another folder, the same settings, an interruption between: the same data, curve, answers and figures.
    assert result.json("training/final/loss_curve.json") == done.json("training/final/loss_curve.json")
    assert result.json("answers-after.json") == done.json("answers-after.json")
    assert result.json("metrics.json") == done.json("metrics.json")
    for split, rows in load_rows(done.folder).items():
        assert rows.data.table.equals(load_rows(tmp_path / "out")[split].data.table)


def test_interrupted_in_the_middle_of_training_it_goes_on_from_there(tmp_path, monkeypatch):
    """Ctrl-C at the end of step 3 of 4, a checkpoint at each second step: it goes on behind step 2."""
    from giqa_hf.training import sft_config

    def four_steps(*args, **overrides):
        return sft_config(*args, **overrides | {"save_steps": 2, "global_batch": 6})

    monkeypatch.setattr("giqa_hf.training.sft_config", four_steps)
    undisturbed = Run(tmp_path / "undisturbed")

    def say(line):
        if "3/4 steps" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quickstart(tmp_path / "out", MINIATURE, say=say)
    assert (tmp_path / "out" / "training" / "checkpoint-2").is_dir()
    result = Run(tmp_path / "out")
    assert [line.split(" steps")[0].strip() for line in result.lines if " steps" in line] == ["3/4", "4/4"]
    assert result.json("training/final/loss_curve.json") == undisturbed.json("training/final/loss_curve.json")
    assert result.json("answers-after.json") == undisturbed.json("answers-after.json")


def refused(out, settings=MINIATURE, **options):
    """The one sentence of a refusal."""
    with pytest.raises(GiqaError) as error:
        quickstart(out, settings, say=lambda line: None, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(**settings):
    return Settings(**{**vars(MINIATURE), **settings})


def test_a_run_with_other_settings_is_told_what_differs(copied, done):
    text = refused(copied, changed(train_scenes=10, seed=7))
    assert "train_scenes 8 (now 10), seed 0 (now 7)" in text and "--fresh" in text and "--out" in text
    assert (copied / "report.html").read_bytes() == done.outcome.report.read_bytes()


def test_places_that_are_not_ours(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "expected a folder, found a file" in refused(tmp_path / "file")
    assert "found other files" in refused(tmp_path)
    assert "found other files" in refused(tmp_path, fresh=True)
    # A settings.json of somebody else's, and one that is no JSON, do not make a folder ours.
    for content in ('{"editor.fontSize": 14}', "[]", "{", ""):
        (tmp_path / "settings.json").write_text(content)
        assert "found other files" in refused(tmp_path, fresh=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_fresh_starts_anew_and_removes_only_what_a_run_makes(copied, monkeypatch):
    (copied / "notes.txt").write_text("mine")
    trained = []

    def stop(*args, **kwargs):
        trained.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("giqa_hf.training.train", stop)
    with pytest.raises(KeyboardInterrupt):
        quickstart(copied, changed(seed=1), fresh=True, say=lambda line: None)
    left = {path.name for path in copied.iterdir()}
    assert trained and left == {"settings.json", "data", "answers-before.json", "notes.txt"}


def test_a_model_that_does_not_load_costs_nothing(copied, tmp_path, done):
    assert "found no such folder" in refused(tmp_path / "new", changed(model=str(tmp_path / "nothing")))
    assert not (tmp_path / "new").exists()
    assert "found no such folder" in refused(copied, changed(model="./nothing"), fresh=True)
    assert (copied / "report.html").read_bytes() == done.outcome.report.read_bytes()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"train_scenes": 0},
            "train_scenes: expected an even number of at least 2 (as many Yes as No), got 0",
        ),
        ({"train_scenes": 7}, "got 7"),
        ({"train_scenes": -2}, "got -2"),
        ({"test_scenes": 0}, "test_scenes: expected an even number"),
        ({"test_scenes": 3}, "got 3"),
        ({"seed": -1}, "seed: expected a number from 0 to 2**32 - 1, got -1"),
        ({"seed": 2**32}, "got 4294967296"),
    ],
)
def test_settings_that_no_run_can_have(settings, words):
    with pytest.raises(GiqaError) as error:
        changed(**settings)
    assert words in str(error.value)


def test_the_smallest_run_there_is(tmp_path):
    outcome = quickstart(tmp_path / "out", changed(train_scenes=2, test_scenes=2), say=lambda line: None)
    assert outcome.report.exists() and outcome.after["counts"]


def test_without_scikit_image_it_says_what_to_install(tmp_path, monkeypatch):
    """datasets hides the error of whoever draws the rows behind one of its own."""
    from giqa_hf.builders.synth import dataset

    def draw(*args, **kwargs):
        raise MissingExtraError("giqa-synth", "synth")

    monkeypatch.setattr(dataset, "make_scene", draw)
    assert 'pip install "giqa-hf[synth]"' in refused(tmp_path / "out")


def test_table_says_what_is_not_available():
    before = {"mIoU": None, "BLEU@4": 0.0, "counts": {}, "settings": {}}
    after = {"mIoU": 0.5, "BLEU@4": 22.87, "counts": {}, "settings": {}}
    assert table({"before": before, "after": after}).splitlines() == [
        "            before       after",
        "mIoU           n/a      0.5000",
        "BLEU@4        0.00       22.87",
    ]
