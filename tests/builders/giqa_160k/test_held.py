"""Which photos are held: by the terms of a row, or as the same photo; and how the licences are counted then."""

from __future__ import annotations

import pytest

from giqa_hf.builders.giqa_160k.contamination import Photo
from giqa_hf.builders.giqa_160k.held import held_licence_lines, held_photos
from giqa_hf.builders.giqa_160k.licences import Terms

OPEN, HELD = Terms("mine", "CC0-1.0"), Terms("spaq", "research and education only")


def photos(**marks):
    """By image id, a letter for the bytes and one for the pixels; "-" for pixels that could not be decoded."""
    return {
        image_id: Photo(image_id, "x", data, None if pixels == "-" else pixels, None)
        for image_id, (data, pixels) in marks.items()
    }


@pytest.mark.parametrize(
    "rows, known, expected",
    [
        ([(OPEN, "a"), (OPEN, "b")], photos(a="xp", b="xp"), set()),  # copies of what is open are open
        ([(HELD, "a"), (OPEN, "b")], photos(a="xp", b="yq"), {"a"}),
        ([(HELD, "a"), (OPEN, "b")], photos(a="xp", b="xp"), {"a", "b"}),  # the same bytes
        (
            [(OPEN, "b"), (HELD, "a")],
            photos(a="xp", b="yp"),
            {"a", "b"},
        ),  # the same pixels; the order is nothing
        ([(HELD, "a"), (OPEN, "b")], photos(a="x-", b="x-"), {"a", "b"}),
        ([(HELD, "a"), (OPEN, "b")], photos(a="x-", b="y-"), {"a"}),  # two without pixels are not the same
        ([(HELD, "a"), (OPEN, "b")], photos(a="xp", b="px"), {"a"}),  # bytes are not compared with pixels
        ([(HELD, "a"), (OPEN, "a")], photos(a="xp"), {"a"}),  # two rows of one photo
        ([(HELD, "a")], {}, {"a"}),  # unknown, but held all the same
    ],
)
def test_held(rows, known, expected):
    assert held_photos(rows, known) == expected


def test_rows_are_counted_as_they_are_sent():
    rows = [(HELD, "a"), (OPEN, "b"), (OPEN, "b"), (OPEN, "c")]
    lines = held_licence_lines(rows, {"a", "b"})
    assert [(line["source"], line["publish"], line["rows"], line["images"]) for line in lines] == [
        ("mine", "whole", 1, 1), ("mine", "annotations", 2, 1), ("spaq", "annotations", 1, 1),
    ]  # fmt: skip
    assert "under terms that do not let them" in lines[1]["note"]
