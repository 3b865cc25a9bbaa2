"""Detection in the manner of Grounding DINO (arXiv 2303.05499), whoever wrote the network.

A photo and a caption go in; out comes, for each of the model's queries, a box and one number per token of the caption.
The caption is always a single phrase, so no box has to be matched to a part of the text, which is where such models and
their post-processing are weakest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...errors import GiqaError
from ..batches import Batches
from .detector import Detections, best_first, caption, distinct, nothing

MARKS = {"[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
"""Tokens that are no words of a phrase, with their ids in bert-base-uncased."""
_TOO_SMALL = "selected index k out of range"  # what torch.topk says


class Network(NamedTuple):
    """An opened network."""

    image_processor: Any
    tokenizer: Any
    forward: Callable[[Any, Sequence[str], Any], tuple[Any, Any]]
    """From pixels (B, 3, H, W), captions, and the same tokenized, to logits (B, queries, tokens) and boxes (B, queries,
    4): centre and size, normalised."""
    device: str
    max_tokens: int


class _Asked(NamedTuple):
    """A phrase for a photo, on its way through the network."""

    place: int
    """In the caller's lists."""
    image: int
    """Place at which this photo came first."""
    caption: str


class PhraseGrounding(ABC):
    """Grounding DINO with one phrase per photo, in batches of photos that have one size once they are processed.

    Photos of different sizes never share a batch: the smaller one would be padded, its backbone sees the padding, and
    it would get other boxes than alone. Captions of different lengths may: padding them changes nothing but the last
    digits.

    Args:
        box_threshold (`float`, *optional*, defaults to `0.35`): a box counts when its best token scores more (the value
            of the official README; the paper gives none).
        text_threshold (`float`, *optional*, defaults to `0.25`): and when a word of the phrase scores more. Below it
            the official post-processing leaves a box without label.
        max_boxes (`int`, *optional*, defaults to `100`): the best so many are given.
        batch_size (`int`, *optional*, defaults to `8`): photos at a time, fewer where memory runs out.
        device (`str`, *optional*): by default the GPU, where there is one.
    """

    def __init__(
        self,
        *,
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        max_boxes: int = 100,
        batch_size: int = 8,
        device: str | None = None,
    ) -> None:
        for name, value in (("box_threshold", box_threshold), ("text_threshold", text_threshold)):
            if not 0 <= value < 1:
                raise ValueError(f"{name}: expected a score in 0..1, got {value}")
        for name, count in (("max_boxes", max_boxes), ("batch_size", batch_size)):
            if count < 1:
                raise ValueError(f"{name}: expected at least 1, got {count}")
        self.box_threshold = box_threshold
        self.text_threshold = text_threshold
        self.max_boxes = max_boxes
        self.batch_size = batch_size
        self.device = device

    @abstractmethod
    def _open(self) -> Network:
        """Load the network; called once, when the first photo comes."""

    @cached_property
    def _network(self) -> Network:
        network = self._open()
        found = dict(zip(MARKS, network.tokenizer.convert_tokens_to_ids(list(MARKS)), strict=True))
        if found != MARKS:  # transformers has the ids in its code, and with others masks the text wrongly
            raise GiqaError(
                f"the detector's tokenizer: expected the ids of bert-base-uncased, {MARKS}, found {found}; use the "
                "tokenizer that belongs to the checkpoint"
            )
        return network

    def settings(self) -> dict[str, Any]:
        """What its answers depend on: not the device, and not the size of a batch."""
        return {
            "box_threshold": self.box_threshold,
            "text_threshold": self.text_threshold,
            "max_boxes": self.max_boxes,
        }

    def detect(self, images: Sequence[Image.Image], phrases: Sequence[str]) -> list[Detections]:
        """See `Detector`."""
        if len(images) != len(phrases):
            raise ValueError(
                f"detect: expected as many phrases as photos, got {len(phrases)} and {len(images)}"
            )
        results = [nothing()] * len(images)
        buckets: dict[tuple[int, int], list[_Asked]] = {}
        for image, places in distinct(images).items():
            captions = [caption(phrases[place]) for place in places]
            for place, text, problem in zip(places, captions, self._problems(captions), strict=True):
                if problem:
                    results[place] = nothing(problem)
                else:
                    size = processed_hw(self._network.image_processor, images[image])
                    buckets.setdefault(size, []).append(_Asked(place, image, text))
        # The largest first: if memory will not do, it is better told now than at the end.
        for size in sorted(buckets, key=lambda hw: (hw[0] * hw[1], hw), reverse=True):
            found = self._detect_bucket(buckets[size], images, size)
            for asked, detections in zip(buckets[size], found, strict=True):
                results[asked.place] = detections
        return results

    def _detect_bucket(
        self, bucket: Sequence[_Asked], images: Sequence[Image.Image], size_hw: tuple[int, int]
    ) -> list[Detections]:
        """All that is asked about photos of one processed size; the phrases of a photo stand together."""
        prepared: dict[int, Any] = {}

        def work(batch: Sequence[_Asked]) -> list[Detections]:
            needed = {asked.image for asked in batch}
            for image in prepared.keys() - needed:  # later batches do not need them, save after a halving
                del prepared[image]
            for image in needed - prepared.keys():
                prepared[image] = self._pixels(images[image])
            return self._ask([prepared[asked.image] for asked in batch], [asked.caption for asked in batch])

        photo = f"one photo of {size_hw[1]} x {size_hw[0]} pixels as processed"
        return Batches(self.batch_size, photo).run(bucket, work)

    def _problems(self, captions: Sequence[str]) -> list[str | None]:
        """Why a caption cannot be asked for, for each."""
        tokenizer = self._network.tokenizer
        problems: list[str | None] = []
        for text, ids in zip(captions, tokenizer(list(captions))["input_ids"], strict=True):
            words = set(ids) - set(MARKS.values())
            if not text or not words:
                problems.append("phrase without a word")
            elif words == {tokenizer.unk_token_id}:
                problems.append("phrase without a word that the detector knows")
            elif len(ids) > self._network.max_tokens:
                problems.append("phrase too long for the detector")
            else:
                problems.append(None)
        return problems

    def _pixels(self, image: Image.Image) -> Any:
        """A photo as the network takes it, shape (3, H, W)."""
        processed = self._network.image_processor(images=image, do_pad=False, return_tensors="pt")
        return processed["pixel_values"][0]

    def _ask(self, pixels: Sequence[Any], captions: list[str]) -> list[Detections]:
        import torch

        network = self._network
        texts = network.tokenizer(captions, padding=True, return_tensors="pt", return_token_type_ids=True).to(
            network.device
        )
        try:
            with torch.inference_mode():
                logits, boxes = network.forward(torch.stack(list(pixels)).to(network.device), captions, texts)
        except RuntimeError as error:
            if _TOO_SMALL not in str(error):
                raise
            # Fewer places on the feature maps than queries. All photos of a batch have one size, so it concerns all.
            return [nothing("photo too small for the detector")] * len(captions)
        marks = torch.tensor([*MARKS.values()], device=texts["input_ids"].device)
        words = texts["attention_mask"].bool() & ~torch.isin(texts["input_ids"], marks)
        likely = logits.float().sigmoid()
        scores = likely.amax(-1)
        of_words = (likely[..., : words.shape[1]] * words[:, None]).amax(-1)
        # Not ">": a broken number must come through, to be counted.
        kept = ~(scores <= self.box_threshold) & ~(of_words <= self.text_threshold)
        corners = _corners(boxes.double().cpu().numpy())
        scores, kept = scores.double().cpu().numpy(), kept.cpu().numpy()
        return [
            best_first(corners[row][kept[row]], scores[row][kept[row]], self.max_boxes)
            for row in range(len(captions))
        ]


def processed_hw(image_processor: Any, image: Image.Image) -> tuple[int, int]:
    """The height and width that a photo will have once it is processed, or its own where that is not known.

    It only groups photos: those of one size of their own have one size as processed, too.
    """
    from transformers.image_transforms import get_size_with_aspect_ratio

    size, own_hw = image_processor.size, (image.height, image.width)
    if not (image_processor.do_resize and size.shortest_edge and size.longest_edge):
        return own_hw
    height, width = get_size_with_aspect_ratio(own_hw, size.shortest_edge, size.longest_edge)
    return height, width


def _corners(boxes: Any) -> Any:
    """From centre and size to corners, shape (..., 4)."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)
