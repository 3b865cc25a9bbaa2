"""The formats of model families: what each writes, letter by letter, and that boxes come back through any frame."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import CLIPImageProcessorPil, Qwen2VLImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from giqa_hf.formats import (
    FORMATS,
    BoxFormat,
    DeepSeekVL2Format,
    FerretFormat,
    Florence2Format,
    GroundingGptFormat,
    InternVLFormat,
    Kosmos2Format,
    LlavaFormat,
    ModelFormat,
    PaliGemmaFormat,
    Qwen2VLFormat,
    Qwen3VLFormat,
    Qwen25VLFormat,
    ShikraFormat,
    format_from_dict,
    placed,
)
from giqa_hf.frames import Frame
from giqa_hf.grounded_text import GroundedText, Region

TOWER = [0.75, 0.05, 1.0, 0.8]
FRAME = Frame.smart_resize((640, 480), 28, 3136, 12845056)  # 644 x 476: 640 / 28 = 22.86, 480 / 28 = 17.14

# Every format, with half of its step: no corner may move by more, on its way through text and back.
STEPS: dict[ModelFormat, float] = {
    LlavaFormat(): 0.005,  # two decimals, to the nearest
    ShikraFormat(): 0.0005,
    GroundingGptFormat(): 0.0005,
    FerretFormat(): 0.001,  # cut off: a whole step
    InternVLFormat(): 0.001,
    Qwen2VLFormat(): 0.0005,
    Qwen3VLFormat(): 0.0005,
    Qwen3VLFormat(words=False): 0.0005,
    Qwen25VLFormat(): 1 / 476,  # half a pixel of the shorter side, and a whole one at the far edge
    DeepSeekVL2Format(): 0.5 / 999,
    PaliGemmaFormat(): 1 / 1024,  # half a token, and a whole one at the far edge, where 1024 is missing
    Florence2Format(): 0.0005,  # cut off, and read at the bin's centre
    Kosmos2Format(): 1 / 32,  # a corner is read at its patch's centre, or at the outer edge
}


def one(box=TOWER) -> GroundedText:
    return GroundedText("The tower is sharp.", [Region("tower", (4, 9), np.array([box]))])


@pytest.mark.parametrize(
    ("box_format", "written"),
    [
        (LlavaFormat(), "The tower [0.75, 0.05, 1.00, 0.80] is sharp."),
        (ShikraFormat(), "The tower [0.750,0.050,1.000,0.800] is sharp."),
        (GroundingGptFormat(), "The tower [0.750, 0.050, 1.000, 0.800] is sharp."),
        (FerretFormat(), "The tower [750, 50, 1000, 800] is sharp."),
        # first patch: row floor(.05 * 32) = 1, column 24: 56; last: row 32 * .8 = 25.6 -> 25, column 31: 831
        (
            Kosmos2Format(),
            "The<phrase> tower</phrase><object><patch_index_0056><patch_index_0831></object> is sharp.",
        ),
        (
            Qwen2VLFormat(),
            "The <|object_ref_start|>tower<|object_ref_end|><|box_start|>(750,50),(1000,800)<|box_end|> is sharp.",
        ),
        (InternVLFormat(), "The <ref>tower</ref><box>[[750, 50, 1000, 800]]</box> is sharp."),
        # 749.25, 49.95, 999, 799.2
        (DeepSeekVL2Format(), "The <|ref|>tower<|/ref|><|det|>[[749, 50, 999, 799]]<|/det|> is sharp."),
        # of 644 x 476 pixels: 483, 23.8, the last column 643, 380.8
        (
            Qwen25VLFormat(picture_wh=(644, 476)),
            'The tower is sharp.\n[{"bbox_2d": [483, 24, 643, 381], "label": "tower"}]',
        ),
        (Qwen3VLFormat(), 'The tower is sharp.\n[{"bbox_2d": [750, 50, 1000, 800], "label": "tower"}]'),
        (Qwen3VLFormat(words=False), '[{"bbox_2d": [750, 50, 1000, 800], "label": "tower"}]'),
        # y first: .05 * 1024 = 51.2, 768, 819.2, 1024 which there is not
        (PaliGemmaFormat(), "The tower is sharp.\n<loc0051><loc0768><loc0819><loc1023> tower"),
        (Florence2Format(), "The tower is sharp.\ntower<loc_750><loc_50><loc_999><loc_800>"),
        (Florence2Format(words=False), "tower<loc_750><loc_50><loc_999><loc_800>"),
    ],
    ids=repr,
)
def test_writes_letter_by_letter_and_reads_its_phrase_back(box_format, written):
    assert box_format.write(one()) == written
    back = box_format.read(written)
    assert back.text == ("The tower is sharp." if getattr(box_format, "words", True) else "tower")
    assert [r.phrase for r in back.regions] == ["tower"]
    np.testing.assert_allclose(back.boxes_norm, [TOWER], atol=1 / 32)
    assert back.regions[0].box_statuses == ("ok",) and back.issues == []


@pytest.mark.parametrize(
    ("box_format", "written"),
    [
        (LlavaFormat(), "Two cups [0.10, 0.10, 0.20, 0.20], [0.30, 0.30, 0.40, 0.40]."),
        (ShikraFormat(), "Two cups [0.100,0.100,0.200,0.200;0.300,0.300,0.400,0.400]."),
        (FerretFormat(), "Two cups [100, 100, 200, 200] [300, 300, 400, 400]."),
        (GroundingGptFormat(), "Two cups [0.100, 0.100, 0.200, 0.200][0.300, 0.300, 0.400, 0.400]."),
        (InternVLFormat(), "Two <ref>cups</ref><box>[[100, 100, 200, 200], [300, 300, 400, 400]]</box>."),
        # 3.2 -> patch 3, 6.4 -> patch 6: 3 * 32 + 3 = 99, 6 * 32 + 6 = 198; 9.6 -> 9: 297; 12.8 -> 12: 396
        (
            Kosmos2Format(),
            "Two<phrase> cups</phrase><object><patch_index_0099><patch_index_0198></delimiter_of_multi_objects/>"
            "<patch_index_0297><patch_index_0396></object>.",
        ),
        (
            Florence2Format(),
            "Two cups.\ncups<loc_100><loc_100><loc_200><loc_200><loc_300><loc_300><loc_400><loc_400>",
        ),
        (
            PaliGemmaFormat(),
            "Two cups.\n<loc0102><loc0102><loc0205><loc0205> cups ; <loc0307><loc0307><loc0410><loc0410> cups",
        ),
    ],
    ids=repr,
)
def test_several_boxes_of_a_phrase_stay_its_boxes(box_format, written):
    boxes = np.array([[0.1, 0.1, 0.2, 0.2], [0.3, 0.3, 0.4, 0.4]])
    grounded = GroundedText("Two cups.", [Region("cups", (4, 8), boxes)])
    assert box_format.write(grounded) == written
    back = box_format.read(written)
    assert back.text == "Two cups."
    (region,) = back.regions
    assert region.phrase in ("cups", "Two cups")  # nothing marks the start of a phrase in the first four
    np.testing.assert_allclose(region.boxes_norm, boxes, atol=0.5 / 32 + 1e-9)


syntax = list("[]()<>\\,;:{}\"' \n3-.x|/")
fragments = [
    *(
        "[0.1,0.2,0.3,0.4]",
        "[1,2,3,4]",
        "(1,2),(3,4)",
        "[[1, 2, 3, 4]]",
        "[1]",
        '"bbox_2d": [1,2,3,4]',
        "{",
        "}]",
    ),
    *("<box>", "</box>", "<ref>", "</ref>", "<|box_start|>", "<|box_end|>", "<|det|>", "<|/det|>", "<|ref|>"),
    *(
        "<loc0001>",
        "<loc_1>",
        "<seg001>",
        "<phrase>",
        "</phrase>",
        "<object>",
        "</object>",
        "<patch_index_0003>",
    ),
    *('{"bbox_2d": [1, 2, 3, 4], "label": "a"}', "```json\n", "```", " and ", "label", "the red cup", "of"),
    *("😀", "קשת", "e\u0301", "\u2028", "\x00"),
]
nasty = st.lists(st.sampled_from(syntax + fragments), max_size=8).map("".join)
texts = st.one_of(nasty, st.text(max_size=12))
plain = st.text(st.sampled_from("abc d"), min_size=1, max_size=8)
unit = st.floats(0.0, 1.0)
corners = st.tuples(unit, unit, unit, unit)


def build(drawn, last) -> GroundedText:
    text, regions = "", []
    for before, phrase, boxes in drawn:
        start = len(text) + len(before)
        text += before + phrase
        ordered = np.sort(np.array(boxes).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        regions.append(Region(phrase, (start, len(text)), ordered))
    return GroundedText(text + last, regions)


@pytest.mark.parametrize("box_format", STEPS, ids=repr)
@settings(max_examples=30, deadline=None)
@given(
    drawn=st.lists(st.tuples(texts, texts, st.lists(corners, max_size=3)), max_size=4),
    last=texts,
)
@example(drawn=[("", "a", [(0.0, 0.0, 1.0, 1.0)])], last="")  # the whole picture, alone
@example(drawn=[("{", "[", [(0.5, 0.5, 0.5, 0.5)]), (" and ", "", [(0.1, 0.2, 0.3, 0.4)])], last="[1,2,3,4")
def test_boxes_come_back_through_text(box_format, drawn, last):
    grounded = build(drawn, last)
    ready, _ = placed(box_format, FRAME)
    written = ready.write(grounded)
    back = ready.read(written)
    assert back.issues == []
    carries = ready.carries
    if carries.spans:
        assert back.text == grounded.text
        assert [(r.phrase, r.span) for r in back.regions] == [(r.phrase, r.span) for r in grounded.regions]
    if isinstance(
        box_format, LISTED
    ):  # boxes of the same label are gathered, and labels found in other places
        assert sorted(back.boxes_norm.tolist()) == sorted(each_alone(ready, grounded.boxes_norm).tolist())
    else:
        np.testing.assert_allclose(back.boxes_norm, grounded.boxes_norm, atol=STEPS[box_format] + 1e-9)


LISTED = (Qwen25VLFormat, Qwen3VLFormat, PaliGemmaFormat, Florence2Format)


def each_alone(box_format: BoxFormat, boxes: np.ndarray) -> np.ndarray:
    """Each box by itself through the format, whose precision the next test shows."""
    rows = [box_format.read(box_format.write(one(box))).boxes_norm for box in boxes]
    return np.concatenate([np.zeros((0, 4)), *rows])


SIZE = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
PROCESSORS = [
    LlavaImageProcessorPil(**SIZE, do_pad=True),  # the padded square of LLaVA, Shikra, GroundingGPT
    CLIPImageProcessorPil(**SIZE),  # cuts the sides off: x of a 640 x 480 image from 0.125 to 0.875
    CLIPImageProcessorPil(size={"height": 224, "width": 224}, do_center_crop=False),  # Kosmos-2, Florence-2
    Qwen2VLImageProcessorPil(),  # 28 px, as Qwen2-VL and Qwen2.5-VL have it
    Qwen2VLImageProcessorPil(patch_size=16),  # 32 px, Qwen3-VL
]


@pytest.mark.parametrize("box_format", STEPS, ids=repr)
@settings(max_examples=30, deadline=None)
@given(
    box=corners,
    processor=st.sampled_from(PROCESSORS),
    image_wh=st.tuples(st.integers(60, 900), st.integers(60, 900)),
)
def test_boxes_come_back_into_the_image(box_format, box, processor, image_wh):
    ready, frame = placed(box_format, Frame.from_processor(processor, *image_wh))
    x1, y1, x2, y2 = frame.visible_norm
    spread = np.sort(np.array(box).reshape(2, 2), axis=0).reshape(1, 4)  # of what the model sees
    boxes = spread * [x2 - x1, y2 - y1, x2 - x1, y2 - y1] + [x1, y1, x1, y1]
    seen = np.clip(frame.to_model_norm(boxes), 0.0, 1.0)
    back = frame.to_image_norm(ready.read(ready.write(one(seen[0]))).boxes_norm)
    step = 1 / min(frame.model_wh) if isinstance(box_format, Qwen25VLFormat) else STEPS[box_format]
    # a step of the model's picture, in the original's sides: a padded side is larger there
    step_norm = step * np.array(frame.model_wh) / np.array(frame.scale_xy) / np.array(image_wh)
    assert (np.abs(back - boxes) <= np.tile(step_norm, 2) + 1e-9).all()


@pytest.mark.parametrize("box_format", STEPS, ids=repr)
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_any_text_is_read(box_format, text):
    ready, _ = placed(box_format, FRAME)
    grounded = ready.read(text)  # never raises
    for issue in grounded.issues:
        start, end = issue.span
        assert text[start:end] == issue.raw != ""
        assert issue.status in ("out_of_range", "bad_arity", "truncated")
    again = ready.read(ready.write(GroundedText(text)))  # words that look like boxes stay words
    assert again == GroundedText(text)


@pytest.mark.parametrize("box_format", [*STEPS, Qwen25VLFormat(picture_wh=(644, 476))], ids=repr)
def test_a_format_survives_json(box_format):
    assert format_from_dict(json.loads(json.dumps(box_format.to_dict()))) == box_format
    assert isinstance(box_format, BoxFormat)
    assert type(box_format).notation and type(box_format).unit


def test_every_format_has_its_rows():
    tried = {type(box_format).name for box_format in STEPS}
    assert tried | {"giqa", "normalized"} == set(FORMATS)
    assert all(name == form.name for name, form in FORMATS.items())


def test_pixels_belong_to_a_picture():
    with pytest.raises(ValueError, match="expected the size of the picture that its pixels belong to"):
        Qwen25VLFormat().read("[1,2,3,4]")
    # The same words on two images: 322 of 644 and of 1288 pixels.
    text = '{"bbox_2d": [0, 0, 322, 238], "label": "a"}'
    for image_wh, box in (((640, 480), [0.0, 0.0, 0.5, 0.5]), ((1280, 960), [0.0, 0.0, 0.25, 238 / 952])):
        ready, _ = placed(Qwen25VLFormat(), Frame.smart_resize(image_wh, 28, 3136, 12845056))
        np.testing.assert_allclose(ready.read(text).boxes_norm, [box])


def test_numbers_of_the_original_take_no_frame():
    square = Frame.square_pad((640, 480), 336)
    assert placed(DeepSeekVL2Format(), square).frame == Frame.identity(
        (640, 480)
    )  # though its processor pads
    assert placed(LlavaFormat(), square).frame == square


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Qwen25VLFormat(picture_wh=(0, 5)),
            r"picture_wh: expected two whole numbers .*, got \(0, 5\)",
        ),
        (lambda: Qwen3VLFormat(words="no"), "words: expected True or False, got 'no'"),
        (
            lambda: format_from_dict({"name": "llava", "decimals": 3}),
            "parameters out of .none., got decimals",
        ),
    ],
)
def test_a_wrong_parameter_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
