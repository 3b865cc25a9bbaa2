"""A dataset made ready for one backbone: held-out pictures, conversations, lengths, and what the record says of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..benchmark.generate import context_of
from ..errors import DataError
from ..processing import Hidden
from ..progress import Progress, Say
from .conversations import Task, hidden_boxes, to_conversations
from .evaluation import Evaluation, make_evaluation
from .lengths import count_tokens, find_too_long, fingerprint, refuse_too_long
from .rows import Split

_FEW = 50
_MANY = 10  # pictures, of which one is no more than a tenth
_SMALL_ADVICE = "give more pictures, or --eval-rows 0 to tune on all of them"


class Prepared(NamedTuple):
    """What a training needs of its data."""

    conversations: Any
    """To tune on; their `length` is in tokens."""
    evaluation: Evaluation | None
    tasks: frozenset[str]
    """Of the held-out rows."""
    told: Mapping[str, Any]
    """For the record."""


def prepare(
    rows: Any,
    split: Split,
    backbone: Any,
    *,
    task: Task | None,
    hidden: Hidden,
    max_tokens: int | None,
    drop_too_long: bool,
    say: Say,
) -> Prepared:
    """Make a dataset ready.

    Args:
        rows (`datasets.Dataset`): of the schema.
        split (`Split`): which of them are tuned on, and which are held out.
        backbone (`LoadedBackbone`): what will be tuned.
        task (`str`, *optional*): only rows of this one.
        hidden (`str`): see `to_conversations`.
        max_tokens (`int`, *optional*): longest sample, if less than the model's context.
        drop_too_long (`bool`): leave out samples that are longer, instead of stopping.
        say (`callable`): takes the progress.

    Raises:
        `DataError`: for a bad row, or samples that are too long.
    """
    import datasets

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # hidden boxes are told below
        made = to_conversations(rows, backbone, hidden=hidden, task=task)
    train, asked = _of(made, split.train), _of(made, split.held_out)
    if not len(train):
        raise DataError(f"data: expected a row of task {task} to tune on, found none; give more rows")
    unseen = hidden_boxes(train)
    if unseen.hidden:
        say(f"{unseen.hidden} of {unseen.boxes} boxes are out of the model's sight ({hidden})")
    say(f"{train.num_rows} rows to tune on; counting their tokens")
    most = min((n for n in (max_tokens, context_of(backbone.model)) if n is not None), default=None)
    widths, heights, images = (rows[name][:] for name in ("width", "height", "image_id"))
    numbers = _numbers(train)
    sizes = [(widths[n], heights[n]) for n in numbers]
    cache = Path(datasets.config.HF_DATASETS_CACHE) / "giqa_tokens"
    lengths = count_tokens(train, sizes, backbone.processor, cache=cache, progress=Progress(say, "rows"))
    long = [] if most is None else find_too_long(lengths, train["id"][:], most)
    if most is not None and not drop_too_long:
        refuse_too_long(long, most)
    told: dict[str, Any] = {
        "rows": train.num_rows,
        "images": len({images[n] for n in numbers}),
        "task": task,
        "fingerprint": fingerprint(train),
        "boxes": unseen.boxes,
        "hidden_boxes": unseen.hidden,
        "longest": max(lengths),
        "max_tokens": most,
        "too_long": [sample.id for sample in long],
    }
    train = train.remove_columns("length").add_column("length", lengths)
    if long:
        say(f"{len(long)} rows of more than {most} tokens are left out: {_some([s.id for s in long])}")
        places = {sample.place for sample in long}
        train = train.select([place for place in range(len(train)) if place not in places])
        if not len(train):
            raise DataError(f"data: expected a row of at most {most} tokens, found none; raise --max-tokens")
    if not split.held_out:
        return Prepared(train, None, frozenset(), told)
    if not len(asked):
        raise DataError(
            f"held-out rows: expected at least one of task {task}, found none; hold out more with --eval-share"
        )
    held = rows.select(_numbers(asked))
    told["held_out"] = {
        "rows": held.num_rows,
        "images": len(set(held["image_id"][:])),
        "fingerprint": fingerprint(asked),
    }
    pictures = told["images"] + told["held_out"]["images"]
    one_row, one_picture = held.num_rows == 1, told["held_out"]["images"] == 1
    say(
        f"{held.num_rows} row{'' if one_row else 's'} of {told['held_out']['images']} other "
        f"picture{'' if one_picture else 's'} {'is' if one_row else 'are'} held out"
    )
    # The least that can be held out, and yet more than the tenth that is otherwise the most.
    share = f"1 of {pictures} pictures, {held.num_rows / (held.num_rows + told['rows']):.0%} of the rows"
    share = share.replace("%", " %") if one_picture and pictures < _MANY else ""
    if held.num_rows < _FEW:
        say(
            f"      which is few{f', and yet {share}' if share else ''}: one row is {1 / held.num_rows:.2f} of a "
            "figure, and the best of several checkpoints may be so by chance; "
            + (_SMALL_ADVICE if share else "--eval-share holds out more")
        )
    elif share:
        say(f"      which is {share}, since a picture is the least that can be held out; {_SMALL_ADVICE}")
    evaluation = make_evaluation(held, asked, backbone.processor)
    return Prepared(train, evaluation, frozenset(held["task"][:]), told)


def _of(conversations: Any, numbers: Sequence[int]) -> Any:
    """Those conversations that are of these rows."""
    wanted = set(numbers)
    return conversations.select([place for place, n in enumerate(_numbers(conversations)) if n in wanted])


def _numbers(conversations: Any) -> list[int]:
    """Of which rows of the dataset the conversations are, which their ids begin with."""
    return [int(row_id.partition(":")[0]) for row_id in conversations["id"]]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
