"""`giqa dataset export`: both tools, words for a backbone's boxes, and what the user is told."""

from __future__ import annotations

import argparse
import json

import pytest

from giqa_hf.cli import dataset_export
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.processing import load_grounding_processor
from tests.benchmark.tiny_bench import make_bench
from tests.make_tiny_checkpoint import tiny_checkpoint


@pytest.fixture
def export(tmp_path):
    """Function: run the action on eight rows."""
    data = make_bench(tmp_path / "data")

    def run(*arguments, out="out"):
        parser = argparse.ArgumentParser()
        dataset_export.add_action(parser.add_subparsers(required=True))
        args = parser.parse_args(["export", str(data), str(tmp_path / out), "--split", "test", *arguments])
        args.run(args)
        return [json.loads(line) for line in (tmp_path / out / "data_test.jsonl").read_text().splitlines()]

    return run


def test_ms_swift(export, tmp_path, capsys):
    lines = export("--to", "ms-swift", "--limit", "3")
    assert len(lines) == 3 and lines[0]["objects"]["ref"] == ["cup", "plant"]
    told = capsys.readouterr().out
    assert "3 of 3 rows, 1 pictures" in told
    assert told.endswith(f"cd {tmp_path / 'out'}\nswift sft --model MODEL --dataset data_test.jsonl\n")


def test_ms_swift_with_boxes_as_words(export):
    lines = export("--to", "ms-swift", "--frame", "whole")
    assert "objects" not in lines[0]
    assert (
        lines[0]["messages"][1]["content"]
        == "The [cup](<82,229>) is sharp and the [plant](<50,357>) is dark."
    )


def test_llama_factory_for_a_processor(export, capsys):
    # giqa-tiny sees the whole picture, squashed: the cells are those of the whole
    lines = export("--to", "llama-factory", "--processor", str(tiny_checkpoint()))
    assert (
        lines[0]["conversations"][1]["value"]
        == "The [cup](<82,229>) is sharp and the [plant](<50,357>) is dark."
    )
    assert "--dataset data_test --image_max_pixels 9600" in capsys.readouterr().out  # 120 * 80


def test_llama_factory_for_a_padded_picture(export):
    # 120 x 80 in a square of 120: 20 px above. The cup's y is 16 .. 48 px, with these 36 .. 68: 0.3 .. 0.567
    lines = export("--to", "llama-factory", "--frame", "square", "--format", "normalized")
    assert lines[0]["conversations"][1]["value"].startswith("The [cup](<0.10,0.30,0.50,0.57>) is sharp")


def test_a_backbone_leaves_its_processor(export, tmp_path, capsys):
    lines = export("--to", "llama-factory", "--backbone", "giqa-tiny", "--processor", str(tiny_checkpoint()))
    assert "(<82,229>)" in lines[0]["conversations"][1]["value"]
    saved = load_grounding_processor(tmp_path / "out" / "processor")
    assert saved.frame(120, 80).model_wh == (240, 240)
    assert "put its files into the folder of the model" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["settings"]["frame"] == "of the processor of giqa-tiny"
    # the same command again goes on where it was
    assert (
        export("--to", "llama-factory", "--backbone", "giqa-tiny", "--processor", str(tiny_checkpoint()))
        == lines
    )


def test_llama_factory_must_know_the_model(export):
    with pytest.raises(
        DataError, match="it knows no boxes; give --backbone NAME, --processor MODEL, or --frame"
    ):
        export("--to", "llama-factory")


def test_an_unknown_backbone(export, tmp_path):
    with pytest.raises(GiqaError, match="llava-1.5-7b"):
        export("--to", "llama-factory", "--backbone", "gpt")
    assert not (tmp_path / "out").exists()


def test_a_split_that_there_is_not(export):
    with pytest.raises(DataError, match="expected the split validation"):
        export("--to", "ms-swift", "--split", "validation")
