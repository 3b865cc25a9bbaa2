"""The tools themselves read what we write: pycocotools and supervision; further ones are told of in docs/convert.md."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from giqa_hf.interchange import convert
from giqa_hf.interchange.converting import Rows
from tests.interchange.some_rows import candles


@pytest.fixture
def made(tmp_path):
    """Function: the two rows on candles in a form."""

    def make(form):
        convert(
            Rows("test", "giqa", iter(candles()), 2, Counter()), tmp_path / form, form, say=lambda line: None
        )
        return tmp_path / form

    return make


def test_pycocotools(made):
    tool = pytest.importorskip("pycocotools.coco")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = tool.COCO(str(made("coco") / "annotations.json"))
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["width"], image["height"]) == (64, 48)
    (candles_id,) = coco.getCatIds(catNms=["candles"])
    first, second = coco.loadAnns(coco.getAnnIds(catIds=[candles_id]))
    # x 0.65 .. 0.75 of 64, y 0.05 .. 0.9 of 48
    assert first["bbox"] == pytest.approx([41.6, 2.4, 6.4, 40.8])
    # x 6.4 .. 16, y 2.4 .. 16: pixels whose centres lie inside are 6 .. 15 and 2 .. 15
    rows, columns = np.nonzero(coco.annToMask(second))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (6, 15, 2, 15)


def test_supervision(made):
    sv = pytest.importorskip("supervision")
    folder = made("supervision")
    dataset = sv.DetectionDataset.from_coco(str(folder), str(folder / "annotations.json"))
    ((_, picture, detections),) = list(dataset)
    assert picture.shape == (48, 64, 3)
    assert [dataset.classes[number] for number in detections.class_id] == [
        "candles",
        "candles",
        "tower",
        "tower",
    ]
    assert detections.xyxy[2] == pytest.approx([48, 2.4, 64, 38.4])


def test_panoptic_masks_have_the_segments_that_they_say(made):
    folder = made("coco-panoptic")
    document = json.loads((folder / "panoptic.json").read_text())
    (annotation,) = document["annotations"]
    with Image.open(folder / "panoptic" / annotation["file_name"]) as image:
        colours = np.asarray(image.convert("RGB")).astype(int)
    ids = colours[..., 0] + 256 * colours[..., 1] + 256**2 * colours[..., 2]  # the definition of COCO
    areas = {number: int((ids == number).sum()) for number in np.unique(ids) if number}
    assert areas == {segment["id"]: segment["area"] for segment in annotation["segments_info"]}
    # the tower stands in question and answer, at one place: one segment with two uses
    assert sorted(len(segment["uses"]) for segment in annotation["segments_info"]) == [1, 1, 2]
