"""LLM-Score: a judge's marks for descriptions and short answers."""
