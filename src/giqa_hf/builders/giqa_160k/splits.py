"""Which photo is in which split: all rows of a photo, and of photos that look alike, in the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from ...errors import DataError

TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")


def group_photos(image_ids: Iterable[str], same: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Name the group of each photo: photos that are the same to the eye are one group, over any number of steps.

    Args:
        image_ids (iterable of `str`): all photos.
        same (iterable of pairs of `str`, *optional*): image ids of photos that belong together.

    Returns:
        `dict`: image id to the smallest image id of its group.
    """
    parent = {image_id: image_id for image_id in image_ids}

    def root(image_id: str) -> str:
        while parent[image_id] != image_id:
            parent[image_id] = parent[parent[image_id]]  # halves the way for the next one
            image_id = parent[image_id]
        return image_id

    for one, other in same:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {image_id: root(image_id) for image_id in parent}


def assign_splits(
    groups: Mapping[str, str], *, validation: float = 0.0, test: float = 0.0, seed: int = 0
) -> dict[str, str]:
    """Give each photo its split by a hash of its group: the same whatever other photos there are.

    Args:
        groups (mapping of `str` to `str`): image id to the name of its group, see `group_photos`.
        validation (`float`, *optional*, defaults to `0.0`): expected share of the groups, 0 to 1.
        test (`float`, *optional*, defaults to `0.0`): the same; together they leave something to `train`.
        seed (`int`, *optional*, defaults to `0`): another seed, another choice.

    Returns:
        `dict`: image id to `"train"`, `"validation"` or `"test"`.

    Raises:
        `DataError`: when the shares are not shares.
    """
    # Said this way round, NaN is refused as well.
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise DataError(
            f"splits: expected shares of validation and test from 0 to 1 that leave some to train, got {validation} "
            f"and {test}; give smaller ones"
        )
    splits = {}
    for image_id, group in groups.items():
        digest = hashlib.sha256(f"{seed}\0split\0{group}".encode("utf-8", "surrogatepass")).digest()
        place = int.from_bytes(digest[:6]) / 2**48  # exact in a float, 0 <= place < 1
        splits[image_id] = "test" if place < test else "validation" if place < test + validation else TRAIN
    return splits
