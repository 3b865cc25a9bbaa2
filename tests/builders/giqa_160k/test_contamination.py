"""What two sets share, by the surest way in which it can be told."""

from __future__ import annotations

import json

import pytest

from giqa_hf.builders.giqa_160k.contamination import (
    KINDS,
    Photo,
    find_overlaps,
    name_overlaps,
    overlap_report,
    same_photos,
)
from giqa_hf.builders.giqa_160k.fingerprints import Look
from giqa_hf.builders.giqa_160k.splits import group_photos


def photo(image_id, source="mine", sha="", pixels="", look=None):
    """A photo that shares nothing with any other, but for what is given."""
    return Photo(
        image_id, source, sha or f"sha {source} {image_id}", pixels or f"pixels {source} {image_id}", look
    )


def look(flips=0, fine_flips=0):
    """So many bits away from the look of all zeros, in each part."""
    return Look((1 << flips) - 1, (1 << fine_flips) - 1)


@pytest.mark.parametrize(
    ("mine", "theirs", "kinds"),
    [
        (photo("a"), photo("b"), None),
        (photo("a", sha="s"), photo("b", sha="s"), ("bytes",)),
        (photo("a", pixels="p"), photo("b", pixels="p"), ("pixels",)),
        (photo("a"), photo("a"), ("bytes", "pixels", "source id")),
        (photo("a", sha="s", pixels="p"), photo("a"), ("source id",)),  # the same photo, saved anew and changed
        (photo("a", "mine"), photo("a", "other"), None),  # 0001.jpg is in many sets
        (photo("a", look=look()), photo("b", look=look(10, 64)), ("look",)),  # 10 of 64 and 64 of 256 bits: the limits
        (photo("a", look=look()), photo("b", look=look(11, 0)), None),
        (photo("a", look=look()), photo("b", look=look(0, 65)), None),  # a candidate that is not confirmed
        (photo("a", look=None), photo("b", look=None), None),  # two flat pictures
        (photo("a")._replace(pixels_sha256=None), photo("b")._replace(pixels_sha256=None), None),  # two undecodable ones
    ],
)  # fmt: skip
def test_kinds(mine, theirs, kinds):
    found = find_overlaps([mine], [theirs])
    assert [overlap.kinds for overlap in found] == ([] if kinds is None else [kinds])
    assert [overlap.kinds for overlap in find_overlaps([theirs], [mine])] == [o.kinds for o in found]


def test_the_surest_witness_is_named():
    mine = photo("a", sha="s", pixels="p", look=look())
    near, nearer = photo("n", look=look(4, 4)), photo("m", look=look(2, 2))
    pixels, exact = photo("p", pixels="p", look=look(4, 4)), photo("z", sha="s")
    assert [o.other.image_id for o in find_overlaps([mine], [near, nearer])] == ["m"]
    assert [o.other.image_id for o in find_overlaps([mine], [near, nearer, pixels])] == ["p"]
    (best,) = find_overlaps([mine], [near, nearer, pixels, exact])
    assert (best.other.image_id, best.kinds, best.distance) == ("z", ("bytes",), None)


def test_each_photo_once_sorted_and_order_does_not_matter():
    mine = [photo(name, sha="s") for name in "cab"] + [photo("x")]
    theirs = [photo(name, "other", sha="s") for name in "fed"]
    found = find_overlaps(mine, theirs)
    assert [(o.photo.image_id, o.other.image_id) for o in found] == [("a", "d"), ("b", "d"), ("c", "d")]
    assert find_overlaps(mine[::-1], theirs[::-1]) == found


def test_narrower_looks():
    pair = [photo("a", look=look())], [photo("b", look=look(6, 6))]
    assert (
        find_overlaps(*pair)
        and find_overlaps(*pair, coarse_bits=6)
        and not find_overlaps(*pair, coarse_bits=5)
    )


def test_same_photos_tie_groups_together():
    far = Look((1 << 64) - 1, (1 << 256) - 1)
    photos = [
        photo("a", sha="s"), photo("b", sha="s", look=look()), photo("c", look=look(8, 8)), photo("d", look=look(16, 16)),
        photo("e", look=far), photo("f", look=far), photo("g", pixels="p"), photo("h", pixels="p"), photo("i"),
    ]  # fmt: skip
    # a and b by bytes, b - c and c - d by 8 bits each, though b and d are 16 apart; e and f look equal; g and h by pixels
    groups = group_photos([p.image_id for p in photos], same_photos(photos))
    assert groups == {
        "a": "a",
        "b": "a",
        "c": "a",
        "d": "a",
        "e": "e",
        "f": "e",
        "g": "g",
        "h": "g",
        "i": "i",
    }


def test_thousands_of_equal_photos_take_no_square():
    # 20,000 x 20,000 pairs would take gigabytes; all look the same and have the same bytes.
    mine, theirs = ([photo(f"{i}", source, "s", "p", look()) for i in range(20_000)] for source in ("m", "t"))
    assert len(find_overlaps(mine, theirs)) == 20_000
    assert len(set(group_photos([p.image_id for p in mine], same_photos(mine)).values())) == 1


def test_report_and_names():
    mine = [photo("a", sha="s"), photo("b", pixels="p"), photo("c")._replace(pixels_sha256=None)]
    theirs = [photo("x", "bench", sha="s"), photo("y", "bench", pixels="p")]
    overlaps = find_overlaps(mine, theirs)
    report = overlap_report(overlaps, mine, theirs, 10)
    assert json.loads(json.dumps(report)) == report
    assert (report["photos"], report["other_photos"], report["undecodable"], report["overlapping"]) == (
        3,
        2,
        1,
        2,
    )
    assert report["by_surest_kind"] == dict(zip(KINDS, (1, 1, 0, 0), strict=True))
    assert report["pairs"][1] == {
        "image_id": "b", "source": "mine", "other_image_id": "y", "other_source": "bench", "kinds": ["pixels"],
        "distance_bits": None,
    }  # fmt: skip
    assert name_overlaps(overlaps) == "'a' = 'x' (same bytes); 'b' = 'y' (same pixels)"
    assert name_overlaps(overlaps, most=1) == "'a' = 'x' (same bytes); and 1 more"
    assert "\n" not in name_overlaps([overlaps[0]._replace(photo=photo("a\nb"))])
