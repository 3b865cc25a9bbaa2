"""`croissant.json`: a dataset's metadata in Croissant 1.1, with its fields for responsible AI (RAI).

The Hub makes such a file itself, without the RAI fields even where the card has them; this one has both. It describes
the same Parquet files as the card's YAML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..builders.giqa_160k.licences import WHOLE
from ..builders.giqa_160k.statistics import counted

CROISSANT = "croissant.json"
_REPO = "repo"
_TYPES = {
    "image": "sc:ImageObject", "image_id": "sc:Text", "width": "cr:Int32", "height": "cr:Int32", "source": "sc:Text",
    "license": "sc:Text", "task": "sc:Text", "question_type": "sc:Text", "question": "sc:Text", "answer": "sc:Text",
}  # fmt: skip
_DESCRIPTIONS = {
    "image": "The photo, upright; empty where its terms do not let it be passed on.",
    "image_id": "Of the photo, in its source.",
    "width": "Of the photo, in pixels.",
    "height": "Of the photo, in pixels.",
    "source": "The set that the photo comes from.",
    "license": "The terms of the row.",
    "task": "des (a description) or vqa (a question with its answer).",
    "question_type": "yes_no, what, why or how; empty for a description.",
    "question": "What is asked.",
    "answer": "The description, or the answer.",
    "question_regions": "What the question names, with its boxes.",
    "answer_regions": "What the answer names, with its boxes.",
}
_REGION = {
    "phrase": ("sc:Text", "Words of the text."),
    "quality": ("sc:Text", "What is said of it."),
    "effect": ("sc:Text", "positive, negative or no impact."),
}
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        key: f"cr:{key}"
        for key in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
            "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip


def croissant_json(
    name: str,
    repo_id: str,
    configs: Mapping[str, Mapping[str, Sequence[str]]],
    licences: Sequence[Mapping[str, Any]],
    responsible: Mapping[str, Any],
    description: str,
) -> str:
    """The file's text.

    Args:
        name (`str`): of the dataset.
        repo_id (`str`): of its repository on the Hub.
        configs (`Mapping`): for each configuration its splits, each with the patterns of its files.
        licences (sequence of `Mapping`): from `licences.licence_lines`.
        responsible (`Mapping`): the RAI fields, without their prefix.
        description (`str`): one or two sentences.

    Returns:
        `str`: JSON-LD.
    """
    url = f"https://huggingface.co/datasets/{repo_id}"
    known = sorted({line["url"] for line in licences if line["url"]})
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "url": url,
        "license": f"{url}/blob/main/LICENSE.md",
        "citeAs": "Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment. arXiv:2411.17237",
        "isBasedOn": known,
        **{f"rai:{key}": text for key, text in responsible.items()},
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": _REPO, "name": _REPO, "description": "The repository on the Hub.",
                "contentUrl": f"{url}/tree/main", "encodingFormat": "git+https",
                # A repository has no digest of its own; this issue is what the specification's examples give instead.
                "sha256": "https://github.com/mlcommons/croissant/issues/80",
            },
            *(
                _file_set(config, split, patterns)
                for config, splits in configs.items()
                for split, patterns in splits.items()
            ),
        ],
        "recordSet": [
            _record_set(config, split) for config, splits in configs.items() for split in splits
        ],
    }  # fmt: skip
    if not known:
        del value["isBasedOn"]
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _file_set(config: str, split: str, patterns: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{config}-{split}",
        "name": f"files-{config}-{split}",
        "containedIn": {"@id": _REPO},
        "encodingFormat": "application/x-parquet",
        "includes": list(patterns) if len(patterns) > 1 else patterns[0],
    }


def _record_set(config: str, split: str) -> dict[str, Any]:
    base = f"{config}-{split}"

    def source(column: str) -> dict[str, Any]:
        return {"fileSet": {"@id": f"files-{base}"}, "extract": {"column": column}}

    def one(column: str, kind: str) -> dict[str, Any]:
        extra: dict[str, Any] = {"transform": {"jsonPath": "bytes"}} if column == "image" else {}
        return {
            "@type": "cr:Field",
            "@id": f"{base}/{column}",
            "name": column,
            "description": _DESCRIPTIONS[column],
            "dataType": kind,
            "source": {**source(column), **extra},
        }

    def regions(column: str) -> dict[str, Any]:
        def inner(name: str, kind: str, words: str, shape: str | None = None) -> dict[str, Any]:
            array = {} if shape is None else {"isArray": True, "arrayShape": shape}
            return {
                "@type": "cr:Field",
                "@id": f"{base}/{column}/{name}",
                "name": name,
                "description": words,
                "dataType": kind,
                "source": {**source(column), "transform": {"jsonPath": name}},
                **array,
            }

        return {
            "@type": "cr:Field",
            "@id": f"{base}/{column}",
            "name": column,
            "description": _DESCRIPTIONS[column],
            "isArray": True,
            "arrayShape": "-1",
            "subField": [
                *(inner(name, kind, words) for name, (kind, words) in _REGION.items()),
                inner(
                    "span",
                    "cr:Int32",
                    "First character of the phrase in the text, and the one behind its last.",
                    "2",
                ),
                inner(
                    "boxes_norm",
                    "cr:Float64",
                    "x1, y1, x2, y2 by the width and height of the upright photo.",
                    "-1,4",
                ),
            ],
        }

    return {
        "@type": "cr:RecordSet",
        "@id": base,
        "name": base,
        "description": f"Rows of the split {split} of the configuration {config}.",
        "field": [
            *(one(column, kind) for column, kind in _TYPES.items()),
            regions("question_regions"),
            regions("answer_regions"),
        ],
    }


def responsible_fields(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The RAI fields of a dataset that `giqa dataset build` made, from its `dataset.json`; plain text, no markup."""
    noise, judged = dataset["noise"], dataset["noise"]["filter"]
    left_out = sum(line["images"] for line in dataset["licences"] if line["publish"] != WHOLE)
    analysis = f"Before and after refinement: {noise['raw']['boxes']} and {noise['refined']['boxes']} boxes."
    if judged["judged"]:
        share = judged["accepted_share"]
        analysis += (
            f" The quality filter was asked about {judged['judged']} boxes and kept {share:.1%} of them."
        )
    overlaps = dataset["contamination"]
    guard = (
        "; ".join(f"{report['overlapping']} photos shared with {report['against']}" for report in overlaps)
        if overlaps
        else "not compared with any other set"
    )
    return {
        **_COMMON,
        "dataCollection": (
            f"Photos and texts of the corpus {dataset['corpus']}, from {len(dataset['licences'])} sources with "
            "terms of "
            "their own."
        ),
        "dataCollectionMissingData": f"{counted(left_out, 'photo')} left out because of their terms; their ids and "
        "hashes are there.",
        "dataPreprocessingProtocol": [
            "Photos that are not upright 8-bit RGB or grey are stored as lossless PNG of what is seen; others "
            "as they are.",
            f"Questions balanced: {dataset['settings']['balance']}. Overlap with other sets: {guard}.",
        ],
        "dataAnnotationProtocol": (
            f"By machine, with the profile {dataset['profile']} of giqa_hf {dataset['giqa_hf']}: names and "
            "qualities from "
            "descriptions, boxes by a detector, filtering and merging of boxes, questions from descriptions. "
            "dataset.json "
            "has models, revisions, thresholds and prompts."
        ),
        "dataAnnotationAnalysis": analysis,
        "machineAnnotationTools": [f"giqa_hf {dataset['giqa_hf']}, profile {dataset['profile']}"],
    }


