"""Which stages a build goes through, with which models and thresholds: two profiles, and YAML files that change them.

A profile is a small tree of plain values. What of it the results depend on is told by the stages' own settings; how
many prompts are under way, or the size of a batch, may change between two runs of one build.
"""

from __future__ import annotations

import functools
import importlib.metadata
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, TypeVar

from ..errors import DataError, GiqaError
from . import parts
from .options import DetectorOptions, FilterOptions, FusionOptions, JudgeOptions, LLMOptions, MergeOptions
from .stage import Stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Factory = Callable[[], Stage]
Options = TypeVar("Options", bound="DataclassInstance")


@dataclass(frozen=True)
class Profile(ABC):
    """What a build goes through.

    Args:
        name (`str`): as it stands in the manifest.
        seed (`int`, *optional*, defaults to `0`): of the questions drawn and of the pairs from templates.
        filter (`FilterOptions`, *optional*): stage 3.
        merge (`MergeOptions`, *optional*): stage 3.
        fusion (`FusionOptions`, *optional*): stage 4.
    """

    name: str
    seed: int = 0
    filter: FilterOptions = field(default_factory=FilterOptions)
    merge: MergeOptions = field(default_factory=MergeOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)

    base: typing.ClassVar[str]
    """Name of the profile that a YAML file starts from."""
    packages: typing.ClassVar[tuple[str, ...]]
    """Those whose versions the results may depend on."""

    @abstractmethod
    def stages(self, build: Path | None = None) -> list[Factory]:
        """What makes the stages, in their order; each can be pickled, and called in another process.

        Args:
            build (`Path`, *optional*): folder of the build, where answers of a language model are kept.
        """

    def model_stages(self) -> frozenset[str]:
        """Names of the stages that hold a model in their own process, and can use a GPU."""
        return frozenset()

    def settings(self) -> dict[str, Any]:
        """For the manifest; the stages tell the rest."""
        return {"name": self.name, "base": self.base}

    def explained(self, error: GiqaError) -> GiqaError:
        """An error of a stage that cannot be made, with what the user may not know that they have asked for."""
        return error

    def setting_names(self) -> list[str]:
        """The dotted names of all that can be set, such as "merge.area_threshold"."""
        names = []
        for one in fields(self):
            value = getattr(self, one.name)
            inner = (
                [f"{one.name}.{part.name}" for part in fields(value)] if _is_options(value) else [one.name]
            )
            names.extend(inner)
        return names

    def versions(self) -> dict[str, str]:
        """Versions of the packages that do the work; one that is not installed is left out."""
        found = {}
        for package in self.packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    def _after_boxes(self) -> list[Factory]:
        return [
            functools.partial(parts.merge, **vars(self.merge)),
            functools.partial(parts.fuse, seed=self.seed, **vars(self.fusion)),
        ]


@dataclass(frozen=True)
class ClassicProfile(Profile):
    """No model, no download, no GPU: a lexicon and sentence patterns, local quality maps, templates."""

    base = "classic"
    packages = ("numpy", "pillow", "scipy", "scikit-image")

    def stages(self, build: Path | None = None) -> list[Factory]:
        """See `Profile`."""
        return [
            parts.lexicon_tags,
            parts.map_boxes,
            functools.partial(parts.map_filter, **vars(self.filter)),
            *self._after_boxes(),
            functools.partial(parts.template_pairs, seed=self.seed),
        ]


@dataclass(frozen=True)
class PaperProfile(Profile):
    """The paper's models: Llama 3, Grounding DINO, Q-Instruct (Sec. 3.2).

    Args:
        llm (`LLMOptions`, *optional*): stage 1 and the pairs.
        detector (`DetectorOptions`, *optional*): stage 2.
        judge (`JudgeOptions`, *optional*): stage 3.
    """

    llm: LLMOptions = field(default_factory=LLMOptions)
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)

    base = "paper"
    packages = ("numpy", "pillow", "torch", "transformers")

    def stages(self, build: Path | None = None) -> list[Factory]:
        """See `Profile`."""
        return [
            functools.partial(parts.llm_tags, self.llm, build),
            functools.partial(parts.detect, self.detector),
            functools.partial(parts.vlm_filter, self.judge, **vars(self.filter)),
            *self._after_boxes(),
            functools.partial(parts.llm_pairs, self.llm, build),
        ]

    def explained(self, error: GiqaError) -> GiqaError:
        """See `Profile`."""
        if self.llm.url is not None or self.llm.model is not None or parts.LLAMA_3 not in str(error):
            return error
        return GiqaError(
            "the paper's language model cannot be loaded: give the address of a server with --llm, or another "
            f"checkpoint with --llm-model, or get access to {parts.LLAMA_3}, whose weights are gated (accept Meta's "
            f"licence on its page, then run `hf auth login`); what loading it said is: {error}"
        )

    def model_stages(self) -> frozenset[str]:
        """See `Profile`."""
        return frozenset({"boxes", "filter"} | (set() if self.llm.url else {"tags", "pairs"}))


