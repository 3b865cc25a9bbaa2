"""GIQA-Bench in the middle of a training: greedy answers to held-out rows, scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..benchmark.generate import generate_batches
from ..errors import DataError
from ..metrics.giqa_bench.compute import figures_of, giqa_bench

_BATCH = 16
_MOST_NEW_TOKENS = 512  # as in `giqa bench`


@dataclass(frozen=True)
class Evaluation:
    """What is asked.

    Args:
        rows (`datasets.Dataset`): of the schema, with pictures, held out from training.
        prompts (`tuple` of `str`): the question of each row as the model is asked it.
        max_new_tokens (`int`): where an answer is cut off.
        batch_size (`int`, *optional*, defaults to `16`): rows at once on each device.
    """

    rows: Any
    prompts: tuple[str, ...]
    max_new_tokens: int
    batch_size: int = _BATCH


def make_evaluation(rows: Any, conversations: Any, processor: Any) -> Evaluation:
    """The evaluation on held-out rows.

    An answer may have twice the tokens of the longest true one: a model that repeats itself without end, as many do
    early in a training, is not waited for.

    Args:
        rows (`datasets.Dataset`): of the schema.
        conversations (`datasets.Dataset`): what `to_conversations` has made of them.
        processor (`ProcessorMixin`): of the model.
    """
    answers = [turns[0]["content"] for turns in conversations["completion"]]
    longest = max(len(processor.tokenizer(text, add_special_tokens=False).input_ids) for text in answers)
    return Evaluation(
        rows,
        tuple(turns[0]["content"] for turns in conversations["prompt"]),
        min(_MOST_NEW_TOKENS, 2 * longest + 2),
    )


def answer_held_out(model: Any, processor: Any, evaluation: Evaluation) -> list[str]:
    """Greedy answers to all held-out rows; on several devices each answers its share, and all get all.

    Args:
        model (`transformers.PreTrainedModel`): left as it was found.
        processor (`ProcessorMixin`): with `GroundingProcessorMixin`.
        evaluation (`Evaluation`): what is asked.

    Returns:
        `list` of `str`: raw, in the order of the rows.
    """
    from accelerate import PartialState
    from accelerate.utils import gather_object

    state = PartialState()
    rows, prompts = evaluation.rows, evaluation.prompts
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    order += order[:1] * (
        -len(order) % state.num_processes
    )  # sharded weights want all devices to ask as often
    mine = order[state.process_index :: state.num_processes]
    answered: list[tuple[int, str]] = []
    for start in range(0, len(mine), evaluation.batch_size):
        _gather_what_generate_needs(model)
        for batch in generate_batches(
            model,
            processor,
            lambda place: rows[place]["image"],
            prompts,
            mine[start : start + evaluation.batch_size],
            batch_size=evaluation.batch_size,
            max_new_tokens=evaluation.max_new_tokens,
        ):
            answered += [(done.place, done.said.text) for done in batch]
    texts = dict(gather_object(answered))
    return [texts[place] for place in range(len(prompts))]


def evaluate_model(model: Any, processor: Any, evaluation: Evaluation) -> dict[str, float | None]:
    """The figures of GIQA-Bench on the held-out rows, with the lexical judge.

    Args:
        model (`transformers.PreTrainedModel`): left as it was found.
        processor (`ProcessorMixin`): with `GroundingProcessorMixin`.
        evaluation (`Evaluation`): what is asked.

    Returns:
        `dict`: as `figures_of` has it, the same on every device.
    """
    references = list(evaluation.rows.remove_columns("image"))
    sizes = [(row["width"], row["height"]) for row in references]
    answers = answer_held_out(model, processor, evaluation)
    return figures_of(giqa_bench(processor.post_process_grounded_generation(answers, sizes), references))


def _gather_what_generate_needs(model: Any) -> None:
    """Under FSDP2, bring the weights outside of the layers together.

    FSDP2 does so when the model is called, but `generate` (transformers 5.23) looks at the pictures before it calls it.
    """
    unshard = getattr(model, "unshard", None)
    if callable(unshard):
        unshard()


def metric_name(choice: str | None, tasks: frozenset[str]) -> str:
    """The figure that the best checkpoint is chosen by.

    Args:
        choice (`str`, *optional*): as `giqa_bench` names it, with or without its judge; without one, the accuracy of
            answers where there are questions, and the mIoU of boxes where there are only descriptions.
        tasks (`frozenset` of `str`): of the held-out rows.

    Raises:
        `DataError`: when there is no such figure, or the held-out rows cannot give it.
    """
    figures = _names()
    if choice is None:
        choice = "VQA Acc (Total)" if "vqa" in tasks else "DES mIoU"
    found = next((name for name in figures if choice in (name, name.partition("[")[0])), None)
    if found is None:
        raise DataError(f"metric: expected one of {', '.join(figures)}, got {choice!r}")
    if found.partition(" ")[0].lower() not in tasks:
        raise DataError(
            f"metric: expected a figure of the held-out rows, which are {' and '.join(sorted(tasks))}, got {choice!r}"
        )
    return found


def _names() -> Mapping[str, float | None]:
    """The names of all figures: those of no rows."""
    return figures_of(giqa_bench([], []))
