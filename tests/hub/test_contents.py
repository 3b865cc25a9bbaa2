"""What runs code when it is opened and what holds a token, told by the content; and what only looks like it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from giqa_hf.hub.contents import holds_pickle, holds_token

VALUE = {"weight": [1.0, 2.0]}


def npy(array, save=np.save):
    buffer = io.BytesIO()
    save(buffer, array)
    return buffer.getvalue()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def of_torch(old):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(100_000)}, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def deep(levels):
    data = b"text"
    for _ in range(levels):
        data = gzip.compress(data)
    return data


PLAIN = np.zeros(3)
OBJECTS = np.array([{}, None], dtype=object)
OBJECT_FIELD = np.zeros(2, dtype=[("a", "f4"), ("b", "O")])


@pytest.mark.parametrize(
    "name, data, expected",
    [
        *((f"weights.p{number}", pickle.dumps(VALUE, number), True) for number in (2, 3, 4, 5)),
        ("weights.msgpack", pickle.dumps(VALUE), True),  # whatever it is called
        ("weights", of_torch(old=False), True),  # a zip with data.pkl
        ("weights", of_torch(old=True), True),  # a pickle and more behind it
        ("weights.pt.gz", gzip.compress(of_torch(old=False)), True),  # its list of members is cut off: 400 kB
        ("weights.gz", gzip.compress(pickle.dumps(VALUE)), True),
        ("weights.bz2", bz2.compress(pickle.dumps(VALUE)), True),
        ("weights.xz", lzma.compress(pickle.dumps(VALUE)), True),
        ("model.pkl.zip", zipped(model__pkl=b""), True),  # by the member's name
        ("model.zip", zipped(readme__txt=b"x", model=pickle.dumps(VALUE)), True),  # by the member's content
        ("model.zip", zipped(inner__zip=zipped(model__pkl=b"")), True),
        ("a.npy", npy(OBJECTS), True),
        ("a.npy", npy(OBJECT_FIELD), True),
        ("a.npy", b"\x93NUMPY\x01\x00\x05\x00{'de\n", True),  # a header that cannot be read
        ("a.npz", zipped(a__npy=npy(PLAIN), b__npy=npy(OBJECTS)), True),
        ("a.gz", deep(5), True),  # packed to hide
        ("__0_0.distcp", b"", True),
        # what runs nothing
        ("a.npy", npy(PLAIN), False),
        ("a.npz", zipped(a__npy=npy(PLAIN)), False),
        ("words.txt.gz", gzip.compress(b"text" * 10**6), False),
        ("a.zip", zipped(a__txt=b"x"), False),
        ("broken.gz", b"\x1f\x8bno", False),
        ("broken.zip", b"PK\x03\x04no", False),
        ("config.json", b"{}", False),
        ("empty", b"", False),
        ("photo.jpg", b"\xff\xd8\xff", False),
    ],
)
def test_pickles(name, data, expected):
    assert holds_pickle(name, io.BytesIO(data)) is expected


def test_a_header_whose_length_looks_like_a_pickle():
    # 8 bytes for its length come first, the lowest ahead: 0x80 0x02 is a header of 640 bytes. Its text is padded to
    # eight bytes, so some number of letters in the metadata gives it.
    data = next(
        data
        for letters in range(400, 640)
        if (data := save({"w": np.zeros(1, "f4")}, {"a": "x" * letters}))[:2] == b"\x80\x02"
    )
    assert not holds_pickle("model.safetensors", io.BytesIO(data))
    assert holds_pickle("model.other", io.BytesIO(data))  # so only a name that promises the format is trusted


TOKEN = b"hf_" + b"aB3" * 12


@pytest.mark.parametrize(
    "offset",
    # the pieces are of 2 ** 20 bytes: before, over and after the end of the first one
    [0, 2**20 - 300, 2**20 - 256, 2**20 - 39, 2**20 - 20, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 - 5],
)
def test_tokens_at_the_ends_of_pieces(offset):
    for before, expected in ((b" ", True), (b"x", offset == 0)):  # "xhf_..." is another word
        data = before * offset + TOKEN + b" " * 400
        assert holds_token("run.sh", io.BytesIO(data)) is expected


TEXT = TOKEN.decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text, expected",
    [
        (TEXT, True),
        ("export TOKEN_" + TEXT, True),  # an underscore ends no word, and still it is a token
        ("| hf\\_" + TEXT[3:] + " |", True),  # as a card's table has it
        ("hf_x hf_hub_download hf_" + TEXT, True),  # beginnings without a token, before one
        ("\u4e68\u7241" + TEXT, True),  # in UTF-16 their bytes look like letters
        ("\u00e9" + TEXT, True),
        ("\ufeff" + TEXT, True),  # the mark of the byte order
        (TEXT[:33], True),  # 30 letters and digits
        (TEXT[:32], False),
        ("x" + TEXT, False),  # another word
        ("7hf\\_" + TEXT[3:], False),
        ("hf_" + "a_" * 40, False),
        ("from huggingface_hub import hf_hub_download", False),
    ],
)
def test_tokens_in_texts(text, expected, encoding):
    assert holds_token("notes.txt", io.BytesIO(text.encode(encoding))) is expected


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("shift", [-300, -256, -140, -3, 0, 1, 5])
def test_wide_tokens_at_the_ends_of_pieces(encoding, shift):
    width = len("x".encode(encoding))
    for before, expected in ((" ", True), ("x", False)):
        text = before * (2**20 // width + shift) + TEXT + " " * 400
        assert holds_token("notes.txt", io.BytesIO(text.encode(encoding))) is expected


@given(st.text("hf_\\ a0\0", max_size=12), st.integers(28, 32), st.text("_ a\0", max_size=3))
def test_the_search_finds_what_the_pattern_would(before, letters, after):
    data = (before + "b" * letters + after).encode()
    found = re.search(rb"(?<![A-Za-z0-9])hf\\?_[A-Za-z0-9]{30}", data) is not None
    assert holds_token("notes.txt", io.BytesIO(data)) is found


@pytest.mark.parametrize("name", ["a.safetensors", "train-0.parquet", "photo.JPG"])
def test_weights_rows_and_pictures_are_not_searched(name):
    assert not holds_token(name, io.BytesIO(TOKEN))
