"""Make a released mPLUG-Owl2 checkpoint one of today: safetensors, tokenizer.json, processor_config.json.

    python -m giqa_hf.models.mplug_owl2.convert_mplug_owl2 SOURCE TARGET

SOURCE is a folder in the form of MAGAer13/mplug-owl2-llama2-7b, or of what its fine-tuning scripts write. The model
itself needs no conversion, as `from_pretrained` reads the old names; what it spares are pickled shards, sentencepiece,
and a preprocessor_config.json that says "crop" of a model that was trained on padded pictures.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError, GiqaError

if TYPE_CHECKING:
    import torch

    from .configuration_mplug_owl2 import MPLUGOwl2Config
    from .image_processing_mplug_owl2 import ImageAspectRatio

_INDEXES = {
    "model.safetensors": "model.safetensors.index.json",
    "pytorch_model.bin": "pytorch_model.bin.index.json",
}
_TABLES = (".q_pos_embed", ".k_pos_embed", ".rotary_emb.inv_freq")  # computed, not learned


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    image_aspect_ratio: ImageAspectRatio = "pad",
    chat_template: str = "mplug_owl2",
) -> Path:
    """Convert a checkpoint, one shard in memory at a time.

    Args:
        source (`str` or `Path`): the old folder. Weights that are pickled are read by `torch.load(weights_only=True)`,
            which runs no code of theirs.
        target (`str` or `Path`): the new folder, made here; it must be empty.
        image_aspect_ratio (`str`, *optional*, defaults to `"pad"`): see `MPLUGOwl2ImageProcessor`.
        chat_template (`str`, *optional*, defaults to `"mplug_owl2"`):
            `"vicuna_v1"` for one tuned with `--version v1`; see `CHAT_TEMPLATES`.

    Returns:
        `Path`: the new folder, which `from_pretrained` of the model and of `AutoProcessor` load.

    Raises:
        `GiqaError`: if the target is not empty, or the source is no mPLUG-Owl2, or lacks a file or a weight.
    """
    from .configuration_mplug_owl2 import MPLUGOwl2Config

    source, target = Path(source), Path(target)
    if not (source / "config.json").is_file():
        raise DataError(f"{source}: expected a folder of a checkpoint, found no config.json in it")
    model_type = json.loads((source / "config.json").read_text(encoding="utf-8")).get("model_type")
    if model_type != MPLUGOwl2Config.model_type:
        raise DataError(
            f"{source / 'config.json'}: expected model_type {MPLUGOwl2Config.model_type!r}, found {model_type!r}"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise GiqaError(f"{target}: expected a new or an empty folder, found something there; choose another")
    config: Any = MPLUGOwl2Config.from_pretrained(source)
    unfinished = target.with_name(target.name + ".unfinished")  # TARGET appears when it is whole
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _convert_processor(source, unfinished, config, image_aspect_ratio, chat_template)
        _convert_weights(source, unfinished, config)
        _convert_config(unfinished, config)
        if target.exists():
            target.rmdir()
        unfinished.replace(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def _convert_config(target: Path, config: MPLUGOwl2Config) -> None:
    from transformers import GenerationConfig

    text: Any = config.text_config
    config.architectures = ["MPLUGOwl2ForConditionalGeneration"]
    config.save_pretrained(target)
    # Released ones name sampling values without sampling, which transformers 5 refuses to save.
    GenerationConfig(
        bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id
    ).save_pretrained(target)


def _convert_processor(
    source: Path,
    target: Path,
    config: MPLUGOwl2Config,
    image_aspect_ratio: ImageAspectRatio,
    chat_template: str,
) -> None:
    from .image_processing_mplug_owl2 import MPLUGOwl2ImageProcessor
    from .processing_mplug_owl2 import CHAT_TEMPLATES, MPLUGOwl2Processor

    if chat_template not in CHAT_TEMPLATES:
        raise GiqaError(f"chat_template: expected one of {', '.join(CHAT_TEMPLATES)}, got {chat_template!r}")
    text: Any = config.text_config
    vision: Any = config.vision_config
    if (source / "preprocessor_config.json").is_file():
        image_processor = MPLUGOwl2ImageProcessor.from_pretrained(
            source, image_aspect_ratio=image_aspect_ratio
        )
    else:  # what a fine-tuning writes has none; CLIP's values at the tower's size are what all have
        side = vision.image_size
        image_processor = MPLUGOwl2ImageProcessor(
            size=side, crop_size=side, image_aspect_ratio=image_aspect_ratio
        )
    processor = MPLUGOwl2Processor(
        image_processor, _tokenizer(source, text), chat_template, num_image_tokens=config.image_seq_length
    )
    if processor.image_token_id < text.vocab_size:
        raise DataError(
            f"{source}: expected a tokenizer of {text.vocab_size} tokens or more, as config.json says, found that the "
            f"image token became its number {processor.image_token_id}"
        )
    config.image_token_id = processor.image_token_id
    text.pad_token_id = processor.tokenizer.pad_token_id
    processor.save_pretrained(target)


def _tokenizer(source: Path, text: Any) -> Any:
    from .tokenization_mplug_owl2 import from_folder, from_sentencepiece

    if (source / "tokenizer.json").is_file():
        return from_folder(source, model_max_length=text.max_position_embeddings)
    if (source / "tokenizer.model").is_file():
        return from_sentencepiece(source / "tokenizer.model", model_max_length=text.max_position_embeddings)
    raise DataError(f"{source}: expected tokenizer.json or tokenizer.model, found neither")


def _convert_weights(source: Path, target: Path, config: MPLUGOwl2Config) -> None:
    from safetensors.torch import save_file

    expected = _expected_shapes(config)
    names = _shards(source)
    seen: dict[str, str] = {}
    total = 0
    for number, name in enumerate(names, 1):
        written = (
            f"model-{number:05d}-of-{len(names):05d}.safetensors" if len(names) > 1 else "model.safetensors"
        )
        shard = {key: value for key, value in _read(source / name) if not key.endswith(_TABLES)}
        for key, value in shard.items():
            if expected.get(key) != tuple(value.shape):
                raise DataError(
                    f"{source / name}: expected {key} to be {expected.get(key, 'absent')}, as config.json says, "
                    f"found {tuple(value.shape)}"
                )
            seen[key] = written
            total += value.numel() * value.element_size()
        # Cloned, because a pickled shard may hold two names of one storage, which safetensors refuses.
        save_file(
            {key: value.clone().contiguous() for key, value in shard.items()},
            target / written,
            metadata={"format": "pt"},
        )
    missing = sorted(expected.keys() - seen.keys())
    if missing:
        raise DataError(
            f"{source}: expected {len(expected)} weights, found {len(seen)}; missing are "
            f"{', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}; download the checkpoint again"
        )
    if len(names) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": seen}
        (target / _INDEXES["model.safetensors"]).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _expected_shapes(config: MPLUGOwl2Config) -> dict[str, tuple[int, ...]]:
    """The shape of each weight, under its name in files."""
    import torch

    from .modeling_mplug_owl2 import MPLUGOwl2ForConditionalGeneration

    with torch.device("meta"):
        model = MPLUGOwl2ForConditionalGeneration(config)
    return {
        name.replace("model.language_model.", "model."): tuple(weight.shape)
        for name, weight in model.state_dict().items()
    }


def _shards(source: Path) -> list[str]:
    """The files that hold the weights, safetensors before pickled ones."""
    for single, index in _INDEXES.items():
        if (source / index).is_file():
            weights = json.loads((source / index).read_text(encoding="utf-8"))["weight_map"]
            names: list[str] = sorted(set(weights.values()))
            absent = [name for name in names if Path(name).name != name or not (source / name).is_file()]
            if absent:
                raise DataError(f"{source}: expected the {len(names)} files of {index}, found no {absent[0]}")
            return names
        if (source / single).is_file():
            return [single]
    raise DataError(
        f"{source}: expected {' or '.join([*_INDEXES, *_INDEXES.values()])}, found none of them; download the "
        "checkpoint again"
    )


def _read(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        yield from load_file(path).items()
        return
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(
            f"{path}: expected weights alone, found what cannot be read as such: {reason}"
        ) from error
    yield from loaded.items()


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    from .processing_mplug_owl2 import CHAT_TEMPLATES

    parser = argparse.ArgumentParser(
        description="Convert an mPLUG-Owl2 checkpoint to safetensors and today's files."
    )
    parser.add_argument("source", type=Path, help="folder of the old checkpoint")
    parser.add_argument("target", type=Path, help="new folder")
    parser.add_argument("--image-aspect-ratio", choices=["pad", "resize", "plain"], default="pad")
    parser.add_argument("--chat-template", choices=list(CHAT_TEMPLATES), default="mplug_owl2")
    options = parser.parse_args(arguments)
    try:
        folder = convert_checkpoint(
            options.source,
            options.target,
            image_aspect_ratio=options.image_aspect_ratio,
            chat_template=options.chat_template,
        )
    except GiqaError as error:
        parser.exit(2, f"{error}\n")
    print(folder)


if __name__ == "__main__":
    main()
