"""vLLM cannot be installed beside a CPU-only torch, so only its absence is tried here; see the module's docstring."""

from __future__ import annotations

import sys

import pytest

from giqa_hf.benchmark.run import RunSettings, make_backend
from giqa_hf.errors import MissingExtraError
from tests.benchmark.tiny_bench import family


def test_without_vllm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[vllm\]"'):
        make_backend(RunSettings(model=str(family("tiny")), backend="vllm"))
