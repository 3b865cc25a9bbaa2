"""A model and its processor behind one call: pictures and questions in, words and boxes out."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..benchmark.generate import Said, check_room, check_words_only, generate_batches
from ..boxes import Boxes
from ..errors import GiqaError
from ..grounded_text import GroundedText
from ..images import Picture, read_image
from ..processing import ground_processor
from .answer import Answer, FailedAnswer, GroundedAnswer
from .questions import ABOUT_REGION, DESCRIBE, REGION, about, check_region, within
from .scores import box_scores

Shown: TypeAlias = Picture | npt.NDArray[np.uint8]
"""What `read_image` takes, or an array of shape (height, width), (height, width, 3) or (height, width, 4)."""
Question: TypeAlias = str | GroundedText
BATCH_SIZE = 8
ANSWER_TOKENS = 320
MIN_SIDE_PX = 16
_BATCHES_AT_ONCE = 4  # that many are read ahead, so that alike pictures and questions come together


class _Asked(NamedTuple):
    """What a caller wants to know."""

    picture: Any
    question: Question | None
    region: Boxes | None = None
    in_pixels: bool = False
    phrase: str = REGION


class _Ready(NamedTuple):
    """A picture that was read, and the words that the model gets with it."""

    image: Image.Image
    prompt: str
    picture: Picture
    model_pixels: int


class GroundingPipeline:
    """Answers questions about pictures with words and boxes; `grounding_pipeline` loads one.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`, on its device.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template; one without
            `GroundingProcessorMixin` gets it, and with it the paper's box format (`ground_processor`).
        batch_size (`int`, *optional*, defaults to `8`): pictures per forward pass; halved where memory runs out.
        max_new_tokens (`int`, *optional*, defaults to `320`): where an answer is cut off.

    Raises:
        `ValueError`: for numbers below 1.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        batch_size: int = BATCH_SIZE,
        max_new_tokens: int = ANSWER_TOKENS,
    ) -> None:
        self.model = model
        self.processor = ground_processor(processor)
        self.batch_size = _at_least_one(batch_size, "batch_size")
        self.max_new_tokens = _at_least_one(max_new_tokens, "max_new_tokens")

    @overload  # a path is an iterable of strings as well, and comes first
    def __call__(  # type: ignore[overload-overlap]
        self,
        pictures: Shown,
        question: Question | None = None,
        *,
        region_px: Any = None,
        region_norm: Any = None,
        phrase: str = REGION,
        batch_size: int | None = None,
        max_new_tokens: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Answer: ...

    @overload
    def __call__(
        self,
        pictures: Iterable[Shown],
        question: Question | Sequence[Question | None] | None = None,
        *,
        region_px: Any = None,
        region_norm: Any = None,
        phrase: str = REGION,
        batch_size: int | None = None,
        max_new_tokens: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Answer]: ...

    def __call__(
        self,
        pictures: Any,
        question: Any = None,
        *,
        region_px: Any = None,
        region_norm: Any = None,
        phrase: str = REGION,
        batch_size: int | None = None,
        max_new_tokens: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Answer | list[Answer]:
        """Ask about one picture, or about several.

        Args:
            pictures (picture, or iterable of pictures): a path, the bytes of a file, an open binary file, a PIL image,
                or a `uint8` array of shape (height, width, 3), (height, width, 4) or (height, width). An address is
                refused: nothing is downloaded.
            question (`str` or `GroundedText`, or a sequence of them, *optional*): for all pictures, or one for each.
                Without one, the picture is described, or, with a region, asked what is wrong with the region. Of a
                `GroundedText` the boxes (normalised) are written too.
            region_px (array-like, *optional*): what the question is about: one box `x1, y1, x2, y2` in pixels of the
                upright picture, or several, shape (N, 4). For several pictures a sequence with one entry for each,
                `None` for none, or one box for all. The boxes are written behind "this region" in the question, in the
                model's own format and frame; see `phrase`.
            region_norm (array-like, *optional*): the same, in 0..1 of the picture's width and height.
            phrase (`str`, *optional*, defaults to `"this region"`): the words of the question that the region belongs
                to, such as `"cup"`. A question without "this region" gets "About this region: " in front.
            batch_size (`int`, *optional*): the pipeline's own if not given.
            max_new_tokens (`int`, *optional*): the pipeline's own if not given.
            progress (`callable`, *optional*): called with the number done and the number of all, for each picture.

        Returns:
            `GroundedAnswer` or `FailedAnswer` for one picture, a list of them, in order, for several. A picture that
            cannot be read, or whose region the model does not see, costs no other its answer.

        Raises:
            `TypeError`, `ValueError`: for an argument that is none of these; before any model runs.
            `GiqaError`: when a single picture and question do not fit into memory.
        """
        is_one = _is_picture(pictures)
        shown: list[Any] = [pictures] if is_one else list(pictures)
        if region_px is not None and region_norm is not None:
            raise ValueError("region: expected region_px or region_norm, got both; give one of them")
        in_pixels, region = region_px is not None, region_norm if region_px is None else region_px
        name = "region_px" if in_pixels else "region_norm"
        regions = [region] if is_one else _for_each(region, len(shown), name, _is_region)
        questions = [question] if is_one else _for_each(question, len(shown), "question", _is_question)
        asked = [
            _checked(_Asked(*given, in_pixels, phrase), name)
            for given in zip(shown, questions, regions, strict=True)
        ]
        answers: list[Answer] = []
        done = itertools.count(1)
        told = (lambda: progress(next(done), len(asked))) if progress else None
        for window in self._windows(asked, batch_size, max_new_tokens, told):
            answers += window
        return answers[0] if is_one else answers

    def iter(
        self,
        pictures: Iterable[Shown],
        question: Question | Iterable[Question | None] | None = None,
        *,
        batch_size: int | None = None,
        max_new_tokens: int | None = None,
    ) -> Iterator[Answer]:
        """Ask about pictures one after another, for more of them than memory holds; the answers come in order.

        Arguments, answers and errors are those of a call. Four batches of pictures are in memory at a time. A region
        is given as the box of a `GroundedText`.
        """
        questions: Iterable[Any] = itertools.repeat(question) if _is_question(question) else question  # type: ignore[assignment]  # no question of its own, so many
        asked = (
            _checked(_Asked(picture, one), "region_norm")
            for picture, one in zip(pictures, questions, strict=False)
        )
        return itertools.chain.from_iterable(self._windows(asked, batch_size, max_new_tokens))

    def _windows(
        self,
        asked: Iterable[_Asked],
        batch_size: int | None,
        max_new_tokens: int | None,
        told: Callable[[], None] | None = None,
    ) -> Iterator[list[Answer]]:
        size = self.batch_size if batch_size is None else _at_least_one(batch_size, "batch_size")
        limit = (
            self.max_new_tokens if max_new_tokens is None else _at_least_one(max_new_tokens, "max_new_tokens")
        )
        remaining = iter(asked)
        while window := list(itertools.islice(remaining, size * _BATCHES_AT_ONCE)):
            yield self._answers([self._prepared(one) for one in window], size, limit, told)

    def _prepared(self, asked: _Asked) -> _Ready | FailedAnswer:
        """Read a picture and write its prompt; what is wrong with either is the reason why there is no answer."""
        picture = Image.fromarray(asked.picture) if isinstance(asked.picture, np.ndarray) else asked.picture
        try:
            image = read_image(picture, min_side=MIN_SIDE_PX)
            if hasattr(picture, "read"):  # a file that is at its end now
                picture = image
            width, height = self.processor.frame(*image.size).model_wh
            prompt = self._prompt(asked, image.size)
            check_words_only(self.processor, prompt, "question")
            check_room(self.model, self.processor.tokenizer, prompt)
        except (GiqaError, ValueError) as error:
            return FailedAnswer(str(error))
        return _Ready(image, prompt, picture, width * height)

    def _prompt(self, asked: _Asked, image_wh: tuple[int, int]) -> str:
        question = asked.question
        if asked.region is not None:
            unit = image_wh if asked.in_pixels else (1, 1)
            name = "region_px" if asked.in_pixels else "region_norm"
            words = ABOUT_REGION if question is None else str(question)
            question = about(words, within(asked.region, *unit, name), asked.phrase)
        if isinstance(question, GroundedText):
            written: str = self.processor.render_grounded(question, image_wh)
            return written
        return DESCRIBE if question is None else question

    def _answers(
        self,
        prepared: Sequence[_Ready | FailedAnswer],
        batch_size: int,
        max_new_tokens: int,
        told: Callable[[], None] | None,
    ) -> list[Answer]:
        answers: dict[int, Answer] = {}

        def keep(place: int, answer: Answer) -> None:
            answers[place] = answer
            if told:
                told()

        for place, one in enumerate(prepared):
            if isinstance(one, FailedAnswer):
                keep(place, one)
        ready = {place: one for place, one in enumerate(prepared) if isinstance(one, _Ready)}
        batches = generate_batches(
            self.model,
            self.processor,
            lambda place: ready[place].image,
            [one.prompt if isinstance(one, _Ready) else "" for one in prepared],
            sorted(ready, key=lambda place: (ready[place].model_pixels, len(ready[place].prompt))),
            batch_size=batch_size,
            max_new_tokens=max_new_tokens,
            probabilities=True,
        )
        started = time.perf_counter()
        for batch in batches:
            seconds = (time.perf_counter() - started) / len(batch)
            for place, said in batch:
                keep(place, self._answer(ready[place], said, seconds))
            started = time.perf_counter()
        return [answers[place] for place in range(len(prepared))]

    def _answer(self, ready: _Ready, said: Said, seconds: float) -> GroundedAnswer:
        image_wh = ready.image.size
        (grounded,) = self.processor.post_process_grounded_generation([said.text], [image_wh])
        return GroundedAnswer(
            grounded=grounded,
            raw=said.text,
            prompt=ready.prompt,
            image_wh=image_wh,
            scores=box_scores(said, self.processor, image_wh),
            seconds=seconds,
            cut_off=said.cut_off,
            picture=ready.picture,
        )


def _is_picture(value: Any) -> bool:
    """Whether it is one picture; else it has to be an iterable of pictures."""
    kinds = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
    if isinstance(value, kinds) or hasattr(value, "read"):
        return True
    if isinstance(value, np.ndarray):
        return value.ndim < 4 and value.dtype != object
    if isinstance(value, dict) or not isinstance(value, Iterable):
        raise TypeError(
            "pictures: expected a path, bytes, a binary file, a PIL image or a uint8 array, or several of them, got "
            f"{type(value).__name__}"
        )
    return False


def _checked(asked: _Asked, name: str) -> _Asked:
    """What a caller asked, after a look at what can be told without the picture."""
    picture, question, region = asked.picture, asked.question, asked.region
    if isinstance(picture, np.ndarray):
        colours = picture.shape[2:] in ((), (3,), (4,))
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not colours or not picture.size:
            raise ValueError(
                "picture: expected a uint8 array of shape (height, width, 3), (height, width, 4) or (height, width), "
                f"got {picture.dtype} of shape {picture.shape}; scale to 0..255 and bring the colours last"
            )
    elif not _is_picture(picture):
        raise TypeError(f"picture: expected one picture in each place, got {type(picture).__name__}")
    if not _is_question(question):
        raise TypeError(f"question: expected a string or a GroundedText, got {type(question).__name__}")
    if region is None:
        return asked
    if isinstance(question, GroundedText) and question.regions:
        raise ValueError(
            f"{name}: expected plain words as the question, got a GroundedText with regions of its own"
        )
    boxes = check_region(region, name)
    if not asked.in_pixels:
        within(boxes, 1, 1, name)
    words = question.text if isinstance(question, GroundedText) else question
    about(ABOUT_REGION if words is None else words, boxes, asked.phrase)
    return asked._replace(region=boxes, question=words)


def _is_question(value: Any) -> bool:
    return value is None or isinstance(value, str | GroundedText)


def _is_region(value: Any) -> bool:
    """Whether it is one box, for all pictures, or none."""
    return value is None or (np.ndim(value[0]) == 0 and value[0] is not None if len(value) else False)


def _for_each(value: Any, count: int, name: str, is_one: Callable[[Any], bool]) -> list[Any]:
    if is_one(value):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ValueError(
            f"{name}: expected one for all pictures or one for each of {count}, got {len(values)}"
        )
    return values


def _at_least_one(value: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
    return value
