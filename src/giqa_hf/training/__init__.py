"""Fine-tuning: rows as conversations, recipes, and functions that train with TRL."""

from __future__ import annotations

from .adapters import freeze, lora_config, merge
from .conversations import HiddenBoxes, hidden_boxes, to_conversations
from .grpo import GrpoRecipe, grpo, grpo_config, grpo_rows
from .recipes import RECIPES, Recipe, recipe_of, sft_config
from .sft import TrainingResult, train

__all__ = [
    "RECIPES",
    "GrpoRecipe",
    "HiddenBoxes",
    "Recipe",
    "TrainingResult",
    "freeze",
    "grpo",
    "grpo_config",
    "grpo_rows",
    "hidden_boxes",
    "lora_config",
    "merge",
    "recipe_of",
    "sft_config",
    "to_conversations",
    "train",
]
