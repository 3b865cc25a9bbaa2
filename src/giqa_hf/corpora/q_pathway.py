"""Q-Pathway: people's descriptions of the quality of photos, chosen out of the 200,000 rows of Q-Instruct-DB.

Layout below the root, as the archives of the Hub dataset unpack: `cleaned_labels.json` (or `qinstruct_qalign.json`,
which has a further column `gt_score`), and the photos in `spaq_koniq/` and `livefb_liveitw_aigc/`, there or in
`q-instruct-images/`.

The values of the columns `type` and `qtype` are documented nowhere, so the choice does not rest on them: a description
is one human turn with an answer of 12 words or more (Q-Pathway's have 20 to 100, 46 on average) that is no option of a
list and no "Yes" or "No". Photos in any other folder are COCO's, distorted by machine, which the paper leaves out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DataError
from .json_stream import stream_json_list
from .label_file import fingerprint
from .rows import CorpusRow, Found, admit
from .sources import (
    AGIQA_3K,
    IMAGEREWARDDB,
    KONIQ,
    KONIQ_OR_SPAQ,
    LIVE_FB,
    LIVE_ITW,
    LIVE_OR_GENERATED,
    Q_PATHWAY,
    SPAQ,
    Source,
    how_to_get,
    row_license,
)

LABELS = ("cleaned_labels.json", "qinstruct_qalign.json")
FOLDERS = ("spaq_koniq", "livefb_liveitw_aigc")
ARCHIVE = "q-instruct-images"
FEWEST_WORDS = 12

_OPTION = re.compile(r"\s*\(?[A-Fa-f]\s*[.):](\s|$)")
_YES_NO = re.compile(r"\s*(yes|no)\s*([.,:;!]|$)", re.IGNORECASE)
_OPTION_LINE = re.compile(r"^\s*\(?[A-F]\s*[.):]\s", re.MULTILINE)
_QUESTION_KINDS = frozenset(
    {"yes", "no", "yesno", "what", "how", "why", "which", "vqa", "mcq", "choice", "choices"}
)

# The photos' names tell most sets apart; each pattern was tried on a public list of that set's names.
_NAMES: tuple[tuple[str, re.Pattern[str], Source], ...] = (
    ("spaq_koniq", re.compile(r"\d{5}"), SPAQ),  # 00001 to 11125
    ("spaq_koniq", re.compile(r"\d{6,11}"), KONIQ),  # Flickr's numbers
    ("livefb_liveitw_aigc", re.compile(r"t?\d{1,4}"), LIVE_ITW),
    (
        "livefb_liveitw_aigc",
        re.compile(
            r"(attngan|glide|midjourney|dalle2?|sd1\.5|xl2\.2)_(normal|lowstep|lowcorr|highcorr)_\d{3}", re.I
        ),
        AGIQA_3K,
    ),
    ("livefb_liveitw_aigc", re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.I), IMAGEREWARDDB),
    (
        "livefb_liveitw_aigc",
        re.compile(r"(AVA|EMOTIC|JPEGImages|VOC2012)__.+|(motion|out_of_focus)\d{4}|\w+\+\d+"),
        LIVE_FB,
    ),
)


class QPathway:
    """The corpus "q-pathway".

    Args:
        root (`Path`): the folder with the label file and the photos' folders.

    Attributes:
        left_out (`Counter`): of the last pass: how many rows of Q-Instruct-DB are no descriptions, by reason. They
            are no rows of this corpus; everything else is, if need be with a problem.

    Raises:
        `DataError`: saying where to get the corpus, when a folder or file is missing.
    """

    name = "q-pathway"

    def __init__(self, root: Path) -> None:
        self.labels = _label_file(root)
        self.root = _photo_root(root)
        self.left_out: Counter[str] = Counter()

    def __iter__(self) -> Iterator[CorpusRow]:
        return admit(self._found(), self.root)

    def settings(self) -> dict[str, Any]:
        """Name, label file, and the rule of the choice."""
        return {"name": self.name, "files": [fingerprint(self.labels)], "fewest_words": FEWEST_WORDS}

    def _found(self) -> Iterator[Found]:
        left_out: Counter[str] = Counter()
        self.left_out = left_out
        for number, record in enumerate(stream_json_list(self.labels), 1):
            if reason := no_description(record):
                left_out[reason] += 1
                continue
            image = record.get("image")
            path = PurePosixPath(image) if isinstance(image, str) else PurePosixPath()
            folder = path.parts[0] if path.parts else ""
            photo = source_of(path)
            other = folder not in FOLDERS and folder != ""
            yield Found(
                f"{self.labels.name} record {number}",
                image,
                _turns(record)[1][1],
                photo.name,
                row_license(Q_PATHWAY, photo),
                record.get("id"),
                image_id=path.with_suffix("").as_posix() if path.name else None,
                problem="photo of another set" if other else None,
                detail=f"folder {folder!r:.100}" if other else None,
            )


def no_description(record: object) -> str | None:
    """Why a row of Q-Instruct-DB is no description of Q-Pathway, or `None` if it is one."""
    if not isinstance(record, Mapping):
        return "no object"
    turns = _turns(record)
    if [role for role, _ in turns] != ["human", "gpt"]:
        return "not one question with one answer"
    kinds = {
        word
        for name in ("type", "qtype")
        if isinstance(record.get(name), str)
        for word in re.findall(r"[a-z]+", record[name].lower())
    }
    if kinds & _QUESTION_KINDS:
        return "named a question by its type"
    question, answer = turns[0][1], turns[1][1]
    if _OPTION.match(answer) or len(_OPTION_LINE.findall(question)) > 1:
        return "an option of a list"
    if _YES_NO.match(answer):
        return "yes or no"
    if len(answer.split()) < FEWEST_WORDS:
        return f"an answer of fewer than {FEWEST_WORDS} words"
    return None


def source_of(path: PurePosixPath) -> Source:
    """The set that a photo comes from, as far as its folder and its name tell."""
    folder = path.parts[0] if path.parts else ""
    for place, pattern, source in _NAMES:
        if place == folder and pattern.fullmatch(path.stem):
            return source
    return KONIQ_OR_SPAQ if folder == "spaq_koniq" else LIVE_OR_GENERATED


def _turns(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The turns of the conversation as (role, text); empty if they have another form."""
    turns = record.get("conversations")
    if not isinstance(turns, list):
        return []
    read = []
    for turn in turns:
        role, text = (turn.get("from"), turn.get("value")) if isinstance(turn, Mapping) else (None, None)
        if not isinstance(role, str) or not isinstance(text, str):
            return []
        read.append(({"user": "human", "assistant": "gpt"}.get(role, role), text))
    return read


def _label_file(root: Path) -> Path:
    for name in LABELS:
        if (root / name).is_file():
            return root / name
    state = f"has none of {', '.join(LABELS)}" if root.is_dir() else "is no folder"
    raise DataError(
        f"q-pathway: {root} {state}, expected a folder with {LABELS[0]}; {how_to_get(Q_PATHWAY)} and name its folder "
        "with --root"
    )


def _photo_root(root: Path) -> Path:
    for folder in (root, root / ARCHIVE):
        if any((folder / name).is_dir() for name in FOLDERS):
            return folder
    raise DataError(
        f"q-pathway: {root} has no folder {' or '.join(FOLDERS)}, expected the photos there; unpack {ARCHIVE}.tar of "
        f"{Q_PATHWAY.url} in it"
    )
