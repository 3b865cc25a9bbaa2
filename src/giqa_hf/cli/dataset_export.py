"""`giqa dataset export`, and `giqa convert` to the same two: rows for ms-swift or LLaMA-Factory."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError

if TYPE_CHECKING:
    from ..interchange import Target, Writing

TARGETS = ("ms-swift", "llama-factory")
PROCESSOR = "processor"


def add_action(actions: Any) -> None:
    """Add the action."""
    export = actions.add_parser(
        "export", help="write rows as ms-swift or LLaMA-Factory take them; the same as giqa convert"
    )
    export.add_argument(
        "source", metavar="data", help="a dataset folder with GIQA rows, giqa-synth, or a dataset of the Hub"
    )
    export.add_argument("out", type=Path, help="new folder, or that of an interrupted export")
    export.add_argument("--to", required=True, choices=TARGETS)
    export.add_argument("--split", default="train", help="split of the data (default: train)")
    export.add_argument("--limit", type=int, help="only the first rows")
    add_words(export)
    export.set_defaults(run=run_export)


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how boxes become words."""
    words = parser.add_argument_group(
        "boxes as words",
        "LLaMA-Factory knows no boxes, so they become words for one model; ms-swift writes them itself unless one of "
        "these is given",
    )
    words.add_argument(
        "--backbone", help="name of a backbone of giqa_hf; its processor goes into OUT/processor, to train with"
    )  # fmt: skip
    words.add_argument(
        "--processor", help="folder or Hub id of the model that will be trained: its frame and its box format"
    )
    words.add_argument(
        "--frame", choices=("whole", "square"), help="without a processor: the model sees the whole picture, or pads it"
    )  # fmt: skip
    words.add_argument(
        "--format", help='name or JSON of a box format, e.g. giqa or {"name": "giqa", "cols": 40}'
    )
    words.add_argument(
        "--hidden", choices=("drop", "keep", "error"), default="drop", help="boxes that the model does not see"
    )  # fmt: skip


def asks_for_words(args: argparse.Namespace) -> bool:
    """Whether one of the options of `add_words` is given."""
    return any(value is not None for value in (args.backbone, args.processor, args.frame, args.format))


def run_export(args: argparse.Namespace) -> None:
    """Run `giqa dataset export`."""
    from ..benchmark.data import load_bench_data
    from ..interchange import export_data
    from ..interchange.exporting import dataset_name

    processor = processor_of(args)  # before the data is loaded: here the user may have to mend something
    target = _target(args, processor)
    data = load_bench_data(args.source, args.split, args.limit)
    exported = export_data(data, args.out, target, say=lambda line: print(line, flush=True))
    print(f"{exported.written} of {exported.rows} rows, {exported.pictures} pictures: {args.out}")
    for reason, count in exported.dropped.items():
        print(f"  left out: {count} rows, {reason}")
    for what, count in exported.not_carried.items():
        print(f"  {target.name} has no place for: {what}, {count}")
    if args.backbone is not None and processor is not None:
        processor.save_pretrained(args.out / PROCESSOR)
        print(
            f"the boxes are those of the pictures that {args.out / PROCESSOR} makes: put its files into the folder of "
            "the model that is trained, in the place of its own"
        )
    name = dataset_name(data.name, data.split)
    print(f"cd {shlex.quote(str(args.out))}")
    for line in target.command(name, f"{name}.jsonl", exported.largest_pixels):
        print(line)


def _target(args: argparse.Namespace, processor: Any) -> Target:
    from ..interchange import LlamaFactory, MsSwift

    asked = asks_for_words(args)
    if args.to == "ms-swift":
        return MsSwift(writing_of(args, processor) if asked else None)
    if not asked:
        raise DataError(
            "llama-factory: expected the model whose words for boxes the rows shall hold, for it knows no boxes; give "
            "--backbone NAME, --processor MODEL, or --frame whole or square and, for another notation than the "
            "paper's, --format"
        )
    return LlamaFactory(writing_of(args, processor))


def writing_of(args: argparse.Namespace, processor: Any) -> Writing:
    """How boxes are words, as the options say."""
    from ..benchmark.reading import reading_of
    from ..interchange import Writing

    reading = reading_of(processor, args.frame, args.format)
    named = args.backbone or args.processor
    declared = reading.declared or f"of the processor of {named}"
    return Writing(reading.box_format, reading.frame, declared, args.hidden)


def processor_of(args: argparse.Namespace) -> Any:
    """The processor that sees the pictures in training; `None` where the frame is declared."""
    if args.backbone is None and args.processor is None:
        return None
    if args.backbone is None:
        from ..backbones.files import explained_loading
        from ..processing import load_grounding_processor

        with explained_loading(args.processor):
            return load_grounding_processor(args.processor, trust_remote_code=False)
    from ..backbones import load_backbone_processor

    return load_backbone_processor(args.backbone, checkpoint=args.processor)
