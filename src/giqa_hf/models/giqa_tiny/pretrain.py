"""Train giqa-tiny's base checkpoint: captions without boxes, and positions in words.

    python -m giqa_hf.models.giqa_tiny.pretrain --work /tmp/tiny --scenes 20000 --minutes 60 --out checkpoint/

The base sees train crops of giqa-synth only. It learns to name things, to say where they are ("row 3 column 5 to
row 7 column 9") and what is wrong with them. It sees no box notation, no Yes/No question and no What/Why/How
question of GIQA-VQA: that is what fine-tuning teaches. Started again on the same `--work` folder it goes on where it
was.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ...builders.questions import STEMS
from ...builders.synth import words
from ...builders.synth.rows import describe, fill
from ...builders.synth.scenes import Scene, SceneObject, make_scene
from ...files import write_json
from ...grid import Grid
from ...grounded_text import GroundedText
from .architecture import IMAGE_SIDE_PX, make_model, make_processor, train_tokenizer

SEED = 20261121
PLACE_REQUEST = "Say rows and columns."
IGNORED = -100
SHARD = 1000


def place(boxes_norm: np.ndarray, grid: Grid) -> str:
    """Boxes in words: "row 3 column 5 to row 7 column 9", several joined by "and"."""
    cells = grid.encode(boxes_norm)
    corners = [(*divmod(int(a), grid.cols), *divmod(int(b), grid.cols)) for a, b in cells]
    return " and ".join(f"row {r1} column {c1} to row {r2} column {c2}" for r1, c1, r2, c2 in corners)


def placed(grounded: GroundedText, grid: Grid) -> str:
    """A description with the place of every region said in words after its name."""
    text, done = "", 0
    for region in grounded.regions:
        text += grounded.text[done : region.span[1]] + f" at {place(region.boxes_norm, grid)}"
        done = region.span[1]
    return text + grounded.text[done:]


def turns(scene: Scene, rng: np.random.Generator, grid: Grid) -> list[tuple[str, str]]:
    """One lesson on a scene: a description, plain or with places, and a few short exchanges."""
    grounded = describe(scene, rng)
    stem = STEMS[int(rng.integers(len(STEMS)))]
    lesson = [(f"{stem} {PLACE_REQUEST}", placed(grounded, grid))]
    if rng.random() < 0.3:
        lesson = [(stem, grounded.text)]
    for index in rng.permutation(len(scene.objects))[:2]:
        thing = scene.objects[index]
        state = _state(thing)
        kind = rng.random()
        if kind < 0.4:
            lesson.append((f"Where {_be(thing)} the {thing.name}?", f"At {place(thing.boxes_norm, grid)}."))
        elif kind < 0.7:
            lesson.append((f"Describe what is at {place(thing.boxes_norm, grid)}.", f"The {thing.name}, {state}."))
        else:
            at = f" at {place(thing.boxes_norm, grid)}" if rng.random() < 0.5 else ""
            lesson.append((f"Describe the {thing.name}{at}.", f"{state[0].upper()}{state[1:]}."))
    return [lesson[i] for i in rng.permutation(len(lesson))]


def _state(thing: SceneObject) -> str:
    return fill("{grade} {noun}", [thing], name_things=False).text if thing.family else "clean"


def _be(thing: SceneObject) -> str:
    return "are" if thing.plural else "is"


def build_pool(work: Path, scenes: int) -> None:
    """Draw the scenes once, on all cores: shards of squashed pixels and of lessons in words."""
    shards = range(math.ceil(scenes / SHARD))
    with ProcessPoolExecutor() as pool:
        for shard, _ in enumerate(pool.map(_build_shard, [work] * len(shards), shards), start=1):
            print(f"scenes {shard * SHARD}/{scenes}", flush=True)


def _build_shard(work: Path, shard: int, lessons: int = 6) -> None:
    from PIL import Image

    text_path = work / f"lessons-{shard:03d}.json"
    if text_path.exists():
        return
    grid, rng = Grid(), np.random.default_rng([SEED, shard])
    side = (IMAGE_SIDE_PX, IMAGE_SIDE_PX)
    pixels = np.empty((SHARD, *side, 3), dtype=np.uint8)
    texts = []
    for index in range(SHARD):
        scene = make_scene("train", rng)
        pixels[index] = np.asarray(scene.image.resize(side, Image.Resampling.BICUBIC))
        texts.append([turns(scene, rng, grid) for _ in range(lessons)])
    np.save(work / f"pixels-{shard:03d}.npy", pixels)
    write_json(text_path, texts)


def _shortened(lessons: list[list[list[str]]], rng: np.random.Generator) -> list[list[str]]:
    """One lesson of a scene; beside a long description only one of the short exchanges, to save time."""
    lesson = lessons[rng.integers(len(lessons))]
    longest = max(range(len(lesson)), key=lambda i: len(lesson[i][1]))
    if PLACE_REQUEST not in lesson[longest][0] or len(lesson) < 3:
        return lesson
    dropped = rng.choice([i for i in range(len(lesson)) if i != longest])
    return [turn for i, turn in enumerate(lesson) if i != dropped]


def _encode(tokenizer: Any, lesson: list[list[str]], image_tokens: int) -> tuple[list[int], list[int]]:
    ids: list[int] = []
    labels: list[int] = []
    for index, (question, answer) in enumerate(lesson):
        image = f"{tokenizer.image_token * image_tokens}\n" if index == 0 else ""
        prompt = tokenizer(f"USER: {image}{question} ASSISTANT:").input_ids
        reply = tokenizer(f" {answer}</s>").input_ids
        ids += prompt + reply
        labels += [IGNORED] * len(prompt) + reply
    return ids, labels


def batches(work: Path, tokenizer: Any, size: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Endless batches of about equal length, each scene with another of its lessons every time round."""
    import torch

    image_tokens = (IMAGE_SIDE_PX // 16) ** 2
    paths = sorted(work.glob("lessons-*.json"))
    lessons = [lesson for path in paths for lesson in json.loads(path.read_text())]
    pixels = [np.load(str(path).replace("lessons", "pixels").replace(".json", ".npy"), mmap_mode="r") for path in paths]
    mean = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
    while True:
        order = rng.permutation(len(lessons))
        for start in range(0, len(order) - 50 * size + 1, 50 * size):
            block = [
                (int(i), *_encode(tokenizer, _shortened(lessons[i], rng), image_tokens))
                for i in order[start : start + 50 * size]
            ]
            block.sort(key=lambda sample: len(sample[1]))
            groups = [block[i : i + size] for i in range(0, len(block), size)]
            for group in (groups[i] for i in rng.permutation(len(groups))):
                longest = max(len(ids) for _, ids, _ in group)
                pad = tokenizer.pad_token_id
                raw = np.stack([pixels[i // SHARD][i % SHARD] for i, _, _ in group])
                values = (raw.astype(np.float32) / 255 - mean) / std
                yield {
                    "pixel_values": torch.from_numpy(values).permute(0, 3, 1, 2).contiguous(),
                    "input_ids": torch.tensor([ids + [pad] * (longest - len(ids)) for _, ids, _ in group]),
                    "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for _, ids, _ in group]),
                    "labels": torch.tensor([lab + [IGNORED] * (longest - len(lab)) for _, _, lab in group]),
                }


def pretrain(work: Path, out: Path, minutes: float, size: int, peak: float, bf16: bool) -> None:
    """Train for `minutes` of this machine's time with a one-cycle learning rate, saving every five minutes."""
    import torch

    corpus = [text for path in sorted(work.glob("lessons-*.json"))[:3] for scene in json.loads(path.read_text())
              for lesson in scene for pair in lesson for text in pair]  # fmt: skip
    corpus += [form for name in dir(words) if name.isupper() for form in _strings(getattr(words, name))]
    tokenizer = train_tokenizer(corpus)
    torch.manual_seed(SEED)
    model = make_model(tokenizer)
    model.set_attn_implementation("eager")  # on a CPU faster than sdpa at this width, with bfloat16 by a quarter
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=peak, betas=(0.9, 0.98),
    )  # fmt: skip
    state_path, spent, steps, seen = work / "state.pt", 0.0, 0, 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        spent, steps, seen = state["spent"], state["steps"], state["seen"]
    losses: list[float] = []
    clock, saved = time.monotonic(), time.monotonic()
    model.train()
    for batch in batches(work, tokenizer, size, np.random.default_rng([SEED, 7, steps])):
        done = (spent + time.monotonic() - clock) / (60 * minutes)
        if done >= 1:
            break
        warm = min(1.0, (steps + 1) / 300)
        decay = 1.0 if done < 0.55 else 0.5 * (1 + math.cos(math.pi * (done - 0.55) / 0.45))
        for group in optimizer.param_groups:
            group["lr"] = peak * warm * (0.02 + 0.98 * decay)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps, seen = steps + 1, seen + size
        losses.append(loss.item())
        if steps % 100 == 0:
            rate = seen / (spent + time.monotonic() - clock)
            print(f"step {steps} seen {seen} loss {np.mean(losses[-100:]):.4f} {rate:.0f}/s {done:.0%}", flush=True)
        if time.monotonic() - saved > 300:
            saved = time.monotonic()
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "steps": steps, "seen": seen,
                     "spent": spent + saved - clock}  # fmt: skip
            torch.save(state, state_path.with_suffix(".part"))
            state_path.with_suffix(".part").replace(state_path)
            save(model, tokenizer, out)
    save(model, tokenizer, out)


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
    parser.add_argument("--work", type=Path, required=True, help="folder for the scenes and the training state")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--scenes", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak", type=float, default=1e-3)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, for processors that have it")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    build_pool(args.work, args.scenes)
    pretrain(args.work, args.out, args.minutes, args.batch, args.peak, args.bf16)


if __name__ == "__main__":
    main()
