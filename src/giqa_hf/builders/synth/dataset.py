"""giqa-synth as a dataset: photographs with spoiled objects, drawn on this machine, true by construction.

Train and test scenes come from disjoint sets of crops and of seeds (see `scenes.window_split` and `photos`). They
show the same few photographs, so a score on giqa-synth says that the whole loop works; it says nothing about
photographs that a model has never seen.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import datasets
import numpy as np
from PIL import Image

from ...schema import features
from .rows import QuestionAnswer, des_row, open_pairs, vqa_row, yes_no_pairs
from .scenes import Scene, Split, make_scene

OPEN_TYPES = ("what", "why", "how")
OPEN_SHARES = (0.5, 0.3, 0.2)
"""Shares of What, Why and How, those of GIQA-Bench (30, 18 and 12 of 60; paper Sec. 3.4)."""
SHARD_SCENES = 250
_SPLIT_STREAM: dict[Split, int] = {"train": 0, "test": 1}


def synth_rows(
    split: Split, scenes: int, seed: int = 0, vqa_per_scene: int = 2, *, first: int = 0
) -> Iterator[dict[str, Any]]:
    """Draw rows of one split, scene by scene.

    Over these scenes Yes = No and Yes/No = What/Why/How, exactly.

    Args:
        split (`str`): `"train"` or `"test"`.
        scenes (`int`): number of pictures; even, so that Yes and No come out equal.
        seed (`int`, *optional*, defaults to `0`): another seed draws other pictures; splits never share a stream.
        vqa_per_scene (`int`, *optional*, defaults to `2`): VQA rows per picture, half Yes/No, half open; even.
        first (`int`, *optional*, defaults to `0`): number of the first scene, to draw a split in parts.

    Returns:
        `Iterator[dict]`: rows as `giqa_hf.schema.features` describes them, images as PIL images.
    """
    _check_even(scenes=scenes, vqa_per_scene=vqa_per_scene)
    owed: Counter[str] = Counter()
    for index in range(first, first + scenes):
        rng = np.random.default_rng([seed, _SPLIT_STREAM[split], index])
        scene = make_scene(split, rng)
        image_id = f"giqa-synth-{split}-{seed}-{index:06d}"
        yield des_row(scene, image_id, rng)  # first: the questions must not change how it is described
        for number in range(vqa_per_scene // 2):
            owed["yes" if (index + number) % 2 == 0 else "no"] += 1
            owed[str(rng.choice(OPEN_TYPES, p=OPEN_SHARES))] += 1
        yield from (vqa_row(scene, image_id, pair) for pair in _pay(owed, scene, rng))
    extra = 0
    while owed.total():  # further pictures, with questions only, settle what the last ones could not pay
        scene, extra = make_scene(split, rng), extra + 1
        yield from (vqa_row(scene, f"{image_id}-{extra}", pair) for pair in _pay(owed, scene, rng))


def _check_even(**counts: int) -> None:
    for name, value in counts.items():
        if not isinstance(value, int) or value < 0 or value % 2:
            raise ValueError(
                f"giqa-synth: expected {name} even and at least 0 (Yes = No, Y = W), got {value!r}"
            )


def _pay(owed: Counter[str], scene: Scene, rng: np.random.Generator) -> list[QuestionAnswer]:
    """Take from the scene as many of the owed pairs as it supports; the rest stays owed to later scenes."""
    paid: list[QuestionAnswer] = []
    for kind in ("yes", "no", *OPEN_TYPES):
        if owed[kind]:
            pairs = (
                yes_no_pairs(scene, kind == "yes", rng)
                if kind in ("yes", "no")
                else open_pairs(scene, kind, rng)
            )
            taken = pairs[: owed[kind]]
            owed[kind] -= len(taken)
            paid += taken
    return paid


@dataclass
class SynthConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """What to draw.

    Args:
        tasks (`tuple` of `str`): `"des"`, `"vqa"` or both.
        train_scenes (`int`, *optional*, defaults to `2000`): pictures of the train split.
        test_scenes (`int`, *optional*, defaults to `100`): pictures of the test split (GIQA-Bench has 100).
        vqa_per_scene (`int`, *optional*, defaults to `2`): VQA rows per picture.
        seed (`int`, *optional*, defaults to `0`): another seed, other pictures.
    """

    tasks: tuple[str, ...] = field(default=("des", "vqa"))
    train_scenes: int = 2000
    test_scenes: int = 100
    vqa_per_scene: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_even(
            train_scenes=self.train_scenes, test_scenes=self.test_scenes, vqa_per_scene=self.vqa_per_scene
        )


class GiqaSynth(datasets.GeneratorBasedBuilder):  # type: ignore[misc]
    """`load_dataset("giqa-synth")`: configs `all`, `des`, `vqa`; splits `train`, `test`."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = SynthConfig
    BUILDER_CONFIGS = [  # noqa: RUF012 - the name and the type are datasets' own
        SynthConfig("all", version=VERSION, description="descriptions and questions"),
        SynthConfig("des", version=VERSION, description="descriptions", tasks=("des",), vqa_per_scene=0),
        SynthConfig("vqa", version=VERSION, description="questions", tasks=("vqa",)),
    ]
    DEFAULT_CONFIG_NAME = "all"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Photographs with synthetically spoiled objects, described and asked about with boxes.",
            features=features(),
            license="per row: column license",
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        sizes: dict[Split, int] = {"train": self.config.train_scenes, "test": self.config.test_scenes}
        return [
            datasets.SplitGenerator(part, gen_kwargs={"part": part, "shards": _shards(size)})
            for part, size in sizes.items()
        ]

    def _generate_examples(
        self, part: Split, shards: list[tuple[int, int]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for first, scenes in shards:
            encoded: dict[str, Any] = {"image_id": None}
            drawn = synth_rows(part, scenes, self.config.seed, self.config.vqa_per_scene, first=first)
            for key, row in enumerate(row for row in drawn if row["task"] in self.config.tasks):
                if row["image_id"] != encoded["image_id"]:  # the rows of one scene stand together
                    encoded = {"image_id": row["image_id"], "image": _png(row["image"], row["image_id"])}
                yield f"{first}-{key}", {**row, "image": encoded["image"]}


def _shards(scenes: int) -> list[tuple[int, int]]:
    """Parts of a split, `(first, count)`, that several processes may draw; an empty split is one empty part."""
    return [(first, min(SHARD_SCENES, scenes - first)) for first in range(0, scenes, SHARD_SCENES)] or [
        (0, 0)
    ]


def _png(image: Image.Image, image_id: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": f"{image_id}.png"}
