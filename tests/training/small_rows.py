"""A few rows of the schema on small pictures, in memory and as a dataset folder, for the tests of training."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

from giqa_hf.schema import features

SIDE = (48, 32)


def small_rows(photos: int = 6) -> list[dict[str, Any]]:
    """Of each photo a description with two boxes, and a Yes/No question; places differ from photo to photo."""
    rows = []
    for number in range(photos):
        buffer = io.BytesIO()
        picture = Image.linear_gradient("L").resize(SIDE).rotate(60 * number)
        picture.convert("RGB").save(buffer, "PNG")
        left = number / (photos + 2)
        cup, plant = [left, 0.1, left + 0.2, 0.5], [0.5, 0.5, 0.9, 0.9]
        said = "The cup is sharp and the plant is dark."
        shared = {
            "image": {"bytes": buffer.getvalue(), "path": None},
            "image_id": f"photo-{number}",
            "width": SIDE[0],
            "height": SIDE[1],
            "source": "test",
            "license": "cc0-1.0",
        }
        described = [_region("cup", said, cup), _region("plant", said, plant)]
        asked = "Is the cup sharp?"
        rows += [
            {**shared, "task": "des", "question_type": None, "question": "Report on the quality. Mention positions.",
             "question_regions": [], "answer": said, "answer_regions": described},
            {**shared, "task": "vqa", "question_type": "yes_no", "question": asked,
             "question_regions": [_region("cup", asked, cup)], "answer": "Yes.", "answer_regions": []},
        ]  # fmt: skip
    return rows


def small_dataset(photos: int = 6) -> datasets.Dataset:
    return datasets.Dataset.from_list(small_rows(photos), features=features())


def small_folder(folder: Path, photos: int = 6) -> Path:
    """A dataset folder with these rows as its split train."""
    folder.mkdir(parents=True)
    small_dataset(photos).to_parquet(folder / "train-00000-of-00001.parquet")
    return folder


def _region(phrase: str, text: str, box: list[float]) -> dict[str, Any]:
    start = text.index(phrase)
    span = [start, start + len(phrase)]
    return {"phrase": phrase, "span": span, "quality": None, "effect": None, "boxes_norm": [box]}
