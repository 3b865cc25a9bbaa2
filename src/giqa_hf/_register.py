"""The one thing that importing giqa_hf does beside defining names: datasets, evaluate and transformers learn ours.

`load_dataset("giqa-160k")` and `evaluate.load("giqa_bench")` are to work from any folder and offline. Neither
library has a public hook for that: a bare name means a folder below the working directory or a repo of Hugging
Face's own namespace. So the one function of each that turns a name into a module is wrapped, for exactly our names;
every other name goes through untouched. transformers has public hooks, the Auto classes' `register`. No library is
imported here: one that is not loaded yet learns our names at the moment when it is. tests/test_register.py fails
loudly when upstream changes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SYNTH = "giqa-synth"
PUBLISHED = ("giqa-160k", "giqa-bench")
METRICS = {
    name: Path(__file__).parent / "metrics" / name
    for name in (
        "giqa_bench",
        "grounding_miou",
        "tag_recall",
        "bleu4",
        "llm_score",
        "vqa_accuracy",
        "score_correlation",
    )
}
_MARK = "_giqa_hf_wrapped"


def register() -> None:
    """Make our names known, now or when the library is imported; calling it again changes nothing."""
    _when_imported("datasets.load", wrap_datasets)
    _when_imported("evaluate.loading", wrap_evaluate)
    _when_imported("transformers.models.auto.configuration_auto", register_mplug_owl2_config)
    _when_imported("transformers.models.auto.processing_auto", register_mplug_owl2_processors)
    _when_imported("transformers.pipelines", register_grounding_task)


def wrap_datasets(module: ModuleType) -> None:
    """Let `datasets.load.dataset_module_factory` know our three dataset names."""
    original = module.dataset_module_factory
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def dataset_module_factory(path: str, *args: Any, **kwargs: Any) -> Any:
        if path == SYNTH:
            return module.DatasetModule(
                "giqa_hf.builders.synth.dataset", _source_hash(), {"dataset_name": SYNTH}
            )
        if path in PUBLISHED and (kwargs.get("data_dir") is not None or not _is_dataset_folder(path)):
            from .builders.published import locate

            found = original(locate(path, kwargs.pop("data_dir", None)), *args, **kwargs)
            found.builder_kwargs["data_dir"] = None  # or datasets looks for the folder below itself once more
            return found
        return original(path, *args, **kwargs)

    setattr(dataset_module_factory, _MARK, True)
    module.dataset_module_factory = dataset_module_factory  # type: ignore[attr-defined]
    inspecting = sys.modules.get("datasets.inspect")  # holds the name since its own import
    if inspecting is not None:
        inspecting.dataset_module_factory = dataset_module_factory  # type: ignore[attr-defined]


def wrap_evaluate(module: ModuleType) -> None:
    """Let `evaluate.loading.evaluation_module_factory` know our metrics."""
    original = module.evaluation_module_factory
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def evaluation_module_factory(path: str, *args: Any, **kwargs: Any) -> Any:
        return original(str(METRICS.get(path, path)), *args, **kwargs)

    setattr(evaluation_module_factory, _MARK, True)
    module.evaluation_module_factory = evaluation_module_factory  # type: ignore[attr-defined]


def register_mplug_owl2_config(module: ModuleType) -> None:
    """Let AutoConfig know mPLUG-Owl2; its models follow when the first configuration is made."""
    from .models import mplug_owl2

    if mplug_owl2.is_supported():
        mplug_owl2.register_config()


def register_mplug_owl2_processors(module: ModuleType) -> None:
    """Let AutoImageProcessor and AutoProcessor know mPLUG-Owl2."""
    from .models import mplug_owl2

    if mplug_owl2.is_supported():
        mplug_owl2.register_processors()


def register_grounding_task(module: ModuleType) -> None:
    """Let `transformers.pipeline` know the task "grounding"."""
    from .inference.transformers_task import register_grounding_task as known

    known(module)


def _source_hash() -> str:
    """Of the code that draws giqa-synth: datasets' cache must not serve the rows of another version of it."""
    package = Path(__file__).parent
    sources = sorted(
        [*package.glob("builders/**/*.py"), *package.glob("distortions/*.py"), package / "schema.py"]
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _is_dataset_folder(path: str) -> bool:
    """Whether a folder of that name below the working directory holds a build: datasets' own rule goes first."""
    return Path(path).is_dir() and any(Path(path).rglob("*.parquet"))


def _when_imported(name: str, wrap: Callable[[ModuleType], None]) -> None:
    if name in sys.modules:
        wrap(sys.modules[name])
    elif not any(isinstance(finder, _Watch) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch(name, wrap))


class _Watch(importlib.abc.MetaPathFinder):
    """Finds nothing itself; when the module of its name is imported, wraps it right after it has run."""

    def __init__(self, name: str, wrap: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.wrap = wrap

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.wrap(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
