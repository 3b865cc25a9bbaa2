"""Why nothing of a corpus is kept, and what to do: the sentence that such a build ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..corpora.rows import ADVICE
from ..errors import GiqaError
from .audit import Audit

if TYPE_CHECKING:
    from .survey import Survey

_HINTS = {
    "photo cannot be read": "check that these files are pictures",
    "photo too small": "take photos of a higher resolution",
    "no tags": "check that the descriptions are English sentences on the quality of what is in the photo, and that "
    "--text-column names their column",
    "nothing grounded": "check that the photos belong to their descriptions, or lower the threshold of the detector",
    "instructions in the description": "check that --text-column names the column of the descriptions",
}
_ANSWERS = "no usable answer"
_GENERAL = "try other settings, or another profile"


def unusable(name: str, survey: Survey) -> GiqaError:
    """The error for a corpus none of whose rows can be used, told before any work.

    Args:
        name (`str`): of the corpus.
        survey (`Survey`): what was read.
    """
    problem, number = survey.problems.most_common(1)[0]
    others = len(survey.problems) - 1
    more = f", {others} other reason{'' if others == 1 else 's'} for the rest" if others else ""
    return GiqaError(
        f"{name}: none of its {_counted(survey.rows, 'row')} can be used: {problem} ({_counted(number, 'row')}, the "
        f"first at {survey.details[problem]}{more}); {ADVICE[problem]}"
    )


def nothing_kept(build: Path, audit: Audit) -> GiqaError:
    """The error for a build that was made and keeps no record.

    Args:
        build (`Path`): its folder.
        audit (`Audit`): its balance.
    """
    number = audit.candidates["record"]
    line = audit.commonest("record")
    assert line is not None  # there are records, and none is kept
    stage, reason = line.outcome.stage, line.outcome.reason
    tag = audit.commonest("tag")
    of_tags = (
        f"; of tags: {tag.outcome.reason}, at {tag.outcome.stage} ({tag.number:,} of {audit.candidates['tag']:,})"
        if tag
        else ""
    )
    return GiqaError(
        f"{build}: none of {_counted(number, 'record')} is kept, most often because of: {reason}, at {stage} "
        f"({line.number:,} of {number:,}){of_tags}; {_hint(reason)} (`giqa annotate --out {build} --explain ID` shows "
        "one record's way), and run again: it starts anew"
    )


def _hint(reason: str) -> str:
    if reason.startswith(_ANSWERS):
        return "ask another language model, which follows the instructions"
    return ADVICE.get(reason) or _HINTS.get(reason) or _GENERAL


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
