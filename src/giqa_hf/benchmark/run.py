"""A run of the benchmark: a model's answers to all rows in a folder, with the record of what they depend on.

Generating and scoring are apart. `run.json` is written first, `references.jsonl` (the rows without pictures) beside it,
and `answers.jsonl` grows batch by batch; an interrupted run goes on at the first row without an answer. Scoring reads
only this folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import DataError
from ..files import atomic_write
from ..frames import Frame
from ..progress import Progress, Say
from . import prompts as prompt_styles
from .answers import Answer, appending, read_answers
from .backends import Asked, Backend
from .data import BenchData, load_bench_data
from .generate import GREEDY, marks_are_special
from .reading import Reading, load_processor, reading_of
from .record import ANSWERS, RECORD, REFERENCES, claim, session

BackendName = Literal["transformers", "vllm", "endpoint"]


@dataclass(frozen=True)
class RunSettings:
    """What a run is to do.

    Args:
        model (`str`): a folder or the id of a Hub repository; for an endpoint, the model's name at the server.
        data (`str`, *optional*, defaults to `"giqa-bench"`): see `load_bench_data`.
        split (`str`, *optional*): of the data.
        limit (`int`, *optional*): only the first rows.
        backend (`str`, *optional*, defaults to `"transformers"`): or `"vllm"`, or `"endpoint"`.
        url (`str`, *optional*): of the endpoint.
        prompt_style (`str`, *optional*, defaults to `"giqa"`): see `prompts`.
        box_format (`str`, *optional*): name or JSON of a format, instead of the processor's.
        frame (`str`, *optional*): `"whole"` or `"square"`, instead of the processor's.
        processor (`str`, *optional*): folder or Hub id of the processor of a model behind an endpoint.
        batch_size (`int`, *optional*, defaults to `16`): rows per batch.
        max_new_tokens (`int`, *optional*, defaults to `512`): where an answer is cut off.
        concurrency (`int`, *optional*, defaults to `16`): rows that are under way at an endpoint at once.
        first_token (`bool`, *optional*, defaults to `False`): read Yes/No questions from the logits of the first token
            too, with transformers only; the figure has a name of its own.
        device (`str`, *optional*): for transformers.
        dtype (`str`, *optional*): for transformers and vLLM.
        chat_template (`str`, *optional*): a file with a chat template, or its text, instead of the checkpoint's; with
            transformers only.
        api_key_variable (`str`, *optional*, defaults to `"GIQA_BENCH_API_KEY"`): environment variable with the key of
            the endpoint.

    Raises:
        `DataError`: when an option cannot be.
    """

    model: str
    data: str = "giqa-bench"
    split: str | None = None
    limit: int | None = None
    backend: str = "transformers"
    url: str | None = None
    prompt_style: str = "giqa"
    box_format: str | None = None
    frame: str | None = None
    processor: str | None = None
    batch_size: int = 16
    max_new_tokens: int = 512
    concurrency: int = 16
    first_token: bool = False
    device: str | None = None
    dtype: str | None = None
    chat_template: str | None = None
    api_key_variable: str = "GIQA_BENCH_API_KEY"

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_new_tokens", "concurrency"):
            if getattr(self, name) < 1:
                raise DataError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name, value, choices in (
            ("backend", self.backend, get_args(BackendName)),
            ("prompt style", self.prompt_style, prompt_styles.STYLES),
        ):
            if value not in choices:
                raise DataError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
        if (self.backend == "endpoint") != (self.url is not None):
            raise DataError(
                f"url: expected an address with the back end endpoint and with no other, got {self.url!r} with "
                f"{self.backend}"
            )
        if self.first_token and self.backend != "transformers":
            raise DataError(
                f"first token: expected the back end transformers, which can see its logits, got {self.backend!r}"
            )
        if self.chat_template is not None and self.backend != "transformers":
            raise DataError(f"chat template: expected the back end transformers, got {self.backend!r}")
        if self.processor is not None and self.backend != "endpoint":
            raise DataError(f"processor: expected none with {self.backend}, which uses the model's own")


def run_benchmark(settings: RunSettings, out: Path, *, say: Say = print) -> None:
    """Let a model answer the benchmark; rows that have an answer already are not asked again.

    Args:
        settings (`RunSettings`): what to do.
        out (`Path`): the run's folder, new or of the same run.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Raises:
        `GiqaError`: when data, model or server cannot be used, or the folder holds another run.
    """
    data = load_bench_data(settings.data, settings.split, settings.limit)
    backend = make_backend(settings)
    reading = reading_of(backend.processor, settings.frame, settings.box_format)
    answer_rows(data, backend, reading, out, settings, say=say)


def make_backend(settings: RunSettings) -> Backend:
    """The back end of a run, its model loaded or its server named."""
    if settings.backend == "endpoint":
        from .backends.endpoint import EndpointBackend

        processor = None if settings.processor is None else load_processor(settings.processor)
        return EndpointBackend(
            settings.url or "",
            settings.model,
            max_new_tokens=settings.max_new_tokens,
            concurrency=settings.concurrency,
            processor=processor,
            api_key_variable=settings.api_key_variable,
        )
    if settings.backend == "vllm":
        from .backends.vllm import VllmBackend

        return VllmBackend(
            settings.model,
            batch_size=settings.batch_size,
            max_new_tokens=settings.max_new_tokens,
            dtype=settings.dtype,
        )
    from .backends.local import LocalBackend

    return LocalBackend(
        settings.model,
        batch_size=settings.batch_size,
        max_new_tokens=settings.max_new_tokens,
        device=settings.device,
        dtype=settings.dtype,
        with_frame=settings.frame is None,
        chat_template=settings.chat_template,
    )


def answer_rows(
    data: BenchData, backend: Backend, reading: Reading, out: Path, settings: RunSettings, *, say: Say = print
) -> None:
    """Ask a back end for what the run's folder does not hold yet; see `run_benchmark`."""
    frames = [reading.frame(row["width"], row["height"]) for row in data.rows]
    prompts = [
        prompt_styles.prompt_of(row, settings.prompt_style, reading.box_format, frame)
        for row, frame in zip(data.rows, frames, strict=True)
    ]
    decoding = {"max_new_tokens": settings.max_new_tokens}
    if settings.backend == "transformers":
        decoding |= GREEDY
    start_run(
        out,
        data,
        {
            **backend.settings(),
            "boxes": {**reading.settings(), "frames_sha256": _digest(frames)},
            "prompts": {
                "style": settings.prompt_style,
                "version": prompt_styles.VERSION,
                "sha256": _digest(prompts),
            },
            "decoding": decoding,
        },
        backend.execution(),
    )
    special_tokens = marks_are_special(reading.box_format)
    with appending(out / ANSWERS) as writer:
        there = read_answers(out / ANSWERS)
        ids = data.ids
        places = [
            place for place, row_id in enumerate(ids) if row_id not in there or there[row_id].text is None
        ]
        done = len(ids) - len(places)
        say(f"{len(ids)} rows of {data.name}" + (f", {done} answered before" * bool(done)))
        progress = Progress(say, "answers")
        progress(done, len(ids))
        asked = Asked(data, prompts, frames, places, special_tokens)
        for replies in backend.replies(asked) if places else ():
            writer.append(
                [Answer(ids[r.place], r.text, frames[r.place], r.problem, r.cut_off) for r in replies]
            )
            done += len(replies)
            progress(done, len(ids))
        if settings.first_token:
            from .backends.local import LocalBackend
            from .yes_no_logits import ask_first_tokens

            if isinstance(backend, LocalBackend):  # `RunSettings` sees to it
                ask_first_tokens(backend, asked, out, say=say)


