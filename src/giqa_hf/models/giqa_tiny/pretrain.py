"""Train giqa-tiny's base checkpoint: captions without boxes, and positions in words.

    python -m giqa_hf.models.giqa_tiny.pretrain --work /tmp/tiny --scenes 20000 --minutes 60 --out checkpoint/

First the vision tower learns alone what lies where (`tower`; that is where it meets true boxes, as numbers to
predict for each patch, never as text). Then projector and language model learn from words: to name things, to say
where they are ("row 3 column 5 to row 7 column 9", or "cell 65 to cell 149") and what is wrong with them. The base
sees train crops of giqa-synth only. It sees no box notation, no Yes/No question and no What/Why/How question of
GIQA-VQA: that is what fine-tuning teaches. Started again on the same `--work` folder it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import re
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
from ...files import atomic_write, write_json
from ...grid import Grid
from ...grounded_text import GroundedText
from .architecture import IMAGE_SIDE_PX, make_model, make_processor, train_tokenizer
from .tower import SIDE, PatchHeads, PatchLabels, patch_labels

SEED = 20261121
PLACE_REQUEST = "Say rows and columns."
CELL_REQUEST = "Say cells."
CELL_SHARE = 0.6
"""Share of lessons that number the cells instead of naming row and column."""
IGNORED = -100
SHARD = 1000
_ROWS_AND_COLUMNS = re.compile(r"row (\d+) column (\d+) to row (\d+) column (\d+)")


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
            lesson.append(
                (f"Describe what is at {place(thing.boxes_norm, grid)}.", f"The {thing.name}, {state}.")
            )
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
    texts, labels = [], []
    for index in range(SHARD):
        scene = make_scene("train", rng)
        pixels[index] = np.asarray(scene.image.resize(side, Image.Resampling.BICUBIC))
        labels.append(patch_labels(scene))
        texts.append([turns(scene, rng, grid) for _ in range(lessons)])
    np.save(work / f"pixels-{shard:03d}.npy", pixels)
    np.savez(work / f"labels-{shard:03d}.npz", **_stacked(labels)._asdict())
    write_json(text_path, texts)


def _stacked(labels: list[PatchLabels]) -> PatchLabels:
    return PatchLabels(
        np.stack([own.names for own in labels]),
        np.stack([own.families for own in labels]),
        np.stack([own.boxes_norm for own in labels]),
    )


def _normalised(raw: np.ndarray) -> Any:
    """Pixels (B, H, W, 3) in 0..255 as the processor hands them to the tower: (B, 3, H, W), CLIP's mean and spread."""
    import torch
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    mean = np.array(OPENAI_CLIP_MEAN, dtype=np.float32)
    std = np.array(OPENAI_CLIP_STD, dtype=np.float32)
    return torch.from_numpy((raw.astype(np.float32) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def pretrain_tower(work: Path, model: Any, minutes: float, size: int, peak: float, bf16: bool) -> None:
    """Teach the vision tower by patch labels for `minutes`, with mirrored copies; see `tower`.

    The state is kept in `tower.pt`, every minute, so that an interrupted training goes on.
    """
    import torch

    tower, heads = model.model.vision_tower, PatchHeads()
    optimizer = torch.optim.AdamW(
        [*tower.parameters(), *heads.module.parameters()], lr=peak, weight_decay=0.05
    )
    path, spent, seen = work / "tower.pt", 0.0, 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        tower.load_state_dict(state["tower"])
        heads.module.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
        spent, seen = state["spent"], state["seen"]
    rng = np.random.default_rng([SEED, 11, seen])
    clock, told, losses = time.monotonic(), time.monotonic(), []
    while (done := (spent + time.monotonic() - clock) / (60 * minutes)) < 1:
        paths = sorted(work.glob("labels-*.npz"))
        shard = paths[rng.integers(len(paths))]
        labels = PatchLabels(**np.load(shard))
        pixels = np.load(str(shard).replace("labels", "pixels").replace(".npz", ".npy"), mmap_mode="r")
        order = rng.permutation(SHARD)
        for start in range(0, SHARD - size + 1, size):
            chosen = np.sort(order[start : start + size])
            raw, own = pixels[chosen], labels.at(chosen)
            if rng.random() < 0.5:
                raw, own = raw[:, :, ::-1], _mirrored(own)
            done = (spent + time.monotonic() - clock) / (60 * minutes)
            for group in optimizer.param_groups:
                warm = min(1.0, (seen + size) / (100 * size))
                group["lr"] = peak * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                features = tower(pixel_values=_normalised(raw)).last_hidden_state[:, 1:]
                loss = heads.loss(features, own)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            seen += size
            losses.append(loss.item())
        if time.monotonic() - told > 60 or done >= 1:
            told = time.monotonic()
            rate = seen / (spent + told - clock)
            print(f"tower: seen {seen} loss {np.mean(losses[-30:]):.4f} {rate:.0f}/s {done:.0%}", flush=True)
            state = {"tower": tower.state_dict(), "heads": heads.module.state_dict(), "seen": seen,
                     "optimizer": optimizer.state_dict(), "spent": spent + told - clock}  # fmt: skip
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)


def see_pool(work: Path, model: Any, size: int) -> None:
    """Let the finished tower look at every picture of the pool once; the features stay in half precision."""
    import torch

    model.eval()
    for path in sorted(work.glob("pixels-*.npy")):
        target = work / path.name.replace("pixels", "features")
        if target.exists():
            continue
        pixels = np.load(path, mmap_mode="r")
        with torch.inference_mode():
            seen = [
                model.model.vision_tower(pixel_values=_normalised(pixels[i : i + size])).last_hidden_state[
                    :, 1:
                ]
                for i in range(0, SHARD, size)
            ]
        with atomic_write(target) as file:
            np.save(file, torch.cat(seen).half().numpy())


def _mirrored(labels: PatchLabels) -> PatchLabels:
    boxes = labels.boxes_norm[:, :, ::-1].copy()
    on_thing = labels.names[:, :, ::-1, None] > 0
    boxes = np.where(
        on_thing, np.stack([1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]], -1), 0
    )
    return PatchLabels(labels.names[:, :, ::-1].copy(), labels.families[:, :, ::-1].copy(), boxes)


