"""How fast one worker makes training batches from Parquet, against bare Pillow: decode and resize, nothing else.

A GPU must not wait for pictures. The rows are JPEG photographs (giqa-synth's, 640 x 480) in a Parquet file, the
processor is LLaVA-1.5's with its pictures padded to a square of 336 px, as `load_backbone` sets it; the tokenizer is
giqa-tiny's, since LLaVA's cannot be had without the Hub. The collator is the one that `giqa_hf.training.sft.train`
uses: everything from the row in the file to tensors, with 600 tokens a row.

The peer makes the same pictures of the same bytes with Pillow and does nothing more: it decodes, pads to the square
that LLaVA-1.5 was trained on, and resizes, bicubic. A second one leaves the padding out and squashes, which is less
work and another picture; its share is printed too. All take turns, so a busy machine slows all; CPU time is compared.

How many rows a second there are is a matter of the machine as well. Bare Pillow is its yardstick: 200 rows at 0.8 of
its rate mean a machine on which it makes 250 pictures a second. On a slower one that target is left open, and the rate
of Pillow at which the share found here would reach it is printed.

    python benchmarks/bench_collator.py           # exits with 1 when the collator misses a target
    python benchmarks/bench_collator.py --rows 200 --rounds 3
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, LlavaProcessor
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from giqa_hf.backbones.policies import PaddedSquare
from giqa_hf.builders.synth.photos import PHOTOS, load_photo
from giqa_hf.models.giqa_tiny import BASE
from giqa_hf.processing import ground_processor, load_grounding_processor
from giqa_hf.schema import features
from giqa_hf.training import to_conversations

SIDE, BATCH = 336, 16
PER_SECOND, OF_PILLOW = 200.0, 0.8
PADDING = (122, 116, 104)  # CLIP's mean colour


def make_rows(folder: Path, count: int) -> Any:
    """Conversations over a Parquet file, as `load_dataset` gives them."""
    files = []
    for photo in PHOTOS:
        buffer = io.BytesIO()
        load_photo(photo.name).convert("RGB").resize((640, 480)).save(buffer, "JPEG", quality=92)
        files.append(buffer.getvalue())
    question, answer = "How clear is the cup?", "The cup is clear, and the table is dark and noisy."
    region = {
        "phrase": "cup",
        "span": [4, 7],
        "quality": None,
        "effect": None,
        "boxes_norm": [[0.1, 0.2, 0.5, 0.6]],
    }
    rows = [
        {
            "image": {"bytes": files[number % len(files)], "path": None}, "image_id": f"{number}", "width": 640,
            "height": 480, "source": "benchmark", "license": "cc0-1.0", "task": "vqa", "question_type": "how",
            "question": question, "question_regions": [], "answer": answer, "answer_regions": [region],
        }
        for number in range(count)
    ]  # fmt: skip
    path = folder / "train.parquet"
    datasets.Dataset.from_list(rows, features=features()).to_parquet(path)
    loaded = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(folder / "cache")
    )
    return to_conversations(loaded)


def make_collator() -> Any:
    """TRL's, with LLaVA-1.5's way with pictures."""
    tiny = load_grounding_processor(BASE)
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tiny.tokenizer,
        chat_template=tiny.chat_template,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=tiny.image_token,
    )
    PaddedSquare().apply(processor)
    return DataCollatorForVisionLanguageModeling(
        processor=ground_processor(processor), max_length=None, completion_only_loss=True
    )


def batches(rows: Any) -> Iterator[list[dict[str, Any]]]:
    """The rows of each batch, fetched as torch's data loader fetches them."""
    for start in range(0, len(rows), BATCH):
        yield rows.__getitems__(range(start, min(start + BATCH, len(rows))))


def collate(rows: Any, collator: Any) -> None:
    """One pass in batches, as a worker of the data loader makes them."""
    for batch in batches(rows):
        assert tuple(collator(batch)["pixel_values"].shape[1:]) == (3, SIDE, SIDE)


def fetch(rows: Any) -> None:
    """A part of that: the rows, their pictures decoded."""
    for _ in batches(rows):
        pass


def fetch_and_process(rows: Any, image_processor: Any) -> None:
    """And their pictures made ready, without any text."""
    for batch in batches(rows):
        image_processor([row["image"] for row in batch], return_tensors="pt")


def padded_pillow(files: list[bytes]) -> None:
    """The same pictures, decoded, padded and resized."""
    for data in files:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        width, height = picture.size
        side = max(width, height)
        square = Image.new("RGB", (side, side), PADDING)
        square.paste(picture, ((side - width) // 2, (side - height) // 2))
        square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def squashed_pillow(files: list[bytes]) -> None:
    """Decoded and resized, not padded."""
    for data in files:
        Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def seconds(turn: Callable[[], None]) -> float:
    """CPU time of a turn."""
    start = time.process_time()
    turn()
    return time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)  # one worker
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        rows, collator = make_rows(Path(folder), args.rows), make_collator()
        stored = rows.select_columns(["image"]).cast_column("image", datasets.Image(decode=False))
        files = [row["image"]["bytes"] for row in stored]
        collate(rows.select(range(BATCH)), collator)
        turns: dict[str, Callable[[], None]] = {
            "collator": lambda: collate(rows, collator),
            "padded": lambda: padded_pillow(files),
            "squashed": lambda: squashed_pillow(files),
            "fetched": lambda: fetch(rows),
            "processed": lambda: fetch_and_process(rows, collator.processor.image_processor),
        }
        found: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(args.rounds):
            for name, turn in turns.items():
                found[name].append(seconds(turn))

    def share_of(peer: str) -> float:
        return statistics.median(a / b for a, b in zip(found[peer], found["collator"], strict=True))

    each_ms = {name: 1000 * statistics.median(times) / args.rows for name, times in found.items()}
    ours, pillow, share = 1000 / each_ms["collator"], 1000 / each_ms["padded"], share_of("padded")
    print(f"{share:.2f} of bare Pillow: decode, pad, resize (target {OF_PILLOW})")
    print(f"{share_of('squashed'):.2f} of bare Pillow without the padding: another picture, no target")
    print(f"{ours:.0f} rows per CPU second and worker (target {PER_SECOND:.0f}), bare Pillow {pillow:.0f}")
    print(
        f"ms a row: {each_ms['fetched']:.1f} fetching and decoding, "
        f"{each_ms['processed'] - each_ms['fetched']:.1f} pixel values, "
        f"{each_ms['collator'] - each_ms['processed']:.1f} text and the rest; "
        f"bare Pillow {each_ms['padded']:.1f}, without padding {each_ms['squashed']:.1f}"
    )
    is_slow = pillow < PER_SECOND / OF_PILLOW
    if is_slow:
        print(
            f"this machine is too slow to tell: {PER_SECOND:.0f} rows a second would be reached where bare Pillow "
            f"makes {PER_SECOND / share:.0f} pictures a second"
        )
    return int(share < OF_PILLOW or (not is_slow and ours < PER_SECOND))


if __name__ == "__main__":
    sys.exit(main())
