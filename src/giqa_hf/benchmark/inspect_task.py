"""GIQA-Bench as a task of inspect_ai, from the functions that `giqa bench` uses: rows, prompts, reading, figures.

inspect_ai asks the model, whichever provider it has for it, keeps its own log and its own cache. The prompts and the
figures are ours, so that both give the same numbers for the same answers. Needs `pip install inspect_ai`; then

    inspect eval giqa_hf/giqa_bench --model openai-api/local/my-model -T data=giqa-bench-folder -T frame=whole
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import MissingExtraError
from ..metrics.giqa_bench.compute import figures_of, giqa_bench
from .backends.endpoint import data_uri
from .data import BenchData, load_bench_data
from .prompts import prompt_of
from .reading import Reading, load_processor, read_grounded, reading_of

try:
    from inspect_ai import Task, task  # type: ignore[import-not-found, unused-ignore]  # an extra of one's own
    from inspect_ai.dataset import MemoryDataset, Sample  # type: ignore[import-not-found, unused-ignore]
    from inspect_ai.model import (  # type: ignore[import-not-found, unused-ignore]
        ChatMessageUser,
        ContentImage,
        ContentText,
        GenerateConfig,
    )
    from inspect_ai.scorer import Score, metric, scorer  # type: ignore[import-not-found, unused-ignore]
    from inspect_ai.solver import generate  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    raise MissingExtraError("the task of inspect_ai", "inspect") from None


@task(name="giqa_bench")  # type: ignore[untyped-decorator, unused-ignore]  # inspect_ai is not there for mypy
def giqa_bench_task(
    data: str = "giqa-bench",
    split: str | None = None,
    limit: int | None = None,
    prompt_style: str = "giqa",
    box_format: str | None = None,
    frame: str | None = None,
    processor: str | None = None,
    max_new_tokens: int = 512,
) -> Any:
    """The task; its arguments are options of `giqa bench`, with the lexical judge.

    Args:
        data (`str`, *optional*, defaults to `"giqa-bench"`): see `load_bench_data`, as are `split` and `limit`.
        split (`str`, *optional*): of the data.
        limit (`int`, *optional*): only the first rows.
        prompt_style (`str`, *optional*, defaults to `"giqa"`): see `prompts`.
        box_format (`str`, *optional*): name or JSON of a format.
        frame (`str`, *optional*): `"whole"` or `"square"`; or
        processor (`str`, *optional*): folder or Hub id of the processor that knows it.
        max_new_tokens (`int`, *optional*, defaults to `512`): where an answer is cut off.

    Raises:
        `GiqaError`: when the data cannot be used, or nothing says in which frame boxes are.
    """
    loaded = None if processor is None else load_processor(processor)
    reading = reading_of(loaded, frame, box_format)
    rows = load_bench_data(data, split, limit)
    return Task(
        dataset=MemoryDataset(
            [_sample(rows, place, reading, prompt_style) for place in range(len(rows.rows))]
        ),
        solver=generate(),
        scorer=_scorer_of(rows, reading),
        config=GenerateConfig(temperature=0.0, seed=0, max_tokens=max_new_tokens),
    )


def _sample(data: BenchData, place: int, reading: Reading, style: str) -> Any:
    """A row as inspect_ai asks it."""
    row = data.rows[place]
    data.photo(place)  # it is checked as for `giqa bench`
    prompt = prompt_of(row, style, reading.box_format, reading.frame(row["width"], row["height"]))
    content = [ContentImage(image=data_uri(data.photo_bytes(place))), ContentText(text=prompt)]
    return Sample(
        id=data.ids[place],
        input=[ChatMessageUser(content=content)],
        target=row["answer"],
        metadata={"place": place},
    )


def _scorer_of(data: BenchData, reading: Reading) -> Any:
    """A scorer that keeps the raw answer of every row, and hands all of them to `giqa_bench` at the end."""

    @metric(name="giqa_bench")  # type: ignore[untyped-decorator, unused-ignore]
    def figures() -> Callable[[list[Any]], dict[str, float]]:
        def compute(scores: list[Any]) -> dict[str, float]:
            said = {one.score.metadata["place"]: one.score.answer or "" for one in scores}
            frames = [reading.frame(row["width"], row["height"]) for row in data.rows]
            texts = [
                said.get(place, "") for place in range(len(data.rows))
            ]  # one that failed is an empty one
            result = giqa_bench(
                read_grounded(reading.box_format, texts, frames), data.rows, box_format=reading.box_format
            )
            return {name: value for name, value in figures_of(result).items() if value is not None}

        return compute

    @scorer(metrics=[figures()], name="giqa_bench")  # type: ignore[untyped-decorator, unused-ignore]
    def keep() -> Any:
        async def score(state: Any, target: Any) -> Any:
            text = state.output.completion.strip()
            return Score(value=1.0 if text else 0.0, answer=text, metadata={"place": state.metadata["place"]})

        return score

    return keep()
