"""DQ-495K (DataDepictQA): the two sets of detailed descriptions of single distorted photos, without a reference.

Layout below the root, as the Hub dataset has it: `KADIS700K/A_sd_detail/metas/train_A_sd_detail_20k.json` (one
distortion) and `KADIS700K/A_md_detail/metas/train_A_md_detail_8k.json` (several); the photos, from ModelScope, lie
where the metas say, e.g. in `KADIS700K/refA_sd_brief/dist_imgs/`. Together 28,000 rows; the paper uses 27,000.

The texts were written by GPT-4V. The paper calls them annotated by people; the code that made them says otherwise
(spec A5), so every row's source says "text by GPT-4V".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DataError
from .json_stream import stream_json_list
from .label_file import fingerprint
from .rows import CorpusRow, Found, admit
from .sources import DQ_495K, KADIS_700K, how_to_get, row_license

SETS = ("A_sd_detail", "A_md_detail")
SUFFIXES = (".png", ".jpg", ".jpeg")
"""The photos are .png in the metas and .jpg in some copies."""


class DQ495K:
    """The corpus "dq-495k".

    Args:
        root (`Path`): the folder that holds `KADIS700K` (or a copy of another resolution, such as `KADIS700K_s384`),
            or that folder itself.

    Raises:
        `DataError`: saying where to get the corpus, when a folder or a meta file is missing, or which one is meant
            is not clear.
    """

    name = "dq-495k"

    def __init__(self, root: Path) -> None:
        self.root = root.resolve().parent if any((root / name).is_dir() for name in SETS) else root
        self.metas = {name: _meta_file(root, name) for name in SETS}

    def __iter__(self) -> Iterator[CorpusRow]:
        return admit(self._found(), self.root, SUFFIXES)

    def settings(self) -> dict[str, Any]:
        """Name and meta files."""
        return {"name": self.name, "files": [fingerprint(path) for path in self.metas.values()]}

    def _found(self) -> Iterator[Found]:
        license = row_license(DQ_495K, KADIS_700K)
        for set_name, path in self.metas.items():
            for number, record in enumerate(stream_json_list(path), 1):
                where = f"{path.name} record {number}"
                if not isinstance(record, Mapping):
                    yield Found(
                        where, None, None, KADIS_700K.name, license,
                        problem="unreadable line", detail=f"expected an object, found {type(record).__name__}",
                    )  # fmt: skip
                    continue
                image = record.get("image_A") or record.get("image")
                stem = (
                    PurePosixPath(image).with_suffix("")
                    if isinstance(image, str) and image.strip("./ ")
                    else None
                )
                # The sets number their photos alike, so an id is unique only together with its set.
                id_ = record.get("id")
                yield Found(
                    where, image, _text(record), KADIS_700K.name, license,
                    None if id_ is None else f"{set_name}/{id_}", None if stem is None else stem.as_posix(),
                )  # fmt: skip


def _text(record: Mapping[str, Any]) -> Any:
    """What the model says in its first turn; test metas have it as `answer`."""
    turns = record.get("conversations")
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, Mapping) and turn.get("from") in ("gpt", "assistant"):
            return turn.get("value")
    return record.get("answer")


def _meta_file(root: Path, set_name: str) -> Path:
    """The training metas of a set, whatever the count or suffix in their name."""
    folders = [root / set_name, *sorted(root.glob(f"KADIS700K*/{set_name}"))]
    there = [
        path
        for folder in folders
        for place in (folder / "metas", folder)
        for path in sorted(place.glob(f"train_*{set_name.removeprefix('A_')}*.json"))
    ]
    if len(there) == 1:
        return there[0]
    if there:
        raise DataError(
            f"dq-495k: {root} has {len(there)} files of training metas for {set_name}, expected one: "
            f"{', '.join(str(path.relative_to(root)) for path in there[:20])}; move away those that are not meant"
        )
    state = f"has no KADIS700K/{set_name}/metas/train_{set_name}_*.json" if root.is_dir() else "is no folder"
    raise DataError(f"dq-495k: {root} {state}; {how_to_get(DQ_495K)}. {DQ_495K.note}")
