"""Teach giqa-tiny's vision tower what lies where, before it meets the language model.

LLaVA takes a tower that has seen hundreds of millions of pictures. This one starts from nothing, and captions alone
teach a tower slowly, so it first learns to answer for each of its 100 patches: what thing it lies on, how far that
thing reaches, and what distortion it shows. The small heads that give these answers are thrown away afterwards.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...distortions import FAMILIES
from .architecture import PATCH_PX, WIDTH
from .labels import NAMES, PatchLabels
from .pool import (
    SEED,
    normalised,
    read_features,
    read_labels,
    read_pixels,
    shards_of,
    write_features,
)


class PatchHeads:
    """Three linear heads on the tower's patch features, and their common loss."""

    def __init__(self) -> None:
        import torch

        outputs = (1 + len(NAMES), 1 + len(FAMILIES), 4)
        self.module = torch.nn.ModuleList([torch.nn.Linear(WIDTH, size) for size in outputs])

    def loss(self, features: Any, labels: PatchLabels) -> Any:
        """Cross entropy of name and family plus the L1 distance of boxes, averaged over patches.

        Args:
            features (`torch.Tensor` of shape (B, 100, WIDTH)): the tower's last hidden states without its class token.
            labels (`PatchLabels`): arrays of shape (B, 10, 10) and (B, 10, 10, 4).
        """
        import torch
        from torch.nn.functional import cross_entropy

        names, families, boxes = (head(features).float() for head in self.module)
        true_names = torch.from_numpy(labels.names.astype(np.int64)).flatten(1)
        true_families = torch.from_numpy(labels.families.astype(np.int64)).flatten(1)
        true_boxes = torch.from_numpy(labels.boxes_norm.astype(np.float32)).flatten(1, 2)
        on_thing = true_names > 0
        distance = (boxes - true_boxes).abs().mean(-1)[on_thing].mean() if on_thing.any() else 0.0
        weights = torch.full((1 + len(FAMILIES),), 5.0)
        weights[0] = 1.0  # most patches are clean
        return (
            cross_entropy(names.flatten(0, 1), true_names.flatten())
            + 3.0 * cross_entropy(families.flatten(0, 1), true_families.flatten(), weight=weights)
            + 5.0 * distance
        )


def start_from_cosines(tower: Any, pixels: npt.NDArray[np.uint8]) -> None:
    """Give the patch embedding cosine patterns to start from, each scaled to the same spread over real pictures.

    What tells noise, blur and compression apart lies in high frequencies, whose share of a photograph's energy is so
    small that random filters take long to find it.

    Args:
        tower: a CLIP vision model of `WIDTH` channels and `PATCH_PX` patches.
        pixels (`array` of shape (N, H, W, 3), uint8): pictures to measure the spread on.
    """
    import torch

    embedding = tower.embeddings.patch_embedding
    filters = torch.from_numpy(cosine_filters(embedding.out_channels, PATCH_PX)).float()
    with torch.inference_mode():
        answers = torch.nn.functional.conv2d(normalised(pixels), filters, stride=PATCH_PX)
        spread = answers.transpose(0, 1).flatten(1).std(dim=1)
    with torch.no_grad():
        embedding.weight.copy_(0.5 * filters / spread[:, None, None, None].clamp_min(1e-4))


def cosine_filters(count: int, side: int) -> npt.NDArray[np.float64]:
    """Two-dimensional cosines of unit norm.

    A quarter of them is in two opponent colours, the lowest frequencies; three eighths are the lowest in grey, and
    three eighths are spread over all higher ones.

    Args:
        count (`int`): how many, divisible by 8.
        side (`int`): their side in pixels.

    Returns:
        `array` of shape (count, 3, side, side)
    """
    steps = (np.arange(side) + 0.5) * np.pi / side
    lines = np.cos(np.outer(np.arange(side), steps)) * np.sqrt(2 / side)
    lines[0] /= np.sqrt(2)
    order = sorted(((u, v) for u in range(side) for v in range(side)), key=lambda uv: (np.hypot(*uv), uv))
    low, colour = 3 * count // 8, count // 8
    rest = order[low:]
    high = [rest[int(i)] for i in np.linspace(0, len(rest) - 1, 3 * count // 8)]
    axes = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    chosen = [(axes[0], uv) for uv in [*order[:low], *high]]
    chosen += [(axis, uv) for axis in axes[1:] for uv in order[:colour]]
    return np.stack([axis[:, None, None] * np.outer(lines[u], lines[v]) for axis, (u, v) in chosen])


def train_tower(work: Path, tower: Any, pictures: int, size: int, peak: float, bf16: bool) -> None:
    """Teach the vision tower by patch labels, on `pictures` pictures of the pool, half of them mirrored.

    The state is kept in `tower.pt`, every minute and at the end, so that an interrupted training goes on.
    """
    import torch

    heads, shards = PatchHeads(), shards_of(work)
    start_from_cosines(tower, read_pixels(work, shards[0])[:100])
    optimizer = torch.optim.AdamW(
        [*tower.parameters(), *heads.module.parameters()], lr=peak, weight_decay=0.05
    )
    path, seen = work / "tower.pt", 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        tower.load_state_dict(state["tower"])
        heads.module.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
        seen = state["seen"]
    rng = np.random.default_rng([SEED, 11, seen])
    begun, told, losses = (time.monotonic(), seen), time.monotonic(), []
    while seen < pictures:
        shard = shards[rng.integers(len(shards))]
        labels, pixels = read_labels(work, shard), read_pixels(work, shard)
        order = rng.permutation(len(pixels))
        for start in range(0, len(pixels) - size + 1, size):
            chosen = np.sort(order[start : start + size])
            raw, own = pixels[chosen], labels.at(chosen)
            if rng.random() < 0.5:
                raw, own = raw[:, :, ::-1], own.mirrored()
            warm = min(1.0, (seen + size) / (100 * size))
            for group in optimizer.param_groups:
                group["lr"] = (
                    peak * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * min(seen / pictures, 1.0))))
                )
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                features = tower(pixel_values=normalised(raw)).last_hidden_state[:, 1:]
                loss = heads.loss(features, own)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            seen += size
            losses.append(loss.item())
        if time.monotonic() - told > 60 or seen >= pictures:
            told = time.monotonic()
            rate = (seen - begun[1]) / (told - begun[0])
            print(f"tower: seen {seen}/{pictures} loss {np.mean(losses[-60:]):.4f} {rate:.0f}/s", flush=True)
            state = {"tower": tower.state_dict(), "heads": heads.module.state_dict(), "seen": seen,
                     "optimizer": optimizer.state_dict()}  # fmt: skip
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)


def see_pool(work: Path, tower: Any, size: int) -> None:
    """Let the finished tower look at every picture of the pool once; the features stay in half precision."""
    import torch

    tower.eval()
    for shard in shards_of(work):
        if read_features(work, shard) is not None:
            continue
        pixels = read_pixels(work, shard)
        with torch.inference_mode():
            seen = [
                tower(pixel_values=normalised(pixels[i : i + size])).last_hidden_state[:, 1:]
                for i in range(0, len(pixels), size)
            ]
        write_features(work, shard, torch.cat(seen).half().numpy())
        print(f"features {shard + 1}/{len(shards_of(work))}", flush=True)
