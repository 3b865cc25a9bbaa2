"""Score-based image quality assessment: a score read from the first answer token (the paper's supplement, Q-Bench).

A model is asked for the quality of a picture, and instead of its words the probabilities of a few words are taken
where its answer begins: softmax over "good" and "poor", or over five levels, weighed. Any `AutoModelForImageTextToText`
can be asked. Likewise for Yes or No: that is another figure than the generated word, and gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from ..annotation.batches import Batches
from ..errors import DataError, ImageError
from ..first_token import first_token_logits, word_ids
from ..images import Picture, image_size, read_image

Q_INSTRUCT_TEMPERATURE = 1.0
"""T = 1: the plain softmax, Eq. 1 of Q-Instruct."""
Q_BENCH_TEMPERATURE = 100.0
"""T = 100: Q-Bench's code divides the logits by 100, which draws all scores towards the middle. With two words the
order of pictures, so SRCC and KRCC, is that of T = 1; PLCC is not. With more words the order changes too."""
YES_NO = ("Yes", "No")
FIRST_TOKEN = "first token"
"""What stands behind a figure that was read this way: `VQA Acc (Y)[first token]`."""


@dataclass(frozen=True)
class ScoreProtocol:
    """How a score is asked for and read: sum over words of softmax(logits / temperature) x weight.

    The logit of a word with several tokens ("good", " Good") is the logarithm of their summed exponentials.

    Args:
        name (`str`): short name for tables.
        words (`tuple` of `str`): what the answer may begin with.
        weights (`tuple` of `float`): the score that each word stands for.
        temperature (`float`, *optional*, defaults to `1.0`): see `Q_INSTRUCT_TEMPERATURE` and `Q_BENCH_TEMPERATURE`.
        question (`str`, *optional*): what the model is asked.
        answer_start (`str`, *optional*, defaults to `""`): words that the answer is taken to begin with, such as
            `"The quality of the image is"`.
        token_ids (`tuple` of `tuple` of `int`, *optional*): the tokens of each word. By default all that are the word
            in any case, with or without a space, or what `word_ids` finds where there is none; published figures often
            rest on one id each (LLaMA: 1781 and 6460 for good and poor).

    Raises:
        `ValueError`: on fewer than two words, another number of weights or of tokens, or a temperature that is not
            above 0.
    """

    name: str
    words: tuple[str, ...]
    weights: tuple[float, ...]
    temperature: float = Q_INSTRUCT_TEMPERATURE
    question: str = "Rate the quality of the image."
    answer_start: str = ""
    token_ids: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        if len(self.words) < 2 or len(set(self.words)) != len(self.words):
            raise ValueError(f"words: expected at least two different ones, got {self.words!r:.200}")
        if len(self.weights) != len(self.words):
            raise ValueError(f"weights: expected {len(self.words)}, one per word, got {len(self.weights)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature: expected more than 0, got {self.temperature!r}")
        if self.token_ids is not None and (len(self.token_ids) != len(self.words) or not all(self.token_ids)):
            raise ValueError(
                f"token_ids: expected some for each of {len(self.words)} words, got {self.token_ids!r:.200}"
            )

    def settings(self) -> dict[str, Any]:
        """Everything that the scores depend on beside the model, as JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


Q_INSTRUCT = ScoreProtocol("good/poor, T=1", ("good", "poor"), (1.0, 0.0))
"""Two words at temperature 1."""
Q_BENCH = ScoreProtocol("good/poor, T=100", ("good", "poor"), (1.0, 0.0), Q_BENCH_TEMPERATURE)
"""Two words, logits over 100."""
THREE_WORDS = ScoreProtocol("good/average/poor", ("good", "average", "poor"), (1.0, 0.5, 0.0))
"""Three words, so that a middling picture need not be half good."""
_LEVELS = ("excellent", "good", "fair", "poor", "bad")
FIVE_LEVELS = ScoreProtocol("five levels, 5..1", _LEVELS, (5.0, 4.0, 3.0, 2.0, 1.0))
"""The five levels of ITU-R BT.500 as Q-Align weighs them in training: on the scale of most opinion scores."""
FIVE_LEVELS_UNIT = ScoreProtocol("five levels, 1..0", _LEVELS, (1.0, 0.75, 0.5, 0.25, 0.0))
"""The same on 0..1; SRCC, PLCC and KRCC are those of `FIVE_LEVELS`, since 5..1 is four times it plus one."""


def read_scores(
    model: Any,
    processor: Any,
    images: Sequence[Picture],
    protocol: ScoreProtocol = Q_INSTRUCT,
    *,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
    unreadable: dict[int, str] | None = None,
) -> list[float | None]:
    """The quality scores of pictures.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`; left as it was found.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template.
        images (`sequence` of `Picture`): paths, encoded bytes or `PIL.Image.Image`s, see `read_image`. Paths are read
            when their batch begins, so a list of any length fits into memory.
        protocol (`ScoreProtocol`, *optional*, defaults to `Q_INSTRUCT`): what is asked and how it is read.
        batch_size (`int`, *optional*, defaults to `32`): pictures per forward pass; a batch that does not fit into
            memory is halved.
        progress (`callable`, *optional*): called with the number done and the number of all.
        unreadable (`dict`, *optional*): gets the reason for each picture that cannot be read, by its number; its score
            is None. Without it, such a picture is an error.

    Returns:
        `list`: scores between the least and the largest weight, higher for better; None where the model computes NaN.

    Raises:
        `GiqaError`: when the words cannot be told apart by their first tokens, or one picture does not fit into memory.
        `ImageError`: when a picture cannot be read.
    """
    words = [list(ids) for ids in protocol.token_ids or word_ids(processor.tokenizer, protocol.words)]
    shares = _word_shares(
        model,
        processor,
        images,
        [protocol.question] * len(images),
        words,
        protocol.temperature,
        protocol.answer_start,
        batch_size,
        progress,
        unreadable,
    )
    return [
        None if own is None else sum(p * w for p, w in zip(own, protocol.weights, strict=True))
        for own in shares
    ]


