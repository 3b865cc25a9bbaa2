"""What libraries raise when they cannot write, gathered from a really full disk, and what must not be taken for it."""

from __future__ import annotations

import errno
import os

import pytest

from giqa_hf.errors import GiqaError
from giqa_hf.training.disk import explained_writing


class SafetensorError(Exception):
    """Of the name that safetensors' own has."""


class DatasetGenerationError(Exception):
    """As datasets wraps whatever ends the drawing of rows."""


def chained(error, cause):
    error.__cause__ = cause
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")
# Seen on a tmpfs of 100 kB to 11 MB with datasets 5.2, safetensors and torch 2.13.
WRITING = [
    (FULL, "No space left on device"),
    (
        chained(DatasetGenerationError("An error occurred while generating the dataset"), FULL),
        "No space left on device",
    ),
    (
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        "No space left",
    ),
    (
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 2945472 vs 2945360"),
        "No space left",
    ),
    (RuntimeError("basic_ios::clear: iostream error"), "No space left"),
    (OSError(errno.EROFS, "Read-only file system", "/out/x.lock"), "Read-only file system"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), os.strerror(errno.EDQUOT)),
]
OTHERS = [
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/in/a.json"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ValueError("No space left in this sentence"),
    SafetensorError("Error while deserializing header: incomplete metadata"),
]


@pytest.mark.parametrize(("error", "reason"), WRITING)
def test_a_library_that_cannot_write(error, reason):
    with pytest.raises(GiqaError) as told, explained_writing("/out"):
        raise error
    text = str(told.value)
    assert text.startswith(f"/out could not be written ({reason}") and "what is finished is kept" in text


@pytest.mark.parametrize("error", OTHERS)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as told, explained_writing("/out"):
        raise error
    assert told.value is error


def test_our_own_sentences_and_interrupts_pass():
    for error in (GiqaError("ours"), chained(GiqaError("ours"), FULL), KeyboardInterrupt()):
        with pytest.raises(type(error)) as told, explained_writing("/out"):
            raise error
        assert told.value is error
