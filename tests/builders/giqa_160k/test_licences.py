"""What may be published of which rows."""

from __future__ import annotations

import pytest

from giqa_hf.builders.giqa_160k.licences import Terms, licence_lines, rows_to_publish
from giqa_hf.corpora.sources import SOURCES


@pytest.mark.parametrize(
    ("source", "license", "publish"),
    [
        ("mine", "CC BY 4.0", "whole"),
        ("mine", "unknown", "annotations"),
        ("mine", "", "annotations"),
        ("spaq", "CC0-1.0", "annotations"),  # what the source says counts, not what a table says of it
        ("agiqa-3k", "anything", "whole"),
    ],
)
def test_publish(source, license, publish):
    assert Terms(source, license).publish == publish


def test_every_known_source_is_judged_as_it_says():
    for source in SOURCES:
        assert Terms(source.name, "").publish == ("whole" if source.redistributable else "annotations")


def test_lines_and_sums():
    mine, spaq = Terms("mine", "CC0-1.0"), Terms("spaq", "research and education only")
    lines = licence_lines([(spaq, "s"), (mine, "a"), (mine, "b"), (mine, "a")])
    assert [(line["source"], line["rows"], line["images"], line["publish"]) for line in lines] == [
        ("mine", 3, 2, "whole"),
        ("spaq", 1, 1, "annotations"),
    ]
    assert lines[0]["url"] == lines[0]["note"] == "" and lines[1]["url"] == "https://github.com/h4nwei/SPAQ"
    assert rows_to_publish(lines) == {"whole": 3, "annotations": 1}
    assert rows_to_publish([]) == {"whole": 0, "annotations": 0}
