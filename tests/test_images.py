"""Every picture that a user may bring: read whole and upright, or refused in one sentence."""

from __future__ import annotations

import gc
import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from giqa_hf.errors import GiqaError, ImageError
from giqa_hf.images import FORMATS, image_size, read_image

# A 40 x 24 picture, white, with its upper left corner red: the corner tells which way is up.
UPRIGHT_WH = (40, 24)


def painted_corner() -> Image.Image:
    pixels = np.full((24, 40, 3), 255, np.uint8)
    pixels[:8, :8] = (255, 0, 0)
    return Image.fromarray(pixels)


def photo() -> Image.Image:
    """Blocks of random colours: every part of the file matters."""
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **({"lossless": True} if kind == "WEBP" else {}), **options)
    return data.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a hundred bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def sentence(error: pytest.ExceptionInfo[ImageError]) -> str:
    text = str(error.value)
    assert "\n" not in text and isinstance(error.value, GiqaError)
    return text


# ------------------------------------------------------------------ upright

# EXIF orientation -> how the stored picture was made from the upright one (the inverse of a reader's task)
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # the reader turns it by 270 degrees, i.e. clockwise by 90
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(orientation: int) -> Image.Image:
    method = STORED_AS[orientation]
    return painted_corner() if method is None else painted_corner().transpose(method)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_come_out_upright(kind: str, orientation: int) -> None:
    data = encode(stored(orientation), kind, exif=exif(orientation))
    image = read_image(data)
    assert image.size == UPRIGHT_WH == image_size(data)
    pixels = np.asarray(image).astype(int)
    assert np.abs(pixels[2:6, 2:6] - (255, 0, 0)).max() < 30  # the corner is red
    for row, column in ((2, -4), (-4, 2), (-4, -4)):  # the others are white
        assert pixels[row, column].min() > 225
    assert not image.info and not image.getexif()  # nobody can turn it a second time


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_pil_image_is_turned_too_and_not_changed(orientation: int) -> None:
    given = Image.open(io.BytesIO(encode(stored(orientation), "PNG", exif=exif(orientation))))
    before = given.size
    assert read_image(given).size == UPRIGHT_WH == image_size(given)
    assert given.size == before and given.getexif()[0x0112] == orientation
    assert read_image(read_image(given)).size == UPRIGHT_WH


def test_orientation_behind_the_pixels_of_a_png_counts_for_both_functions() -> None:
    data = encode(stored(6), "PNG")
    late = data[:-12] + chunk(b"eXIf", exif(6).tobytes()[6:]) + data[-12:]  # without the "Exif\0\0" of JPEG
    assert read_image(late).size == UPRIGHT_WH == image_size(late)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("tags", [{700: XMP}, {700: XMP, 0x0112: 6}], ids=["XMP only", "XMP and EXIF"])
def test_a_tiff_turned_by_its_xmp_data_is_turned_once(tags: dict[int, object]) -> None:
    data = encode(stored(6), "TIFF", tiffinfo=tags)
    assert image_size(data) == UPRIGHT_WH == read_image(data).size
    given = Image.open(io.BytesIO(data))
    assert image_size(given) == UPRIGHT_WH == read_image(given).size == image_size(given)


@pytest.mark.parametrize("tag", [0, 9, 77])
def test_orientations_that_do_not_exist_are_ignored(tag: int) -> None:
    assert read_image(encode(painted_corner(), "JPEG", exif=exif(tag))).size == UPRIGHT_WH


def test_broken_metadata_does_not_stop_a_good_picture() -> None:
    assert read_image(encode(painted_corner(), "JPEG", exif=b"Exif\0\0garbage")).size == UPRIGHT_WH


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    # 65535 / 257 = 255; 32768 / 257 = 127.5 -> 128; 200 / 257 = .78 -> 1. Clipping would give 255, 255, 200.
    image = Image.fromarray(np.array([[65535, 32768, 200, 0]], np.uint16))
    assert np.asarray(read_image(encode(image, kind)))[0, :, 1].tolist() == [255, 128, 1, 0]


def test_sixteen_bit_big_endian_tiff() -> None:
    image = Image.fromarray(np.array([[65535, 25700]], ">u2"))
    assert image.mode == "I;16B"
    assert np.asarray(read_image(image))[0, :, 0].tolist() == [255, 100]