def yes_probabilities(
    model: Any,
    processor: Any,
    images: Sequence[Picture],
    questions: Sequence[str],
    *,
    token_ids: Sequence[Sequence[int]] | None = None,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> list[float | None]:
    """P(Yes) of Yes/No questions: how likely the answer begins with Yes where it begins with either Yes or No.

    Another thing than the generated word (`yes_or_no`): a model that would write neither has a probability all the
    same. So a figure from it is named apart, `VQA Acc (Y)[first token]`.

    Args:
        model (`transformers.PreTrainedModel`): as in `read_scores`.
        processor (`transformers.ProcessorMixin`): as in `read_scores`.
        images (`sequence` of `Picture`): as in `read_scores`; one with several questions comes several times.
        questions (`sequence` of `str`): one per picture, boxes already written in the model's format.
        token_ids (`sequence` of `sequence` of `int`, *optional*): the tokens of Yes and those of No, instead of
            `word_ids`.
        batch_size (`int`, *optional*, defaults to `32`): as in `read_scores`.
        progress (`callable`, *optional*): as in `read_scores`.

    Returns:
        `list`: 0..1; None where the model computes NaN.

    Raises:
        `ValueError`: when there are not as many images as questions.
        `DataError`: when a question holds the processor's placeholder for pictures.
        `GiqaError`, `ImageError`: as in `read_scores`.
    """
    words = [list(ids) for ids in token_ids or word_ids(processor.tokenizer, YES_NO)]
    shares = _word_shares(
        model, processor, images, questions, words, Q_INSTRUCT_TEMPERATURE, "", batch_size, progress
    )
    return [None if own is None else own[0] for own in shares]


def first_token_answers(probabilities: Sequence[float | None]) -> list[str]:
    """P(Yes) as answers that `vqa_accuracy` reads: "Yes." above 1/2, "No." below, "" where the model cannot tell.

    ```python
    >>> first_token_answers([0.9, 0.2, 0.5, None])
    ['Yes.', 'No.', '', '']
    ```
    """
    return ["" if p is None or p == 0.5 else "Yes." if p > 0.5 else "No." for p in probabilities]


def _word_shares(
    model: Any,
    processor: Any,
    images: Sequence[Picture],
    texts: Sequence[str],
    words: list[list[int]],
    temperature: float,
    answer_start: str,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    unreadable: dict[int, str] | None = None,
) -> list[list[float] | None]:
    """Per picture, the share of each word in the softmax over these words alone; the tokens of a word are summed."""
    import torch

    if len(images) != len(texts):
        raise ValueError(f"expected one image per question, got {len(images)} images, {len(texts)} questions")
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size!r}")
    placeholder = getattr(processor, "image_token", None)
    for number, text in enumerate(texts):
        if placeholder and placeholder in text:
            raise DataError(
                f"question {number}: expected words only, found the model's placeholder for pictures, "
                f"{placeholder!r}, in {text!r:.200}; leave it out"
            )
    # Like beside like: little padding, and models that cut pictures into tiles get as many for each of a batch.
    order = sorted(range(len(texts)), key=lambda i: (_size(images[i]), len(texts[i])))
    done = 0

    def ask(places: Sequence[int]) -> list[list[float] | None]:
        nonlocal done
        photos = _read(images, places, unreadable)
        found: dict[int, list[float] | None] = {}
        if photos:
            logits = first_token_logits(
                model, processor, list(photos.values()), [texts[i] for i in photos], answer_start
            )
            # A word's spellings are summed before the temperature: else a word with more of them would gain by T = 100.
            of_words = torch.stack([logits[:, ids].logsumexp(dim=1) for ids in words], dim=1)
            shares = (of_words / temperature).softmax(dim=1).tolist()
            found = {
                i: None if any(p != p for p in row) else row for i, row in zip(photos, shares, strict=True)
            }
        done += len(places)
        if progress:
            progress(done, len(texts))
        return [found.get(i) for i in places]

    was_training = model.training
    model.eval()
    try:
        found = Batches(batch_size, "one picture and its question").run(order, ask)
    finally:
        model.train(was_training)
    shares: list[list[float] | None] = [None] * len(texts)
    for place, own in zip(order, found, strict=True):
        shares[place] = own
    return shares


def _size(picture: Picture) -> tuple[int, int]:
    """By what pictures are sorted; what is wrong with one shows when it is read."""
    try:
        return image_size(picture)
    except ImageError:
        return (0, 0)


def _read(
    images: Sequence[Picture], places: Sequence[int], unreadable: dict[int, str] | None
) -> dict[int, Image.Image]:
    """The pictures of a batch by place, without those that cannot be read."""
    photos: dict[int, Image.Image] = {}
    for place in places:
        try:
            photos[place] = read_image(images[place])
        except ImageError as error:
            if unreadable is None:
                raise
            unreadable[place] = str(error)
    return photos
