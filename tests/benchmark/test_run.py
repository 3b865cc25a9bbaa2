"""A run with real models: answers as bare transformers gives them, going on after an interruption, several families."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from giqa_hf.benchmark import generate
from giqa_hf.benchmark.answers import read_answers
from giqa_hf.benchmark.data import load_bench_data
from giqa_hf.benchmark.generate import generate_batch, marks_are_special
from giqa_hf.benchmark.prompts import prompt_of
from giqa_hf.benchmark.reading import reading_of
from giqa_hf.benchmark.record import ANSWERS, REFERENCES, read_record
from giqa_hf.benchmark.run import RunSettings, answer_rows, make_backend, read_references, run_benchmark
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.benchmark.yes_no_logits import FIGURE, FIRST_TOKEN_FILE, FirstTokens, first_token_scores
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.formats import GiqaFormat
from giqa_hf.frames import Frame
from tests.benchmark.tiny_bench import SIZES, family, make_bench
from tests.make_tiny_checkpoint import add_words


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return make_bench(tmp_path_factory.mktemp("bench") / "data")


@pytest.fixture(scope="module")
def settings(bench):
    return RunSettings(model=str(family("llava_next")), data=str(bench), batch_size=3, max_new_tokens=8)


@pytest.fixture(scope="module")
def backend(settings):
    """A LLaVA-NeXT whose weights are large, so that an answer depends on every token and pixel."""
    import torch

    made = make_backend(settings)
    words = [space + word for word in ("Yes", "No", "yes", "no") for space in ("", " ")]
    add_words(made._model, made.processor, words)
    with torch.no_grad():
        for weight in made._model.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    return made


def asked(settings, backend, out, **changed):
    settings = replace(settings, **changed)
    said = []
    data = load_bench_data(settings.data, settings.split, settings.limit)
    reading = reading_of(backend.processor, settings.frame, settings.box_format)
    answer_rows(data, backend, reading, out, settings, say=said.append)
    return said


@pytest.fixture(scope="module")
def whole(settings, backend, tmp_path_factory):
    """A run from beginning to end, with the first tokens too; tests only read it."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    asked(settings, backend, out, first_token=True)
    return out


def texts(out):
    found = read_answers(out / ANSWERS)
    return {row_id: found[row_id].text for row_id in sorted(found)}


def test_answers_are_those_of_generate_one_by_one(whole, backend, bench):
    data = load_bench_data(str(bench))
    alone = {}
    for place, row_id in enumerate(data.ids):
        frame = backend.processor.frame(*data.photo(place).size)
        prompt = prompt_of(data.rows[place], "giqa", GiqaFormat(), frame)
        (alone[row_id],) = generate(
            backend._model, backend.processor, [data.photo(place)], [prompt], max_new_tokens=8
        )
    assert texts(whole) == alone and len(set(alone.values())) > 5  # else order would not matter


def test_the_record_tells_all(whole, bench):
    record = read_record(whole)
    told = record["run"]
    assert told["model"]["name"] == family("llava_next").name and len(told["model"]["sha256"]) == 64
    template = (family("llava_next") / "chat_template.jinja").read_bytes()
    assert told["backend"] == {
        "name": "transformers",
        "dtype": "float32",
        "chat_template_sha256": hashlib.sha256(template).hexdigest(),
    }
    assert told["decoding"]["max_new_tokens"] == 8 and told["decoding"]["do_sample"] is False
    assert told["data"] == load_bench_data(str(bench)).settings()
    assert told["boxes"]["format"]["name"] == "giqa" and told["prompts"]["style"] == "giqa"
    assert record["sessions"][0]["execution"]["batch_size"] == 3
    assert len(read_references(whole)) == 8


