"""A build as `giqa annotate` leaves it, its records written by hand, on real photographs."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from skimage import data

from giqa_hf.annotation import shards
from giqa_hf.annotation.record import Box, Mention, Pair, Record, Tag, drop
from giqa_hf.files import write_bytes, write_json

PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket")
TEXT = "The face is blurry, and the sky is bright."
FACE, SKY = (4, 8), (28, 31)


def save_photo(root: Path, name: str, **options) -> str:
    """One of scikit-image's photographs as a JPEG of at most 240 pixels a side; returns its path relative to the root."""
    path = root / "photos" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = Image.fromarray(getattr(data, name)()).convert("RGB")
    photo.thumbnail((240, 240))
    photo.save(path, quality=90, **options)
    return f"photos/{name}.jpg"


def make_record(
    root: Path, record_id: str, photo: str, *, answers: str = "", source="mine", license="CC0-1.0"
) -> Record:
    """A record with two tags and three boxes that are in, two that are not, and a pair per letter of `answers`.

    The letters: "y" and "n" ask Yes/No, "w" what, "h" how.
    """
    image = f"photos/{photo}.jpg"
    if not (root / image).exists():
        save_photo(root, photo)
    with Image.open(root / image) as opened:
        width, height = opened.size
    face = [
        Box(
            (0.1, 0.1, 0.3, 0.3), 0.9, (0.1, 0.1, 0.4, 0.3), judged=0.8
        ),  # grown by the one that was merged into it
        Box((0.25, 0.1, 0.4, 0.3), 0.8, judged=0.7),
        Box((0.6, 0.6, 0.9, 0.9), 0.6, judged=0.2),
    ]
    sky = [Box((0.0, 0.0, 1.0, 0.25), 0.7), Box((0.0, 0.5, 0.0, 0.7), 0.5)]
    record = Record(
        record_id, f"{photo}.jpg", image, TEXT, source, license, width=width, height=height, question="How good is it?",
        tags=[Tag("face", "The face", "blurry", "negative", FACE, face), Tag("sky", "the sky", "bright", "positive", SKY, sky)],
    )  # fmt: skip
    record.tags[0].boxes[1].fate = merged()
    drop(face[2], "filter", "judge says No", score=0.2)
    drop(sky[1], "boxes", "no area")
    record.pairs = [make_pair(letter) for letter in answers]
    return record


def merged():
    from giqa_hf.annotation.record import Fate

    return Fate("merged", "merge", "touching, and the other is small", "into box 0", 0.06)


def make_pair(letter: str) -> Pair:
    """One question, tied to the face."""
    if letter in "yn":
        return Pair(
            "Is the face blurry?",
            {"y": "Yes.", "n": "No, it is not."}[letter],
            "yes_no",
            [Mention("question", (7, 11), 0)],
        )
    kind = {"w": "what", "h": "how", "r": "why"}[letter]
    return Pair(f"{kind.capitalize()} is blurry?", "The face.", kind, [Mention("answer", (4, 8), 0)])


def write_build(build: Path, root: Path, records: list[Record], shard_size: int = 2) -> Path:
    """Put the records into shards, with a manifest."""
    manifest = {
        "made_by": shards.MADE_BY, "versions": {"giqa_hf": "0"}, "root": str(root),
        "corpus": {"name": "handmade", "rows": len(records)}, "shard_size": shard_size,
        "profile": {"name": "by hand"}, "stages": [],
    }  # fmt: skip
    write_json(build / shards.MANIFEST, manifest)
    for index in range(shards.shard_count(manifest)):
        write_bytes(
            shards.shard_path(build, index),
            shards.encode(records[index * shard_size : (index + 1) * shard_size]),
        )
    return build
