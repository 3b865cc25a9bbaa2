"""IoU of many samples at once is IoU of each."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf import boxes
from giqa_hf.metrics import overlaps


@pytest.mark.parametrize("pairs_at_once", [1, 7, 100_000])
def test_equals_iou_of_each_sample(monkeypatch, pairs_at_once):
    monkeypatch.setattr(overlaps, "_PAIRS_AT_ONCE", pairs_at_once)
    monkeypatch.setattr(overlaps, "SAMPLES_AT_ONCE", 16)
    draw = np.random.default_rng(1)
    preds, trues = [], []
    for _ in range(50):  # 0 to 4 boxes on either side: empty samples first, last and between
        for side in (preds, trues):
            corners = draw.random((draw.integers(0, 5), 2, 2))
            side.append(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))
    found = list(overlaps.iter_overlaps(preds, trues))
    assert len(found) == 50
    for pred, true, ious in zip(preds, trues, found, strict=True):
        assert ious.shape == (len(pred), len(true))
        np.testing.assert_array_equal(ious, boxes.iou(pred, true))


def test_names_the_sample():
    with pytest.raises(ValueError, match=r"true_boxes\[1\]: boxes: expected"):
        list(overlaps.iter_overlaps([[], []], [[], [[0, 0, 1]]]))
    with pytest.raises(ValueError, match="got 1 predicted and 2 true"):
        list(overlaps.iter_overlaps([[]], [[], []]))
