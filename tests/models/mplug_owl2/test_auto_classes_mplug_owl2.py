"""`import giqa_hf` alone makes the Auto classes know the model, in whatever order things are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.make_tiny_mplug_owl2 import tiny_mplug_owl2

LOAD = """
from transformers import AutoModelForImageTextToText, AutoProcessor
print(type(AutoProcessor.from_pretrained(FOLDER)).__name__)
print(type(AutoModelForImageTextToText.from_pretrained(FOLDER)).__name__)
"""


@pytest.mark.parametrize(
    "first",
    [
        # before transformers, which then imports AutoConfig in the middle of LLaMA's own modules
        "import giqa_hf, sys; assert 'torch' not in sys.modules; import transformers.models.llama.modeling_llama",
        # after it
        "from transformers import AutoConfig, AutoProcessor; import giqa_hf",
    ],
)
def test_import_is_enough(first):
    program = f"FOLDER = {str(tiny_mplug_owl2())!r}\n{first}\n{LOAD}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.stdout.split() == ["MPLUGOwl2Processor", "MPLUGOwl2ForConditionalGeneration"], done.stderr
