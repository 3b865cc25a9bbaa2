"""Which photos may not be passed on: by the terms of a row of theirs, or because they are the same photo as such a one.

A photo can come into a corpus twice, once from a source that does not let it be passed on and once under open terms.
It is one photo: where any row holds it back, no row may bring it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from .contamination import Photo
from .licences import ANNOTATIONS, WHOLE, Terms, licence_lines

_OF_COPIES = "The same photos are here under terms that do not let them be passed on."


def held_photos(rows: Iterable[tuple[Terms, str]], photos: Mapping[str, Photo]) -> frozenset[str]:
    """Image ids of the photos that may not be passed on.

    Args:
        rows (iterable of `(Terms, str)`): terms and image id of every row.
        photos (`Mapping`): what each photo is known by, by image id. A photo is the same as another when its bytes or
            its upright pixels are, not when it only looks like it.
    """
    by_terms = {image_id for terms, image_id in rows if terms.publish != WHOLE}
    known = {mark for image_id in by_terms if image_id in photos for mark in _marks(photos[image_id])}
    copies = {image_id for image_id, photo in photos.items() if known & set(_marks(photo))}
    return frozenset(by_terms | copies)


def held_licence_lines(rows: Iterable[tuple[Terms, str]], held: Container[str]) -> list[dict[str, Any]]:
    """Rows and photos per source and licence, as `licence_lines` counts them.

    Rows whose own terms are open, but whose photo is held, have a line of their own that says so.

    Args:
        rows (iterable of `(Terms, str)`): terms and image id of every row.
        held (container of `str`): from `held_photos`.
    """
    plain: list[tuple[Terms, str]] = []
    copies: list[tuple[Terms, str]] = []
    for terms, image_id in rows:
        (copies if terms.publish == WHOLE and image_id in held else plain).append((terms, image_id))
    lines = licence_lines(plain)
    lines += [{**line, "publish": ANNOTATIONS, "note": _OF_COPIES} for line in licence_lines(copies)]
    return sorted(lines, key=lambda line: (line["source"], line["license"]))


def _marks(photo: Photo) -> list[tuple[str, str]]:
    pixels = [("pixels", photo.pixels_sha256)] if photo.pixels_sha256 else []
    return [("bytes", photo.sha256), *pixels]
