"""A small benchmark on disk, and small checkpoints of several families, for the tests of the runner.

python tests/benchmark/tiny_bench.py llava_next FOLDER     # or padding, llava, paligemma, tiny

All have random weights. `llava_next` is another model class, whose number of image tokens depends on the picture;
`padding` is giqa-tiny with LLaVA-1.5's square padding, so that its boxes are in another frame than the picture's, and
`llava` the same with LLaVA's own form of boxes; `paligemma` has another vision tower, language model and processor,
and special tokens for boxes.
"""

from __future__ import annotations

import atexit
import functools
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image

from giqa_hf.benchmark.data import row_ids
from giqa_hf.benchmark.predictions import import_predictions
from giqa_hf.formats import LlavaFormat, PaliGemmaFormat
from giqa_hf.models.giqa_tiny import architecture
from giqa_hf.processing import ground_processor, load_grounding_processor
from tests.make_tiny_checkpoint import SMALLER, make_parts, make_tiny_checkpoint

BOX = [0.1, 0.2, 0.5, 0.6]
SIZES = ((120, 80), (80, 120))


def region(phrase: str, text: str, box: list[float]) -> dict[str, Any]:
    start = text.index(phrase)
    span = [start, start + len(phrase)]
    return {"phrase": phrase, "span": span, "quality": None, "effect": None, "boxes_norm": [box]}


def bench_rows() -> list[dict[str, Any]]:
    """Eight rows on two photos: of each a description, two Yes/No questions and a What question."""
    rows = []
    for number, size in enumerate(SIZES):
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize(size).convert("RGB").rotate(90 * number).save(buffer, "PNG")
        shared = {
            "image": {"bytes": buffer.getvalue(), "path": None}, "image_id": f"photo-{number}", "width": size[0],
            "height": size[1], "source": "test", "license": "cc0-1.0",
        }  # fmt: skip
        cup, plant = [0.1 + 0.1 * number, 0.2, 0.5, 0.6], [0.5, 0.1, 0.9, 0.9]
        said = "The cup is sharp and the plant is dark."
        asked = "Is the cup sharp?"
        for task, kind, question, in_question, answer, in_answer in (
            (
                "des",
                None,
                "Report on the quality. Mention positions.",
                [],
                said,
                [("cup", cup), ("plant", plant)],
            ),
            ("vqa", "yes_no", asked, [("cup", cup)], "Yes.", []),
            ("vqa", "yes_no", "Is the image noisy?", [], "No.", []),
            ("vqa", "what", "What is dark?", [], "The plant.", [("plant", plant)]),
        ):
            rows.append(
                {
                    **shared,
                    "task": task,
                    "question_type": kind,
                    "question": question,
                    "question_regions": [region(name, question, box) for name, box in in_question],
                    "answer": answer,
                    "answer_regions": [region(name, answer, box) for name, box in in_answer],
                }
            )
    return rows


