"""Rows as conversations: what TRL's own collator makes of them, and what becomes of boxes, pictures and bad rows."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LlavaImageProcessorPil, LlavaProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from giqa_hf.backbones.chat import chat_prompt
from giqa_hf.builders.synth.dataset import synth_rows
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.formats import GiqaFormat, NormalizedFormat
from giqa_hf.frames import Frame
from giqa_hf.grid import Grid
from giqa_hf.processing import ground_processor, load_grounding_processor
from giqa_hf.schema import features
from giqa_hf.training import hidden_boxes, to_conversations
from giqa_hf.training.conversations import TEXT_COLUMNS
from tests.make_tiny_checkpoint import tiny_checkpoint

IGNORED = -100


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def jpeg(width=400, height=200):
    """A picture whose bytes change when it is decoded and encoded again."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=40)
    return buffer.getvalue()


def row(boxes=((0.0, 0.0, 0.5, 0.5),), question="How is the cup?", answer="The cup is blurry.", **changes):
    region = {"phrase": "cup", "span": [4, 7], "quality": None, "effect": None}
    return {
        "image": {"bytes": jpeg(), "path": None},
        "image_id": "a",
        "width": 400,
        "height": 200,
        "source": "here",
        "license": "CC0",
        "task": "vqa",
        "question_type": "how",
        "question": question,
        "question_regions": [],
        "answer": answer,
        "answer_regions": [region | {"boxes_norm": [list(box) for box in boxes]}] if boxes else [],
    } | changes


def dataset(*rows):
    return datasets.Dataset.from_list(list(rows), features=features())


def answer_of(conversations, number=0):
    return conversations[number]["completion"][0]["content"]


def test_columns_and_turns():
    made = to_conversations(dataset(row(), row(boxes=())))
    assert made.column_names == ["image", "prompt", "completion", "length", "id", "boxes", "hidden"]
    assert made["id"][:] == ["000000:a", "000001:a"] and made["boxes"][:] == [1, 0]
    assert made[0]["prompt"] == [{"role": "user", "content": "How is the cup?"}]
    # 0..0.5 on 20 cells are columns and rows 0..9, so the last cell is 9 * 20 + 9 = 189
    assert made[0]["completion"] == [{"role": "assistant", "content": "The [cup](<0,189>) is blurry."}]
    assert answer_of(made, 1) == "The cup is blurry."
    assert made["length"][:] == [15 + 29, 15 + 18]


@pytest.mark.parametrize(
    ("box_format", "text"),
    [
        (None, "The [cup](<0,189>) is blurry."),  # the paper's
        (GiqaFormat(grid=Grid(10, 10)), "The [cup](<0,44>) is blurry."),  # 4 * 10 + 4
        (NormalizedFormat(), "The [cup](<0.00,0.00,0.50,0.50>) is blurry."),  # Tab. 2b
    ],
)
def test_formats(box_format, text):
    assert answer_of(to_conversations(dataset(row()), format=box_format)) == text


def square_pad(processor):
    """LLaVA-1.5's own processing: 400 x 200 padded by 100 px above and below."""
    size = {"height": 160, "width": 160}
    return with_image_processor(
        processor, LlavaImageProcessorPil(do_pad=True, size={"shortest_edge": 160}, crop_size=size)
    )


def centre_crop(processor):
    """Plain CLIP: of 400 x 200 the middle 200 x 200, that is x from 0.25 to 0.75."""
    size = {"height": 160, "width": 160}
    return with_image_processor(processor, CLIPImageProcessorPil(size={"shortest_edge": 160}, crop_size=size))


def squash(processor):
    return processor


def with_image_processor(processor, image_processor):
    return ground_processor(
        LlavaProcessor(image_processor, processor.tokenizer, patch_size=32, image_token="<image>")
    )


BOX = (0.25, 0.0, 0.5, 0.5)
FRAMES = [
    # Squashed it stays: columns 5..9, rows 0..9: 5 and 9 * 20 + 9 = 189.
    (squash, "<5,189>"),
    # Padded, y becomes 0.25 + y / 2: 0.25..0.5, rows 5..9: 5 * 20 + 5 = 105 and 189.
    (square_pad, "<105,189>"),
    # Cropped, x becomes (x - 0.25) * 2: 0..0.5, columns 0..9, rows 0..9.
    (centre_crop, "<0,189>"),
]


@pytest.mark.parametrize(("make", "cells"), FRAMES)
def test_boxes_are_written_in_the_frame_of_the_processor(make, cells):
    processor = make(load_grounding_processor(tiny_checkpoint()))
    made = to_conversations(dataset(row(boxes=[BOX])), processor)
    assert answer_of(made) == f"The [cup]({cells}) is blurry."
    frame = processor.frame(400, 200)
    assert cells == "<{},{}>".format(*Grid().encode(frame.to_model_norm([BOX]))[0])


