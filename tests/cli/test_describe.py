"""`giqa describe`: pictures of all sorts, what is printed and drawn, and one sentence for everything that fails."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from giqa_hf import files
from giqa_hf.benchmark.generate import Done, Said
from giqa_hf.cli.main import main
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.inference import DESCRIBE
from giqa_hf.report import draw_regions
from tests.make_tiny_checkpoint import tiny_checkpoint

MODEL = str(tiny_checkpoint())
# What the model "says": on the 20 x 20 grid cell 0 to cell 189 is the upper left quarter.
ANSWER = "The [cup](<0,189>) is sharp, the [plate](<7>) is not."


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked(monkeypatch):
    """The pictures and questions that reached the model, which answers `ANSWER`."""
    calls = []

    def answer(model, processor, image_of, prompts, order, **options):
        calls.append((image_of(0), prompts[0]))
        yield [Done(0, Said(ANSWER, cut_off=False))]

    monkeypatch.setattr("giqa_hf.inference.pipeline.generate_batches", answer)
    return calls


def describe(*arguments):
    return main(["describe", "--model", MODEL, *map(str, arguments)])


def refused(capsys, *arguments):
    """The one sentence of a refusal."""
    assert describe(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("giqa: ") and err.count("\n") == 1
    return err


def test_what_is_printed_and_drawn(asked, capsys, photo):
    photo.save("photo.png")
    assert describe("photo.png") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "The cup is sharp, the plate is not.",
        # Eq. 2: the centres of cells 0 and 189 are (0.5 / 20, 0.5 / 20) and (9.5 / 20, 9.5 / 20)
        "  cup: 0.025 0.025 0.475 0.475",
        "  unreadable box (bad_arity): <7>",
        "boxes as x1 y1 x2 y2, shares of width and height",
        "boxes drawn into photo-described.png",
    ]
    assert err == ""
    assert asked[0][1] == DESCRIBE
    grounded = GroundedText(
        "The cup is sharp, the plate is not.", [Region("cup", (4, 7), [[0.025, 0.025, 0.475, 0.475]])]
    )
    drawn = Image.open("photo-described.png")
    assert drawn.size == photo.size and drawn.format == "PNG"
    expected = np.asarray(draw_regions(photo, grounded))
    assert np.array_equal(np.asarray(drawn), expected) and not np.array_equal(expected, np.asarray(photo))


def test_as_json(asked, capsys, photo):
    photo.save("photo.png")
    assert describe("photo.png", "--json", "--out", "made/here.png", "--question", "Is it sharp?") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"] == "The cup is sharp, the plate is not." and answer["image"] == "made/here.png"
    assert answer["regions"][0]["phrase"] == "cup" and answer["issues"][0]["raw"] == "<7>"
    assert Image.open("made/here.png").size == (512, 512) and asked[0][1] == "Is it sharp?"


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def rotated():
    """Stored lying, 60 x 40, its upper half red; EXIF says to turn it by 90 degrees clockwise."""
    stored = Image.new("RGB", (60, 40), "blue")
    stored.paste("red", (0, 0, 60, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(stored, exif=exif)


def animated():
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("green", "red", "blue")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def deep():
    """16 bits of grey, all 32896 of 65535: half."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((30, 40), 32896, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


