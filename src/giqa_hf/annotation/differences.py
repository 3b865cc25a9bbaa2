"""What differs between the manifests of two runs, in the words of the command line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

SHOWN = 5

_OPTIONS = {
    "shard_size": "--shard-size",
    "corpus.name": "the corpus",
    "corpus.config": "the config of the dataset",
    "corpus.split": "--split",
    "corpus.columns.image": "--image-column",
    "corpus.columns.text": "--text-column",
    "corpus.columns.id": "--id-column",
    "corpus.columns.source": "the column of sources",
    "corpus.columns.license": "the column of licences",
    "corpus.columns.default_source": "--source",
    "corpus.columns.default_license": "--license",
    "profile.name": "--profile",
}
"""Places in a manifest that an option, or the corpus, has filled."""
_RENAMED = {
    # what a stage calls it, where the profile has another word for it
    "detector.detector": "detector.backend", "detector.weights": "detector.model",
    "detector.max_boxes": "detector.max_boxes_per_tag", "detector.threshold": "detector.box_threshold",
}  # fmt: skip
_OWN_OPTIONS = {"llm.model": "--llm-model "}
"""Settings of a profile with an option of their own; all others are given with --set."""


class Difference(NamedTuple):
    """One place where two manifests are not the same."""

    name: str
    """Keys with dots between them; in a list, the stage's name or a number."""
    found: Any
    """`None` where there is nothing."""
    now: Any


def differences(found: Any, now: Any, name: str = "") -> Iterator[Difference]:
    """Every place where two manifests, or parts of them, are not the same."""
    if found == now:
        return
    if isinstance(found, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*found, *now]):
            yield from differences(found.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(found, list) and isinstance(now, list) and len(found) == len(now):
        for number, (old, new) in enumerate(zip(found, now, strict=True)):
            inner = old.get("name", number) if isinstance(old, dict) else number
            yield from differences(old, new, f"{name}.{inner}")
    else:
        yield Difference(name, found, now)


def told(
    found: Mapping[str, Any],
    now: Mapping[str, Any],
    settings: Collection[str],
    left_out: Collection[str] = (),
) -> list[str]:
    """What is different, each with both values, as the user would have to type it; what follows from it is not told.

    Args:
        found (mapping): the manifest that is there.
        now (mapping): the one of this run.
        settings (collection of `str`): the dotted names that `--set` takes.
        left_out (collection of `str`, *optional*): first keys that are not compared.
    """
    all_ = [one for one in differences(found, now) if one.name.split(".")[0] not in left_out]
    sentences = list(
        dict.fromkeys(_corpus(found, now, [one for one in all_ if one.name.startswith("corpus.")]))
    )
    rest = [one for one in all_ if not one.name.startswith("corpus.")]
    if any(one.name == "profile.base" for one in rest):  # then all stages are others
        rest = [one for one in rest if one.name in ("profile.name", "shard_size")]
    elif any(one.name.startswith("stages") for one in rest):
        # A profile of another name is a file with these settings.
        rest = [one for one in rest if one.name != "profile.name"]
    if backends := [one for one in rest if one.name.endswith(".llm.backend")]:
        # What else the model tells follows from that.
        rest = [one for one in rest if ".llm." not in one.name]
        sentences.append(f"{_backend(backends[0].found)} (now {_backend(backends[0].now)})")
    sentences += [_setting(one, settings) for one in rest]
    return list(dict.fromkeys(sentences))


def _corpus(found: Mapping[str, Any], now: Mapping[str, Any], rest: list[Difference]) -> Iterator[str]:
    """What concerns the corpus: its name, its options, its files, its rows; the first that explains the others."""
    old, new = found["corpus"], now["corpus"]
    named = [one for one in rest if one.name == "corpus.name"]
    if options := named or [one for one in rest if one.name in _OPTIONS]:
        yield from (f"{_OPTIONS[one.name]} {_value(one.found)} (now {_value(one.now)})" for one in options)
        return
    files = [one for one in rest if one.name.startswith(("corpus.files", "corpus.other_files"))]
    if files:
        yield f"the corpus' files {_files(old.get('files'))} (now {_files(new.get('files'))})"
        return
    if old["limit"] != new["limit"] and new["rows"] >= old["rows"]:
        # Were the first rows the same, it would have gone on.
        yield f"other first {old['rows']:,} rows (photos or texts have changed since)"
        return
    if old["limit"] != new["limit"]:
        yield f"{_limit(old)} (now {_limit(new)})"
        return
    problems = [one for one in rest if one.name.startswith("corpus.problems")]
    if problems:
        for one in problems:
            problem = one.name.removeprefix("corpus.problems").lstrip(".")
            yield f"{_rows(one.found)} with the problem {problem!r} (now {_rows(one.now)})"
        return
    others = [one for one in rest if one.name not in ("corpus.sha256", "corpus.rows", "corpus.limit")]
    if others:
        yield from (f"{one.name} {_value(one.found)} (now {_value(one.now)})" for one in others)
    elif rest:
        yield "other rows in the corpus (photos or texts have changed since)"


def _setting(one: Difference, settings: Collection[str]) -> str:
    """A difference of the profile, a stage, the versions or the shards."""
    if one.name in _OPTIONS:
        return f"{_OPTIONS[one.name]} {_value(one.found)} (now {_value(one.now)})"
    if one.name == "stages":
        return f"the stages {_stages(one.found)} (now {_stages(one.now)})"
    key = _key(one.name, settings)
    if key is None:
        return f"{one.name.removeprefix('versions.')} {_value(one.found)} (now {_value(one.now)})"
    option = _OWN_OPTIONS.get(key)
    if option:
        return f"{option}{_value(one.found)} (now {_value(one.now)})"
    return f"--set {key}={_value(one.found, 'null')} (now {key}={_value(one.now, 'null')})"


def _key(name: str, settings: Collection[str]) -> str | None:
    """The setting of the profile that a stage has a value from, if it is one."""
    parts = name.split(".")
    if (
        parts[0] != "stages" or parts[-1] == "revision"
    ):  # that is what was found under the name, not what was given
        return None
    for key in (".".join(parts[-2:]), parts[-1]):
        key = _RENAMED.get(key, key)
        if key in settings:
            return key
    return None


def _limit(corpus: Mapping[str, Any]) -> str:
    limit = corpus["limit"]
    return f"--limit {limit}" if limit is not None else f"all {corpus['rows']:,} rows, without --limit"


def _backend(backend: Any) -> str:
    return (
        "a language model at a server (--llm)" if backend == "endpoint" else "one in the process (no --llm)"
    )


def _stages(stages: Any) -> str:
    return ", ".join(stage["name"] for stage in stages)


def _files(files: Any) -> str:
    if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
        return _value(files)
    return ", ".join(f"{one.get('file')} of {one.get('bytes', 0):,} bytes" for one in files[:2]) or "none"


def _rows(count: Any) -> str:
    number = count if isinstance(count, int) else 0
    return f"{number:,} row{'' if number == 1 else 's'}"


def _value(value: Any, nothing: str = "not given") -> str:
    if value is None:
        return nothing
    if isinstance(value, str):
        return value if len(value) <= 60 else f"{value[:57]}..."
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
