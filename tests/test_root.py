"""What `import giqa_hf` gives, and what it leaves alone."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import giqa_hf

# Everything that takes long to import. numpy is the one library that the root may load.
HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "evaluate",
    "skimage",
    "scipy",
    "trl",
    "peft",
    "accelerate",
    "tokenizers",
)
HEAVY += ("pandas", "pyarrow", "huggingface_hub", "PIL", "sympy")


def in_a_new_process(code: str) -> list[str]:
    """What a program prints, word by word, run by a Python that has imported nothing yet."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout.split()


def test_importing_is_light() -> None:
    loaded = in_a_new_process("import sys, giqa_hf; print(*sys.modules)")
    assert "giqa_hf" in loaded
    assert set(HEAVY) & set(loaded) == set()


def test_importing_leaves_the_process_alone() -> None:
    """No environment variable, warning filter, logger or random state is touched (style.md, rule 15)."""
    code = """
import logging, os, random, sys, warnings
def state():
    logs = list(logging.root.handlers), logging.root.level
    return dict(os.environ), list(warnings.filters), logs, random.getstate()
before = state()
import giqa_hf
print(state() == before)
"""
    assert in_a_new_process(code) == ["True"]


def test_public_names() -> None:
    assert giqa_hf.__all__ == sorted(giqa_hf.__all__)
    assert len(giqa_hf.__all__) == len(set(giqa_hf.__all__)) <= 15
    assert set(giqa_hf.__all__) <= set(dir(giqa_hf))


@pytest.mark.parametrize("name", giqa_hf.__all__)
def test_every_name_is_there(name: str) -> None:
    thing = getattr(importlib.import_module("giqa_hf"), name)
    # It is what it says: a module of ours by its dotted name, or a class or function by its own.
    assert thing.__name__ in (name, f"giqa_hf.{name}")


def test_names_are_fetched_when_used() -> None:
    """A star import fetches them all; a lone one only its own module."""
    loaded = in_a_new_process("import sys; from giqa_hf import Grid; print(*sys.modules)")
    assert "giqa_hf.grid" in loaded
    assert "giqa_hf.training" not in loaded


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"module 'giqa_hf' has no attribute 'Gird'") as error:
        giqa_hf.Gird  # noqa: B018
    for name in giqa_hf.__all__:
        assert name in str(error.value)


def test_the_version_is_the_installed_one() -> None:
    """pyproject.toml takes the version from the package; they differ when an install is out of date."""
    metadata = importlib.import_module("importlib.metadata")
    try:
        installed = metadata.version("giqa-hf")
    except metadata.PackageNotFoundError:
        pytest.skip("giqa-hf is not installed here, only on the path")
    assert installed == giqa_hf.__version__
