"""A photo is known again after what happens to copies, and no other photo is taken for it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from skimage import data

from giqa_hf.builders.giqa_160k.contamination import COARSE_BITS, FINE_BITS
from giqa_hf.builders.giqa_160k.fingerprints import Look, fingerprint, perceptual_hash
from giqa_hf.errors import ImageError

NAMES = ("astronaut", "camera", "chelsea", "coffee", "rocket", "moon", "clock", "coins", "retina", "hubble_deep_field", "brick", "grass", "page")  # fmt: skip


@pytest.fixture(scope="module")
def photos():
    found = {}
    for name in NAMES:
        found[name] = Image.fromarray(getattr(data, name)()).convert("RGB")
        found[name].thumbnail((512, 512))
    return found


def encoded(photo, kind="PNG", **options):
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def distance(a: Look | None, b: Look | None) -> tuple[int, int]:
    return (a.coarse ^ b.coarse).bit_count(), (a.fine ^ b.fine).bit_count()


def noisy(photo):
    noise = np.random.default_rng(0).normal(0, 25, (photo.height, photo.width, 3))
    return Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))


COPIES = {
    "JPEG 30": lambda photo: Image.open(io.BytesIO(encoded(photo, "JPEG", quality=30))).convert("RGB"),
    "JPEG 10": lambda photo: Image.open(io.BytesIO(encoded(photo, "JPEG", quality=10))).convert("RGB"),
    "half": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "tiny": lambda photo: photo.resize((128, 128 * photo.height // photo.width)),
    "larger": lambda photo: photo.resize((2 * photo.width, 2 * photo.height), Image.Resampling.BICUBIC),
    "squashed": lambda photo: photo.resize((336, 336)),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.3),
    "darker": lambda photo: ImageEnhance.Brightness(photo).enhance(0.6),
    "contrast": lambda photo: ImageEnhance.Contrast(photo).enhance(1.5),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "blurred": lambda photo: photo.filter(ImageFilter.GaussianBlur(4)),
    "noisy": noisy,
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_close(photos, copy):
    for name, photo in photos.items():
        coarse, fine = distance(perceptual_hash(photo), perceptual_hash(COPIES[copy](photo)))
        assert coarse <= COARSE_BITS and fine <= FINE_BITS, (name, coarse, fine)


def test_other_photos_and_their_parts_are_not(photos, rng):
    looks = []
    for name, photo in photos.items():
        for _ in range(40):
            scale = rng.uniform(0.3, 1.0)
            width, height = int(photo.width * scale), int(photo.height * scale)
            x, y = rng.integers(0, photo.width - width + 1), rng.integers(0, photo.height - height + 1)
            if look := perceptual_hash(photo.crop((x, y, x + width, y + height))):
                looks.append((name, look))
    compared = 0
    for i, (name, look) in enumerate(looks):
        for other, other_look in looks[:i]:
            if other != name:
                coarse, fine = distance(look, other_look)
                assert coarse > COARSE_BITS or fine > FINE_BITS, (name, other)
                compared += 1
    assert compared > 100_000


def test_half_of_the_bits_are_set(photos):
    for photo in photos.values():
        look = perceptual_hash(photo)
        assert (look.coarse.bit_count(), look.fine.bit_count()) == (32, 128)


def test_the_bits_of_one_cosine():
    # cos(pi (2x + 1) / 128) along x is the frequency (v, u) = (0, 1), the first one behind the mean: bit 0, and no
    # other one, is above the rest.
    wave = 128 + 100 * np.cos(np.pi * (2 * np.arange(64) + 1) / 128)
    picture = Image.fromarray(np.tile(wave.round().astype(np.uint8), (64, 1))).convert("RGB")
    assert perceptual_hash(picture).coarse & 1
    mirrored = perceptual_hash(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert not mirrored.coarse & 1  # its cosine is the negative


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_no_look(level):
    assert perceptual_hash(Image.new("RGB", (50, 40), (level,) * 3)) is None


def test_bytes_and_pixels(photos):
    photo = photos["coffee"]
    png, again = fingerprint(encoded(photo)), fingerprint(encoded(photo, compress_level=1))
    assert (png.width, png.height) == photo.size
    assert png.sha256 != again.sha256 and png.pixels_sha256 == again.pixels_sha256 and png.look == again.look
    jpeg = fingerprint(encoded(photo, "JPEG"))
    assert jpeg.pixels_sha256 != png.pixels_sha256


def test_a_turned_photo_is_known_upright(photos):
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = photos["coffee"].transpose(Image.Transpose.ROTATE_270)
    assert (
        fingerprint(encoded(turned, exif=exif)).pixels_sha256
        == fingerprint(encoded(photos["coffee"])).pixels_sha256
    )


def test_equal_bytes_of_other_shapes_are_other_photos():
    wide, high = (fingerprint(encoded(Image.new("RGB", size))) for size in ((6, 4), (4, 6)))
    assert wide.pixels_sha256 != high.pixels_sha256


def test_what_is_no_photo():
    with pytest.raises(ImageError):
        fingerprint(b"no photo")
