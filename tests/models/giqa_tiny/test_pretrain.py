"""The base's lessons: places in words, no box notation, the loss on answers alone; and a training in miniature."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from giqa_hf.benchmark import load_checkpoint
from giqa_hf.benchmark.generate import chat_prompt
from giqa_hf.builders.questions import STEMS
from giqa_hf.builders.synth.scenes import make_scene
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.models.giqa_tiny import architecture, pretrain
from giqa_hf.models.giqa_tiny.tower import PatchLabels, patch_labels
from tests.make_tiny_checkpoint import SMALLER, tiny_checkpoint

GRID = Grid()
IGNORED = -100


@pytest.fixture(scope="module")
def scenes():
    return [make_scene("train", np.random.default_rng([5, number])) for number in range(12)]


@pytest.fixture(scope="module")
def lessons(scenes):
    """Five lessons on each of a dozen scenes: (scene, question, answer)."""
    rng = np.random.default_rng(6)
    return [(scene, *turn) for scene in scenes for _ in range(5) for turn in pretrain.turns(scene, rng, GRID)]


# Cells of the 20 x 20 grid: columns floor(20 x1) to ceil(20 x2) - 1, rows likewise.
PLACES = [
    ([[0.0, 0.0, 0.5, 0.25]], "row 0 column 0 to row 4 column 9"),
    ([[0.99, 0.99, 1.0, 1.0]], "row 19 column 19 to row 19 column 19"),
    (
        [[0.1, 0.2, 0.3, 0.4], [0.5, 0.0, 1.0, 0.05]],
        "row 4 column 2 to row 7 column 5 and row 0 column 10 to row 0 column 19",
    ),
]


@pytest.mark.parametrize(("boxes", "words"), PLACES)
def test_places_in_words(boxes, words):
    assert pretrain.place(np.array(boxes), GRID) == words


def test_places_stand_behind_their_names():
    grounded = GroundedText(
        "The cup and the plate are sharp.",
        [Region("cup", (4, 7), [[0.0, 0.0, 0.5, 0.25]]), Region("plate", (16, 21), [[0.5, 0.5, 1.0, 1.0]])],
    )
    assert pretrain.placed(grounded, GRID) == (
        "The cup at row 0 column 0 to row 4 column 9 and the plate at row 10 column 10 to row 19 column 19 are sharp."
    )


def test_the_base_sees_neither_boxes_nor_the_benchs_questions(lessons):
    """Else "before tuning" would not be what the paper calls a general model."""
    for _, question, answer in lessons:
        assert not re.search(r"[\[\]<>]|\d\.\d", question + answer)
        if not question.startswith(STEMS):  # the requests for a description, of which some begin with "What"
            assert not re.match(r"(what|which|why|how|is|are|does|do|can)\b", question.lower())
        assert not re.match(r"(yes|no)\b", answer.lower())
        assert answer.strip() and answer[0].isupper() and answer.endswith(".")


def test_every_place_is_that_of_a_thing_in_the_scene(lessons):
    spot = r"row \d+ column \d+ to row \d+ column \d+"
    for scene, question, answer in lessons:
        true = {pretrain.place(thing.boxes_norm, GRID) for thing in scene.objects}
        said = re.findall(rf"{spot}(?: and {spot})*", f"{question} | {answer}")
        assert set(said) <= true


def test_where_questions_are_answered_with_the_place_of_that_thing(lessons):
    asked = 0
    for scene, question, answer in lessons:
        if match := re.fullmatch(r"Where (?:is|are) the (.+)\?", question):
            (thing,) = [thing for thing in scene.objects if thing.name == match[1]]
            assert answer == f"At {pretrain.place(thing.boxes_norm, GRID)}."
            asked += 1
    assert asked > 10


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(tiny_checkpoint())


def test_the_loss_is_on_the_answers_and_their_end_tokens(processor):
    tokenizer = processor.tokenizer
    ids, labels = pretrain._encode(
        tokenizer, [["How?", "Sharp."], ["Where is it?", "At row 1."]], image_tokens=25
    )
    assert len(ids) == len(labels)
    assert all(label in (token, IGNORED) for token, label in zip(ids, labels, strict=True))
    assert tokenizer.decode([label for label in labels if label != IGNORED]) == " Sharp.</s> At row 1.</s>"
    text = tokenizer.decode(ids)
    assert (
        text
        == "USER: "
        + "<image>" * 25
        + "\nHow? ASSISTANT: Sharp.</s>USER: Where is it? ASSISTANT: At row 1.</s>"
    )


def test_a_lesson_begins_as_a_question_does_later(processor, photo):
    """The base learns on the very tokens that fine-tuning and generation use."""
    ids, labels = pretrain._encode(processor.tokenizer, [["How sharp is it?", "Very."]], image_tokens=25)
    asked = processor(images=photo, text=chat_prompt(processor, "How sharp is it?"), add_special_tokens=False)
    prompt = list(np.ravel(asked["input_ids"]))
    assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {IGNORED}


def test_pixels_are_those_of_the_processor(processor, scenes):
    squashed = [scene.image.resize((160, 160), 3) for scene in scenes[:2]]
    ours = pretrain._normalised(np.stack([np.asarray(image) for image in squashed]))
    theirs = processor.image_processor([scene.image for scene in scenes[:2]], return_tensors="pt")[
        "pixel_values"
    ]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_places_are_told_by_cell_too():
    """Row 3, column 5 is cell 3 * 20 + 5 = 65; row 7, column 9 is 7 * 20 + 9 = 149."""
    told = pretrain._in_cells("At row 3 column 5 to row 7 column 9 and row 0 column 0 to row 19 column 19.")
    assert told == "At cell 65 to cell 149 and cell 0 to cell 399."
    assert pretrain._in_cells(f"Look. {pretrain.PLACE_REQUEST}") == f"Look. {pretrain.CELL_REQUEST}"


def test_a_shortened_lesson_keeps_the_description(monkeypatch):
    monkeypatch.setattr(pretrain, "CELL_SHARE", 0.0)
    rng = np.random.default_rng(0)
    long = [f"Describe it. {pretrain.PLACE_REQUEST}", "A" * 200]
    lesson = [["Where?", "At row 1."], long, ["Describe the cup.", "Clean."]]
    for _ in range(20):
        kept = pretrain._shortened([lesson], rng)
        assert len(kept) == 2 and long in kept and all(turn in lesson for turn in kept)
    plain = [["Describe it.", "A" * 200], *lesson[::2]]
    assert pretrain._shortened([plain], rng) == plain  # short enough as it is


def test_mirroring_labels():
    names, families = np.zeros((1, 10, 10), np.uint8), np.zeros((1, 10, 10), np.uint8)
    boxes = np.zeros((1, 10, 10, 4), np.float16)
    names[0, 2, 1], families[0, 2, 1], boxes[0, 2, 1] = 7, 3, (0.125, 0.25, 0.25, 0.5)
    labels = PatchLabels(names, families, boxes)
    turned = pretrain._mirrored(labels)
    # Column 1 of 0..9 becomes column 8; x from 0.125..0.25 becomes 0.75..0.875.
    assert turned.names[0, 2, 8] == 7 and turned.families[0, 2, 8] == 3 and turned.names.sum() == 7
    assert turned.boxes_norm[0, 2, 8].tolist() == [0.75, 0.25, 0.875, 0.5]
    assert np.count_nonzero(turned.boxes_norm) == 4
    assert all(np.array_equal(a, b) for a, b in zip(pretrain._mirrored(turned), labels, strict=True))


def test_patch_labels_name_what_lies_under_the_centre_of_a_patch(scenes):
    for scene in scenes:
        labels = patch_labels(scene)
        for row, column in np.argwhere(labels.names > 0):
            x, y = (column + 0.5) / 10, (row + 0.5) / 10
            x1, y1, x2, y2 = labels.boxes_norm[row, column].astype(float)
            assert x1 - 1e-3 <= x <= x2 + 1e-3 and y1 - 1e-3 <= y <= y2 + 1e-3  # float16 has 11 bits
        assert not labels.boxes_norm[labels.names == 0].any() and not labels.families[labels.names == 0].any()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A pool of 50 scenes in one shard, its features numbered by scene."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "SHARD", 50)
        pretrain._build_shard(folder, 0, lessons=2)
    return folder


def test_batches_pair_each_picture_with_its_own_lesson(work, tmp_path, monkeypatch, processor):
    monkeypatch.setattr(pretrain, "SHARD", 50)
    lessons = [[[["Which scene?", f"Scene {number}."]]] for number in range(50)]
    (tmp_path / "lessons-000.json").write_text(json.dumps(lessons))
    np.save(
        tmp_path / "features-000.npy", np.arange(50, dtype=np.float16)[:, None, None] * np.ones((1, 100, 1))
    )
    seen = []
    stream = pretrain.batches(tmp_path, processor.tokenizer, 1, np.random.default_rng(0))
    for batch, _ in zip(stream, range(50), strict=False):
        (number,) = batch["features"][:, 0, 0].tolist()
        learned = batch["labels"][batch["labels"] != IGNORED]
        assert processor.tokenizer.decode(learned) == f" Scene {int(number)}.</s>"
        assert (batch["input_ids"] == processor.image_token_id).sum() == 100
        seen.append(int(number))
    assert sorted(seen) == list(range(50))  # every scene once before any comes again


def test_padding_is_neither_seen_nor_learned(tmp_path, monkeypatch, processor):
    monkeypatch.setattr(pretrain, "SHARD", 100)
    lessons = [[[["Go on?", "On " * (number % 7 + 1) + "."]]] for number in range(100)]
    (tmp_path / "lessons-000.json").write_text(json.dumps(lessons))
    np.save(tmp_path / "features-000.npy", np.zeros((100, 100, 1), np.float16))
    batch = next(pretrain.batches(tmp_path, processor.tokenizer, 2, np.random.default_rng(0)))
    padding = batch["input_ids"] == processor.tokenizer.pad_token_id
    assert torch.equal(padding, batch["attention_mask"] == 0) and (batch["labels"][padding] == IGNORED).all()


def test_a_training_in_miniature_gives_a_checkpoint_and_goes_on(work, tmp_path, monkeypatch, capsys):
    """Half a second each for tower and text; the narrow model needs patches of 16, for the tower's labels."""
    monkeypatch.setattr(pretrain, "SHARD", 50)
    narrow = {name: size for name, size in SMALLER.items() if name != "PATCH_PX"}
    for name, size in narrow.items():
        monkeypatch.setattr(architecture, name, size)
    monkeypatch.setattr("giqa_hf.models.giqa_tiny.tower.WIDTH", narrow["WIDTH"])
    out = tmp_path / "out"
    pretrain.pretrain(work, out, minutes=0.01, size=1, peak=1e-3, bf16=False, tower_minutes=0.005)
    said = capsys.readouterr().out
    assert "parameters" in said and "tower: seen" in said
    model = load_checkpoint(str(out)).model
    assert (out / "model.safetensors").stat().st_size < 3 * model.num_parameters()  # half precision
    tower = {name: tensor for name, tensor in model.state_dict().items() if "vision_tower" in name}
    stored = torch.load(work / "tower.pt", weights_only=True)["tower"]
    for name, tensor in stored.items():  # the tower of the first stage, untouched by the second
        mine = next(value for key, value in tower.items() if key.endswith(name))
        assert torch.allclose(mine, tensor, atol=1e-3, rtol=1e-3)
    # Started again, the finished tower is not trained further, and its features are taken as they are.
    pretrain.pretrain(work, out, minutes=0.005, size=1, peak=1e-3, bf16=False, tower_minutes=0.005)
    assert "tower:" not in capsys.readouterr().out