def make_bench(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A dataset folder with these rows."""
    import datasets

    from giqa_hf.schema import features

    folder.mkdir(parents=True)
    table = datasets.Dataset.from_list(bench_rows() if rows is None else rows, features=features())
    table.to_parquet(folder / "test-00000-of-00001.parquet")
    return folder


def make_padding(folder: Path) -> Path:
    """giqa-tiny that pads its pictures to a square first."""
    from transformers import LlavaImageProcessorPil

    make_tiny_checkpoint(folder)
    _, processor = make_parts()
    side = {"height": architecture.IMAGE_SIDE_PX, "width": architecture.IMAGE_SIDE_PX}
    processor.image_processor = LlavaImageProcessorPil(
        do_pad=True, size=side, do_center_crop=False, crop_size=side
    )
    processor.save_pretrained(folder)
    return folder


def make_llava_next(folder: Path, seed: int = 0) -> Path:
    """A LLaVA-NeXT (LLaVA-1.6): base view and tiles, newline tokens, another number of tokens for another picture."""
    import torch
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessorPil,
        LlavaNextProcessor,
    )

    torch.manual_seed(seed)
    with mock.patch.multiple(architecture, **SMALLER):
        llava, plain = make_parts(seed)
        side = architecture.IMAGE_SIDE_PX
        grid = [[side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
        config = LlavaNextConfig(
            vision_config=llava.config.vision_config,
            text_config=llava.config.text_config,
            image_token_index=llava.config.image_token_index,
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
            image_grid_pinpoints=grid,
            tie_word_embeddings=True,
        )
        model = LlavaNextForConditionalGeneration(config)
        square = {"height": side, "width": side}
        processor = LlavaNextProcessor(
            LlavaNextImageProcessorPil(
                size={"shortest_edge": side}, crop_size=square, image_grid_pinpoints=grid
            ),
            plain.tokenizer,
            patch_size=architecture.PATCH_PX,
            vision_feature_select_strategy="default",
            image_token=plain.image_token,
            chat_template=plain.chat_template,
            num_additional_image_tokens=1,
        )
    model.generation_config.eos_token_id = plain.tokenizer.eos_token_id
    model.generation_config.pad_token_id = plain.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_llava(folder: Path) -> Path:
    """The padding LLaVA with LLaVA's own form of boxes, fractions of the square."""
    make_padding(folder)
    processor = load_grounding_processor(str(folder))
    processor.box_format = LlavaFormat()
    processor.save_pretrained(folder)
    return folder


def make_paligemma(folder: Path, seed: int = 0) -> Path:
    """A PaliGemma: squashed picture, SigLIP and Gemma, boxes as `<loc0000>` tokens; its processor adds the picture's
    tokens and hands out labels."""
    import torch
    from transformers import (
        GemmaConfig,
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessorPil,
        SiglipVisionConfig,
    )

    torch.manual_seed(seed)
    side, patch = 96, 32
    with mock.patch.multiple(architecture, **SMALLER):
        tokenizer = make_parts(seed)[1].tokenizer
    tokenizer.add_special_tokens({"bos_token": "<bos>"})  # its processor sets one behind the picture
    image_processor = SiglipImageProcessorPil(size={"height": side, "width": side})
    image_processor.image_seq_length = (side // patch) ** 2
    processor = ground_processor(
        PaliGemmaProcessor(
            image_processor,
            tokenizer,
            chat_template="<image>{% for part in messages[0]['content'] %}{{ part['text'] }}{% endfor %}",
        ),
        box_format=PaliGemmaFormat(),
    )
    vocabulary = len(processor.tokenizer)
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=side,
            patch_size=patch, projection_dim=32, vision_use_head=False,
        ),
        text_config=GemmaConfig(
            vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=16, max_position_embeddings=1024, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=False,
        ),
        tie_word_embeddings=False,  # else random weights say their last token again and again
        image_token_index=processor.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )  # fmt: skip
    model = PaliGemmaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def predicted_run(folder: Path, bench: Path, answers: list[Any], **options: Any) -> Path:
    """A run's folder made of answers to the first rows by place, its boxes in the whole picture; not scored yet."""
    ids = row_ids(bench_rows())[: len(answers)]
    lines = [{"id": row_id, "answer": answer} for row_id, answer in zip(ids, answers, strict=True)]
    path = folder.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_predictions(path, folder, data=str(bench), say=lambda line: None, **{"frame": "whole", **options})
    return folder


MAKERS = {
    "tiny": make_tiny_checkpoint,
    "llava_next": make_llava_next,
    "padding": make_padding,
    "llava": make_llava,
    "paligemma": make_paligemma,
}


@functools.cache
def family(name: str) -> Path:
    """One checkpoint of a family for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix=f"giqa-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return MAKERS[name](folder)


if __name__ == "__main__":
    print(MAKERS[sys.argv[1]](Path(sys.argv[2])))
