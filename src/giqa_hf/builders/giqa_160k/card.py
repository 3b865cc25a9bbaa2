"""The card of a built dataset: YAML that `datasets` and the Hub read, and what people should know, all from data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .contamination import KINDS
from .licences import ANNOTATIONS, WHOLE, gate_of, rows_to_publish
from .photo_sets import PHOTOS
from .statistics import cell, counted, statistics_markdown
from .writing import DATASET

LICENCE_FILE = "LICENSE.md"
CONFIGS = {"all": ("des", "vqa"), "des": ("des",), "vqa": ("vqa",)}
"""Each configuration with the folders that its rows are in; the first is the default."""
_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))


def render_card(
    dataset: Mapping[str, Any],
    name: str = "giqa-160k",
    *,
    repo_id: str | None = None,
    with_noise_page: bool = True,
    previews: Sequence[str] = (),
) -> str:
    """The README.md of a dataset.

    Args:
        dataset (`Mapping`): what `dataset.json` holds, see `annotation.export`.
        name (`str`, *optional*, defaults to `"giqa-160k"`): what the dataset is called.
        repo_id (`str`, *optional*): of the Hub's repository that the card is for; without it, it is for a folder.
        with_noise_page (`bool`, *optional*, defaults to `True`): whether `noise.html` lies beside it.
        previews (sequence of `str`, *optional*): paths of pictures of rows, beside the card.

    Returns:
        `str`: Markdown behind YAML; everything that came from data is escaped.
    """
    parts = [
        _front_matter(dataset, name, repo_id),
        _intro(dataset, name, repo_id),
        *([_previews(previews)] if previews else []),
        f"## Statistics\n\nIn the shape of the paper's Tab. 1 (Y: Yes/No, W: What/Why/How).\n\n"
        f"{statistics_markdown(dataset['statistics'], name)}",
        _balance(dataset),
        _noise(dataset["noise"], with_noise_page),
        _contamination(dataset["contamination"], dataset["overlap"] == "left out"),
        licences_section(dataset["licences"], dataset["settings"]["publishable"], repo_id),
        _rebuild(dataset),
    ]
    return "\n".join(parts)


def _front_matter(dataset: Mapping[str, Any], name: str, repo_id: str | None) -> str:
    """YAML, every string as JSON writes it, which YAML reads as well."""
    total = dataset["statistics"]["total"]["total"]
    size = next((size for size, limit in _SIZES if total < limit), "n>1M")
    lines = [
        f"pretty_name: {json.dumps(name)}",
        "license: other",
        f"license_name: {json.dumps('per-row')}",
        *([f"license_link: {json.dumps(LICENCE_FILE)}"] if repo_id else []),
        f"language: {json.dumps(['en'])}",
        f"task_categories: {json.dumps(['image-text-to-text', 'visual-question-answering'])}",
        f"size_categories: {json.dumps([size])}",
        f"annotations_creators: {json.dumps(['machine-generated'])}",
        f"tags: {json.dumps(['image-quality-assessment', 'visual-grounding', 'giqa_hf'])}",
        *(f"{key}: {json.dumps(value)}" for key, value in gate_of(dataset["licences"]).items() if repo_id),
        "configs:",
    ]
    there: Mapping[str, Sequence[str]] = dataset["splits"]
    for config, folders in CONFIGS.items():
        splits = list(dict.fromkeys(split for folder in folders for split in there[folder]))
        if not splits:
            continue  # `datasets` refuses to load a split without rows
        lines.append(f"- config_name: {config}")
        lines += ["  default: true"] if config == next(iter(CONFIGS)) else []
        # Part of what `datasets` names its cache by: after a rebuild it must not serve the rows of before.
        lines.append(f"  description: {json.dumps(f'content {_content(dataset)}')}")
        lines.append("  data_files:")
        for split in splits:
            paths = [f"{folder}/{split}-*.parquet" for folder in folders if split in there[folder]]
            lines += [f"  - split: {split}", f"    path: {json.dumps(paths)}"]
    return "---\n" + "\n".join(lines) + "\n---\n"


def _content(dataset: Mapping[str, Any]) -> str:
    """A short name for the content of all Parquet files."""
    return hashlib.sha256(json.dumps(dataset["files"], sort_keys=True).encode()).hexdigest()[:16]


def _intro(dataset: Mapping[str, Any], name: str, repo_id: str | None) -> str:
    total = dataset["statistics"]["total"]
    configs = [
        config for config, folders in CONFIGS.items() if any(dataset["splits"][folder] for folder in folders)
    ]
    loading = (
        f"rows = load_dataset({json.dumps(repo_id)})"
        if repo_id
        else f'rows = load_dataset("giqa-160k", data_dir={json.dumps(name, ensure_ascii=False)})  # this folder\'s path'
    )
    first = "" if repo_id else "import giqa_hf\n"
    return f"""# {cell(name)}

