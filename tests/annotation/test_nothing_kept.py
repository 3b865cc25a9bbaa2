"""The sentence that a build without a kept record ends with: the commonest reason, in numbers, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from giqa_hf.annotation import audit
from giqa_hf.annotation.nothing_kept import nothing_kept
from giqa_hf.annotation.record import Fate, Record, Tag


def dropped(stage, reason, *tags):
    fates = [Tag(name, name, "dark", "negative", fate=Fate("dropped", at, why)) for name, at, why in tags]
    return Record("r", "i", "i.png", "", "s", "l", tags=fates, fate=Fate("dropped", stage, reason))


GONE = dropped("corpus", "photo missing")
UNGROUNDED = dropped(
    "fusion", "nothing grounded", ("sky", "boxes", "nothing detected"), ("lake", "tags", "duplicate"),
    ("tree", "boxes", "nothing detected"), ("bush", "fusion", "with its record: nothing grounded"),
)  # fmt: skip
SAID = {
    # records, what the sentence says
    "a photo": ([GONE], "none of 1 record is kept, most often because of: photo missing, at corpus (1 of 1); name the "),
    # Of 3 records 2 have it. Of 8 tags 4 were not found; those that only went with their record count for nothing.
    "what became of the tags": (
        [GONE, UNGROUNDED, UNGROUNDED],
        "because of: nothing grounded, at fusion (2 of 3); of tags: nothing detected, at boxes (4 of 8); check that "
        "the photos belong to their descriptions, or lower the threshold of the detector",
    ),
    "a model that does not obey": (
        [dropped("tags", "no usable answer: no JSON in it")],
        "(1 of 1); ask another language model",
    ),
    "a reason without advice": ([dropped("own stage", "too green")], "try other settings, or another profile"),
}  # fmt: skip


@pytest.mark.parametrize("records, said", SAID.values(), ids=SAID)
def test_the_commonest_reason_is_told(records, said):
    sentence = str(nothing_kept(Path("build"), audit.count(records)))
    assert sentence.startswith("build: none of ") and said in sentence
    assert "`giqa annotate --out build --explain ID`" in sentence and "\n" not in sentence
