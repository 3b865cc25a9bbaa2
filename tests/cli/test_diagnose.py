"""`giqa diagnose`: from a file to a table and a verdict, and one sentence for everything that fails."""

from __future__ import annotations

import argparse
import json

import pytest

from giqa_hf.benchmark.data import row_ids
from giqa_hf.cli import diagnose
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.formats import GiqaFormat, LlavaFormat
from giqa_hf.frames import Frame
from giqa_hf.processing import render
from giqa_hf.schema import grounded_of
from tests.benchmark.tiny_bench import bench_rows, family, make_bench, predicted_run


def run(*arguments):
    parser = argparse.ArgumentParser()
    diagnose.add_parser(parser.add_subparsers())
    args = parser.parse_args(["diagnose", *map(str, arguments)])
    args.run(args)


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_padded_model_is_found(tmp_path, capsys):
    rows = bench_rows()  # photos of 120 x 80 and 80 x 120
    lines = [
        {
            "id": row_id,
            "answer": render(
                grounded_of(row, "answer"),
                LlavaFormat(),
                Frame.square_pad((row["width"], row["height"]), 336),
            ),
        }
        for row_id, row in zip(row_ids(rows), rows, strict=True)
    ]
    path = write(tmp_path / "predictions.jsonl", lines)
    run(path, "--references", make_bench(tmp_path / "data"))
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0]
        == "1. name [fractions]: fractions of the image padded to a square, as of LLaVA, Shikra, GroundingGPT"
    )
    assert "mIoU 0.9" in out[1]
    assert out[-1].endswith("read it with --format llava --frame square")
    run(path)  # without true boxes
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("cannot tell: name [fractions] is ")


def test_a_processor_says_what_the_names_do_not(tmp_path, capsys):
    """giqa-tiny that pads: with its processor the verdict names it, and not the square that is the same."""
    rows = bench_rows()
    model = family("padding")
    lines = [
        {
            "id": row_id,
            "answer": render(
                grounded_of(row, "answer"), GiqaFormat(), Frame.square_pad((row["width"], row["height"]), 336)
            ),
        }
        for row_id, row in zip(row_ids(rows), rows, strict=True)
    ]
    path = write(tmp_path / "predictions.jsonl", lines)
    run(path, "--references", make_bench(tmp_path / "data"), "--processor", model)
    assert capsys.readouterr().out.endswith(f"read it with --format giqa --processor {model}\n")
    with pytest.raises(GiqaError, match="expected a checkpoint of an image-text-to-text model"):
        run(path, "--processor", tmp_path / "nothing")


def test_strange_lines(tmp_path, capsys):
    path = write(tmp_path / "p.jsonl", [{"answer": 4}, {"prediction": "Yes."}, {"other": 1}])
    run(path)
    assert capsys.readouterr().out.startswith(
        "1 answers, at most 0 of them with boxes in one form\nnone of the 1"
    )
    with pytest.raises(DataError, match="expected a field answer with words, found none in 1 lines"):
        run(write(path, [{"answer": None}]))
    with pytest.raises(DataError, match="none that can be read"):
        run(tmp_path / "gone.jsonl")


def test_a_run_brings_its_own_rows(tmp_path, capsys):
    """As a folder, and as the references of a file of predictions."""
    rows = bench_rows()
    answers = [
        render(
            grounded_of(row, "answer"), LlavaFormat(), Frame.square_pad((row["width"], row["height"]), 336)
        )
        for row in rows
    ]
    folder = predicted_run(tmp_path / "padded", make_bench(tmp_path / "data"), answers)
    run(folder)
    said = capsys.readouterr().out
    assert said.startswith("the run read them as giqa, frame: whole\n")
    told, last = said.rstrip("\n").rsplit("\n", 1)
    assert told.endswith("read it with --format llava --frame square")
    assert last.startswith("as the run read them their mIoU is 0.000, and ")
    assert last.endswith("of the image padded to a square, as of LLaVA, Shikra, GroundingGPT; the run has likely "
                         "read them wrongly")  # fmt: skip
    run(folder.with_suffix(".jsonl"), "--references", folder)
    assert capsys.readouterr().out.rstrip("\n") == told.partition("\n")[2]
    own = predicted_run(
        tmp_path / "own",
        tmp_path / "data",
        [render(grounded_of(row, "answer"), GiqaFormat()) for row in rows],
    )
    run(own)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("as the run read them their mIoU is 0.") and last.endswith(
        "; nothing here speaks against that reading"
    )
    with pytest.raises(DataError, match="expected no --references with a run"):
        run(folder, "--references", folder)


def test_without_true_boxes_one_reading_alone_is_no_certainty(tmp_path, capsys):
    run(write(tmp_path / "p.jsonl", [{"answer": "The [cup](<42,190>)."}]))
    assert "cannot tell" in capsys.readouterr().out
    run(write(tmp_path / "p.jsonl", [{"answer": "a cat <loc0100><loc0200><loc0300><loc0400> cat"}]))
    last = capsys.readouterr().out.splitlines()[-1]  # the whole image or the padded square
    assert last.startswith("cannot tell: <loc0000> is tokens of 1024, y first, of the whole image")
    # this form is of the original image by its own rule
    run(write(tmp_path / "p.jsonl", [{"answer": "<|ref|>cat<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>"}]))
    assert capsys.readouterr().out.splitlines()[-1].startswith("not certain: the form is <|det|>")