def responsible_fields_of_bench(told: Mapping[str, Any]) -> dict[str, Any]:
    """The RAI fields of a benchmark that `giqa bench import` made."""
    found = told["agreement"]
    measured = ", ".join(f"{name} {value}" for name, value in found.items() if value is not None)
    return {
        **_COMMON,
        "dataCollection": f"{told['photos']} photos from {len(told['licences'])} sources with terms of their own.",
        "dataAnnotationProtocol": (
            f"Rows proposed by machine, judged by people in Label Studio; a row stays when most of at least "
            f"{told['min_annotators']} agree. Boxes are medians of theirs."
        ),
        "dataAnnotationAnalysis": f"Agreement of pairs of annotators: {measured}.",
        "annotationsPerItem": str(told["min_annotators"]),
        "dataAnnotationPlatform": ["Label Studio"],
    }


_COMMON: Mapping[str, Any] = {
    "dataUseCases": [
        "Training and testing models that describe the quality of a photo and say where.",
        "Not for decisions about people, and not as a measure of a photo's worth.",
    ],
    "dataBiases": [
        "What is called good or bad follows the people and models that wrote the sources' descriptions, in English.",
        "Things that a detector knows by name are boxed more often than others.",
    ],
    "dataLimitations": [
        "Boxes and answers can be wrong; the card's section on noise or agreement says how often was measured.",
    ],
    "personalSensitiveInformation": ["Photos may show people; nothing says who they are."],
}