@pytest.mark.parametrize("dtype, word", [(np.float32, "floating-point"), (np.int32, "32-bit integer")])
def test_samples_without_a_known_white_are_refused(dtype: type, word: str) -> None:
    data = encode(Image.fromarray(np.array([[0, 1]], dtype)), "TIFF")
    with pytest.raises(ImageError, match=word):
        read_image(data)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_keeps_its_colours(kind: str) -> None:
    # No cyan, full magenta and yellow, no black: red. PIL writes CMYK JPEG as Adobe does, inverted.
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), kind)
    if kind == "JPEG":
        assert b"Adobe" in data
    assert np.abs(np.asarray(read_image(data)).astype(int) - (255, 0, 0)).max() <= 3


def palette_image() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putpixel((1, 0), 1)
    return image


TRANSPARENT = [
    # left pixel fully transparent, right pixel opaque green
    (encode(palette_image(), "PNG", transparency=0), "palette PNG"),
    (encode(palette_image(), "GIF", transparency=0), "GIF"),
    (
        encode(
            Image.fromarray(np.array([[[200, 0, 0], [0, 200, 0]]], np.uint8)), "PNG", transparency=(200, 0, 0)
        ),
        "key",
    ),
    (encode(Image.fromarray(np.array([[[9, 9, 9, 0], [0, 200, 0, 255]]], np.uint8)), "PNG"), "RGBA PNG"),
    (encode(Image.fromarray(np.array([[[9, 9, 9, 0], [0, 200, 0, 255]]], np.uint8)), "WEBP"), "RGBA WebP"),
]


@pytest.mark.parametrize("data", [row[0] for row in TRANSPARENT], ids=[row[1] for row in TRANSPARENT])
def test_transparent_areas_become_white(data: bytes) -> None:
    assert np.asarray(read_image(data))[0].tolist() == [[255, 255, 255], [0, 200, 0]]


def test_half_transparent_black_is_grey() -> None:
    # 255 * (1 - 128 / 255) = 127
    assert np.asarray(read_image(Image.new("LA", (1, 1), (0, 128))))[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "La", "YCbCr", "HSV", "RGBX", "LAB"]
)
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = read_image(Image.new(mode, (3, 2)))
    assert (image.mode, image.size) == ("RGB", (3, 2))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read(kind: str) -> None:
    red, green = (Image.new("RGB", (16, 16), colour) for colour in ("red", "lime"))
    data = encode(red, kind, save_all=True, append_images=[green])
    with Image.open(io.BytesIO(data)) as check:
        assert check.n_frames == 2  # type: ignore[attr-defined]
    assert np.asarray(read_image(data))[5, 5].tolist() == [255, 0, 0]


# ------------------------------------------------------------------ damage


@pytest.fixture(params=[False, True], ids=["strict PIL", "LOAD_TRUNCATED_IMAGES"])
def truncated_flag(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The global switch that some libraries set, and that makes PIL fill up with grey."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", request.param)


@pytest.mark.usefixtures("truncated_flag")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_cut_file_is_refused_or_complete(kind: str) -> None:
    data = encode(photo(), kind)
    whole = np.asarray(read_image(data))
    refused = 0
    for length in np.linspace(1, len(data) - 1, 25).astype(int):
        try:
            part = np.asarray(read_image(data[:length]))
        except ImageError as error:
            assert "\n" not in str(error)
            refused += 1
        else:  # only what stands behind the pixels may be missing
            assert np.array_equal(part, whole), f"{length} of {len(data)} bytes gave another picture"
    assert refused >= 23


@pytest.mark.usefixtures("truncated_flag")
def test_half_a_jpeg_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "half.jpg"
    data = encode(photo(), "JPEG")
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError) as error:
        read_image(file)
    assert sentence(error).startswith(f"{file} is damaged or cut short (")


@pytest.mark.usefixtures("truncated_flag")
def test_a_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(encode(photo(), "PNG"))
    data[data.index(b"IDAT") + 60] ^= 1
    with pytest.raises(ImageError, match="wrong check sum of IDAT"):
        read_image(bytes(data))


def test_plain_text_ppm_may_end_at_its_last_digit() -> None:
    assert np.asarray(read_image(b"P3\n1 1\n255\n255 0 10"))[0, 0].tolist() == [255, 0, 10]


# ------------------------------------------------------------------ sizes