def test_a_checkpoint_without_a_chat_template_takes_a_given_one(settings, bench, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(family("llava_next"), folder)
    (folder / "chat_template.jinja").rename(tmp_path / "mine.jinja")
    with pytest.raises(GiqaError, match=r"chat template.*--chat-template"):
        make_backend(replace(settings, model=str(folder)))
    mine = replace(settings, model=str(folder), chat_template=str(tmp_path / "mine.jinja"), limit=1)
    run_benchmark(mine, tmp_path / "run", say=lambda line: None)
    assert len(read_answers(tmp_path / "run" / ANSWERS)) == 1


class Interrupted(Exception):
    """As if somebody pressed Ctrl-C."""


class Stops:
    """A back end that stops after some batches; what it has given until then is real."""

    def __init__(self, inner, batches):
        self.inner, self.batches, self.places = inner, batches, []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def replies(self, asked):
        self.places = list(asked.places)
        for number, replies in enumerate(self.inner.replies(asked)):
            if number == self.batches:
                raise Interrupted
            yield replies


def test_an_interrupted_run_goes_on_and_ends_the_same(settings, backend, whole, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        asked(settings, Stops(backend, 1), out)
    assert len(read_answers(out / ANSWERS)) == 3
    with pytest.raises(GiqaError, match="expected an answer to each of 8 rows, 5 are missing"):
        score_run(out)
    again = Stops(backend, None)
    said = asked(settings, again, out)
    assert len(again.places) == 5 and any("3 answered before" in line for line in said)
    assert texts(out) == texts(whole)
    third = Stops(backend, None)
    asked(settings, third, out)
    assert third.places == []  # nothing was asked
    assert len(read_record(out)["sessions"]) == 3
    assert score_run(out)["figures"] == score_run(whole)["figures"]


def test_a_row_that_failed_is_asked_again(settings, backend, whole, tmp_path):
    out = tmp_path / "run"
    asked(settings, backend, out)
    lines = [json.loads(line) for line in (out / ANSWERS).read_text().splitlines()]
    lines[4].update(answer=None, problem="timed out")
    (out / ANSWERS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert score_run(out)["answers"]["failures"] == {"timed out": 1}
    again = Stops(backend, None)
    asked(settings, again, out)
    assert len(again.places) == 1 and texts(out) == texts(whole)


def test_another_run_in_the_same_folder_is_refused(settings, backend, whole):
    for changed in (
        {"max_new_tokens": 9},
        {"prompt_style": "plain"},
        {"box_format": "normalized"},
        {"limit": 4},
    ):
        with pytest.raises(GiqaError, match="expected a run with the same settings"):
            asked(settings, backend, whole, **changed)


def test_references_that_were_changed_are_not_scored(settings, backend, tmp_path):
    out = tmp_path / "run"
    asked(settings, backend, out, limit=2)
    path = out / REFERENCES
    path.write_text(path.read_text().replace("The cup is sharp", "The cup is blurry"))
    with pytest.raises(DataError, match="found others"):
        score_run(out)
    path.write_text("hello\n")
    with pytest.raises(DataError, match="found none that can be read"):
        score_run(out)


def test_yes_and_no_from_the_first_token(whole, backend, settings, tmp_path):
    """Beside the generated word, under a name of its own."""
    head, *lines = [json.loads(line) for line in (whole / FIRST_TOKEN_FILE).read_text().splitlines()]
    assert {*head["tokens"][0]} >= {"Yes", " Yes", "yes", " yes"} and head["words"] == ["Yes", "No"]
    written = [backend.processor.tokenizer.convert_ids_to_tokens(ids) for ids in head["token_ids"]]
    assert written == head["tokens"] and len(lines) == 4
    probabilities = {line["id"]: line["p_yes"] for line in lines}
    assert len(probabilities) == 4 and all(0 <= p <= 1 for p in probabilities.values())
    scores = score_run(whole)
    yes = {"000001:photo-0": True, "000002:photo-0": False, "000005:photo-1": True, "000006:photo-1": False}
    right = sum((probabilities[row_id] > 0.5) == truth for row_id, truth in yes.items())
    assert scores["first_token"]["figures"] == {FIGURE: right / 4}
    assert scores["first_token"]["counts"] == {"yes_no": 4, "correct": right, "undecided": 0}
    assert {name: scores["first_token"][name] for name in head} == head
    assert FIGURE not in scores["figures"] and "VQA Acc (Y)" in scores["figures"]
    asked(settings, backend, tmp_path / "without")
    assert "first_token" not in score_run(tmp_path / "without")


def test_first_tokens_by_hand():
    """P(Yes) 0.9 and 0.2 are right, 1/2 and NaN are undecided: 2 of 4; per photo 2 of 2 and 0 of 2."""
    rows = [
        {"id": n, "question_type": "yes_no", "answer": answer, "image_id": image}
        for n, answer, image in (("a", "Yes.", "1"), ("b", "No.", "1"), ("c", "No.", "2"), ("d", "Yes.", "2"))
    ]
    other = {"id": "e", "question_type": "what", "answer": "The cup.", "image_id": "3"}
    head = {"words": ["Yes", "No"], "token_ids": [[1], [2]], "tokens": [["Yes"], ["No"]]}
    found = first_token_scores(FirstTokens(head, {"a": 0.9, "b": 0.2, "c": 0.5, "d": None}), [*rows, other])
    assert found["figures"] == {FIGURE: 0.5} and found["intervals"] == {FIGURE: [0.0, 1.0]}
    assert found["counts"] == {"yes_no": 4, "correct": 2, "undecided": 2}
    with pytest.raises(DataError, match="1 are missing"):
        first_token_scores(FirstTokens(head, {"a": 0.9, "b": 0.2, "c": 0.5}), rows)
    assert first_token_scores(FirstTokens(head, {}), [other])["figures"] == {FIGURE: None}
    cannot = first_token_scores(FirstTokens({"problem": "alike"}, {}), rows)
    assert cannot["figures"] == {FIGURE: None} and cannot["intervals"] == {FIGURE: None}
    assert cannot["counts"] == {"yes_no": 4, "correct": 0, "undecided": 4} and cannot["problem"] == "alike"


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_first_tokens_go_on_after_an_interruption(whole, backend, settings, tmp_path, monkeypatch):
    """The third of four is cut short: it and the fourth are asked again, and nothing else."""
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / FIRST_TOKEN_FILE
    head, *rows = lines_of(path)
    path.write_bytes(head + rows[0] + rows[1] + rows[2][:9])
    asked_places = []
    real = backend.yes_probabilities
    monkeypatch.setattr(
        backend, "yes_probabilities", lambda a, tokens: [asked_places.extend(a.places), real(a, tokens)][1]
    )
    asked(settings, backend, out, first_token=True)
    now = [json.loads(line) for line in lines_of(path)]
    assert (
        len(asked_places) == 2
        and len(now) == 5
        and now[:3] == [json.loads(line) for line in (head, *rows[:2])]
    )
    truth = {line["id"]: line["p_yes"] for line in map(json.loads, rows)}
    assert {line["id"]: line["p_yes"] for line in now[1:]} == pytest.approx(truth, abs=1e-5)
    asked(settings, backend, out, first_token=True)
    assert len(asked_places) == 2  # all are there
    path.write_bytes(head[:5])  # the power went off within the first line
    asked(settings, backend, out, first_token=True)
    assert len(asked_places) == 6 and len(lines_of(path)) == 5


def test_first_tokens_are_on_disk_as_they_come(whole, backend, settings, tmp_path, monkeypatch):
    out = shutil.copytree(whole, tmp_path / "run")
    (out / FIRST_TOKEN_FILE).unlink()
    real = backend.yes_probabilities

    def one_by_one(asked_for, tokens):
        for number, place in enumerate(asked_for.places):
            if number == 3:
                raise Interrupted
            yield from real(replace(asked_for, places=[place]), tokens)

    monkeypatch.setattr(backend, "yes_probabilities", one_by_one)
    with pytest.raises(Interrupted):
        asked(settings, backend, out, first_token=True)
    assert len(lines_of(out / FIRST_TOKEN_FILE)) == 1 + 3
    with pytest.raises(DataError, match="1 are missing"):
        score_run(out)


def test_a_model_whose_first_token_tells_nothing_keeps_its_words(settings, tmp_path):
    """As giqa-tiny: " Yes" begins with a lone space, " No" is a token."""
    plain = make_backend(settings)
    add_words(plain._model, plain.processor, [" No"])
    said = asked(settings, plain, tmp_path / "run", first_token=True)
    (told,) = [line for line in said if FIGURE in line]
    assert told.startswith(f"no {FIGURE}: ") and "(Ġ,  No)" in told
    scores = score_run(tmp_path / "run")
    assert str(family("llava_next")) not in scores["first_token"]["problem"]
    assert scores["first_token"]["figures"] == {FIGURE: None} and told.endswith(
        scores["first_token"]["problem"]
    )
    assert scores["answers"]["rows"] == 8 and scores["figures"]["VQA Acc (Y)"] is not None
    assert asked(settings, plain, tmp_path / "run", first_token=True)[-1] == told  # and again


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda head, rows: [head.replace(b'"No"', b'"Na"'), *rows], "read from the tokens"),
        (lambda head, rows: rows, "expected a line with the tokens"),
        (lambda head, rows: [head, b"hello\n", *rows], "line 2: expected P"),
        (lambda head, rows: [head, head, *rows], "expected a line with the tokens"),
    ],
)
def test_a_damaged_file_of_first_tokens(whole, backend, settings, tmp_path, change, words):
    out = shutil.copytree(whole, tmp_path / "run")
    head, *rows = lines_of(out / FIRST_TOKEN_FILE)
    (out / FIRST_TOKEN_FILE).write_bytes(b"".join(change(head, rows)))
    with pytest.raises(DataError, match=words):
        asked(settings, backend, out, first_token=True)


