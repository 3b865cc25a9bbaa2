"""A corpus in shards: which rows count, what a first reading tells, and that the second one must tell the same."""

from __future__ import annotations

import pytest

from giqa_hf.annotation.survey import ShardedCorpus
from giqa_hf.errors import DataError, GiqaError
from tests.annotation.small_stages import ListCorpus, Row


def rows(ids, **changes):
    return [Row(record_id, "i", "i.png", "text", **changes) for record_id in ids]


def test_shards_are_consecutive_rows(tmp_path):
    sharded = ShardedCorpus(ListCorpus(tmp_path, rows("abcde")), 2)
    assert [(number, "".join(row.record_id for row in taken)) for number, taken in sharded] == [
        (0, "ab"), (1, "cd"), (2, "e"),
    ]  # fmt: skip


@pytest.mark.parametrize("limit, ids", [(1, ["a"]), (2, ["ab"]), (3, ["ab", "c"]), (99, ["ab", "cd", "e"])])
def test_a_limit(tmp_path, limit, ids):
    sharded = ShardedCorpus(ListCorpus(tmp_path, rows("abcde")), 2, limit)
    assert ["".join(row.record_id for row in taken) for _, taken in sharded] == ids
    assert sharded.survey().rows == sum(map(len, ids))


def test_of_rows_with_the_same_id_the_first_counts_also_across_shards(tmp_path):
    sharded = ShardedCorpus(ListCorpus(tmp_path, rows("abaca")), 2)
    problems = [row.problem for _, taken in sharded for row in taken]
    assert problems == [None, None, "duplicate id", None, "duplicate id"]


def test_what_a_survey_tells(tmp_path):
    given = rows("ab") + [Row(f"m{i}", "i", f"{i}.png", "", problem="photo missing") for i in range(25)]
    given.append(Row("z", "i", "i.png", "", problem="no description"))
    survey = ShardedCorpus(ListCorpus(tmp_path, given), 10).survey()
    assert survey.rows == 28 and len(survey.ids) == 3  # ceil(28 / 10)
    assert survey.problems == {"photo missing": 25, "no description": 1}
    assert survey.details == {"photo missing": "m0", "no description": "z"}  # their ids, without a detail
    assert survey.left_out == {} and survey.earlier_sha256 is None
    assert survey.missing.count == 25 and survey.missing.first == [f"{i}.png" for i in range(20)]


@pytest.mark.parametrize(
    "field", ["record_id", "image_id", "image", "description", "source", "license", "problem", "detail"]
)
def test_the_digest_sees_every_field(tmp_path, field):
    one, other = rows("ab"), rows("ab")
    other[1] = Row(**{**vars(other[1]), field: "other"})
    digests = [
        ShardedCorpus(ListCorpus(tmp_path, given), 2).survey().sha256 for given in (one, rows("ab"), other)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_the_rows_that_an_earlier_run_has_taken(tmp_path):
    whole = ListCorpus(tmp_path, rows("abcde"))
    for count in (1, 2, 3, 5):
        part = ShardedCorpus(whole, 2, limit=count).survey().sha256
        assert ShardedCorpus(whole, 2).survey(earlier=count).earlier_sha256 == part
    assert ShardedCorpus(whole, 2).survey(earlier=6).earlier_sha256 is None


def test_how_far_the_reading_is(tmp_path):
    ticks = []
    ShardedCorpus(ListCorpus(tmp_path, rows("abcde")), 2).survey(tick=ticks.append)
    assert ticks == [2, 4, 5]


def test_the_digest_sees_the_bytes_of_an_embedded_photo(tmp_path):
    one, other = (ListCorpus(tmp_path, [Row("a", "i", data, "text")]) for data in (b"one", b"other"))
    assert ShardedCorpus(one, 2).survey().sha256 != ShardedCorpus(other, 2).survey().sha256


def test_an_empty_corpus(tmp_path):
    with pytest.raises(GiqaError, match="corpus list: expected at least one row, found none"):
        ShardedCorpus(ListCorpus(tmp_path, []), 2).survey()


def test_only_what_is_wanted_is_read_again(tmp_path):
    corpus = ListCorpus(tmp_path, rows("abcdef"))
    sharded = ShardedCorpus(corpus, 2)
    assert [number for number, _ in sharded.again(sharded.survey(), [0, 2])] == [0, 2]


CHANGED = {
    # what the corpus is at the second reading, and the shards that are given before it is noticed
    "another order": ("abdcef", [0]),
    "shorter": ("abc", [0]),
    "much shorter": ("ab", [0]),
    "another row at the end": ("abcdex", [0, 1]),
}


@pytest.mark.parametrize("ids, given", CHANGED.values(), ids=CHANGED)
def test_a_corpus_that_changes_between_the_readings(tmp_path, ids, given):
    corpus = ListCorpus(tmp_path, rows("abcdef"))
    sharded = ShardedCorpus(corpus, 2)
    survey = sharded.survey()
    corpus.rows = rows(ids)
    seen = []
    with pytest.raises(DataError, match=f"found others in shard {len(given)}"):
        for number, _ in sharded.again(survey, [0, 1, 2]):
            seen.append(number)
    assert seen == given
