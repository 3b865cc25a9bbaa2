"""`giqa dataset export`: the same rows for people who train with ms-swift or LLaMA-Factory."""

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
    export = actions.add_parser("export", help="write rows as ms-swift or LLaMA-Factory take them")
    export.add_argument("data", help="a dataset folder with GIQA rows, giqa-synth, or a dataset of the Hub")
    export.add_argument("out", type=Path, help="new folder, or that of an interrupted export")
    export.add_argument("--to", required=True, choices=TARGETS)
    export.add_argument("--split", default="train", help="split of the data (default: train)")
    export.add_argument("--limit", type=int, help="only the first rows")
    words = export.add_argument_group(
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
    export.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> None:
    """Run `giqa dataset export`."""
    from ..benchmark.data import load_bench_data
    from ..interchange import export_data
    from ..interchange.exporting import dataset_name

    processor = _processor(args)  # before the data is loaded: here the user may have to mend something
    target = _target(args, processor)
    data = load_bench_data(args.data, args.split, args.limit)
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

    asked = any(value is not None for value in (args.backbone, args.processor, args.frame, args.format))
    if args.to == "ms-swift":
        return MsSwift(_writing(args, processor) if asked else None)
    if not asked:
        raise DataError(
            "llama-factory: expected the model whose words for boxes the rows shall hold, for it knows no boxes; give "
            "--backbone NAME, --processor MODEL, or --frame whole or square and, for another notation than the "
            "paper's, --format"
        )
    return LlamaFactory(_writing(args, processor))


def _writing(args: argparse.Namespace, processor: Any) -> Writing:
    from ..benchmark.reading import reading_of
    from ..interchange import Writing

    reading = reading_of(processor, args.frame, args.format)
    named = args.backbone or args.processor
    declared = reading.declared or f"of the processor of {named}"
    return Writing(reading.box_format, reading.frame, declared, args.hidden)


def _processor(args: argparse.Namespace) -> Any:
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
