"""What can be set in a profile, in plain values; the numbers of the paper stand here with their place in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..builders.questions import PositionRequest
from .refinement.merge import Coverage, Touch
from .refinement.stages import WhenAllRejected


@dataclass(frozen=True)
class FilterOptions:
    """IQA-Filter, see `refinement.FilterBoxes`; 0.5 is where "Yes" is as likely as "No" (Algorithm 1, lines 4 to 9)."""

    threshold: float = 0.5
    only_multiple: bool = True
    when_all_rejected: WhenAllRejected = "keep"
    min_crop_px: int = 32


@dataclass(frozen=True)
class MergeOptions:
    """Box-Merge, see `refinement.MergeBoxes`; T_a = 0.256 and T_o = 95 % are the paper's (Sec. 3.2)."""

    area_threshold: float = 0.256
    overlap_threshold: float = 0.95
    coverage: Coverage = "min_area"
    touch: Touch = "closed"
    symmetric: bool = False


@dataclass(frozen=True)
class FusionOptions:
    """See `fusion.Fuse`."""

    position_request: PositionRequest | None = None
    max_boxes_per_tag: int | None = None


@dataclass(frozen=True)
class LLMOptions:
    """The language model of tags and pairs: at a server where `url` is set, otherwise in this process.

    The paper says "Llama3" without a size (spec A4: certain the family, not found the size). Its Hub repository is
    gated: accept Meta's licence there first. With a `url`, `model` is its name at the server; without one, the only
    one that the server has.
    """

    url: str | None = None
    model: str | None = None
    revision: str | None = None
    api_key_variable: str = "GIQA_LLM_API_KEY"
    concurrency: int = 16
    requests_per_minute: float | None = None
    timeout_s: float = 300.0
    retries: int = 5
    batch_size: int = 8
    device: str | None = None
    dtype: str = "auto"


@dataclass(frozen=True)
class DetectorOptions:
    """The detector of stage 2. The paper says "Grounding DINO"; backbone and thresholds are not found.

    The smallest official checkpoint and the thresholds of the official README stand in (spec A4). `box_threshold` is
    the one threshold of OWLv2, whose scores are lower (its own default: 0.1). `backbone` and `text_encoder` are for
    groundingdino-py alone, whose `model` is a file of weights.
    """

    backend: Literal["grounding-dino", "owlv2", "groundingdino-py"] = "grounding-dino"
    model: str = "IDEA-Research/grounding-dino-tiny"
    revision: str | None = None
    box_threshold: float = 0.35
    text_threshold: float = 0.25
    max_boxes_per_tag: int = 50
    batch_size: int = 8
    device: str | None = None
    dtype: str = "float32"
    backbone: Literal["tiny", "base"] = "tiny"
    text_encoder: str = "bert-base-uncased"


@dataclass(frozen=True)
class JudgeOptions:
    """The vision-language model of IQA-Filter. That it is Q-Instruct is certain, on which base model is not found.

    The id is that of its LLaVA-1.5 weights (certain, spec source-data). Whether transformers can load them as they are
    was not tried; LLaVA's own form must be converted once, and the folder named as `judge.model`.
    """

    model: str = "teowu/llava_v1.5_7b_qinstruct_preview_v0.1"
    revision: str | None = None
    batch_size: int = 8
    device: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