def _in_cells(text: str) -> str:
    """Places in words by the number of their cells, row by row from 0: "cell 65 to cell 149"."""

    def numbered(found: re.Match[str]) -> str:
        row1, column1, row2, column2 = (int(number) for number in found.groups())
        cols = Grid().cols
        return f"cell {row1 * cols + column1} to cell {row2 * cols + column2}"

    return _ROWS_AND_COLUMNS.sub(numbered, text).replace(PLACE_REQUEST, CELL_REQUEST)


def _shortened(lessons: list[list[list[str]]], rng: np.random.Generator) -> list[list[str]]:
    """One lesson of a scene; beside a long description only one of the short exchanges, to save time."""
    lesson = lessons[rng.integers(len(lessons))]
    if rng.random() < CELL_SHARE:
        lesson = [[_in_cells(question), _in_cells(answer)] for question, answer in lesson]
    longest = max(range(len(lesson)), key=lambda i: len(lesson[i][1]))
    if not lesson[longest][0].endswith((PLACE_REQUEST, CELL_REQUEST)) or len(lesson) < 3:
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

    image_tokens = SIDE**2
    paths = sorted(work.glob("lessons-*.json"))
    lessons = [lesson for path in paths for lesson in json.loads(path.read_text())]
    features = [
        np.load(work / path.name.replace("lessons", "features").replace("json", "npy"), mmap_mode="r")
        for path in paths
    ]
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
                yield {
                    "features": torch.from_numpy(
                        np.stack([features[i // SHARD][i % SHARD] for i, _, _ in group])
                    ),
                    "input_ids": torch.tensor([ids + [pad] * (longest - len(ids)) for _, ids, _ in group]),
                    "attention_mask": torch.tensor(
                        [[1] * len(ids) + [0] * (longest - len(ids)) for _, ids, _ in group]
                    ),
                    "labels": torch.tensor([lab + [IGNORED] * (longest - len(lab)) for _, _, lab in group]),
                }


def pretrain(
    work: Path, out: Path, minutes: float, size: int, peak: float, bf16: bool, tower_minutes: float
) -> None:
    """Train for `minutes` of this machine's time with a one-cycle learning rate, saving every five minutes."""
    import torch

    corpus = [text for path in sorted(work.glob("lessons-*.json"))[:3] for scene in json.loads(path.read_text())
              for lesson in scene for pair in lesson for text in pair]  # fmt: skip
    corpus += [form for name in dir(words) if name.isupper() for form in _strings(getattr(words, name))]
    tokenizer = train_tokenizer(corpus)
    torch.manual_seed(SEED)
    model = make_model(tokenizer)
    model.set_attn_implementation(
        "eager"
    )  # on a CPU faster than sdpa at this width, with bfloat16 by a quarter
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    pretrain_tower(work, model, tower_minutes, 2 * size, peak, bf16)
    see_pool(work, model, size)
    model.model.vision_tower.requires_grad_(False)  # as in LLaVA: the tower stays as it is from here on
    learned = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in learned if p.ndim > 1]
    others = [p for p in learned if p.ndim <= 1]
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
            pictures = model.model.multi_modal_projector(batch.pop("features").float())
            ids = batch.pop("input_ids")
            words_and_patches = model.get_input_embeddings()(ids).masked_scatter(
                (ids == model.config.image_token_id)[..., None], pictures.float()
            )
            loss = model(inputs_embeds=words_and_patches, **batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps, seen = steps + 1, seen + size
        losses.append(loss.item())
        if steps % 100 == 0:
            rate = seen / (spent + time.monotonic() - clock)
            print(
                f"step {steps} seen {seen} loss {np.mean(losses[-100:]):.4f} {rate:.0f}/s {done:.0%}",
                flush=True,
            )
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
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the scenes and the training state"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--scenes", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--tower-minutes", type=float, default=15.0, help="for the vision tower, before the captions"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak", type=float, default=1e-3)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, for processors that have it")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    build_pool(args.work, args.scenes)
    pretrain(args.work, args.out, args.minutes, args.batch, args.peak, args.bf16, args.tower_minutes)


if __name__ == "__main__":
    main()
