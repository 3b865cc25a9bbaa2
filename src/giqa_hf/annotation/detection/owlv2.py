"""OWLv2 (arXiv 2306.09683) of transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from ...errors import MissingExtraError
from ...frames import Frame
from ..batches import Batches
from .detector import Detections, best_first, distinct, nothing, plain_phrase
from .loading import Checkpoint, load_detector


class Owlv2Detector:
    """A detector that scores every patch of a photo against every phrase, each phrase on its own.

    So the phrases of a photo may share one look at it without changing each other's answers. OWLv2 knows at most 16
    tokens of text; longer phrases are refused with that reason, not cut, since a cut phrase may mean something else.

    Args:
        model (`str`, *optional*, defaults to `"google/owlv2-base-patch16-ensemble"`): a folder or a Hub repository.
        revision (`str`, *optional*): of the Hub repository.
        threshold (`float`, *optional*, defaults to `0.1`): a box counts when it scores more. 0.1 is the default of
            transformers' post-processing; OWLv2's scores are lower than those of Grounding DINO and not comparable.
        max_boxes (`int`, *optional*, defaults to `100`): the best so many are given. There is no suppression of boxes
            that overlap: merging them is the next stage's work.
        batch_size (`int`, *optional*, defaults to `8`): photos at a time, fewer where memory runs out.
        device (`str`, *optional*): by default the GPU, where there is one.
        dtype (`str`, *optional*, defaults to `"float32"`): number format of the network.
    """

    def __init__(
        self,
        model: str = "google/owlv2-base-patch16-ensemble",
        revision: str | None = None,
        *,
        threshold: float = 0.1,
        max_boxes: int = 100,
        batch_size: int = 8,
        device: str | None = None,
        dtype: str = "float32",
    ) -> None:
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold: expected a score in 0..1, got {threshold}")
        for name, count in (("max_boxes", max_boxes), ("batch_size", batch_size)):
            if count < 1:
                raise ValueError(f"{name}: expected at least 1, got {count}")
        self.model = model
        self.revision = revision
        self.threshold = threshold
        self.max_boxes = max_boxes
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype

    def settings(self) -> dict[str, Any]:
        """What its answers depend on: not the device, and not the size of a batch."""
        return {
            "detector": "owlv2",
            "model": self.model,
            "revision": self.revision,
            "dtype": self.dtype,
            "threshold": self.threshold,
            "max_boxes": self.max_boxes,
        }

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        if importlib.util.find_spec("scipy") is None:  # its image processor resizes with it
            raise MissingExtraError("OWLv2", "models")
        return load_detector(self.model, self.revision, ("owlv2",), self.dtype, self.device)

    def detect(self, images: Sequence[Image.Image], phrases: Sequence[str]) -> list[Detections]:
        """See `Detector`."""
        if len(images) != len(phrases):
            raise ValueError(
                f"detect: expected as many phrases as photos, got {len(phrases)} and {len(images)}"
            )
        texts = [plain_phrase(phrase) for phrase in phrases]
        results = [nothing(problem) for problem in self._problems(texts)]
        asked = []
        for image, places in distinct(images).items():
            if able := [place for place in places if results[place].problem is None]:
                asked.append((images[image], able))

        def work(batch: Sequence[tuple[Image.Image, list[int]]]) -> list[list[Detections]]:
            return self._look(
                [image for image, _ in batch], [[texts[p] for p in places] for _, places in batch]
            )

        found = Batches(self.batch_size, "one photo").run(asked, work)
        for (_, places), of_image in zip(asked, found, strict=True):
            for place, detections in zip(places, of_image, strict=True):
                results[place] = detections
        return results

    def _problems(self, texts: Sequence[str]) -> list[str | None]:
        """Why a text cannot be asked for, for each."""
        if not texts:
            return []
        model, _, tokenizer = self._checkpoint
        limit = model.config.text_config.max_position_embeddings
        ids = tokenizer(list(texts), split_special_tokens=True)["input_ids"]
        long = "phrase too long for the detector"
        return [
            "phrase without a word" if not text else long if len(tokens) > limit else None
            for text, tokens in zip(texts, ids, strict=True)
        ]

    def _look(
        self, images: Sequence[Image.Image], phrases: Sequence[Sequence[str]]
    ) -> list[list[Detections]]:
        import torch

        model, image_processor, tokenizer = self._checkpoint
        pixels = image_processor(images=list(images), return_tensors="pt")["pixel_values"]
        # As many phrases for each photo as the model's form of batch asks for; whatever fills up goes unread.
        most = max(map(len, phrases))
        texts = tokenizer(
            [[*own, *[own[0]] * (most - len(own))][place] for own in phrases for place in range(most)],
            padding="max_length",
            max_length=model.config.text_config.max_position_embeddings,
            split_special_tokens=True,  # "<|endoftext|>" in a description is text like any other
            return_tensors="pt",
        ).to(model.device)
        with torch.inference_mode():
            output = model(
                pixel_values=pixels.to(model.device, model.dtype),
                input_ids=texts["input_ids"],
                attention_mask=texts["attention_mask"],
            )
        scores = output.logits.float().sigmoid().double().cpu().numpy()  # (photos, patches, phrases)
        boxes = output.pred_boxes.double().cpu().numpy()  # (photos, patches, 4): centre and size
        corners = np.concatenate(
            [boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], axis=-1
        )
        found: list[list[Detections]] = []
        for row, (image, own) in enumerate(zip(images, phrases, strict=True)):
            boxes_norm = owlv2_frame(image_processor, image).to_image_norm(corners[row])
            found.append([])
            for column in range(len(own)):
                kept = ~(scores[row, :, column] <= self.threshold)  # not ">": a broken number must be counted
                found[-1].append(best_first(boxes_norm[kept], scores[row, kept, column], self.max_boxes))
        return found


def owlv2_frame(image_processor: Any, image: Image.Image) -> Frame:
    """How OWLv2 sees a photo: in the upper left corner of a square as wide as its longer side, which is then resized.

    Its boxes are normalised to that square; those in the padding lie beyond 1, outside the photo.
    """
    side = image_processor.size["width"]
    image_wh = (image.width, image.height)
    if not image_processor.do_pad:
        return Frame.squash(image_wh, (side, side))
    scale = side / max(image_wh)
    return Frame(image_wh, (side, side), (scale, scale), (0.0, 0.0))
