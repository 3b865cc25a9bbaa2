"""How much memory a recipe needs, before anything is loaded.

Bytes on one device, for `n` weights of `w` bytes on `d` devices that share them (FSDP, ZeRO-3):

- weights: `w n / d`. As NF4 the matrices of the language model take 4.127 bits a weight (4, and their scales, which are
  quantised too), the rest `w` bytes.
- gradients: `w` bytes for each trained weight, `/ d`. The matrices of LoRA are float32.
- optimizer: two moments of AdamW for each trained weight, in the type of that weight, `/ d`.
- activations, of `a` bytes (2, as the passes run in bfloat16; 4 for giqa-tiny), for the `t` tokens of a device's batch:
  a layer of width h, keys k and feed-forward m keeps `layer = t (a (6 h + 2 k + 4 m) + 8 h)` for its backward pass;
  the last part is what its two norms keep in float32. With L layers that is `L layer`, or, with gradient checkpointing,
  `L t a h` and one `layer` while it is computed again. To it the logits of v words, their copy in float32 and their
  gradient: `t v (a + 8)`.
- what the device keeps for itself: one GiB, or as much as the weights where they are smaller.

A frozen vision tower keeps nothing for a backward pass. The layer's formula is compared with what a real layer keeps in
tests/backbones/test_memory.py. Fragments of freed memory are not in it, nor the copies that LoRA makes of its inputs:
count with a tenth more. Nothing here was measured on an accelerator.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..errors import GiqaError
from .backbone import Backbone

Kind = Literal["full", "lora", "qlora", "inference"]
"""What is trained: all weights that the entry does not freeze, matrices beside them, or these beside weights of four
bits; or nothing."""

GIB = 2**30
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_NF4_BYTES = 4.127 / 8
_TEXT_TOKENS = 384  # of a question and an answer; the longest of giqa-160k's form have about 300
_CHEAPER: tuple[Kind, ...] = ("full", "lora", "qlora")


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on each device; see the file for how they are counted."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    reserve: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.reserve

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
            "reserve": self.reserve,
        }
        told = ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items() if size)
        return f"{self.total / GIB:.1f} GiB ({told})"


def estimate_memory(
    entry: Backbone,
    recipe_kind: Kind,
    *,
    parameters: int | None = None,
    dtype: str | None = None,
    device_batch: int = 1,
    tokens: int | None = None,
    gradient_checkpointing: bool = True,
    lora_rank: int = 128,
    devices: int = 1,
) -> MemoryEstimate:
    """How much memory each device needs.

    Args:
        entry (`Backbone`): what is tuned.
        recipe_kind (`str`): `"full"`, `"lora"`, `"qlora"`, or `"inference"`.
        parameters (`int`, *optional*): weights of the checkpoint, if it is another than the entry's (see
            `files.parameters_of`); all counts are scaled to it.
        dtype (`str`, *optional*): of the weights; if not given, float32 for `"full"`, which is what is trained in
            (also by DeepSpeed and FSDP in mixed precision), and the entry's for the others.
        device_batch (`int`, *optional*, defaults to `1`): samples per device and forward pass.
        tokens (`int`, *optional*): of one sample; the entry's image tokens and 384 of text if not given.
        gradient_checkpointing (`bool`, *optional*, defaults to `True`): activations are computed twice.
        lora_rank (`int`, *optional*, defaults to `128`): of the matrices of LoRA; the recipes' own.
        devices (`int`, *optional*, defaults to `1`): that share weights, gradients and optimizer evenly.

    Returns:
        `MemoryEstimate`

    Raises:
        `ValueError`: for another kind or number type.
    """
    if recipe_kind not in get_args(Kind):
        raise ValueError(f"recipe_kind: expected one of {', '.join(get_args(Kind))}, got {recipe_kind!r}")
    dtype = dtype or ("float32" if recipe_kind == "full" else entry.dtype)
    if dtype not in _BYTES:
        raise ValueError(f"dtype: expected one of {', '.join(_BYTES)}, got {dtype!r}")
    size, width = entry.size, _BYTES[dtype]
    share = 1.0 if parameters is None else parameters / size.parameters
    weights = size.parameters * width
    if recipe_kind == "qlora":
        weights = (size.parameters - size.targeted) * width + int(size.targeted * _NF4_BYTES)
    if recipe_kind == "full":
        trained = (size.parameters - size.frozen) * width
    elif recipe_kind == "inference":
        trained = 0
    else:
        trained = size.target_sides * lora_rank * 4
    batch_tokens = device_batch * (tokens or size.image_tokens + _TEXT_TOKENS)
    activations = _activations(entry, batch_tokens, recipe_kind, gradient_checkpointing)
    return MemoryEstimate(
        weights=int(weights * share / devices),
        gradients=int(trained * share / devices),
        optimizer=int(2 * trained * share / devices),
        activations=int(activations * share),
        reserve=min(GIB, int(weights * share)),
    )


def _activations(entry: Backbone, tokens: int, kind: Kind, checkpointing: bool) -> int:
    size, width = entry.size, _BYTES[entry.dtype]
    if kind == "inference":  # the cache of keys and values
        return 2 * size.layers * tokens * size.kv_width * width
    layer = layer_activations(size.width, size.kv_width, size.mlp_width, tokens, width)
    logits = tokens * size.vocabulary * (width + 8)
    if checkpointing:
        return size.layers * tokens * size.width * width + layer + logits
    return size.layers * layer + logits


def layer_activations(width: int, kv_width: int, mlp_width: int, tokens: int, number_bytes: int) -> int:
    """Bytes that one decoder layer keeps for its backward pass; see the file."""
    return tokens * (number_bytes * (6 * width + 2 * kv_width + 4 * mlp_width) + 8 * width)


def check_memory(
    entry: Backbone,
    recipe_kind: Kind,
    *,
    device: str | None = None,
    cheaper: Mapping[Kind, Mapping[str, Any]] | None = None,
    **options: Any,
) -> MemoryEstimate:
    """Refuse what does not fit into a device, before it is loaded.

    Args:
        entry (`Backbone`): what is tuned.
        recipe_kind (`str`): see `estimate_memory`.
        device (`str`, *optional*): such as `"cuda:1"`; the CPU's memory if not given. Where the free memory of a
            device cannot be found out, nothing is refused.
        cheaper (mapping, *optional*): by kind, the arguments with which a recipe of that kind would run here, so that
            none is advised which is then refused. Without it they are those of `options`, with the kind's own number
            type.
        options: the other arguments of `estimate_memory`.

    Returns:
        `MemoryEstimate`: of what fits.

    Raises:
        `GiqaError`: when the device has less; it names the nearest recipe that fits and can run there.
    """

    def estimated(kind: Kind) -> MemoryEstimate:
        if cheaper is not None:
            return estimate_memory(entry, kind, **cheaper[kind])
        return estimate_memory(entry, kind, **{**options, "dtype": None})  # another kind, its own number type

    needed, free = estimate_memory(entry, recipe_kind, **options), free_memory(device)
    if free is None or needed.total <= free:
        return needed
    kinds = _CHEAPER[_CHEAPER.index(recipe_kind) + 1 :] if recipe_kind in _CHEAPER else ()
    if device is None or not device.startswith("cuda"):
        kinds = tuple(kind for kind in kinds if kind != "qlora")  # bitsandbytes needs a GPU
    fitting = next((kind for kind in kinds if estimated(kind).total <= free), None)
    if fitting is not None:
        advice = f"a recipe of the kind {fitting} fits, with {estimated(fitting).total / GIB:.1f} GiB"
    else:
        advice = "use a smaller model, a device with more memory, or share it among more devices"
    raise GiqaError(
        f"{entry.name}: expected {needed} free on {device or 'the CPU'} for "
        f"{'loading and asking it' if recipe_kind == 'inference' else f'a recipe of the kind {recipe_kind}'}, found "
        f"{free / GIB:.1f} GiB; {advice}"
    )


def free_memory(device: str | None) -> int | None:
    """Bytes that are free on a device; `None` where that cannot be found out."""
    if device is not None and device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0]) if torch.cuda.is_available() else None
    if device not in (None, "cpu"):
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # Linux: with what its caches would give back
            available = next(line for line in file if line.startswith("MemAvailable"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
