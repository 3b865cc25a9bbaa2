"""Scores of a run from its folder alone: no model, no pictures, as often as one likes, with this judge or that."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import GiqaError
from ..files import write_json
from ..formats import format_from_dict
from ..metrics.giqa_bench.compute import figures_of, giqa_bench
from ..metrics.giqa_bench.image_sums import ImageSums
from ..metrics.llm_score.judge import JudgeChoice
from ..thoughts import spoken
from .answers import Answer, read_answers
from .reading import FRAMES, read_grounded
from .record import ANSWERS, IMAGE_SUMS, SCORES, read_record, software
from .run import read_references
from .unread import unread_boxes
from .yes_no_logits import first_token_scores, read_first_tokens


def score_run(folder: Path, *, judge: JudgeChoice = None, **options: Any) -> dict[str, Any]:
    """Score a run, and write `scores.json` into its folder.

    An answer that never came (the server failed on it, the predictions lack it) is scored as an empty one, and counted.

    Args:
        folder (`Path`): of a run.
        judge (`Judge`, *optional*): as `giqa_bench` takes it.
        options: further arguments of `giqa_bench`, such as `similarity`.

    Returns:
        `dict`: `figures`, `intervals`, `counts`, `settings` and `signature` as `giqa_bench` gives them; `answers`, what
        became of every row; `unread`, where answers look as if their boxes were in a form that was not read; `judge`,
        and `judging`, its marks, problems, runs and their spread by task;
        `software`; `first_token`, where the run was asked for it; `matched`, for predictions from elsewhere. What every
        image added goes into `images.json`, so that runs can be compared image by image.

    Raises:
        `GiqaError`: when the folder is no run, or an unfinished one.
    """
    run = read_record(folder)["run"]
    references = read_references(folder)
    found = read_answers(folder / ANSWERS)
    if missing := [row["id"] for row in references if row["id"] not in found]:
        raise GiqaError(
            f"{folder}: expected an answer to each of {len(references)} rows, {len(missing)} are missing (the first: "
            f"{missing[0]}); run the same `giqa bench` command again, it goes on where it was"
        )
    answers = [found[row["id"]] for row in references]
    box_format = format_from_dict(run["boxes"]["format"])
    texts = [spoken(answer.text or "").text for answer in answers]
    read = read_grounded(box_format, texts, [answer.frame for answer in answers])
    images = ImageSums()
    result = giqa_bench(
        read,
        references,
        judge=judge,
        box_format=box_format,
        decoding=_told(run),
        frame=_frame(run["boxes"]),
        intervals=True,
        images=images,
        **options,
    )
    scores = {
        "figures": figures_of(result),
        "intervals": result["intervals"],
        "counts": result["counts"],
        "settings": result["settings"],
        "signature": result["signature"],
        "answers": answer_counts(answers),
        "judge": judge_settings(judge),
        "judging": result["judging"],
        "software": software(),
        "scored": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    if (first := read_first_tokens(folder)) is not None:
        scores["first_token"] = first_token_scores(first, references)
    if (unread := unread_boxes(texts, read, box_format)) is not None:
        scores["unread"] = unread._asdict()
    if "matched" in run:  # how predictions from elsewhere were found
        scores["matched"] = run["matched"]
    write_json(folder / IMAGE_SUMS, images.to_dict(), indent=None)
    write_json(folder / SCORES, scores)
    return scores


def answer_counts(answers: Sequence[Answer]) -> dict[str, Any]:
    """What became of every row; `with_words`, `empty`, `only_thoughts` and the failures add up to `rows`."""
    failures = Counter(answer.problem or "no answer" for answer in answers if answer.text is None)
    said = [spoken(answer.text) for answer in answers if answer.text is not None]
    only_thoughts = sum(one.only_thoughts for one in said)
    with_words = sum(bool(one.text.strip()) for one in said)
    return {
        "rows": len(answers),
        "with_words": with_words,
        "empty": len(said) - with_words - only_thoughts,
        "only_thoughts": only_thoughts,
        "failures": dict(sorted(failures.items())),
        "cut_off": sum(answer.cut_off for answer in answers),
    }


def judge_settings(judge: JudgeChoice) -> dict[str, Any] | None:
    """What a judge says of itself beyond its name, and what showed while it was asked."""
    told = getattr(judge, "settings", None)
    if not callable(told):
        return None
    notes = getattr(judge, "notes", None)
    return {**told(), "notes": list(notes()) if callable(notes) else []}


def _frame(boxes: Mapping[str, Any]) -> str:
    """In which pictures boxes were read, for the signature: as declared, or a digest of what the processor said."""
    digest = boxes.get("frames_sha256")
    return str(boxes["frame"]) if boxes["frame"] in FRAMES or digest is None else f"processor-{digest[:10]}"


def _told(run: Mapping[str, Any]) -> str | None:
    """How a run's answers were made, for the signature."""
    if "decoding" not in run:  # predictions from elsewhere: nobody has told
        return None
    return f"greedy, {run['decoding']['max_new_tokens']} new tokens, prompts {run['prompts']['style']}"
