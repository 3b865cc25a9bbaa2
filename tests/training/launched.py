"""What two processes run in tests/training/test_distributed.py.

    accelerate launch --multi_gpu --num_processes 2 tests/training/launched.py OUT train BACKBONE ...

First `giqa train`, then, among the same processes, four steps with weights that are shared out by FSDP2, and answers of
that model; what came of these is written to OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from giqa_hf.cli import main, train
from giqa_hf.processing import ground_processor
from giqa_hf.training import to_conversations
from giqa_hf.training.evaluation import Evaluation, answer_held_out
from giqa_hf.training.global_batches import GlobalBatches
from tests.make_tiny_checkpoint import make_parts
from tests.training.small_rows import small_dataset

BATCH = 4


def sharded(model: Any) -> None:
    """Share a model's weights out, layer by layer, as accelerate's FSDP2 does.

    Not the tower as a whole: transformers (5.23) finds what a model is to note down of its layers by the model's class,
    which FSDP2 replaces, and LLaVA then gets no hidden states from it.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
    layers = [m for m in model.modules() if type(m).__name__ in ("CLIPEncoderLayer", "LlamaDecoderLayer")]
    assert len(layers) == 3, "one of vision, two of text"
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def four_steps(devices: int, mine: int) -> dict[str, Any]:
    """The losses of four steps of four rows out of eight, of which this device has its half, and answers after each second."""
    torch.manual_seed(0)
    model, processor = make_parts(seed=5)
    processor = ground_processor(processor)
    if devices > 1:
        sharded(model)
    rows = to_conversations(small_dataset(4), processor)
    collate = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    asked = small_dataset(2)
    prompts = tuple(turns[0]["content"] for turns in to_conversations(asked, processor)["prompt"])
    evaluation = Evaluation(asked, prompts, 5, batch_size=1)
    losses, answers = [], []
    for step in range(4):
        epoch, place = divmod(step, 2)
        order = list(GlobalBatches(rows["length"][:], BATCH, 0, lambda epoch=epoch: epoch))
        batch = order[place * BATCH : (place + 1) * BATCH]
        labels = [collate([rows[n]])["labels"] for n in batch]
        tokens = sum(int((one[:, 1:] != -100).sum()) for one in labels)
        share = BATCH // devices
        inputs = collate([rows[n] for n in batch[mine * share : (mine + 1) * share]])
        loss = model(**inputs, num_items_in_batch=tokens).loss
        (loss * devices).backward()  # gradients are averaged over devices
        whole = loss.detach().clone()
        if devices > 1:
            torch.distributed.all_reduce(whole)
        losses.append(whole.item())
        optimizer.step()
        optimizer.zero_grad()
        if step % 2:  # as in a training: steps, answers, steps, answers
            answers.append(answer_held_out(model, processor, evaluation))
    return {"losses": losses, "answers": answers}


def run() -> int:
    out, *arguments = sys.argv[1:]
    main.COMMANDS = tuple(dict.fromkeys((*main.COMMANDS, train)))
    if code := main.main(arguments):
        return code
    rank = torch.distributed.get_rank()
    found = four_steps(torch.distributed.get_world_size(), rank)
    Path(f"{out}-{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
