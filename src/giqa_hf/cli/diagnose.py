"""`giqa diagnose PREDICTIONS`: in which form and in which picture's coordinates the boxes of a file most likely are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DataError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "diagnose",
        help="in which form and frame the boxes of a file of predictions are",
        description="Say in which form and in which picture's coordinates the boxes of a file most likely are, and "
        "why. A help for the eye: nothing is read by it.",
    )
    parser.add_argument("predictions", type=Path, metavar="RUN or PREDICTIONS",
                        help='the folder of a run, or JSON Lines: {"id": ..., "answer": ...}')  # fmt: skip
    parser.add_argument(
        "--references",
        metavar="DATA",
        help="giqa-bench, giqa-synth, a folder of rows, or that of a run: sizes and true boxes (a run has its own)",
    )
    parser.add_argument(
        "--processor",
        metavar="MODEL",
        help="folder or Hub id of the model's processor: the picture that it makes is tried too",
    )
    parser.add_argument("--split", help="split of the data (default: test, or the only one)")
    parser.add_argument("--limit", type=int, help="only the first rows of the data")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the findings."""
    from ..benchmark.diagnose import diagnose, diagnosis_text
    from ..benchmark.predictions import match_predictions, read_predictions
    from ..benchmark.reading import load_processor

    processor = None if args.processor is None else load_processor(args.processor)
    name = args.processor or ""
    if args.predictions.is_dir():
        _run_of_run(args, processor, name)
        return
    lines = read_predictions(args.predictions)
    rows = _rows(args)
    if rows is None:
        given = [line.get("answer", line.get("prediction")) for line in lines]
        answers = [answer for answer in given if isinstance(answer, str)]
        if not answers:
            raise DataError(
                f"{args.predictions}: expected a field answer with words, found none in {len(lines)} lines; write "
                '{"id": ..., "answer": ...}'
            )
        print(diagnosis_text(diagnose(answers, processor=processor, processor_name=name)))
        return
    matched = match_predictions(lines, rows, where=str(args.predictions))
    pairs = [(text, row) for text, row in zip(matched.texts, rows, strict=True) if text is not None]
    answers, matching = [text for text, _ in pairs], [row for _, row in pairs]
    print(diagnosis_text(diagnose(answers, matching, processor=processor, processor_name=name)))


def _run_of_run(args: argparse.Namespace, processor: Any, name: str) -> None:
    """A run knows its rows, and how it has read its answers."""
    from ..benchmark.answers import read_answers
    from ..benchmark.diagnose import beside_reading, diagnose, diagnosis_text
    from ..benchmark.reading import read_grounded
    from ..benchmark.record import ANSWERS, read_record
    from ..benchmark.run import read_references
    from ..formats import format_from_dict

    if args.references is not None:
        raise DataError(
            f"{args.predictions}: expected no --references with a run, which has its own rows; leave it out"
        )
    boxes = read_record(args.predictions)["run"]["boxes"]
    found = read_answers(args.predictions / ANSWERS)
    answered = [
        (found[row["id"]], row)
        for row in read_references(args.predictions)
        if row["id"] in found and found[row["id"]].text is not None
    ]
    texts = [answer.text or "" for answer, _ in answered]
    rows = [row for _, row in answered]
    read = read_grounded(format_from_dict(boxes["format"]), texts, [answer.frame for answer, _ in answered])
    print(f"the run read them as {boxes['format']['name']}, frame: {boxes['frame']}")
    diagnosis = diagnose(texts, rows, processor=processor, processor_name=name)
    print(diagnosis_text(diagnosis))
    if said := beside_reading(diagnosis, texts, rows, read):
        print(said)


def _rows(args: argparse.Namespace) -> list[dict[str, Any]] | None:
    """The rows that were answered, if they are told."""
    from ..benchmark.data import load_bench_data
    from ..benchmark.record import RECORD
    from ..benchmark.run import read_references

    if args.references is None:
        return None
    if (Path(args.references) / RECORD).is_file():
        return read_references(Path(args.references))
    return load_bench_data(args.references, args.split, args.limit).rows
