"""The guard between a set of photos and another one: same bytes, same pixels, same source, or the same to the eye.

What "to the eye" finds was measured on 18 photographs and drawings of scikit-image: every copy that was recompressed
(down to JPEG quality 10), resized (down to 128 px, or squashed to a square), brightened or darkened, given more
contrast, made grey, blurred or covered with noise is found, and of 12 million pairs of crops of different pictures
none is. A copy that lost a tenth by cropping is mostly not found, a mirror image never.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .fingerprints import Look
from .near import near_pairs

COARSE_BITS = 10
"""Bits of 64 in which the coarse looks of two copies may differ. In the measurement above, copies reach 10."""
FINE_BITS = 64
"""Bits of 256 in which their fine looks may differ. Copies reach 64 (most 30), different pictures begin at 72."""
KINDS = ("bytes", "pixels", "source id", "look")
"""In what two photos can agree, the surest first."""


class Photo(NamedTuple):
    """A photo of a set, by all that it is known by."""

    image_id: str
    source: str
    sha256: str
    pixels_sha256: str | None
    """`None` when it could not be decoded."""
    look: Look | None
    """`None` when it could not be decoded, or shows nothing."""


class Overlap(NamedTuple):
    """A photo that is in both sets, with the photo of the other set that it agrees with most."""

    photo: Photo
    other: Photo
    kinds: tuple[str, ...]
    """In what they agree, see `KINDS`."""
    distance: int | None
    """Bits of 256 in which their fine looks differ; `None` where one has none."""


def find_overlaps(
    photos: Sequence[Photo], others: Sequence[Photo], coarse_bits: int = COARSE_BITS
) -> list[Overlap]:
    """Find the photos that are in another set as well.

    Args:
        photos (sequence of `Photo`): the set to be checked.
        others (sequence of `Photo`): the set that it must not share photos with.
        coarse_bits (`int`, *optional*, defaults to `10`): bits of 64 in which the coarse looks of two copies may
            differ, 0 to 16.

    Returns:
        `list` of `Overlap`: one per photo that is in both, sorted by its id: with the other photo that it agrees with
        in the surest kind, and among those the one closest to the eye.
    """
    others = sorted(others, key=lambda other: other[:3])
    found: dict[int, set[int]] = defaultdict(set)
    for key_of in (_bytes, _pixels, _source_id):
        there = _index(others, key_of)
        for i, photo in enumerate(photos):
            found[i].update(there.get(key_of(photo), ())[:1])  # one witness will do
    mine, theirs = _index(photos, _look), _index(others, _look)
    for one, other in _alike(list(mine), list(theirs), coarse_bits):
        for i in mine[one]:
            found[i].update(theirs[other][:1])
    overlaps = [
        min((_compare(photos[i], others[j], coarse_bits) for j in candidates), key=_surest_first)
        for i, candidates in found.items()
        if candidates
    ]
    return sorted(overlaps, key=lambda overlap: overlap.photo[:3])


def same_photos(photos: Sequence[Photo], coarse_bits: int = COARSE_BITS) -> Iterator[tuple[str, str]]:
    """Pairs of image ids within one set that are the same photo, enough of them to tie each group together.

    Args:
        photos (sequence of `Photo`): the set.
        coarse_bits (`int`, *optional*, defaults to `10`): as in `find_overlaps`.
    """
    looks = _index(photos, _look)
    for table in (_index(photos, _bytes), _index(photos, _pixels), looks):
        for first, *rest in table.values():
            yield from ((photos[first].image_id, photos[i].image_id) for i in rest)
    for one, other in _alike(list(looks), list(looks), coarse_bits):
        if one < other:
            yield photos[looks[one][0]].image_id, photos[looks[other][0]].image_id


def overlap_report(
    overlaps: Sequence[Overlap], photos: Sequence[Photo], others: Sequence[Photo], coarse_bits: int
) -> dict[str, Any]:
    """What was found, as plain values for JSON.

    Args:
        overlaps (sequence of `Overlap`): from `find_overlaps`.
        photos (sequence of `Photo`): the checked set.
        others (sequence of `Photo`): the other set.
        coarse_bits (`int`): that were used.
    """
    surest = Counter(overlap.kinds[0] for overlap in overlaps)
    return {
        "photos": len(photos),
        "other_photos": len(others),
        "undecodable": sum(photo.pixels_sha256 is None for photo in photos),
        "other_undecodable": sum(photo.pixels_sha256 is None for photo in others),
        "coarse_bits": coarse_bits,
        "fine_bits": FINE_BITS,
        "overlapping": len(overlaps),
        "by_surest_kind": {kind: surest[kind] for kind in KINDS},
        "pairs": [
            {
                "image_id": overlap.photo.image_id, "source": overlap.photo.source,
                "other_image_id": overlap.other.image_id, "other_source": overlap.other.source,
                "kinds": list(overlap.kinds), "distance_bits": overlap.distance,
            }
            for overlap in overlaps
        ],
    }  # fmt: skip


def name_overlaps(overlaps: Sequence[Overlap], most: int = 5) -> str:
    """The first pairs in words, for a message."""
    named = [
        f"{overlap.photo.image_id!r} = {overlap.other.image_id!r} (same {' and '.join(overlap.kinds)})"
        for overlap in overlaps[:most]
    ]
    return "; ".join(named) + (f"; and {len(overlaps) - most} more" if len(overlaps) > most else "")


def _alike(a: Sequence[Look], b: Sequence[Look], coarse_bits: int) -> Iterator[tuple[Look, Look]]:
    """Pairs of looks that are the same to the eye: close in the coarse bits, and then in the fine ones too."""
    coarse_a, coarse_b = (np.array([look.coarse for look in looks], dtype=np.uint64) for looks in (a, b))
    near = near_pairs(coarse_a, coarse_b, coarse_bits)
    for i, j in zip(near.left.tolist(), near.right.tolist(), strict=True):
        if (a[i].fine ^ b[j].fine).bit_count() <= FINE_BITS:
            yield a[i], b[j]


def _compare(photo: Photo, other: Photo, coarse_bits: int) -> Overlap:
    distance, alike = None, False
    if photo.look is not None and other.look is not None:
        distance = (photo.look.fine ^ other.look.fine).bit_count()
        coarse = (photo.look.coarse ^ other.look.coarse).bit_count()
        alike = coarse <= coarse_bits and distance <= FINE_BITS
    agree = (
        photo.sha256 == other.sha256,
        photo.pixels_sha256 is not None and photo.pixels_sha256 == other.pixels_sha256,
        _source_id(photo) == _source_id(other),
        alike,
    )
    kinds = tuple(kind for kind, holds in zip(KINDS, agree, strict=True) if holds)
    return Overlap(photo, other, kinds, distance)


def _surest_first(overlap: Overlap) -> tuple[int, int, str, str]:
    distance = 257 if overlap.distance is None else overlap.distance
    return KINDS.index(overlap.kinds[0]), distance, overlap.other.image_id, overlap.other.source


def _bytes(photo: Photo) -> str:
    return photo.sha256


def _pixels(photo: Photo) -> str | None:
    return photo.pixels_sha256


def _source_id(photo: Photo) -> tuple[str, str]:
    return photo.source, photo.image_id


def _look(photo: Photo) -> Look | None:
    return photo.look


def _index(photos: Sequence[Photo], key_of: Callable[[Photo], Any]) -> dict[Any, list[int]]:
    """Where in the sequence the photos of each key stand; those without one are in none."""
    table: dict[Hashable, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        if (key := key_of(photo)) is not None:
            table[key].append(i)
    return dict(table)
