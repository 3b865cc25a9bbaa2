"""The folder of an imported benchmark: what its card says of sources, licences and agreement, and that it opens."""

from __future__ import annotations

import io
import json

import datasets
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

import giqa_hf  # noqa: F401  # makes "giqa-bench" known
from giqa_hf.benchmark.humans.agreement import Agreement
from giqa_hf.benchmark.humans.bench import write_bench
from giqa_hf.builders.giqa_160k.licences import Terms

AGREEMENT = Agreement(0.71234, None, 1.0, 0.5, 1200, 3, 3600)


def make_row(image_id: str, terms: Terms, colour: str = "red") -> dict:
    photo = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(photo, "PNG")
    region = {"phrase": "cup", "span": [4, 7], "quality": "sharp", "effect": "positive", "boxes_norm": [[0.1, 0.2, 0.5, 0.6]]}  # fmt: skip
    return {
        "image": {"bytes": photo.getvalue(), "path": f"{image_id}.png"}, "image_id": image_id, "width": 40,
        "height": 30, "source": terms.source, "license": terms.license, "task": "des", "question_type": None,
        "question": "How good?", "question_regions": [], "answer": "The cup is sharp.", "answer_regions": [region],
    }  # fmt: skip


OPEN, CLOSED = Terms("mine", "CC0-1.0"), Terms("spaq", "research and education only")
ODD = Terms("<b>|x", "unknown")


def made(folder, rows, **options):
    write_bench(rows, folder, AGREEMENT, min_annotators=3, **options)
    return (folder / "README.md").read_text(), json.loads((folder / "dataset.json").read_text())


def test_it_opens_and_its_card_is_one(tmp_path):
    card, told = made(tmp_path / "my bench", [make_row("a", OPEN), make_row("b", OPEN)])
    rows = datasets.load_dataset("giqa-bench", data_dir=str(tmp_path / "my bench"), split="test")
    assert list(rows["image_id"]) == ["a", "b"]
    data = DatasetCard(card).data
    # Who the annotators are, the import cannot know: it claims neither experts nor a crowd.
    assert data.annotations_creators == ["other"] and data.license == "other"
    assert data.pretty_name == "my bench" and "\n# my bench\n" in card
    assert "{" not in card and 'data_dir="my bench"' in card and "\n2 rows on 2 photos, each agreed" in card
    assert (told["rows"], told["photos"], told["min_annotators"]) == (2, 2, 3)


@pytest.mark.parametrize(
    ("terms", "publishable", "says"),
    [
        ([OPEN, OPEN], True, "**publishable: yes.** The terms of every source let its photos be passed on"),
        ([OPEN, CLOSED], False, "**publishable: no.** This folder holds photos whose terms do not let them be passed on: spaq (research and education only): 1 photo, 1 row."),
        ([ODD, CLOSED], False, "\\<b\\>\\|x (unknown): 1 photo, 1 row; spaq ("),
    ],
)  # fmt: skip
def test_whether_it_may_be_published_and_why(tmp_path, terms, publishable, says):
    rows = [make_row(f"{number}", one) for number, one in enumerate(terms)]
    card, told = made(tmp_path / "bench", rows)
    assert says in card and told["publishable"] is publishable and told["why"] in card
    for one in terms:
        assert any((line["source"], line["license"]) == tuple(one) for line in told["licences"])
    assert "<b>" not in card
    assert ("| spaq | research and education only | 1 | 1 | ids and annotations only | Smartphone photos. |" in card) == (CLOSED in terms)  # fmt: skip


def test_agreement_in_words(tmp_path):
    card, _ = made(tmp_path / "bench", [make_row("a", OPEN)])
    assert "| boxes: mean IoU, of names that both marked | 0.712 |" in card
    assert "| names: F1, the same where their spans overlap | n/a |" in card
    assert "| pairs of annotators on a row | 3,600 |" in card


def test_imported_again_the_new_rows_are_loaded(tmp_path):
    folder = tmp_path / "bench"
    made(folder, [make_row("a", OPEN)])
    assert datasets.load_dataset("giqa-bench", data_dir=str(folder), split="test").num_rows == 1
    made(folder, [make_row("a", OPEN), make_row("b", OPEN, "blue")], overwrite=True)
    assert datasets.load_dataset("giqa-bench", data_dir=str(folder), split="test").num_rows == 2