PROFILES: dict[str, type[Profile]] = {"classic": ClassicProfile, "paper": PaperProfile}


def load_profile(name_or_path: str, **overrides: Any) -> Profile:
    """One of the profiles, or what a YAML file makes of one.

    Args:
        name_or_path (`str`): `"classic"`, `"paper"`, or the path of a YAML file (.yaml, .yml) with `base: classic` or
            `base: paper`, and below it whatever differs, e.g. `detector: {model: ./dino, box_threshold: 0.3}`.
        overrides: single values by their dotted name, e.g. `**{"detector.model": "./dino"}`.

    Returns:
        `Profile`

    Raises:
        `DataError`: for a profile, a key or a value that there is not, naming those that there are.

    Example:
        >>> load_profile("classic", **{"merge.area_threshold": 0.1}).merge.area_threshold
        0.1
    """
    path = Path(name_or_path)
    if name_or_path in PROFILES:
        profile = PROFILES[name_or_path](name_or_path)
    elif path.suffix.lower() in (".yaml", ".yml"):
        profile = _from_yaml(path)
    else:
        raise DataError(
            f"profile: expected one of {', '.join(PROFILES)} or the path of a .yaml file, found {name_or_path!r}"
        )
    for key, value in overrides.items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        profile = _changed(profile, nested, f"profile {profile.name}")
    return profile


def _from_yaml(path: Path) -> Profile:
    import yaml  # type: ignore[import-untyped]  # comes with huggingface_hub, without types

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GiqaError(
            f"{path}: cannot be read ({error.strerror}); check the path of the profile"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise DataError(f"{path}: expected YAML, but it cannot be parsed ({where})") from error
    if not isinstance(content, Mapping) or content.get("base") not in PROFILES:
        found = content.get("base") if isinstance(content, Mapping) else content
        raise DataError(f"{path}: expected `base:` with one of {', '.join(PROFILES)}, found {found!r:.60}")
    rest = {key: value for key, value in content.items() if key != "base"}
    return _changed(PROFILES[content["base"]](path.stem), rest, str(path))


def _changed(options: Options, changes: Any, where: str) -> Options:
    """A dataclass with some of its values replaced, checked against its types."""
    if not isinstance(changes, Mapping):
        raise DataError(f"{where}: expected settings by name, found {changes!r:.60}")
    hints = typing.get_type_hints(type(options))
    known = [one.name for one in fields(options)]
    new: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in known:
            raise DataError(f"{where}: there is no setting {key!r}; there are: {', '.join(known)}")
        now = getattr(options, key)
        inner = f"{where}, {key}"
        new[key] = _changed(now, value, inner) if _is_options(now) else _checked(hints[key], value, inner)
    return replace(options, **new)


def _is_options(value: Any) -> TypeGuard[DataclassInstance]:
    return is_dataclass(value)


def _checked(hint: Any, value: Any, where: str) -> Any:
    """A value of a type that a profile may hold: bool, int, float, str, one of some words, or nothing."""
    # `Literal[...] | None` is a typing.Union, `int | None` a types.UnionType (until Python 3.14, where they are one).
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    allowed = typing.get_args(hint) if is_union else (hint,)
    for one in allowed:
        if typing.get_origin(one) is Literal:
            if value in typing.get_args(one):
                return value
        elif one is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        elif type(value) is one:
            return value
    raise DataError(f"{where}: expected {' or '.join(map(_told, allowed))}, found {value!r:.60}")


def _told(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    plain = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        types.NoneType: "null",
    }
    return plain[hint]
