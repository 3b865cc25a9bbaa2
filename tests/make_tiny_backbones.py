"""Every backbone with random weights, tiny: the real classes of model, image processor and tokenizer, built in code.

    python tests/make_tiny_backbones.py NAME FOLDER

A folder holds what the public checkpoint of that name holds: plain processors with transformers' default image policy,
and chat templates with the faults of the public ones. `load_backbone(NAME, checkpoint=FOLDER)` mends both.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from giqa_hf.backbones import find_backbone
from tests.make_tiny_checkpoint import corpus, make_tiny_checkpoint

SIDE_PX = 64  # of the square picture of a CLIP tower
PATCH_PX = 16
WIDTH = 64

# As the public checkpoints have it: no token that begins the text, a blank behind the answer, and nothing that ends it.
VICUNA_SHIPPED = (
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>\n' }}{% endif %}{% endfor %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] + ' ' }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
# The end is misspelt in the public one, so a model would learn to write it out.
MISTRAL_SHIPPED = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{{ ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'][0]['text'] + '<\\\\s> ' }}{% endif %}{% endfor %}"
)
QWEN_SHIPPED = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny_backbone(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a tiny checkpoint of the backbone `name` into a folder, which is made; it loads in a second."""
    import torch

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    model_type = find_backbone(name).model_type
    if name == "giqa-tiny":
        return make_tiny_checkpoint(folder, seed)
    if model_type == "mplug_owl2":
        from tests.make_tiny_mplug_owl2 import make_tiny_mplug_owl2

        made: Path = make_tiny_mplug_owl2(folder)
        return made
    if model_type in ("qwen2_5_vl", "qwen3_vl"):
        _write_qwen(model_type, folder)
    else:
        _write_llava(model_type, "mistral" if "mistral" in name else "llama", folder)
    return folder


@functools.cache
def tiny_backbone(name: str) -> Path:
    """One checkpoint of each name for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_tiny_backbone(name, folder)


def llama_tokenizer() -> Any:
    """A `LlamaTokenizer` of a few hundred pieces: blanks as in SentencePiece, digits apart, `<s>` before a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    learned = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True))
    blanks = pre_tokenizers.Metaspace(prepend_scheme="first")
    learned.pre_tokenizer = pre_tokenizers.Sequence([blanks, pre_tokenizers.Digits(individual_digits=True)])
    letters = [chr(code) for code in range(33, 127)]
    one_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<unk>", "<s>", "</s>", *one_byte],
        initial_alphabet=["▁", "\n", *letters],
        show_progress=False,
    )
    learned.train_from_iterator([*corpus(), *["USER: ASSISTANT: [INST] [/INST]"] * 9], trainer)
    bpe = json_of(learned)["model"]
    tokenizer = LlamaTokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(pair) for pair in bpe["merges"]],
        pad_token="<pad>",
        add_bos_token=True,
        padding_side="left",
        model_max_length=4096,
        extra_special_tokens={"image_token": "<image>"},
    )
    return tokenizer


def qwen_tokenizer() -> Any:
    """A `Qwen2Tokenizer` of a few hundred pieces: BPE over bytes, and Qwen's special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    learned.train_from_iterator(corpus(), trainer)
    bpe = json_of(learned)["model"]
    marks = ("im_start", "im_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")
    tokenizer = Qwen2Tokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(pair) for pair in bpe["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=8192,
        extra_special_tokens=[f"<|{mark}|>" for mark in marks],
    )
    return tokenizer


def json_of(tokenizer: Any) -> dict[str, Any]:
    """A tokenizer of the library tokenizers as it is saved."""
    import json

    read: dict[str, Any] = json.loads(tokenizer.to_str())
    return read


def _write_llava(model_type: str, language: str, folder: Path) -> None:
    import transformers
    from transformers import AutoConfig, AutoModelForImageTextToText

    tokenizer = llama_tokenizer()
    image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    next_generation = model_type == "llava_next"
    tall_wide_both = [[SIDE_PX, 2 * SIDE_PX], [2 * SIDE_PX, SIDE_PX], [2 * SIDE_PX, 2 * SIDE_PX]]
    tiles: dict[str, Any] = {"image_grid_pinpoints": tall_wide_both} if next_generation else {}
    config = AutoConfig.for_model(
        model_type,
        vision_config=AutoConfig.for_model(
            "clip_vision_model",
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE_PX,
            patch_size=PATCH_PX,
            projection_dim=32,
        ),
        text_config=AutoConfig.for_model(
            language,
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2 if language == "mistral" else 4,
            max_position_embeddings=4096,
            **ids,
        ),
        image_token_index=image_token_id,
        image_seq_length=(SIDE_PX // PATCH_PX) ** 2,
        **tiles,
    )
    model = AutoModelForImageTextToText.from_config(config)
    model.generation_config.update(**ids)
    model.save_pretrained(folder)
    side = {"height": SIDE_PX, "width": SIDE_PX}
    images = (
        transformers.LlavaNextImageProcessorPil if next_generation else transformers.CLIPImageProcessorPil
    )
    processor_class = transformers.LlavaNextProcessor if next_generation else transformers.LlavaProcessor
    processor = processor_class(
        images(size={"shortest_edge": SIDE_PX}, crop_size=side, **tiles),
        tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=MISTRAL_SHIPPED if language == "mistral" else VICUNA_SHIPPED,
    )
    processor.save_pretrained(folder)


def _write_qwen(model_type: str, folder: Path) -> None:
    from transformers import AutoConfig, AutoModelForImageTextToText, Qwen2VLImageProcessorPil

    tokenizer = qwen_tokenizer()
    id_of = tokenizer.convert_tokens_to_ids
    older = model_type == "qwen2_5_vl"
    patch_px = 14 if older else 16
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
        "patch_size": patch_px,
    }
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    # A head is 16 wide: 8 pairs of rotary numbers, for time, row and column.
    if older:
        vision |= {"fullatt_block_indexes": [1]}
        text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}}
    else:
        vision |= {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16}
        text |= {
            "head_dim": 16,
            "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [4, 2, 2]},
        }
    config = AutoConfig.for_model(
        model_type,
        vision_config=vision,
        text_config=text,
        image_token_id=id_of("<|image_pad|>"),
        video_token_id=id_of("<|video_pad|>"),
        vision_start_token_id=id_of("<|vision_start|>"),
        vision_end_token_id=id_of("<|vision_end|>"),
    )
    model = AutoModelForImageTextToText.from_config(config)
    model.generation_config.update(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None
    )
    model.save_pretrained(folder)
    # As on the Hub: an image processor, a tokenizer and a template, and no file of the whole processor.
    Qwen2VLImageProcessorPil(patch_size=patch_px, min_pixels=3136, max_pixels=12_845_056).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(QWEN_SHIPPED)


if __name__ == "__main__":
    print(make_tiny_backbone(sys.argv[1], Path(sys.argv[2])))
