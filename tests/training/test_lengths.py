"""Tokens counted without pictures are those of TRL's collator; what is too long is named before training starts."""

from __future__ import annotations

import pytest
from PIL import Image
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from giqa_hf.benchmark.generate import context_of
from giqa_hf.errors import DataError
from giqa_hf.processing import load_grounding_processor
from giqa_hf.training import to_conversations
from giqa_hf.training.lengths import (
    TooLong,
    count_tokens,
    find_too_long,
    fingerprint,
    refuse_too_long,
)
from tests.benchmark.tiny_bench import family
from tests.training.small_rows import SIDE, small_dataset

FAMILIES = ("tiny", "llava_next")  # the second takes more tokens for larger pictures


@pytest.fixture(scope="module", params=FAMILIES)
def counted(request):
    """Four rows on pictures of two sizes, with their counts."""
    processor = load_grounding_processor(family(request.param))
    rows = small_dataset(2)
    pictures = [row["image"].resize((160, 40)) if n > 1 else row["image"] for n, row in enumerate(rows)]
    rows = rows.remove_columns(["width", "height", "image"])
    rows = rows.add_column("width", [p.width for p in pictures]).add_column(
        "height", [p.height for p in pictures]
    )
    made = to_conversations(rows.add_column("image", [None] * 4), processor)
    sizes = [picture.size for picture in pictures]
    return processor, made, pictures, count_tokens(made, sizes, processor)


def test_counts_are_the_collators(counted):
    processor, made, pictures, counts = counted
    collate = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)
    rows = [{**made[n], "image": pictures[n]} for n in range(4)]
    assert [int(collate([row])["attention_mask"].sum()) for row in rows] == counts


def test_no_picture_is_opened_and_each_size_is_asked_for_once(monkeypatch):
    processor = load_grounding_processor(family("tiny"))
    made = to_conversations(small_dataset(3), processor)
    asked = []
    plain = type(processor).__call__
    monkeypatch.setattr(
        type(processor), "__call__", lambda self, **given: asked.append(1) or plain(self, **given)
    )
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("a picture was opened"))
    told = []
    counts = count_tokens(made, [SIDE] * 6, processor, progress=lambda *n: told.append(n))
    assert len(counts) == 6 and len(asked) == 1 and told == [(6, 6)]


def test_counts_are_kept(tmp_path, monkeypatch):
    processor = load_grounding_processor(family("tiny"))
    made = to_conversations(small_dataset(1), processor)
    first = count_tokens(made, [SIDE] * 2, processor, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(type(processor), "__call__", lambda *_, **__: pytest.fail("counted again"))
        assert count_tokens(made, [SIDE] * 2, processor, cache=tmp_path) == first
    # Another chat template, other pictures, other texts: each is counted anew.
    processor.chat_template = processor.chat_template.replace("USER", "A USER")
    count_tokens(made, [SIDE] * 2, processor, cache=tmp_path)
    count_tokens(made, [SIDE, (99, 9)], processor, cache=tmp_path)
    count_tokens(made.select([1, 0]), [SIDE] * 2, processor, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_what_is_too_long_is_named_the_longest_first():
    found = find_too_long([5, 9, 4, 12], ["a", "b", "c", "d"], 4)
    assert found == [TooLong(3, "d", 12), TooLong(1, "b", 9), TooLong(0, "a", 5)]
    with pytest.raises(
        DataError, match=r"at most 4 tokens, found 3 longer: d \(12\), b \(9\), a \(5\); .*--drop-too-long"
    ):
        refuse_too_long(found, 4)
    with pytest.raises(DataError, match=r"found 7 longer: .* and 2 more"):
        refuse_too_long([TooLong(n, str(n), 9) for n in range(7)], 4)
    refuse_too_long(find_too_long([4, 4], ["a", "b"], 4), 4)


def test_a_fingerprint_is_of_texts_ids_and_their_order():
    made = to_conversations(small_dataset(2))
    same = to_conversations(small_dataset(2))
    assert fingerprint(made) == fingerprint(same) and len(fingerprint(made)) == 64
    assert fingerprint(made) != fingerprint(made.select([1, 0, 2, 3]))
    assert fingerprint(made) != fingerprint(made.select([0, 1, 2]))


def test_the_context_is_the_language_models():
    from tests.make_tiny_checkpoint import make_parts

    assert context_of(make_parts()[0]) == 1024