def test_a_huge_header_is_refused_before_decoding(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(png_header(30_000, 30_000))
    for function in (read_image, image_size):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # PIL's own bomb warning stays away
            with pytest.raises(ImageError) as error:
                function(file)
        # 30 000 * 30 000 = 900 million
        assert sentence(error) == (
            f"{file} is 30000 x 30000 pixels (900 megapixels), expected at most 100 megapixels; "
            "make it smaller, or raise max_pixels"
        )
    assert image_size(file, max_pixels=900_000_000) == (30_000, 30_000)


def test_the_limit_is_on_width_times_height() -> None:
    image = Image.new("RGB", (20, 10))
    assert read_image(image, max_pixels=200).size == (20, 10)
    with pytest.raises(ImageError, match=r"at most 0\.000199 megapixels"):
        read_image(image, max_pixels=199)


def test_pil_globals_are_neither_used_nor_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # PIL itself would refuse this picture
    assert read_image(encode(photo(), "PNG")).size == (160, 120)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_one_pixel_is_a_picture_unless_a_minimum_is_asked_for() -> None:
    data = encode(Image.new("RGB", (1, 1), "red"), "PNG")
    assert np.asarray(read_image(data)).tolist() == [[[255, 0, 0]]]
    with pytest.raises(ImageError, match="1 x 1 pixels, expected at least 28 a side"):
        read_image(data, min_side=28)
    with pytest.raises(ImageError, match="40 x 24 pixels, expected at least 25"):
        image_size(painted_corner(), min_side=25)  # the shorter side counts


@pytest.mark.parametrize("kind", FORMATS)
def test_the_size_needs_no_decoding_and_agrees(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(photo(), kind)
    assert image_size(data) == read_image(data).size == (160, 120)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert image_size(data)._asdict() == {"width": 160, "height": 120}


# ------------------------------------------------------------------ what is no picture


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty (0 bytes), expected a picture"),
        (b"hello world\n", 'found text that begins "hello world"'),
        ("grüße ".encode() * 20, 'found text that begins "grüße'),
        (b"\xc8\xc9\xca\xcb\xcc", "found the bytes c8 c9 ca cb cc"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "found an HEIF (.heic) or video file"),
        # PIL would start Ghostscript for this one.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture that can be read here"),
    ],
)
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x"])
def test_a_file_that_is_no_picture(tmp_path: Path, content: bytes, words: str, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    for function in (read_image, image_size):
        with pytest.raises(ImageError) as error:
            function(file)
        assert words in sentence(error) and str(file) in sentence(error)


def test_places_without_a_picture(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    table = [
        (tmp_path / "nope.jpg", "does not exist"),
        (tmp_path / "file" / "x.jpg", "does not exist"),  # a file where a folder should be
        (tmp_path, "is a folder, expected one picture file"),
        ("/dev/zero", "is a device or pipe"),  # would never end
        ("https://example.org/a.jpg", "is an address"),
        ("a\0b.jpg", "cannot be opened"),
    ]
    for place, words in table:
        with pytest.raises(ImageError) as error:
            read_image(place)
        assert words in sentence(error)


def test_a_file_without_read_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.png"
    file.write_bytes(encode(photo(), "PNG"))

    def denied(*_: object) -> None:  # root may read everything, so the system's refusal is played
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("giqa_hf.images.io.FileIO", denied)
    with pytest.raises(ImageError, match=r"secret\.png' cannot be opened \(Permission denied\)"):
        read_image(file)


# ------------------------------------------------------------------ ways to hand a picture over


def test_path_string_bytes_and_file_give_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"  # the name does not matter
    file.write_bytes(encode(photo(), "PNG"))
    expected = np.asarray(photo())
    with file.open("rb") as opened:
        for picture in (file, str(file), file.read_bytes(), bytearray(file.read_bytes()), opened):
            assert np.array_equal(np.asarray(read_image(picture)), expected)  # type: ignore[arg-type]
        assert not opened.closed  # the caller's file stays the caller's


def test_a_text_file_object_and_a_wrong_type() -> None:
    with pytest.raises(ImageError, match='open it with "rb"'):
        read_image(io.StringIO("x"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got ndarray"):
        read_image(np.zeros((2, 2, 3), np.uint8))  # type: ignore[arg-type]


def test_files_are_closed_again(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(encode(photo(), "JPEG"))
    bad.write_bytes(encode(photo(), "JPEG")[:900])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        read_image(good), image_size(good)
        with pytest.raises(ImageError):
            read_image(bad)
        gc.collect()
    assert not caught


def test_many_threads_at_once() -> None:
    good, cut = encode(photo(), "PNG"), encode(photo(), "JPEG")[:900]
    expected = np.asarray(photo())
    wrong: list[str] = []

    def work() -> None:
        for _ in range(5):
            if not np.array_equal(np.asarray(read_image(good)), expected):
                wrong.append("good")
            try:
                read_image(cut)
                wrong.append("cut")
            except ImageError:
                pass

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
