"""The upload of a dataset: shards without the photos that may not be published, and a card that says so."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..annotation.noise import NOISE_HTML, NOISE_JSON
from ..builders.giqa_160k.card import CONFIGS, LICENCE_FILE, licences_section, render_card
from ..builders.giqa_160k.licences import gate_of, licence_text
from ..builders.giqa_160k.photo_sets import PHOTOS
from ..builders.giqa_160k.statistics import counted
from ..builders.giqa_160k.writing import DATASET
from ..corpora.photos import PhotoFolder
from ..errors import DataError, GiqaError
from .croissant import CROISSANT, croissant_json, responsible_fields, responsible_fields_of_bench
from .eval_files import EVAL, eval_yaml
from .listed_photos import held_of_list, list_to_send, photo_list
from .noise_page import PAGE_RECORD, why_page_stays
from .plan import CARD, PlannedFile, UploadPlan, check_repo_id, folder_files, listed, planned
from .previews import draw_previews
from .withholding import Held, check_digests, row_terms, shards_to_send

_BENCH_CONFIG, _BENCH_SPLIT = "default", "test"
_REPLACED = (".parquet",)


@contextlib.contextmanager
def dataset_plan(
    folder: Path, repo_id: str, *, private: bool = True, whole: bool = False, left_out: Sequence[str] = ()
) -> Iterator[UploadPlan]:
    """The plan for a folder that `giqa dataset build` or `giqa bench import` made.

    Rows whose terms do not let their photo be passed on go out as ids, hashes and annotations, their image empty. Their
    shards are written anew beside the folder, and removed when the block ends.

    Args:
        folder (`Path`): the dataset; nothing in it is changed.
        repo_id (`str`): where it goes.
        private (`bool`, *optional*, defaults to `True`): for a new repository.
        whole (`bool`, *optional*, defaults to `False`): ask for all photos; where some may not be passed on, the plan
            refuses, and says which.
        left_out (sequence of `str`, *optional*): files to leave out, such as `eval.yaml`.

    Yields:
        `UploadPlan`

    Raises:
        `GiqaError`: when the folder holds no such dataset, or its files are not those that were built.
    """
    check_repo_id(repo_id)
    told = read_dataset(folder)
    check_digests(folder, told["files"])
    with _stage_beside(folder) as stage:
        rows = row_terms(folder, told["files"])
        photos = photo_list(folder, sorted(told["files"]), stage)
        held_ids = held_of_list(folder, rows, photos)
        shards = shards_to_send(folder, told["files"], stage, rows, held_ids)
        held = shards.held
        page_stays = why_page_stays(folder, told, {image_id for _, image_id in rows} - held_ids)
        page = (folder / NOISE_HTML).is_file() and page_stays is None
        told = {
            **told,
            "files": {name: _sha256(path) for name, path in shards.paths.items()},
            "licences": shards.licences,
            **({"publishable": True} if "agreement" in told else {}),
        }
        files = [planned(name, path) for name, path in shards.paths.items()]
        files.append(planned(PHOTOS, list_to_send(photos, held_ids, stage)))
        previews = draw_previews(shards.paths)
        files += [planned(name, data) for name, data in previews.items()]
        if not page:
            told.pop(PAGE_RECORD, None)
        if "statistics" in told:
            told["settings"] = {**told["settings"], "publishable": True}
            files += _of_build(folder, told, repo_id, page, list(previews))
        else:
            files += _of_bench(folder, told, repo_id, list(previews))
        files.append(planned(DATASET, _json(told)))
        files.append(planned(LICENCE_FILE, licence_text(told["licences"], repo_id.split("/")[1])))
        notes = _notes(folder, told, held, page_stays, {file.path_in_repo for file in files})
        yield UploadPlan(
            repo_id,
            "dataset",
            tuple(sorted((file for file in files if file.path_in_repo not in left_out), key=_card_first)),
            private=private,
            gated=bool(gate_of(told["licences"])),
            replaced=(*_REPLACED, *(f"/{Path(name).name}" for name in previews)),
            notes=tuple(notes),
            refusals=_refusals(held) if whole else (),
        )


def read_dataset(folder: Path) -> dict[str, Any]:
    """What `dataset.json` of a dataset says.

    Raises:
        `DataError`: when there is none, or it is not as we write it, or names files outside the folder.
    """
    path = folder / DATASET
    told: dict[str, Any] = {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        is_ours = isinstance(told, dict) and ("statistics" in told or "agreement" in told)
        files = told["files"] if is_ours else None
        lines = told["licences"] if is_ours else None
    except (OSError, ValueError, KeyError):
        files = lines = None
    if not isinstance(files, dict) or not isinstance(lines, list) or not files:
        raise DataError(
            f"{folder}: expected a dataset of `giqa dataset build` or `giqa bench import`, with its {DATASET}, "
            "found none; "
            "build it, then publish its folder"
        )
    root = PhotoFolder(folder)
    for name in files:
        place = root.find(name)
        if place.problem or not name.endswith(".parquet"):
            raise DataError(
                f"{path}: expected the paths of Parquet files in the folder, found {name[:200]!r} "
                f"({place.problem or 'no Parquet file'}); build the dataset again"
            )
    return told


def _of_build(
    folder: Path, told: Mapping[str, Any], repo_id: str, with_page: bool, previews: Sequence[str]
) -> list[PlannedFile]:
    """Card, Croissant and noise report of what `giqa dataset build` made."""
    name = repo_id.split("/")[1]
    configs = {
        config: {
            split: [f"{part}/{split}-*.parquet" for part in parts if split in told["splits"][part]]
            for split in dict.fromkeys(split for part in parts for split in told["splits"][part])
        }
        for config, parts in CONFIGS.items()
    }
    total = told["statistics"]["total"]
    about = (
        f"{counted(total['total'], 'row')} on {counted(total['images'], 'photo')}: descriptions of image "
        "quality with boxes, "
        "and questions with answers about it, in the form of Grounding-IQA (arXiv 2411.17237). Annotated by machine."
    )
    card = render_card(told, name, repo_id=repo_id, with_noise_page=with_page, previews=previews)
    files = [
        planned(CARD, card),
        planned(
            CROISSANT,
            croissant_json(name, repo_id, configs, told["licences"], responsible_fields(told), about),
        ),
    ]
    if with_page:
        files.append(planned(NOISE_HTML, folder / NOISE_HTML))
    if (folder / NOISE_JSON).is_file():
        files.append(planned(NOISE_JSON, folder / NOISE_JSON))
    return files


def _of_bench(
    folder: Path, told: Mapping[str, Any], repo_id: str, previews: Sequence[str]
) -> list[PlannedFile]:
    """Card, Croissant and eval.yaml of what `giqa bench import` made."""
    name = repo_id.split("/")[1]
    configs = {_BENCH_CONFIG: {_BENCH_SPLIT: [f"{_BENCH_SPLIT}-*.parquet"]}}
    about = (
        f"{counted(told['rows'], 'row')} on {counted(told['photos'], 'photo')}: a benchmark of grounded image quality "
        "assessment in the form of GIQA-Bench (arXiv 2411.17237), agreed on by people."
    )
    fields = responsible_fields_of_bench(told)
    return [
        planned(CARD, bench_card(folder, told, repo_id, previews)),
        planned(CROISSANT, croissant_json(name, repo_id, configs, told["licences"], fields, about)),
        planned(EVAL, eval_yaml(name, _BENCH_CONFIG, _BENCH_SPLIT)),
    ]


def bench_card(folder: Path, told: Mapping[str, Any], repo_id: str, previews: Sequence[str] = ()) -> str:
    """The card of a benchmark as it lies in its folder, where its maker may have added who the annotators are.

    Its metadata, the line that loads it and the section on licences are made for the Hub.

    Raises:
        `DataError`: when it is no card with metadata.
    """
    from huggingface_hub import DatasetCard

    path = folder / CARD
    try:
        card = DatasetCard(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected a card with YAML metadata, found none ({error}); import the bench again"
        ) from None
    data: Any = card.data
    data.license_name, data.license_link = "per-row", LICENCE_FILE
    content = hashlib.sha256(json.dumps(told["files"], sort_keys=True).encode()).hexdigest()[:16]
    for config in data.get("configs") or []:  # `datasets` names its cache by it
        config["description"] = f"content {content}"
    for key, value in gate_of(told["licences"]).items():
        data[key] = value
    text = re.sub(r"import giqa_hf\n(?=from datasets)", "", card.text)
    text = re.sub(
        r'load_dataset\("giqa-bench", data_dir=.*, split="test"\).*',
        f'load_dataset("{repo_id}", split="test")',
        text,
    )
    text = re.sub(r"## Sources and licences\n.*?(?=\n## |\Z)", "", text, flags=re.DOTALL).rstrip()
    pictures = " ".join(f"![A photo with the boxes of its row]({name})" for name in previews)
    shown = f"\n\n## A look at some rows\n\n{pictures}" if previews else ""
    return f"---\n{data.to_yaml()}\n---\n{text}{shown}\n\n{licences_section(told['licences'], True, repo_id)}"


def _notes(
    folder: Path, told: Mapping[str, Any], held: Held, page_stays: str | None, sent: Container[str]
) -> list[str]:
    notes = []
    if held.rows:
        rows = sum(held.rows.values())
        notes.append(
            f"{counted(rows, 'row')} go out without their photos, as ids, hashes and annotations, because their "
            "terms do not "
            f"let the photos be passed on: {held.told()}"
        )
    if held.copies:
        notes.append(
            f"{counted(len(held.copies), 'photo')} under open terms stay here too, because the same photo is in the "
            f"dataset under terms that do not let it be passed on: {listed(sorted(held.copies), most=20)}"
        )
    if page_stays is not None:
        notes.append(f"{NOISE_HTML} stays here: {page_stays}")
    if gate_of(told["licences"]):
        notes.append("readers have to accept the terms of the sources first (the repository will be gated)")
    names = (path.relative_to(folder).as_posix() for path in folder_files(folder))
    if others := [name for name in names if name not in sent and name not in (NOISE_HTML, NOISE_JSON)]:
        notes.append(f"not part of the dataset, and not sent: {listed(others)}")
    return notes


def _refusals(held: Held) -> tuple[str, ...]:
    if not held.rows:
        return ()
    return (
        f"--whole asks for all photos, but those of {counted(sum(held.rows.values()), 'row')} on "
        f"{counted(len(held.images), 'photo')} may not be passed on: {held.told()}; the first are "
        f"{listed(sorted(held.images))}; publish without --whole, and readers put their own copies back with "
        "giqa dataset "
        "join",
    )


@contextlib.contextmanager
def _stage_beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk, for shards that are written anew."""
    try:
        stage = Path(
            tempfile.mkdtemp(prefix=f".{folder.resolve().name}.publish.", dir=folder.resolve().parent)
        )
    except OSError as error:
        raise GiqaError(
            f"{folder.resolve().parent}: expected room for shards without photos, found none "
            f"({error.strerror}); free some "
            "space there, or move the dataset"
        ) from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _card_first(file: PlannedFile) -> tuple[bool, str]:
    return file.path_in_repo != CARD, file.path_in_repo


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
