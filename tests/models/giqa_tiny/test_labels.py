"""What the tower learns to tell of each patch."""

from __future__ import annotations

import numpy as np

from giqa_hf.builders.synth.scenes import make_scene
from giqa_hf.models.giqa_tiny.labels import PatchLabels, patch_labels


def test_mirroring_labels():
    names, families = np.zeros((1, 10, 10), np.uint8), np.zeros((1, 10, 10), np.uint8)
    boxes = np.zeros((1, 10, 10, 4), np.float16)
    names[0, 2, 1], families[0, 2, 1], boxes[0, 2, 1] = 7, 3, (0.125, 0.25, 0.25, 0.5)
    labels = PatchLabels(names, families, boxes)
    turned = labels.mirrored()
    # Column 1 of 0..9 becomes column 8; x from 0.125..0.25 becomes 0.75..0.875.
    assert turned.names[0, 2, 8] == 7 and turned.families[0, 2, 8] == 3 and turned.names.sum() == 7
    assert turned.boxes_norm[0, 2, 8].tolist() == [0.75, 0.25, 0.875, 0.5]
    assert np.count_nonzero(turned.boxes_norm) == 4
    assert all(np.array_equal(a, b) for a, b in zip(turned.mirrored(), labels, strict=True))


def test_patch_labels_name_what_lies_under_the_centre_of_a_patch():
    for number in range(12):
        scene = make_scene("train", np.random.default_rng([5, number]))
        labels = patch_labels(scene)
        for row, column in np.argwhere(labels.names > 0):
            x, y = (column + 0.5) / 10, (row + 0.5) / 10
            x1, y1, x2, y2 = labels.boxes_norm[row, column].astype(float)
            assert x1 - 1e-3 <= x <= x2 + 1e-3 and y1 - 1e-3 <= y <= y2 + 1e-3  # float16 has 11 bits
        assert not labels.boxes_norm[labels.names == 0].any() and not labels.families[labels.names == 0].any()
