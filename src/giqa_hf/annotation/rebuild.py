"""The commands that make a dataset again, with the options that its build really had."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import DetectorOptions, FilterOptions, FusionOptions, JudgeOptions, LLMOptions, MergeOptions
from .parts import LLAMA_3

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_OTHER_NAMES = {"backend": "detector", "box_threshold": "threshold", "model": "weights"}
"""What some detectors call the options of a profile in their own settings."""
_NO_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "."))
"""Words that YAML reads as something else."""


def rebuild_commands(
    manifest: Mapping[str, Any],
    settings: Mapping[str, Any],
    name: str,
    against: Sequence[Path] = (),
    overlap: str = "refused",
) -> list[str]:
    """`giqa annotate` and `giqa dataset build` as they have to be called to get this dataset once more.

    Folders of the machine that it was made on are not told: the photos are at `PHOTOS`, the sets that it was compared
    with are called by their folder's name.

    Args:
        manifest (`Mapping`): of the build.
        settings (`Mapping`): of the dataset, see `export.ExportSettings`.
        name (`str`): the dataset's folder.
        against (sequence of `Path`, *optional*): sets that it was compared with.
        overlap (`str`, *optional*, defaults to `"refused"`): of shared photos: `"refused"`, `"allowed"` or
            `"left out"`.

    Returns:
        `list` of `str`: two commands for a POSIX shell, each on one line.
    """
    annotate = ["giqa", "annotate", *_corpus(manifest), *_profile(manifest), "--out", "build"]
    build = ["giqa", "dataset", "build", "build", "--out", name, "--seed", settings["seed"]]
    for share in ("validation", "test"):
        build += [f"--{share}", settings[share]] if settings[share] else []
    build += [] if settings["balance"] else ["--no-balance"]
    build += ["--publishable"] if settings["publishable"] else []
    for folder in against:
        build += ["--against", folder.resolve().name]
    build += {"allowed": ["--allow-overlap"], "left out": ["--leave-out-overlap"]}.get(overlap, [])
    return [_line(annotate), _line(build)]


def _corpus(manifest: Mapping[str, Any]) -> Iterator[Any]:
    corpus = manifest["corpus"]
    yield corpus.get("name", "CORPUS")
    if "config" not in corpus:  # a dataset has its photos inside
        yield from ("--root", "PHOTOS")
    columns = corpus.get("columns") or {}
    for option, value in (
        ("--image-column", columns.get("image")),
        ("--text-column", columns.get("text")),
        ("--id-column", columns.get("id")),
        # One for all rows stands only where no column is read.
        ("--source", columns.get("default_source") if columns.get("source") is None else None),
        ("--license", columns.get("default_license") if columns.get("license") is None else None),
        ("--split", corpus.get("split")),
        ("--limit", corpus.get("limit")),
    ):
        if value is not None:
            yield from (option, value)


def _profile(manifest: Mapping[str, Any]) -> Iterator[Any]:
    """The profile that it started from, and every value of the stages that is not that profile's own."""
    base = manifest["profile"].get("base")
    if base is None:
        yield from ("--profile", "PROFILE")
        return
    yield from ("--profile", base)
    stages = {stage["name"]: stage for stage in manifest["stages"]}
    model = stages["tags"].get("llm", {})
    if model.get("backend") == "endpoint":
        yield from ("--llm", "URL")
    if seed := stages["fusion"]["seed"]:
        yield from ("--set", f"seed={json.dumps(seed)}")
    groups: dict[str, tuple[DataclassInstance, Mapping[str, Any]]] = {
        "filter": (FilterOptions(), stages["filter"]),
        "merge": (MergeOptions(), stages["merge"]),
        "fusion": (FusionOptions(), stages["fusion"]),
    }
    if base == "paper":
        groups["llm"] = LLMOptions(model=None if model.get("backend") == "endpoint" else LLAMA_3), model
        groups["judge"] = JudgeOptions(), stages["filter"]["judge"]
        detector = stages["boxes"]["detector"]
        limit = stages["boxes"]["max_boxes_per_tag"]
        groups["detector"] = DetectorOptions(), {**detector, "max_boxes_per_tag": limit}
    for group, (options, found) in groups.items():
        for one in fields(options):
            key = one.name if one.name in found else _OTHER_NAMES.get(one.name, one.name)
            if (
                key in found
                and found[key] != getattr(options, one.name)
                and not _is_digest(one.name, found[key])
            ):
                yield from ("--set", f"{group}.{one.name}={_yaml(found[key])}")


def _is_digest(name: str, value: Any) -> bool:
    """Whether a revision is the SHA-256 of a folder's files, by which nothing can be loaded."""
    return name == "revision" and isinstance(value, str) and len(value) == 64


def _yaml(value: Any) -> str:
    """A value as `--set` reads it: YAML, which JSON is too; words that mean nothing else stay as they are."""
    is_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z_./][\w./-]*", value)
    return value if is_word and value.lower() not in _NO_WORDS else json.dumps(value, ensure_ascii=False)


def _line(parts: Sequence[Any]) -> str:
    """Parts as one line for a shell; what is not printable would break it."""
    words = ("".join(c if c.isprintable() else "?" for c in str(part)) for part in parts)
    return " ".join(map(shlex.quote, words))
