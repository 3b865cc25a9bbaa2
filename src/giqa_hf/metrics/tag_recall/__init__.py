"""Recall of named boxes."""