def test_boxes_of_a_padding_model_are_read_in_its_frame(bench, tmp_path):
    """Its answers keep the padded frame, so scoring needs no processor."""
    out = tmp_path / "run"
    run_benchmark(
        RunSettings(model=str(family("padding")), data=str(bench), max_new_tokens=4, limit=5),
        out,
        say=lambda line: None,
    )
    frames = {row_id: answer.frame for row_id, answer in read_answers(out / ANSWERS).items()}
    assert frames["000000:photo-0"] == Frame.square_pad(SIZES[0], 240)
    assert frames["000004:photo-1"] == Frame.square_pad(SIZES[1], 240)
    scores = score_run(out)
    assert scores["figures"]["DES mIoU"] is None  # it never tries a box: N/A, not 0
    assert scores["figures"]["DES LLM-Score[lexical]"] is not None


def test_special_tokens_that_mark_boxes_stay(backend, bench):
    """The same answer with and without special tokens; the end and the padding are left out in both."""
    model, processor = backend._model, backend.processor
    tokenizer = processor.tokenizer
    image = Image.linear_gradient("L").convert("RGB")
    (plain,) = generate_batch(model, processor, [image], ["Why?"], max_new_tokens=6)
    wrote = tokenizer(plain.text, add_special_tokens=False).input_ids
    token = tokenizer.convert_ids_to_tokens(wrote[:1])[0]
    tokenizer.add_special_tokens({"additional_special_tokens": [token]})
    (skipped,) = generate_batch(model, processor, [image], ["Why?"], max_new_tokens=6)
    (kept,) = generate_batch(model, processor, [image], ["Why?"], max_new_tokens=6, special_tokens=True)
    assert token in kept.text and token not in skipped.text
    assert tokenizer.eos_token not in kept.text and tokenizer.pad_token not in kept.text
    assert not marks_are_special(GiqaFormat()) and not marks_are_special(None)


IMPOSSIBLE = {
    "no rows per batch": ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    "no tokens": ({"max_new_tokens": 0}, "max_new_tokens: expected at least 1"),
    "another back end": (
        {"backend": "tgi"},
        "backend: expected one of transformers, vllm, endpoint, got 'tgi'",
    ),
    "another style": (
        {"prompt_style": "loud"},
        "prompt style: expected one of giqa, plain, grounding, got 'loud'",
    ),
    "an endpoint without address": ({"backend": "endpoint"}, "url: expected an address"),
    "an address without endpoint": (
        {"url": "http://x"},
        "url: expected an address with the back end endpoint",
    ),
    "logits of a server": (
        {"backend": "endpoint", "url": "http://x", "first_token": True},
        "first token: expected",
    ),
    "a server has its own template": (
        {"backend": "endpoint", "url": "http://x", "chat_template": "x.jinja"},
        "chat template: expected the back end transformers, got 'endpoint'",
    ),
    "a second processor": ({"processor": "x"}, "processor: expected none with transformers"),
}


@pytest.mark.parametrize("options, said", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_settings_that_cannot_be(options, said):
    with pytest.raises(DataError) as error:
        RunSettings(model="m", **options)
    assert str(error.value).startswith(said)
