"""BLEU@4 as image captioning counts it."""
