"""Stage 2 of the annotation pipeline: boxes for the phrases of the tags, by an open-vocabulary detector."""
