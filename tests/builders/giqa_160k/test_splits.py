"""No photo is in two splits, nor one that looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.builders.giqa_160k.splits import SPLITS, assign_splits, group_photos
from giqa_hf.errors import DataError


@pytest.mark.parametrize(
    ("same", "groups"),
    [
        ([], {"a": "a", "b": "b", "c": "c", "d": "d"}),
        ([("b", "d")], {"a": "a", "b": "b", "c": "c", "d": "b"}),  # named by the smallest id
        ([("d", "b"), ("c", "d")], {"a": "a", "b": "b", "c": "b", "d": "b"}),  # over two steps
        ([("a", "b"), ("c", "d"), ("b", "c")], dict.fromkeys("abcd", "a")),  # two groups become one
        ([("a", "a")], {"a": "a", "b": "b", "c": "c", "d": "d"}),
    ],
)
def test_groups(same, groups):
    assert group_photos("abcd", same) == groups


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.randoms())
def test_groups_do_not_depend_on_the_order(pairs, rng):
    ids = [f"{i:02}" for i in range(31)]
    same = [(ids[a], ids[b]) for a, b in pairs]
    groups = group_photos(ids, same)
    assert all(groups[a] == groups[b] for a, b in same)
    rng.shuffle(same)
    rng.shuffle(ids)
    assert group_photos(ids, [(b, a) for a, b in same]) == groups


def test_by_default_all_is_train():
    assert set(assign_splits({"a": "a", "b": "b"}).values()) == {"train"}


def test_shares_come_out_and_a_group_stays_together():
    groups = {f"{i}-{copy}": f"{i}-0" for i in range(4000) for copy in range(2)}
    splits = assign_splits(groups, validation=0.1, test=0.2)
    assert all(splits[f"{i}-0"] == splits[f"{i}-1"] for i in range(4000))
    count = {split: sum(s == split for s in splits.values()) / 8000 for split in SPLITS}
    # Standard deviation of a share of 4,000 groups: below sqrt(.2 * .8 / 4000) = .0063.
    assert abs(count["validation"] - 0.1) < 0.025 and abs(count["test"] - 0.2) < 0.025


def test_a_photo_keeps_its_split_when_others_come_and_moves_with_the_seed():
    few, many = ({f"{i}": f"{i}" for i in range(n)} for n in (100, 1000))
    options = {"validation": 0.2, "test": 0.2}
    assert assign_splits(few, **options).items() <= assign_splits(many, **options).items()
    assert assign_splits(many, **options) != assign_splits(many, **options, seed=1)
    assert (
        assign_splits(many, test=0.2).items()
        >= {k: v for k, v in assign_splits(many, **options).items() if v == "test"}.items()
    )


@pytest.mark.parametrize(
    "shares", [(-0.1, 0), (0, -0.1), (0.5, 0.5), (1, 0), (float("nan"), 0), (0, float("inf"))]
)
def test_shares_that_are_none(shares):
    with pytest.raises(DataError, match=r"^splits: expected shares"):
        assign_splits({"a": "a"}, validation=shares[0], test=shares[1])
