"""What makes each stage of a profile; a part that is not used is not imported, and its libraries need not be there."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from .llm.client import LLM
from .options import DetectorOptions, JudgeOptions, LLMOptions
from .shards import CACHE
from .stage import Stage

LLAMA_3 = "meta-llama/Meta-Llama-3-8B-Instruct"
"""The model in this process where none is named: the paper's family, its size is a guess (spec A4)."""


@functools.cache  # one per process: tags and pairs ask the same model, which may fill a GPU
def language_model(options: LLMOptions, build: Path | None) -> LLM:
    """The language model, behind the cache of the build where there is one."""
    from .llm import CachedLLM, EndpointLLM, LocalLLM

    llm: LLM
    if options.url is None:
        llm = LocalLLM(
            options.model or LLAMA_3,
            options.revision,
            batch_size=options.batch_size,
            device=options.device,
            dtype=options.dtype,
        )
    else:
        llm = EndpointLLM(
            options.url,
            options.model,
            api_key_variable=options.api_key_variable,
            concurrency=options.concurrency,
            requests_per_minute=options.requests_per_minute,
            timeout_s=options.timeout_s,
            retries=options.retries,
        )
    return llm if build is None else CachedLLM(llm, build / CACHE / "llm.sqlite")


def llm_tags(options: LLMOptions, build: Path | None) -> Stage:
    """Stage 1 by a language model."""
    from .tags import LLMTags

    return LLMTags(language_model(options, build))


def llm_pairs(options: LLMOptions, build: Path | None) -> Stage:
    """The question-answer pairs by a language model."""
    from .pairs import LLMPairs

    return LLMPairs(language_model(options, build))


def lexicon_tags() -> Stage:
    """Stage 1 by lexicon and sentence patterns."""
    from .classic.tags import LexiconTags

    return LexiconTags()


def template_pairs(seed: int) -> Stage:
    """The question-answer pairs from templates."""
    from .classic.pairs import TemplatePairs

    return TemplatePairs(seed=seed)


def detect(options: DetectorOptions) -> Stage:
    """Stage 2 by an open-vocabulary detector."""
    from .detection.stage import DetectBoxes

    limits: dict[str, Any] = {"batch_size": options.batch_size, "device": options.device}
    thresholds = {"box_threshold": options.box_threshold, "text_threshold": options.text_threshold}
    if options.backend == "owlv2":
        from .detection.owlv2 import Owlv2Detector

        owl = Owlv2Detector(
            options.model, options.revision, threshold=options.box_threshold, dtype=options.dtype, **limits
        )
        return DetectBoxes(owl, max_boxes_per_tag=options.max_boxes_per_tag)
    if options.backend == "groundingdino-py":
        from .detection.groundingdino_py import GroundingDinoPyDetector

        original = GroundingDinoPyDetector(
            options.model,
            backbone=options.backbone,
            text_encoder=options.text_encoder,
            **thresholds,
            **limits,
        )
        return DetectBoxes(original, max_boxes_per_tag=options.max_boxes_per_tag)
    from .detection.grounding_dino import GroundingDinoDetector

    dino = GroundingDinoDetector(options.model, options.revision, dtype=options.dtype, **thresholds, **limits)
    return DetectBoxes(dino, max_boxes_per_tag=options.max_boxes_per_tag)


def map_boxes() -> Stage:
    """Stage 2 by local quality maps."""
    from .classic.detector import MapBoxes

    return MapBoxes()


def vlm_filter(options: JudgeOptions, **filter_options: Any) -> Stage:
    """IQA-Filter by a vision-language model."""
    from .refinement.stages import FilterBoxes
    from .refinement.vlm_judge import VLMJudge

    judge = VLMJudge(
        options.model,
        options.revision,
        batch_size=options.batch_size,
        device=options.device,
        dtype=options.dtype,
    )
    return FilterBoxes(judge, **filter_options)


def map_filter(**filter_options: Any) -> Stage:
    """IQA-Filter by the measures of the quality maps."""
    from .classic.judge import MapJudge
    from .refinement.stages import FilterBoxes

    return FilterBoxes(MapJudge(), **filter_options)


def merge(**options: Any) -> Stage:
    """Box-Merge."""
    from .refinement.stages import MergeBoxes

    return MergeBoxes(**options)


def fuse(**options: Any) -> Stage:
    """Stage 4."""
    from .fusion import Fuse

    return Fuse(**options)
