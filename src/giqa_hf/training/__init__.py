"""Fine-tuning: rows as conversations, recipes, and one function that trains with TRL."""

from __future__ import annotations

from .conversations import to_conversations
from .recipes import RECIPES, Recipe, sft_config
from .sft import TrainingResult, train

__all__ = ["RECIPES", "Recipe", "TrainingResult", "sft_config", "to_conversations", "train"]