{counted(total["total"], "row")} on {counted(total["images"], "photo")}: descriptions of image quality
with boxes (GIQA-DES), and questions with answers about it (GIQA-VQA), in the form of
[Grounding-IQA](https://arxiv.org/abs/2411.17237).
Made by `giqa annotate` and `giqa dataset build` of giqa_hf {cell(str(dataset["giqa_hf"]))} from
{cell(str(dataset["corpus"]))}, with the profile {cell(str(dataset["profile"]))}. It is not the authors' own data, which
are not published. The annotations are made by machine; the section on noise says how good they are.

```python
{first}from datasets import load_dataset

{loading}
```

Configurations, as the second argument: {", ".join(f'`"{config}"`' for config in configs)} (the first is the default).

Boxes are `x1, y1, x2, y2`, normalised by the width and height of the upright photo, beside the clean text and the
spans of the phrases. Columns and conventions: docs/data_format.md of giqa_hf.
"""


def _previews(paths: Sequence[str]) -> str:
    pictures = " ".join(f"![A photo with the boxes of its description]({path})" for path in paths)
    return f"## A look at some rows\n\n{pictures}\n"


def _balance(dataset: Mapping[str, Any]) -> str:
    if not dataset["settings"]["balance"]:
        return "## Balance\n\nThe questions were not balanced (`--no-balance`).\n"
    removed = dataset["balance_removed"]
    listed = "; ".join(f"{count:,} {cell(reason)}" for reason, count in removed.items())
    return f"""## Balance

In each split as many Yes as No, and as many Yes/No as What/Why/How questions (paper Sec. 3.3), by random filtering with
seed {dataset["settings"]["seed"]}. Removed: {listed or "nothing"}.
"""


def _noise(noise: Mapping[str, Any], with_page: bool) -> str:
    rows = [
        ("boxes", noise["raw"]["boxes"], noise["refined"]["boxes"]),
        ("grid ceiling: mean IoU of a box with its own cells, 20 x 20", *_both(noise, "grid_mean_iou")),
        ("share of boxes with IoU below 0.5 to their cells", *_both(noise, "grid_below_half_share")),
        ("share of boxes in one row or column of cells (no area in Eq. 2)", *_both(noise, "grid_zero_area_share")),
        ("boxes per tag, mean", *_both(noise, "boxes_per_tag_mean")),
        ("area of a box, median share of the photo", *_both(noise, "area_median")),
    ]  # fmt: skip
    table = "".join(f"| {label} | {number(raw)} | {number(refined)} |\n" for label, raw, refined in rows)
    judged = noise["filter"]
    if judged["judged"]:
        said = (
            f"Of {judged['judged']:,} boxes that the quality filter was asked about, {judged['accepted_share']:.1%} "
            f'stayed; its mean probability of "Yes" was {judged["mean_probability"]:.3f}.'
        )
    else:
        said = "The quality filter was asked about no box."
    page = (
        "`noise.html` has the distributions, every reason for which something was dropped, and a sheet of "
        "randomly drawn\n"
        "records for checking by eye; `noise.json` has the numbers."
        if with_page
        else "`noise.json` has the numbers, and every reason for which something was dropped."
    )
    return f"""## Noise

Over the whole build, before and after refinement (IQA-Filter, Box-Merge):

| | before | after |
|---|---:|---:|
{table}
{said} {page}
"""


def _contamination(reports: Sequence[Mapping[str, Any]], left_out: bool) -> str:
    if not reports:
        return (
            "## Contamination\n\nNot checked against any other set (`--against`). Before measuring on a "
            "benchmark, run "
            "`giqa dataset check` against it.\n"
        )
    rows = "".join(
        f"| {cell(report['against'])} | {report['other_photos']:,} | {report['overlapping']:,} | "
        f"{' | '.join(str(report['by_surest_kind'][kind]) for kind in KINDS)} |\n"
        for report in reports
    )
    said = (
        "Photos of the build that are in another set too, by the surest way in which they agree. They were left "
        "out of "
        "this dataset, in all its splits, together with those of the build that look like them "
        "(`--leave-out-overlap`)"
        if left_out
        else "Photos of this dataset that are in another set too, by the surest way in which they agree. Nothing was "
        "removed"
    )
    return f"""## Contamination

{said}; the pairs are in `{DATASET}`.

| Set | its photos | in both | {" | ".join(f"same {kind}" for kind in KINDS)} |
|---|{"---:|" * (2 + len(KINDS))}
{rows}"""


def licences_section(
    lines: Sequence[Mapping[str, Any]], publishable: bool, repo_id: str | None = None
) -> str:
    """The part of a card on sources and licences.

    Args:
        lines (sequence of `Mapping`): from `licences.licence_lines`.
        publishable (`bool`): whether the photos that may not be passed on are left out.
        repo_id (`str`, *optional*): of the Hub's repository that the card is for.
    """
    sums = rows_to_publish(lines)
    rows = "".join(
        f"| {cell(line['source'])} | {cell(line['license'])} | {line['rows']:,} | {line['images']:,} | "
        f"{'whole' if line['publish'] == WHOLE else 'ids and annotations only'} | "
        f"{cell(line['note']) if line['note'] else ''} |\n"
        for line in lines
    )
    held = (
        f"In this folder the photos of the others are left out: their `image` is empty, `{PHOTOS}` has their ids and "
        "SHA-256, and `giqa dataset join FOLDER --images PHOTOS --out JOINED` puts your own copies of them back."
        if publishable and sums[ANNOTATIONS]
        else "This folder holds all photos: before it is shared, build it again with `--publishable`."
        if sums[ANNOTATIONS]
        else "This folder may be shared as it is, under the terms below."
    )
    if repo_id and gate_of(lines):
        held += " Some terms exclude commercial use or ask for research only, so readers have to accept them first."
    return f"""## Sources and licences

Each row has its terms in the column `license`. {sums[WHOLE]:,} rows may be published with their photos,
{sums[ANNOTATIONS]:,} only as image ids and annotations. {held} This is a guard, no legal advice.

| Source | Licence | Rows | Photos | May be published | To know |
|---|---|---:|---:|---|---|
{rows}"""


def _rebuild(dataset: Mapping[str, Any]) -> str:
    commands = "\n".join(f"    {line}" for line in dataset["commands"])
    return f"""## How to build it again

`{DATASET}` holds the manifest of the build: corpus with file hashes, profile with model ids and revisions, thresholds
and prompt versions, seeds. `{PHOTOS}` lists every photo with its id in the source, size and SHA-256. Get the corpus
from its source, and give the folder of its photos for `PHOTOS`; then:

{commands}
"""


def _both(noise: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    return noise["raw"][key], noise["refined"][key]


def number(value: float | None) -> str:
    """A number for a table; or that there is none."""
    if value is None:
        return "n/a"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
