"""A model through lists of opinion scores: figures per list, all photos accounted for, and an interrupted run goes on."""

from __future__ import annotations

import json

import pytest

from giqa_hf.backbones import load_checkpoint
from giqa_hf.benchmark import scored_photos
from giqa_hf.benchmark.comparing import read_entry
from giqa_hf.benchmark.record import SCORES, read_record
from giqa_hf.benchmark.score_reading import FIVE_LEVELS, Q_INSTRUCT
from giqa_hf.benchmark.score_runs import (
    MADE_BY,
    PHOTO_SCORES,
    PROTOCOLS,
    ScoreSet,
    read_photo_scores,
    score_sets,
    scores_text,
)
from giqa_hf.benchmark.scored_photos import score_photos
from giqa_hf.cli.bench_scores import PROTOCOLS as ON_THE_COMMAND_LINE
from giqa_hf.errors import GiqaError
from giqa_hf.first_token import word_tokens
from giqa_hf.metrics.score_correlation.intervals import score_intervals
from giqa_hf.metrics.score_correlation.labels import ScoreLabel
from tests.benchmark.tiny_bench import family


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """So that equal runs are equal to the last bit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def sets(photo, tmp_path):
    """Seven photos in one list, one of them missing, and three in another."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        photo.crop((30 * number, 0, 30 * number + 120 + number, 100)).save(folder / f"{number}.png")
    first = [ScoreLabel(f"{number}.png", 1 + number / 2) for number in range(6)] + [
        ScoreLabel("gone.png", 2.0)
    ]
    second = [ScoreLabel(f"{number}.png", 5.0 - number) for number in (6, 7, 8)]
    return [ScoreSet("koniq", first, folder), ScoreSet("spaq", second, folder)]


def quiet(line):
    pass


def test_the_figures_are_those_of_score_photos(sets, tmp_path):
    result = score_sets(str(family("tiny")), sets, tmp_path / "run", FIVE_LEVELS, batch_size=4, say=quiet)
    assert result["sets"] == json.loads((tmp_path / "run" / SCORES).read_text())["sets"]
    model, processor = load_checkpoint(str(family("tiny")))
    for one in sets:
        direct = score_photos(model, processor, one.labels, one.root, FIVE_LEVELS, batch_size=4)
        told = result["sets"][one.name]
        assert told["figures"]["srcc"] == pytest.approx(direct.correlation.srcc)
        assert told["figures"]["krcc"] == pytest.approx(direct.correlation.krcc)
        assert (told["photos"], told["pairs"]) == (len(one.labels), direct.correlation.pairs)
        assert set(told["unreadable"]) == set(direct.unreadable)
        scores = read_photo_scores(tmp_path / "run" / PHOTO_SCORES)
        ends = score_intervals(
            [scores[one.name, label.image] for label in one.labels], [x.score for x in one.labels]
        )
        assert told["intervals"]["srcc"] == list(ends["srcc"])
        assert "protocol:five levels, 5..1 (" in told["signature"] and f"data:{one.data}" in told["signature"]
        tokens = word_tokens(processor.tokenizer, FIVE_LEVELS.words)
        assert f"|tokens:{tokens.digest}|" in told["signature"]
        for kept in (result["protocol"], read_record(tmp_path / "run", MADE_BY)["run"]["protocol"]):
            read = {name: json.loads(json.dumps(kept[name])) for name in ("words", "token_ids", "tokens")}
            assert read == tokens.to_dict()
    assert result["sets"]["koniq"]["unreadable"]["gone.png"].startswith("photo missing")
    table = scores_text(result)
    assert "6 of 7" in table and "protocol: five levels, 5..1" in table and table.count("95 %") == 2


def rounded(value):
    """To five digits, without what a fit gives.

    A logit's last bit depends on where in memory its numbers lie, and a fit of four parameters to seven photos makes
    that large (both seen).
    """
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items() if "logistic" not in name}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def test_an_interrupted_run_goes_on_and_asks_for_the_missing_photo_again(sets, tmp_path, monkeypatch, photo):
    whole = score_sets(str(family("tiny")), sets, tmp_path / "whole", batch_size=1, say=quiet)
    file = tmp_path / "whole" / PHOTO_SCORES
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:5]) + lines[5][:9])  # the power went off within the sixth line
    asked = []
    read = scored_photos.read_scores
    monkeypatch.setattr(scored_photos, "read_scores", lambda m, p, pictures, *rest, **more: (
        asked.extend(path.name for path in pictures), read(m, p, pictures, *rest, **more))[1])  # fmt: skip
    again = score_sets(str(family("tiny")), sets, tmp_path / "whole", batch_size=1, say=quiet)
    assert rounded(again["sets"]) == rounded(whole["sets"]) and asked == ["5.png", "6.png", "7.png", "8.png"]
    photo.save(sets[0].root / "gone.png")  # it is there now
    asked.clear()
    found = score_sets(str(family("tiny")), sets, tmp_path / "whole", batch_size=1, say=quiet)
    assert asked == ["gone.png"]
    assert found["sets"]["koniq"]["pairs"] == 7 and found["sets"]["koniq"]["unreadable"] == {}


def test_other_opinions_or_words_are_another_run(sets, tmp_path):
    out = tmp_path / "run"
    score_sets(str(family("tiny")), sets[1:], out, say=quiet)
    with pytest.raises(GiqaError, match="expected a run with the same settings, found one with protocol"):
        score_sets(str(family("tiny")), sets[1:], out, FIVE_LEVELS, say=quiet)
    changed = [ScoreSet("spaq", [*sets[1].labels[:2], ScoreLabel("8.png", 3.5)], sets[1].root)]
    with pytest.raises(GiqaError, match="expected a run with the same settings, found one with sets"):
        score_sets(str(family("tiny")), changed, out, say=quiet)
    assert changed[0].data != sets[1].data
    # and it is no run of the benchmark
    assert read_record(out, MADE_BY)["run"]["protocol"]["name"] == Q_INSTRUCT.name
    with pytest.raises(GiqaError, match="expected the folder of a run that `giqa bench` has made"):
        read_entry(out)


def test_lists_that_cannot_be_told_apart(sets, tmp_path):
    for chosen in ([], [sets[0], sets[0]]):
        with pytest.raises(GiqaError, match="expected at least one, and names that differ"):
            score_sets(str(family("tiny")), chosen, tmp_path / "run", say=quiet)


def test_the_command_line_has_the_same_protocols():
    assert tuple(PROTOCOLS) == ON_THE_COMMAND_LINE