# In a centre crop of 400 x 200 the model sees x from 0.25 to 0.75; of the first box 0.1 of 0.35, less than half.
HIDDEN = [
    ("drop", [(0.0, 0.0, 0.35, 1.0)], "The cup is blurry."),
    ("drop", [(0.0, 0.0, 0.35, 1.0), (0.25, 0.0, 0.5, 1.0)], "The [cup](<0,389>) is blurry."),
    ("keep", [(0.0, 0.0, 0.35, 1.0)], "The [cup](<0,383>) is blurry."),  # x 0..0.2: columns 0..3
]


FATE = {"drop": "left out", "keep": "written as what is left"}


@pytest.mark.parametrize(("hidden", "boxes", "text"), HIDDEN)
def test_boxes_that_the_model_cannot_see(hidden, boxes, text):
    processor = centre_crop(load_grounding_processor(tiny_checkpoint()))
    with pytest.warns(UserWarning, match=f"1 of {len(boxes)} boxes, in 1 of 2 rows, .* {FATE[hidden]}"):
        made = to_conversations(
            dataset(row(boxes=boxes), row(boxes=())), frame=processor.frame, hidden=hidden
        )
    assert answer_of(made) == text
    assert hidden_boxes(made) == (1, len(boxes), 1)


def test_hidden_boxes_as_an_error_name_row_field_and_box():
    processor = centre_crop(load_grounding_processor(tiny_checkpoint()))
    rows = dataset(row(boxes=()), row(boxes=[(0.0, 0.0, 0.35, 1.0)]))
    with pytest.raises(DataError, match=r"row 1, field answer_regions: region 'cup'.*28%.*hidden='drop'"):
        to_conversations(rows, frame=processor.frame, hidden="error")  # 0.1 / 0.35 = 28 %


NAN = float("nan")
BAD_ROWS = [
    ({"boxes": [(NAN, 0.0, 0.5, 0.5)]}, r"row 1, field answer_regions: .*nan"),
    (
        {"boxes": [(0.5, 0.0, 0.2, 0.5)]},
        r"row 1, field answer_regions: .*\[0\.5, 0\.0, 0\.2, 0\.5\]",
    ),  # reversed
    ({"boxes": [(0.0, 0.0, 0.5, 1.5)]}, r"row 1, field answer_regions: .*1\.5"),  # outside
    ({"boxes": [(0.0, 0.0, 400.0, 200.0)]}, r"row 1, field answer_regions: .*400\.0"),  # pixels
    ({"answer": "", "boxes": ()}, r"row 1, field answer: expected a text that is not empty, found ''"),
    ({"question": " \n"}, r"row 1, field question: expected a text that is not empty"),
    ({"answer": "A cup."}, r"row 1, field answer_regions: .*'cup'"),  # the span shows other words
]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize(("changes", "message"), BAD_ROWS)
def test_bad_rows_are_named(changes, message, framed, streaming):
    rows = dataset(row(), row(**changes))
    frame = load_grounding_processor(tiny_checkpoint()).frame if framed else None
    with pytest.raises(DataError, match=message) as error:
        list(to_conversations(rows.to_iterable_dataset() if streaming else rows, frame=frame))
    assert isinstance(error.value, GiqaError) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("box_format", "prompt"),
    [
        # The row asks for positions in words; the prompt says them in the notation of its answer.
        (GiqaFormat(), "Assess it. Write positions as [name](<first cell,last cell>)."),
        (NormalizedFormat(), "Assess it. Write positions as [name](<x1,y1,x2,y2>)."),
    ],
)
def test_a_request_for_positions_is_spelled_out_in_the_answers_notation(box_format, prompt):
    rows = datasets.Dataset.from_list([row(question="Assess it. Write positions.")], features=features())
    assert to_conversations(rows, format=box_format)[0]["prompt"][0]["content"] == prompt


TASKS = [
    # Rows 0 and 2 describe, row 1 asks; ids are those of the whole dataset.
    (None, ["000000:a", "000001:a", "000002:a"]),
    ("des", ["000000:a", "000002:a"]),
    ("vqa", ["000001:a"]),
]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("task", "ids"), TASKS)
def test_one_task_of_two(task, ids, streaming):
    rows = dataset(
        *(row(task=name, answer=f"{n} cup.", boxes=()) for n, name in enumerate(("des", "vqa", "des")))
    )
    made = list(to_conversations(rows.to_iterable_dataset() if streaming else rows, task=task))
    assert [conversation["id"] for conversation in made] == ids
    # The text is that of its own row.
    assert [conversation["completion"][0]["content"] for conversation in made] == [
        f"{int(i[:6])} cup." for i in ids
    ]


def test_a_task_that_is_none_or_has_no_rows():
    with pytest.raises(ValueError, match="task: expected one of des, vqa, got 'mos'"):
        to_conversations(dataset(row()), task="mos")
    with pytest.raises(DataError, match="task des: expected at least one row of it, found none"):
        to_conversations(dataset(row()), task="des")


