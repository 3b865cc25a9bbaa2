"""What goes to the Hub beside weights and rows: cards that are filled from runs."""

from __future__ import annotations

from .model_card import model_card, write_model_card

__all__ = ["model_card", "write_model_card"]
