"""GIQA-Bench by people: rows go to Label Studio, the work of several annotators comes back as one benchmark."""

from __future__ import annotations

from .agreement import Agreement, agreement
from .consensus import Conflict, Consensus, consensus
from .label_studio import CONFIG, Judgement, read_exports, tasks_of

__all__ = [
    "CONFIG",
    "Agreement",
    "Conflict",
    "Consensus",
    "Judgement",
    "agreement",
    "consensus",
    "read_exports",
    "tasks_of",
]
