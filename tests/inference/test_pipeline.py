"""The pipeline with a real model of random weights: what goes in, what comes out, and what fails alone."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image

import giqa_hf.inference.pipeline as pipeline_module
from giqa_hf.benchmark.generate import Done, Said, Token
from giqa_hf.errors import GiqaError
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.inference import ABOUT_REGION, DESCRIBE, FailedAnswer, GroundedAnswer, GroundingPipeline
from giqa_hf.inference import grounding_pipeline as load
from tests.make_tiny_checkpoint import make_parts, tiny_checkpoint

QUARTER = "[this region](<0,189>)"
"""Cells 0 to 189 of 20 x 20: columns 0..9 and rows 0..9 (189 = 9 * 20 + 9), the upper left quarter."""


@pytest.fixture(scope="module")
def pipe():
    """Random weights, but large ones, so that answers depend on the prompt and the picture."""
    model, processor = make_parts(seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    return GroundingPipeline(model, processor, batch_size=3, max_new_tokens=6)


@pytest.fixture(scope="module")
def photos(photo):
    return [photo.crop((x, x // 2, x + 150, x // 2 + 100)) for x in range(0, 350, 50)]


def text_tokens(processor, text):
    """The tokens of a text, with probabilities 0.9, 0.8, 0.7, 0.9, ... in turn."""
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    return tuple(map(Token, ids, itertools.cycle(np.log([0.9, 0.8, 0.7]).tolist())))


@pytest.fixture
def scripted(pipe, monkeypatch):
    """The pipeline around a model that answers as told; the prompts that reached it."""
    prompts_seen = []

    def answering(text, cut_off=False):
        def batches(model, processor, image_of, prompts, order, **options):
            prompts_seen.extend(prompts[place] for place in order)
            for place in order:
                assert image_of(place).mode == "RGB"
                yield [Done(place, Said(text, cut_off, text_tokens(processor, text)))]

        monkeypatch.setattr(pipeline_module, "generate_batches", batches)
        return prompts_seen

    return answering


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_one_picture_in_every_shape_that_is_taken(pipe, photos, tmp_path):
    (tmp_path / "a.png").write_bytes(png(photos[0]))
    shapes = {
        "path": tmp_path / "a.png",
        "string": str(tmp_path / "a.png"),
        "bytes": png(photos[0]),
        "file": io.BytesIO(png(photos[0])),
        "PIL": photos[0],
        "array": np.asarray(photos[0]),
    }
    answers = {name: pipe(shape) for name, shape in shapes.items()}
    assert all(isinstance(answer, GroundedAnswer) for answer in answers.values())
    assert len({answer.raw for answer in answers.values()}) == 1
    for answer in answers.values():  # also of the file, which was read to its end before
        assert answer.draw().size == (150, 100) and answer.image_wh == (150, 100)
    assert answers["path"].prompt == DESCRIBE and answers["path"].seconds > 0


def test_a_batch_answers_as_one_by_one_and_in_order(pipe, photos):
    questions = ["Why?", "Is the coffee cup sharp?", None, "How is it?", "Why is that?", "Is it?", "What?"]
    alone = [pipe(photo, question) for photo, question in zip(photos, questions, strict=True)]
    assert len({answer.raw for answer in alone}) > 3, "else the order could not be seen"
    told = []
    together = pipe(photos, questions, progress=lambda *n: told.append(n))
    assert [answer.raw for answer in together] == [answer.raw for answer in alone]
    assert [answer.prompt for answer in together] == [question or DESCRIBE for question in questions]
    assert told == [(n, 7) for n in range(1, 8)]
    for one, other in zip(alone, together, strict=True):
        assert np.allclose([s or 0 for s in one.scores], [s or 0 for s in other.scores], atol=1e-4)
    streamed = pipe.iter(iter(photos), iter(questions), batch_size=1)
    assert [answer.raw for answer in streamed] == [answer.raw for answer in alone]


def test_streaming_reads_no_further_than_four_batches_ahead(pipe, photos):
    taken = []
    endless = (taken.append(n) or photos[n % 7] for n in itertools.count())
    answers = pipe.iter(endless, "Why?", batch_size=2)
    assert taken == []
    first = next(answers)
    assert len(taken) == 8 and first.raw == pipe(photos[0], "Why?").raw


def test_one_bad_picture_of_a_hundred(pipe, photos):
    pictures = [photos[0].resize((16 + n, 40)) for n in range(100)]
    pictures[37] = b"no picture at all"
    answers = pipe(pictures, "Why?", batch_size=50, max_new_tokens=1)
    assert [place for place, answer in enumerate(answers) if not answer] == [37]
    assert isinstance(answers[37], FailedAnswer) and "expected one of JPEG" in answers[37].error
    assert [a.image_wh for a in answers if a] == [(16 + n, 40) for n in range(100) if n != 37]


FAILING = {
    # what is asked -> what is said of it
    "address": (("https://example.org/a.png",), {}, "is an address, expected the path of a picture file"),
    "missing": (("nowhere.png",), {}, "nowhere.png does not exist"),
    "cut": ((png(Image.effect_noise((90, 90), 50))[:2000],), {}, "is damaged or cut short"),
    "small": ((np.zeros((15, 40), np.uint8),), {}, "is 40 x 15 pixels, expected at least 16 a side"),
    "outside": (
        (np.zeros((40, 40, 3), np.uint8),),
        {"region_px": (0, 0, 41, 9)},
        "region_px: expected a box inside the picture, which is 40 x 40, got [0.0, 0.0, 41.0, 9.0]",
    ),
    "placeholder": (
        (np.zeros((40, 40), np.uint8), "Is <image> sharp?"),
        {},
        "placeholder for pictures, '<image>'",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_data_never_raises(pipe, name):
    arguments, options, words = FAILING[name]
    answer = pipe(*arguments, **options)
    assert isinstance(answer, FailedAnswer) and words in answer.error and not answer


WRONG = {
    "a number as picture": (((3,), {}), TypeError, "got int"),
    "a row as picture": ((({"image": 3},), {}), TypeError, "got dict"),
    "a list in a list": ((([["a.png"]],), {}), TypeError, "one picture in each place, got list"),
    "floats": (((np.zeros((40, 40, 3)),), {}), ValueError, "got float64"),
    "colours first": (((np.zeros((3, 40, 40), np.uint8),), {}), ValueError, "of shape (3, 40, 40)"),
    "a number as question": ((("a.png", 3), {}), TypeError, "got int"),
    "questions": (((["a.png", "b.png"], ["Why?"]), {}), ValueError, "one for each of 2, got 1"),
    "both regions": ((("a.png",), {"region_px": [0, 0, 9, 9], "region_norm": [0, 0, 1, 1]}), ValueError, "both"),
    "three numbers": ((("a.png",), {"region_px": [0, 0, 9]}), ValueError, "x1 < x2"),
    "corners": ((("a.png",), {"region_px": [9, 0, 0, 9]}), ValueError, "x1 < x2 and y1 < y2"),
    "NaN": ((("a.png",), {"region_px": [0, 0, 9, float("nan")]}), ValueError, "x1 < x2"),
    "no box": ((("a.png",), {"region_px": []}), ValueError, "expected a box"),
    "pixels as shares": ((("a.png",), {"region_norm": [0, 0, 40, 30]}), ValueError, "which is 1 x 1"),
    "a phrase that is not there": (
        (("a.png", "Is it sharp?"), {"region_norm": [0, 0, 1, 1], "phrase": "cup"}),
        ValueError,
        "expected words of the question 'Is it sharp?', got 'cup'",
    ),
    "batch size": ((("a.png",), {"batch_size": 0}), ValueError, "batch_size: expected a whole number"),
    "limit": ((("a.png",), {"max_new_tokens": True}), ValueError, "got True"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_raises_at_once(pipe, name, monkeypatch):
    (arguments, options), kind, words = WRONG[name]
    monkeypatch.setattr(pipeline_module, "generate_batches", None)  # no model is asked
    with pytest.raises(kind) as raised:
        pipe(*arguments, **options)
    assert words in str(raised.value)


REFERRING = {
    # question, options -> prompt; the picture is 200 x 100, the region its upper left quarter in every row
    "alone": (None, {"region_px": (0, 0, 100, 50)}, ABOUT_REGION.replace("this region", QUARTER)),
    "in 0..1": (
        "Is This Region sharp?",
        {"region_norm": (0, 0, 0.5, 0.5)},
        "Is [This Region](<0,189>) sharp?",
    ),
    "not named": ("Is it sharp?", {"region_px": [[0, 0, 100, 50]]}, f"About {QUARTER}: Is it sharp?"),
    "a name": (
        "How is the cup, the cup?",
        {"region_px": np.array([0, 0, 100, 50]), "phrase": "cup"},
        "How is the [cup](<0,189>), the cup?",
    ),
    "a name, not within a word": (
        "Is the cupboard cup sharp? And the cup_board Cup?",
        {"region_px": (0, 0, 100, 50), "phrase": "Cup"},
        "Is the cupboard [cup](<0,189>) sharp? And the cup_board Cup?",
    ),
    "a name, only within a word": (
        "Are the teacups sharp?",
        {"region_px": (0, 0, 100, 50), "phrase": "cup"},
        "Are the tea[cup](<0,189>)s sharp?",
    ),
    "a name without blanks": (
        "杯子清楚吗?",
        {"region_px": (0, 0, 100, 50), "phrase": "杯子"},
        "[杯子](<0,189>)清楚吗?",
    ),
    "a name that ends in no letter": (
        "Is the cup (blue)s or the cup (blue) sharp?",
        {"region_px": (0, 0, 100, 50), "phrase": "(blue)"},
        "Is the cup [(blue)](<0,189>)s or the cup (blue) sharp?",
    ),
    "an accent is of its word": (  # written as e and a combining accent
        "Is the cafe\u0301 or the cafe sharp?",
        {"region_px": (0, 0, 100, 50), "phrase": "cafe"},
        "Is the cafe\u0301 or the [cafe](<0,189>) sharp?",
    ),
    "letters of another length in lower case": (
        "İİ: is the cup sharp?",
        {"region_px": (0, 0, 100, 50), "phrase": "cup"},
        "İİ: is the [cup](<0,189>) sharp?",
    ),
    "this region within a word": (
        "Is this regional train sharp?",
        {"region_px": (0, 0, 100, 50)},
        f"About {QUARTER}: Is this regional train sharp?",
    ),
    "two boxes": (  # 210 = 10 * 20 + 10, 399 the last one: the lower right quarter
        "Is this region sharp?",
        {"region_px": [(0, 0, 100, 50), (100, 50, 200, 100)]},
        "Is [this region](<0,189>,<210,399>) sharp?",
    ),
    "brackets are escaped": (
        "Is this region](<3,4>) sharp?",
        {"region_px": (0, 0, 100, 50)},
        rf"Is {QUARTER}]\(<3,4>) sharp?",
    ),
    "own boxes": (
        GroundedText("Is the cup sharp?", [Region("cup", (7, 10), [[0, 0, 0.5, 0.5]])]),
        {},
        "Is the [cup](<0,189>) sharp?",
    ),
}


@pytest.mark.parametrize("name", REFERRING)
def test_a_region_in_the_question(pipe, scripted, name):
    question, options, prompt = REFERRING[name]
    prompts = scripted("Blurred.")
    answer = pipe(Image.new("RGB", (200, 100)), question, **options)
    assert answer.text == "Blurred." and prompts == [prompt] == [answer.prompt]


def test_regions_of_a_batch(pipe, scripted):
    two = [Image.new("RGB", (200, 100)), Image.new("RGB", (400, 200))]
    prompts = scripted("Blurred.")
    for regions in ([(0, 0, 100, 50), [(0, 0, 200, 100)]], [None, (0, 0, 200, 100)]):
        pipe(two, "Is this region sharp?", region_px=regions)
    pipe(two, "Is this region sharp?", region_norm=(0, 0, 0.5, 0.5))
    plain, marked = "Is this region sharp?", f"Is {QUARTER} sharp?"
    assert sorted(prompts[:2]) == [marked, marked] and sorted(prompts[2:4]) == [marked, plain]
    assert prompts[4:] == [marked, marked]


def test_a_region_that_the_model_does_not_see(pipe):
    """Of 400 x 100, cut to a centred square, it sees x from 150 to 250."""
    from transformers import CLIPImageProcessor

    model, processor = make_parts()
    crop = {"height": 240, "width": 240}
    processor.image_processor = CLIPImageProcessor(size={"shortest_edge": 240}, crop_size=crop)
    blind = GroundingPipeline(model, processor, max_new_tokens=1)
    answers = blind([Image.new("RGB", (400, 100))] * 2, region_px=[(0, 0, 100, 100), (150, 0, 250, 100)])
    assert "expected the model to see at least half of box [0.0, 0.0, 0.25, 1.0], got 0%" in answers[0].error
    assert answers[1]


ANSWER = "The [cup](<0,189>,<210,399>) is sharp, the [plate](<7>) is not."


def test_what_an_answer_holds(pipe, scripted):
    scripted(ANSWER, cut_off=True)
    answer = pipe(Image.new("RGB", (200, 100)), "Why?")
    assert answer.text == "The cup is sharp, the plate is not." and answer.raw == ANSWER and answer.cut_off
    # Centres of the first and last cells (Eq. 2): (0.5 / 20, 9.5 / 20) and (10.5 / 20, 19.5 / 20) of 200 x 100.
    assert answer.boxes_px.tolist() == [[5, 2.5, 95, 47.5], [105, 52.5, 195, 97.5]]
    assert answer.phrases == ["cup", "cup"] and [issue.raw for issue in answer.issues] == ["<7>"]
    plain = json.loads(json.dumps(answer.to_dict()))
    cup, plate = plain["regions"]
    assert cup["boxes_px"] == answer.boxes_px.tolist() and cup["span"] == [4, 7] and plate["boxes_px"] == []
    assert cup["scores"] == list(answer.scores) and plate["scores"] == []
    assert (plain["image_wh"], plain["prompt"], plain["raw"]) == ([200, 100], "Why?", ANSWER)
    first, second = answer.to_coco("a.png", first_id=5)
    assert (first["id"], second["id"], first["image_id"], first["span"]) == (5, 6, "a.png", [4, 7])
    assert first["bbox"] == [5, 2.5, 90, 45] and first["area"] == 4050 and second["score"] == answer.scores[1]
    drawn = np.asarray(answer.draw())
    assert drawn.shape == (100, 200, 3) and drawn.any()


def test_drawing_a_file_that_has_changed(pipe, scripted, tmp_path):
    scripted(ANSWER)
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    answer = pipe(tmp_path / "a.png")
    Image.new("RGB", (100, 200)).save(tmp_path / "a.png")
    with pytest.raises(GiqaError, match=r"a.png is 100 x 200 pixels, expected 200 x 100 as when"):
        answer.draw()


def test_to_supervision(pipe, scripted):
    supervision = pytest.importorskip("supervision")
    scripted("The [cup](<0,189>) and the [pan](<0,20>), the [Cup](<210,399>).")
    detections = pipe(Image.new("RGB", (200, 100))).to_supervision()
    assert isinstance(detections, supervision.Detections)
    assert detections.class_id.tolist() == [0, 1, 0] and detections["class_name"].tolist() == [
        "cup",
        "pan",
        "Cup",
    ]
    assert detections.xyxy[0].tolist() == [5, 2.5, 95, 47.5] and (detections.confidence > 0.7).all()
    scripted("Nothing.")
    assert len(pipe(Image.new("RGB", (200, 100))).to_supervision()) == 0


def test_loading(tmp_path, monkeypatch):
    pipe = load(tiny_checkpoint(), max_new_tokens=1)
    assert (
        pipe.model.dtype == torch.float32
        and pipe.model.device.type == "cpu"
        and pipe(Image.new("L", (40, 40)))
    )
    assert load(tiny_checkpoint(), dtype="bfloat16").model.dtype == torch.bfloat16
    monkeypatch.chdir(tmp_path)
    base = load("giqa-tiny")  # an entry of BACKBONES
    assert base.processor.box_format.to_dict()["name"] == "giqa"
    with pytest.raises(
        GiqaError, match="nowhere: expected a folder of that name, or a repository in the Hub's cache"
    ):
        load("nowhere")
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(GiqaError, match="found an adapter; put it into its model"):
        load("lora")


def test_a_question_that_leaves_no_room_is_a_failed_answer(pipe, photos):
    """The tiny model reads so many tokens; a word and its space are a token or two."""
    context = pipe.model.config.get_text_config().max_position_embeddings
    long, fine = pipe(photos[:2], ["blurred " * context, "Is it blurred?"])
    assert isinstance(fine, GroundedAnswer) and isinstance(long, FailedAnswer)
    assert f"expected at most half of the {context:,} that the model reads" in long.error
