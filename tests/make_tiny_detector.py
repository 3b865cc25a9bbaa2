"""Detectors with random weights, of the real classes, for tests and benchmarks.

    python tests/make_tiny_detector.py grounding_dino FOLDER     # or mm_grounding_dino, owlv2

Each is a whole checkpoint (model, tokenizer, image processor), tiny, that has learned nothing. Its numbers are spread by
hand: as initialised, all boxes of a photo would be alike, and no test could tell one from another.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHORT_EDGE, LONG_EDGE = 96, 160
"""Pixels, for the two Grounding DINOs; real ones have 800 and 1333."""
SQUARE = 64
"""Pixels a side, for OWLv2; real ones have 960 or more."""
QUERIES = 40
WORDS = ("the", "a", "sky", "tower", "window", "water", "dog", "blurry", "red", "background", "of", "in")
_LETTERS = string.ascii_lowercase + string.digits


def bert_tokenizer() -> Any:
    """A BERT tokenizer with the ids of bert-base-uncased that transformers' Grounding DINO has written into its code.

    Those are [CLS] 101, [SEP] 102, "." 1012 and "?" 1029; with other ids the text mask is wrong without any error.
    """
    from transformers import BertTokenizer

    ids = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    pieces = [
        *WORDS,
        *(f"{mark}{letter}" for mark in ("", "##") for letter in _LETTERS if f"{mark}{letter}" not in WORDS),
    ]
    ids |= {piece: 1030 + place for place, piece in enumerate(pieces)}
    free = iter(sorted(set(range(1030)) - set(ids.values())))
    ids |= {f"[unused{number}]": number for number in free}
    return BertTokenizer(vocab=ids, do_lower_case=True)


def clip_tokenizer() -> Any:
    """A CLIP tokenizer of single bytes and a few words, with room for 16 tokens as OWLv2's has.

    Id 0 is the padding's: OWLv2 takes a text that begins with it for an absent one.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    alphabet = sorted(ByteLevel.alphabet())  # "!" comes first
    pieces = [*alphabet, *(f"{byte}</w>" for byte in alphabet)]
    pieces += [f"{word}</w>" for word in WORDS if len(word) > 1]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    merges = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:  # from the right, each step a new piece
            joined = parts[-2] + parts[-1]
            merges.append((parts[-2], parts[-1]))
            vocabulary.setdefault(joined, len(vocabulary))
            parts[-2:] = [joined]
    return CLIPTokenizer(
        vocab=vocabulary, merges=list(dict.fromkeys(merges)), pad_token="!", model_max_length=16
    )


def _spread(model: Any, **scales: float) -> Any:
    """Random numbers wide enough that boxes and scores differ from query to query.

    Args:
        model (`PreTrainedModel`): changed in place.
        scales (`float`): by a part of a parameter's name, what to multiply its numbers by.
    """
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.5 if "embedding" in name else parameter[0].numel() ** -0.5)
            for part, scale in scales.items():
                if part in name:
                    parameter.mul_(scale)
    return model.eval()


def _grounding_dino(kind: str) -> tuple[Any, list[Any]]:
    import transformers as t

    config_class, model_class = {
        "grounding_dino": (t.GroundingDinoConfig, t.GroundingDinoForObjectDetection),
        "mm_grounding_dino": (t.MMGroundingDinoConfig, t.MMGroundingDinoForObjectDetection),
    }[kind]
    tokenizer = bert_tokenizer()
    swin = t.SwinConfig(
        image_size=SHORT_EDGE, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    bert = t.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    config = config_class(
        backbone_config=swin, text_config=bert, num_queries=QUERIES, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        num_feature_levels=4,
    )  # fmt: skip
    images = t.GroundingDinoImageProcessorPil(size={"shortest_edge": SHORT_EDGE, "longest_edge": LONG_EDGE})
    model = model_class(config)
    # What goes into boxes and scores is scaled so that scores lie about evenly in 0.3..0.95.
    if kind == "grounding_dino":
        return _spread(model, **{"decoder.layer_norm": 0.25}), [tokenizer, images]
    return _spread(model, **{"class_embed": 0.0}), [
        tokenizer,
        images,
    ]  # its bias, -4.6, says no to everything


def _owlv2() -> tuple[Any, list[Any]]:
    import transformers as t

    tokenizer = clip_tokenizer()
    text = t.Owlv2TextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, pad_token_id=0, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    vision = t.Owlv2VisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=SQUARE,
        patch_size=8,
    )  # fmt: skip
    config = t.Owlv2Config(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=32)
    images = t.Owlv2ImageProcessorPil(size={"height": SQUARE, "width": SQUARE})
    return _spread(t.Owlv2ForObjectDetection(config)), [tokenizer, images]


MAKERS: dict[str, Callable[[], tuple[Any, list[Any]]]] = {
    "grounding_dino": lambda: _grounding_dino("grounding_dino"),
    "mm_grounding_dino": lambda: _grounding_dino("mm_grounding_dino"),
    "owlv2": _owlv2,
}


def make_tiny_detector(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint of a kind into a folder, which is made."""
    import torch

    torch.manual_seed(seed)
    model, parts = MAKERS[kind]()
    for part in (model, *parts):
        part.save_pretrained(folder)
    return folder


@functools.cache
def tiny_detector(kind: str) -> Path:
    """One checkpoint of each kind for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix=f"giqa-tiny-{kind}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_tiny_detector(kind, folder)


if __name__ == "__main__":
    print(make_tiny_detector(sys.argv[1], Path(sys.argv[2])))
