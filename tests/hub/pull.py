"""`python -m tests.hub.pull WHAT '{...}'`: what a user runs to get a published thing, in a process of its own.

Its environment names the server (HF_ENDPOINT), a token and an empty HF_HOME; it prints JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys


def dataset(repo_id, streaming):
    import datasets

    found = []
    for way in streaming:
        told = {}
        for config in ("all", "des", "vqa"):
            loaded = datasets.load_dataset(repo_id, config, split="train", streaming=way)
            rows = list(loaded.cast_column("image", datasets.Image(decode=False)))
            for row in rows:
                row["image"] = row["image"] and hashlib.sha256(row["image"]["bytes"]).hexdigest()
            told[config] = rows
        found.append(told)
    return found


def model(repo_id, local):
    import torch

    from giqa_hf.backbones import load_checkpoint

    logits = []
    for where in (repo_id, local):
        loaded, processor = load_checkpoint(where)
        tokens = processor.tokenizer("The cup is blurry.", return_tensors="pt")
        with torch.no_grad():
            logits.append(loaded(**{name: tokens[name] for name in ("input_ids", "attention_mask")}).logits)
    return {
        "shape": list(logits[0].shape),
        "equal": bool(torch.equal(*logits)),
        "norm": float(logits[0].norm()),
    }


def metric(repo_id, predictions, references):
    import evaluate  # and giqa_hf is not imported: the Space has to stand by itself

    assert "giqa_hf" not in sys.modules
    return evaluate.load(repo_id).compute(predictions=predictions, references=references)


if __name__ == "__main__":
    print(
        json.dumps(
            {"dataset": dataset, "model": model, "metric": metric}[sys.argv[1]](**json.loads(sys.argv[2])),
            default=str,
        )
    )