def test_a_bad_row_of_one_task_is_named_as_in_the_whole_dataset():
    rows = dataset(row(task="des"), row(question=" "))
    with pytest.raises(DataError, match="row 1, field question"):
        to_conversations(rows, task="vqa")


def test_format_and_frame_go_before_the_backbones():
    processor = square_pad(load_grounding_processor(tiny_checkpoint()))
    rows = dataset(row(boxes=[BOX]))
    assert answer_of(to_conversations(rows, processor)) == "The [cup](<105,189>) is blurry."
    made = to_conversations(rows, processor, format=NormalizedFormat())  # y 0..0.5 becomes 0.25 + y / 2
    assert answer_of(made) == "The [cup](<0.25,0.25,0.50,0.50>) is blurry."
    whole = to_conversations(rows, processor, frame=lambda width, height: Frame.identity((width, height)))
    assert answer_of(whole) == "The [cup](<5,189>) is blurry."


def test_missing_columns():
    with pytest.raises(ValueError, match="found no column answer, answer_regions among image, image_id"):
        to_conversations(dataset(row()).remove_columns(["answer", "answer_regions"]))
    with pytest.raises(ValueError, match=f"no column image, {', '.join(TEXT_COLUMNS)} among text"):
        to_conversations(datasets.Dataset.from_dict({"text": ["a"]}))


@pytest.mark.parametrize("shuffled", [False, True])
def test_picture_bytes_are_passed_on_as_they_are(shuffled):
    rows = dataset(row(image={"bytes": jpeg(40, 20), "path": None}), row(answer="A cup.", boxes=()), row())
    rows = rows.select([2, 0, 1]) if shuffled else rows
    made = to_conversations(rows)
    before = rows.cast_column("image", datasets.Image(decode=False))["image"][:]
    after = made.cast_column("image", datasets.Image(decode=False))["image"][:]
    assert [image["bytes"] for image in after] == [image["bytes"] for image in before]
    # The texts are still those of their pictures.
    assert [answer_of(made, i) == "A cup." for i in range(3)] == [
        text == "A cup." for text in rows["answer"][:]
    ]


def test_streams_give_the_same_conversations():
    rows = dataset(row(), row(boxes=[BOX, (0.5, 0.5, 1.0, 1.0)]), row(boxes=()))
    frame = load_grounding_processor(tiny_checkpoint()).frame
    stream = to_conversations(rows.to_iterable_dataset(), frame=frame)
    assert isinstance(stream, datasets.IterableDataset)
    made = to_conversations(rows, frame=frame)
    for streamed, stored in zip(stream, made, strict=True):
        assert streamed.keys() == stored.keys()
        assert all(streamed[name] == stored[name] for name in ("prompt", "completion", "length"))
        assert np.array_equal(np.asarray(streamed["image"]), np.asarray(stored["image"]))


@pytest.fixture(scope="module")
def collated():
    """Eight rows of giqa-synth, through TRL's own collator with the processor of giqa-tiny."""
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    processor = load_grounding_processor(tiny_checkpoint())
    rows = datasets.Dataset.from_list(list(synth_rows("train", 2)), features=features())
    made = to_conversations(rows, processor)
    collate = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)
    return processor, made, collate([made[i] for i in range(len(made))])


def test_the_loss_is_on_the_answer_and_its_end_token_alone(collated):
    processor, made, batch = collated
    end = processor.tokenizer.eos_token_id
    for labels, ids, mask, sample in zip(
        batch["labels"], batch["input_ids"], batch["attention_mask"], made, strict=True
    ):
        learned = labels[labels != IGNORED]
        answer = sample["completion"][0]["content"]
        assert processor.tokenizer.decode(learned) == f" {answer}</s>"
        assert learned[-1] == end and (learned[:-1] != end).all()
        first = int((labels != IGNORED).nonzero()[0])
        last = int((labels != IGNORED).nonzero()[-1])
        assert torch.equal(
            labels[first : last + 1], ids[first : last + 1]
        )  # one run, right behind the prompt
        assert (labels[:first] == IGNORED).all() and mask[last + 1 :].sum() == 0


def test_the_prompt_is_token_for_token_the_one_of_generation(collated):
    processor, made, batch = collated
    for labels, ids, sample in zip(batch["labels"], batch["input_ids"], made, strict=True):
        first = int((labels != IGNORED).nonzero()[0])
        asked = processor(
            images=[[sample["image"]]],
            text=[chat_prompt(processor, sample["prompt"][0]["content"])],
            add_special_tokens=False,
            return_tensors="pt",
        )
        assert torch.equal(ids[:first], asked["input_ids"][0])


def test_every_picture_has_all_its_tokens(collated):
    processor, made, batch = collated
    image_tokens = (batch["input_ids"] == processor.image_token_id).sum(dim=1)
    assert image_tokens.tolist() == [25] * len(made)  # (240 / 48) ** 2
    assert batch["pixel_values"].shape == (len(made), 3, 240, 240)