def start_run(
    out: Path, data: BenchData, depends_on: Mapping[str, Any], execution: Mapping[str, Any]
) -> None:
    """Make a run's folder with its record and references, or see that it is the same run."""
    claim(out, {**depends_on, "data": data.settings()}, session(dict(execution)))
    if not (out / REFERENCES).exists():
        with atomic_write(out / REFERENCES) as file:
            for row_id, row in zip(data.ids, data.rows, strict=True):
                file.write(json.dumps({"id": row_id, **row}).encode("ascii") + b"\n")


def read_references(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run, without pictures, in order.

    Raises:
        `DataError`: when they are damaged, or not those that the record tells of.
    """
    from .data import rows_fingerprint
    from .record import read_record

    expected = read_record(folder)["run"]["data"]["rows_sha256"]
    path = folder / REFERENCES
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        same = rows_fingerprint(rows) == expected
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected the rows of the run, found none that can be read ({error})"
        ) from error
    if not same:
        raise DataError(
            f"{path}: expected the rows that {RECORD} tells of, found others; they were changed after the run, make it "
            "again"
        )
    return rows


def _digest(values: Sequence[str] | Sequence[Frame]) -> str:
    return hashlib.sha256("\0".join(map(repr, values)).encode("ascii", "backslashreplace")).hexdigest()
