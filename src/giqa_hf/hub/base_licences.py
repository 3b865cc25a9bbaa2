"""Under which terms the weights are that a backbone was tuned from, as their authors state them.

A tuned model stays under the terms of its base. These are what their model pages said when this was written, and no
legal advice: read the page of the very checkpoint before you publish.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class BaseLicence(NamedTuple):
    """Terms of a base model."""

    hub: str
    """The Hub's word for it in a card's metadata."""
    words: str
    """One sentence."""


_LLAMA = "Its language model is made from Llama 2: the Llama 2 Community License, with its use policy, stays with it."
_APACHE = "Its weights are under Apache 2.0."

BASE_LICENCES: Mapping[str, BaseLicence] = MappingProxyType(
    {
        "llava-1.5-7b": BaseLicence("llama2", _LLAMA),
        "llava-1.5-13b": BaseLicence("llama2", _LLAMA),
        "llava-1.6-7b": BaseLicence("llama2", _LLAMA),
        "llava-1.6-vicuna-7b": BaseLicence("llama2", _LLAMA),
        "llava-1.6-mistral-7b": BaseLicence("apache-2.0", _APACHE),
        "mplug-owl2-7b": BaseLicence("llama2", _LLAMA),
        "qwen2.5-vl-7b": BaseLicence("apache-2.0", _APACHE),
        "qwen3-vl-8b": BaseLicence("apache-2.0", _APACHE),
        "giqa-tiny": BaseLicence("apache-2.0", "It is part of giqa_hf, under Apache 2.0."),
    }
)
"""By the name of the backbone."""
