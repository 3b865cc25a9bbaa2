"""The upload of a model: weights as safetensors, processor, a card filled from its runs, results for the Hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backbones import checkpoint_identity
from ..benchmark.record import RECORD
from ..errors import DataError, GiqaError
from ..training.sft import FINAL
from .bench_figures import BenchFigures, eval_results, read_bench
from .contents import is_pickled_name
from .eval_files import WRITTEN, result_files
from .model_card import MERGED, checkpoint_digests, figures_text, model_card
from .plan import CARD, PlannedFile, UploadPlan, check_repo_id, folder_files, listed, planned

_REPLACED = (".safetensors", ".safetensors.index.json", "adapter_config.json")
# What trainers leave beside weights, pickled, for going on; nobody loads it from the Hub.
# Weights are none of them: pickled ones are refused.
_OF_THE_TRAINER = re.compile(
    r"training_args\.bin|trainer_state\.json"  # transformers
    r"|(optimizer|scheduler|sampler|dl_state_dict)(_\d+)?\.(bin|pt)|scaler\.pt"  # numbered: accelerate
    r"|rng_state(_\d+)?\.pth"  # numbered: of each process
    r"|(random_states|custom_checkpoint)_\d+\.pkl"  # accelerate
    r"|\w+_optim_states\.pt"  # DeepSpeed
)
_OPTIMIZER_FOLDER = re.compile(r"optimizer(_\d+)?")  # FSDP, in pieces: .distcp


def model_plan(
    folder: Path,
    repo_id: str,
    *,
    bench_runs: Sequence[Path] = (),
    bench_dataset: str | None = None,
    merged: bool = False,
    private: bool = True,
) -> UploadPlan:
    """The plan for the result of a training, or for any checkpoint in a folder.

    Args:
        folder (`Path`): of a run of `giqa train`, whose card is filled from its record, or of a checkpoint that has a
            card, which stays as it is but for the results.
        repo_id (`str`): where it goes.
        bench_runs (sequence of `Path`, *optional*): scored runs of `giqa bench` of this very checkpoint.
        bench_dataset (`str`, *optional*): the benchmark's repository on the Hub: then the results are also written as
            the Hub's leaderboards read them (`.eval_results`). The runs are then of the same rows.
        merged (`bool`, *optional*, defaults to `False`): of a run with an adapter, send the merged weights.
        private (`bool`, *optional*, defaults to `True`): for a new repository.

    Raises:
        `GiqaError`: when there is no checkpoint, its weights are pickled, a run is of another model, or
            `.eval_results` would hold two runs' values of a figure, or values of different rows.
    """
    check_repo_id(repo_id)
    is_run = (folder / RECORD).is_file()
    weights = folder / (MERGED if merged else FINAL) if is_run else folder
    if merged and not is_run:
        raise DataError(
            f"{folder}: --merged is for a run of giqa train, found a checkpoint's folder; leave it out"
        )
    _check_weights(weights)
    digests = checkpoint_digests(folder) if is_run else [checkpoint_identity(str(folder))["sha256"]]
    benches = [read_bench(run, digests) for run in bench_runs]
    card = (
        model_card(folder, bench_runs, name=repo_id.split("/")[1], repo_id=repo_id)
        if is_run
        else _own_card(folder, benches)
    )
    files, skipped = _files(weights)
    files.append(planned(CARD, card))
    if bench_dataset is not None:
        check_repo_id(bench_dataset)
        files += [planned(path, text) for path, text in result_files(benches, bench_dataset).items()]
    notes = [f"the trainer's own files stay here: {listed(skipped)}"] if skipped else []
    if not benches:
        notes.append("no benchmark run was given (--bench RUN), so the card has no figures of one")
    elif bench_dataset is None and any(bench.is_of_it for bench in benches):
        notes.append("no .eval_results: name the benchmark's repository on the Hub with --bench-dataset")
    notes += [
        f"{bench.folder}: its record does not say of which checkpoint it is (predictions from a file, or a server's); "
        "its figures are in the card and not in .eval_results"
        for bench in benches
        if not bench.is_of_it
    ]
    return UploadPlan(
        repo_id,
        "model",
        tuple(sorted(files, key=lambda file: (file.path_in_repo != CARD, file.path_in_repo))),
        private=private,
        replaced=_REPLACED,
        replaced_patterns=(WRITTEN,),  # with a benchmark or without one: they are of the old weights
        notes=tuple(notes),
    )


def _check_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    found = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    pickled = [name for name in found if is_pickled_name(name) and not _OF_THE_TRAINER.fullmatch(name)]
    raise DataError(
        f"{folder}: expected weights as safetensors, found "
        + (f"{listed(pickled)}, which run code when they are opened" if pickled else "none")
        + "; give the folder of a run of giqa train, or save the model again with save_pretrained(folder)"
    )


def _files(folder: Path) -> tuple[list[PlannedFile], list[str]]:
    """The files of a checkpoint without its card, and the names of those that stay."""
    files, skipped = [], []
    for path in folder_files(folder):
        name = path.relative_to(folder).as_posix()
        if _of_the_trainer(path):
            skipped.append(name)
        elif name != CARD:
            files.append(planned(name, path))
    return files, skipped


def _of_the_trainer(path: Path) -> bool:
    if path.suffix == ".distcp":
        return _OPTIMIZER_FOLDER.fullmatch(path.parent.name) is not None
    return _OF_THE_TRAINER.fullmatch(path.name) is not None


def _own_card(folder: Path, benches: Sequence[BenchFigures]) -> str:
    """The card of a checkpoint that no record of a training explains, with the results of its benchmark runs."""
    from huggingface_hub import ModelCard

    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8")
        card = ModelCard(text, ignore_metadata_errors=False)
    except (OSError, ValueError) as error:
        raise GiqaError(
            f"{path}: expected a card with metadata, for no run.json tells where the weights come from, found none "
            f"({error}); write one, or publish the folder of the run"
        ) from None
    if not benches:
        return text
    results = [result for bench in benches for result in eval_results(bench)]
    data: Any = card.data  # of a model: its attributes are those of ModelCardData
    data.eval_results = [*(data.eval_results or []), *results]
    data.model_name = data.get("model_name") or folder.resolve().name
    data.metrics = sorted({*(data.get("metrics") or []), *(result.metric_type for result in results)})
    return f"---\n{data.to_yaml()}\n---\n{card.text.rstrip()}\n\n## GIQA-Bench\n\n{figures_text(benches)}\n"
