"""Train giqa-tiny's base checkpoint: captions without boxes, and positions in words.

    python -m giqa_hf.models.giqa_tiny.pretrain --work /tmp/tiny --out checkpoint/

First the vision tower learns alone what lies where (`tower`; that is where it meets true boxes, as numbers to
predict for each patch, never as text). Then projector and language model learn from words (`lessons`): to name
things, to say where they are ("row 3 column 5 to row 7 column 9", or "cell 65 to cell 149") and what is wrong with
them. The base sees train crops of giqa-synth only. Started again on the same `--work` folder it goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...builders.synth import words
from .architecture import make_model, make_processor, train_tokenizer
from .labels import SIDE
from .lessons import shortened
from .pool import SEED, build_pool, read_features, read_lessons, shards_of
from .tower import see_pool, train_tower

IGNORED = -100
BLOCK = 50
"""Batches that are sorted by length together."""


def _encode(
    tokenizer: Any, lesson: list[list[str]], image_tokens: int
) -> tuple[list[int], list[int], list[float]]:
    """Token ids, labels, and what each label weighs in the loss.

    The tokens of an answer weigh together the root of their number: a "Yes." is not to be lost among places.
    """
    ids: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    for index, (question, answer) in enumerate(lesson):
        image = f"{tokenizer.image_token * image_tokens}\n" if index == 0 else ""
        prompt = tokenizer(f"USER: {image}{question} ASSISTANT:").input_ids
        reply = tokenizer(f" {answer}</s>").input_ids
        ids += prompt + reply
        labels += [IGNORED] * len(prompt) + reply
        weights += [0.0] * len(prompt) + [len(reply) ** -0.5] * len(reply)
    return ids, labels, weights


def batches(work: Path, tokenizer: Any, size: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Endless batches of about equal length, each scene with another of its lessons every time round."""
    import torch

    shards = shards_of(work)
    lessons = [lesson for shard in shards for lesson in read_lessons(work, shard)]
    features = [own for shard in shards if (shard_features := read_features(work, shard)) is not None
                for own in shard_features]  # fmt: skip
    pad = tokenizer.pad_token_id
    while True:
        order = rng.permutation(len(lessons))
        for start in range(0, len(order) - BLOCK * size + 1, BLOCK * size):
            block = [
                (int(i), *_encode(tokenizer, shortened(lessons[i], rng), SIDE**2))
                for i in order[start : start + BLOCK * size]
            ]
            block.sort(key=lambda sample: len(sample[1]))
            groups = [block[i : i + size] for i in range(0, len(block), size)]
            for group in (groups[i] for i in rng.permutation(len(groups))):
                longest = max(len(ids) for _, ids, _, _ in group)
                rows = [
                    (ids + [pad] * (longest - len(ids)), [1] * len(ids) + [0] * (longest - len(ids)),
                     labels + [IGNORED] * (longest - len(labels)), weights + [0.0] * (longest - len(weights)))
                    for _, ids, labels, weights in group
                ]  # fmt: skip
                ids, mask, labels, weights = (torch.tensor(column) for column in zip(*rows, strict=True))
                seen = torch.from_numpy(np.stack([features[i] for i, _, _, _ in group]))
                yield {
                    "features": seen,
                    "input_ids": ids,
                    "attention_mask": mask,
                    "labels": labels,
                    "weights": weights,
                }


def pretrain(
    work: Path,
    out: Path,
    *,
    pictures: int,
    lessons: int,
    size: int = 32,
    peak: float = 1e-3,
    bf16: bool = False,
) -> None:
    """Train the tower on `pictures` pictures, then the rest on `lessons` lessons, `size` at a time.

    The learning rate rises, stays at `peak` for half of the way and falls along a cosine. The state is kept in
    `state.pt` every five minutes and at the end.
    """
    import torch

    tokenizer = train_tokenizer(_corpus(work))
    torch.manual_seed(SEED)
    model = make_model(tokenizer)
    model.set_attn_implementation(
        "eager"
    )  # on a CPU faster than sdpa at this width, with bfloat16 by a quarter
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    train_tower(work, model.model.vision_tower, pictures, 2 * size, peak, bf16)
    see_pool(work, model.model.vision_tower, size)
    model.model.vision_tower.requires_grad_(False)  # as in LLaVA: the tower stays as it is from here on
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in learned if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=peak,
        betas=(0.9, 0.98),
    )
    path, seen = work / "state.pt", 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        seen = state["seen"]
    losses: list[float] = []
    begun, saved = (time.monotonic(), seen), time.monotonic()
    model.train()
    stream = batches(work, tokenizer, size, np.random.default_rng([SEED, 7, seen]))
    while seen < lessons:
        batch = next(stream)
        done = seen / lessons
        decay = 1.0 if done < 0.5 else 0.5 * (1 + math.cos(math.pi * (done - 0.5) / 0.5))
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (seen + size) / (300 * size)) * (0.02 + 0.98 * decay)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += size
        losses.append(loss.item())
        if len(losses) % 100 == 0:
            rate = (seen - begun[1]) / (time.monotonic() - begun[0])
            print(f"seen {seen}/{lessons} loss {np.mean(losses[-100:]):.4f} {rate:.0f}/s", flush=True)
        if time.monotonic() - saved > 300 or seen >= lessons:
            saved = time.monotonic()
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "seen": seen}
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            save(model, tokenizer, out)
    save(model, tokenizer, out)


def _loss(model: Any, batch: dict[str, Any]) -> Any:
    """The weighted mean loss, with the tower's features taken from the pool instead of the pictures."""
    import torch

    pictures = model.model.multi_modal_projector(batch["features"].float())
    ids = batch["input_ids"]
    embeddings = model.get_input_embeddings()(ids).masked_scatter(
        (ids == model.config.image_token_id)[..., None], pictures.float()
    )
    hidden = model.model.language_model(
        inputs_embeds=embeddings, attention_mask=batch["attention_mask"]
    ).last_hidden_state[:, :-1]
    labels, weights = batch["labels"][:, 1:], batch["weights"][:, 1:]
    told = labels != IGNORED  # most tokens are the picture's and the question's: no logits for them
    losses = torch.nn.functional.cross_entropy(
        model.lm_head(hidden[told]).float(), labels[told], reduction="none"
    )
    return (losses * weights[told]).sum() / weights[told].sum()


def _corpus(work: Path) -> list[str]:
    """What the tokenizer learns from: lessons of three shards, and every word and template that rows are made of."""
    corpus = [
        text
        for shard in shards_of(work)[:3]
        for scene in read_lessons(work, shard)
        for lesson in scene
        for turn in lesson
        for text in turn
    ]
    return corpus + [form for name in dir(words) if name.isupper() for form in _strings(getattr(words, name))]


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write the checkpoint as a Hub model repo: half-precision safetensors, tokenizer, processor."""
    import copy

    import torch

    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(out)
    make_processor(tokenizer).save_pretrained(out)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for text in value.values() if isinstance(text, str)]
    return [text for text in value if isinstance(text, str)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the scenes and the training state"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--scenes", type=int, default=30_000, help="size of the pool")
    parser.add_argument("--pictures", type=int, default=250_000, help="that the vision tower sees")
    parser.add_argument("--lessons", type=int, default=120_000, help="that the language model sees")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak", type=float, default=1e-3)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, for processors that have it")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    build_pool(args.work, args.scenes)
    pretrain(
        args.work, args.out, pictures=args.pictures, lessons=args.lessons,
        size=args.batch, peak=args.peak, bf16=args.bf16,
    )  # fmt: skip


if __name__ == "__main__":
    main()
