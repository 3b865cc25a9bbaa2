"""Whether a dataset's noise report, whose sheet shows photos, may be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from ..annotation.noise import NOISE_HTML

PAGE_RECORD = "noise_page"
"""In `dataset.json`: the digest of the page, and the image ids of the photos on its sheet."""


def why_page_stays(folder: Path, told: Mapping[str, Any], sent: Container[str]) -> str | None:
    """Why the page stays here; `None` when it may be sent, or there is none.

    It is sent when it is the page that was made with the dataset, and every photo on it is sent in the shards too.

    Args:
        folder (`Path`): the dataset.
        told (`Mapping`): its `dataset.json`.
        sent (container of `str`): image ids of the photos that are sent.
    """
    page = folder / NOISE_HTML
    if not page.is_file():
        return None
    record = told.get(PAGE_RECORD)
    photos = record.get("photos") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(photos, list):
        return (
            "an earlier version made it, and did not record which photos its sheet shows; build the dataset again to "
            "have one that can be sent"
        )
    if hashlib.sha256(page.read_bytes()).hexdigest() != record.get("sha256"):
        return "it is not the page that was made with the dataset; build the dataset again"
    if not all(image_id in sent for image_id in photos):
        return (
            "its sheet shows photos that may not be passed on; build with --publishable to have one without"
        )
    return None