GOOD = {
    # name: (bytes, size as seen, colour of the upper right corner as seen)
    "plain.jpg": (jpeg(Image.new("RGB", (40, 30), "green")), (40, 30), (0, 128, 0)),
    "cmyk.jpg": (jpeg(Image.new("CMYK", (40, 30), (0, 255, 255, 0))), (40, 30), (255, 0, 0)),  # no cyan: red
    "grey16.png": (deep(), (40, 30), (128, 128, 128)),
    "moving.gif": (animated(), (40, 30), (0, 128, 0)),  # the first picture is green
    # Turned clockwise its upper half comes to the right side.
    "turned.jpg": (rotated(), (40, 60), (255, 0, 0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_pictures_of_all_sorts_reach_the_model_upright_in_rgb(asked, tmp_path, name):
    data, size, colour = GOOD[name]
    (tmp_path / name).write_bytes(data)
    assert describe(name) == 0
    seen = asked[0][0]
    assert seen.mode == "RGB" and seen.size == size
    assert np.allclose(seen.getpixel((size[0] - 2, 1)), colour, atol=4)
    drawn = Image.open(f"{name.split('.')[0]}-described.png")
    assert drawn.size == size  # the boxes lie in the upright picture


def huge_header():
    """A PNG that says it is 30,000 x 30,000 pixels: decoded, 2.7 GB."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


BAD = {
    "cut.jpg": (jpeg(Image.effect_noise((200, 200), 50))[:3000], "is damaged or cut short"),
    "tiny.png": (None, "is 1 x 1 pixels, expected at least 16 a side"),
    "huge.png": (huge_header(), "is 30000 x 30000 pixels (900 megapixels), expected at most 100 megapixels"),
    "text.jpg": (b"Dear diary, ...\n", 'found text that begins "Dear diary'),
    "empty.jpg": (b"", "is empty (0 bytes)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_through_the_real_command(tmp_path, name):
    """Before any model is loaded, so these are fast."""
    data, words = BAD[name]
    if data is None:
        Image.new("RGB", (1, 1)).save(name)
    else:
        (tmp_path / name).write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-m", "giqa_hf.cli.main", "describe", name, "--model", "/nowhere"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith(f"giqa: {name} ") and words in run.stderr and run.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_picture_at_all(tmp_path, capsys):
    assert "missing.jpg does not exist" in refused(capsys, "missing.jpg")
    (tmp_path / "folder").mkdir()
    assert "folder is a folder, expected one picture file" in refused(capsys, "folder")
    assert "is an address" in refused(capsys, "https://example.org/a.jpg")


@pytest.fixture
def picture(photo):
    photo.resize((64, 64)).save("photo.png")
    return "photo.png"


def test_models_that_cannot_be_asked(picture, capsys, tmp_path):
    """More of them in tests/benchmark/test_checkpoint.py."""
    for model, words in [
        (tmp_path / "nothing", "found no such folder"),
        (tmp_path, "found no config.json"),
        ("nobody/nothing", "the Hub cannot be reached"),
    ]:
        assert words in refused(capsys, picture, "--model", model)


def test_a_question_with_the_models_own_placeholder(picture, capsys):
    assert "'<image>'" in refused(capsys, picture, "--question", "What is <image>?")


@pytest.mark.usefixtures("asked")
def test_where_the_drawing_cannot_go(picture, capsys, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("x")
    before = (tmp_path / picture).read_bytes()
    for out, words in [
        ("folder.png", "is a folder"),
        ("file/a.png", "a part of its path is a file"),
        ("a.jpg", "a.jpg: expected a name that ends in .png"),
        ("photo.png", "expected another file than the photo itself"),
        ("./folder.png/../photo.png", "expected another file than the photo itself"),
        ("/dev/null/a.png", "a part of its path is a file"),
    ]:
        assert words in refused(capsys, picture, "--out", out)
    assert (tmp_path / picture).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png", "photo.png"]


@pytest.mark.usefixtures("asked")
def test_a_full_disk(picture, capsys, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "photo-described.png").write_bytes(b"of yesterday")
    monkeypatch.setattr(files.os, "fsync", full)
    assert "photo-described.png could not be written (No space left on device): the disk is full" in refused(
        capsys, picture
    )
    assert (tmp_path / "photo-described.png").read_bytes() == b"of yesterday"


@contextmanager
def mounted(folder, options):
    """A file system of its own in `folder`; the test is skipped where this may not be had."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's tmpfs")
@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("options", "words"), [("size=4k", "the disk is full"), ("ro", "the disk is read-only")]
)
def test_a_disk_that_is_really_full_or_read_only(picture, capsys, tmp_path, options, words):
    with mounted(tmp_path / "disk", options):
        assert words in refused(capsys, picture, "--out", "disk/a.png")
        assert list((tmp_path / "disk").iterdir()) == []


def test_the_real_command_says_nothing_else(picture):
    """The libraries' warnings and bars stay out of what a user sees; the random model's answer is any text."""
    run = subprocess.run(
        [sys.executable, "-m", "giqa_hf.cli.main", "describe", picture, "--model", MODEL],
        capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert run.returncode == 0 and run.stderr == b""
    assert run.stdout.endswith(
        b"no boxes in it; the photo is in photo-described.png\n"
    )  # random weights write none
    assert Image.open("photo-described.png").size == (64, 64)
