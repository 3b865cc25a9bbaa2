"""The base's training: the loss on answers alone, each picture with its own lesson; and all of it in miniature."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from giqa_hf.backbones import load_checkpoint
from giqa_hf.backbones.chat import chat_prompt
from giqa_hf.models.giqa_tiny import architecture, pool, pretrain
from tests.make_tiny_checkpoint import SMALLER, tiny_checkpoint

IGNORED = -100


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(tiny_checkpoint())


def test_the_loss_is_on_the_answers_and_their_end_tokens(processor):
    tokenizer = processor.tokenizer
    ids, labels, weights = pretrain._encode(
        tokenizer, [["How?", "Sharp."], ["Where is it?", "At row 1."]], image_tokens=25
    )
    assert len(ids) == len(labels) == len(weights)
    assert all(label in (token, IGNORED) for token, label in zip(ids, labels, strict=True))
    assert tokenizer.decode([label for label in labels if label != IGNORED]) == " Sharp.</s> At row 1.</s>"
    # The tokens of an answer weigh sqrt(n) together, what is not learned nothing.
    learned = [weight for weight in weights if weight]
    first = len(tokenizer(" Sharp.</s>").input_ids)
    assert [bool(weight) for weight in weights] == [label != IGNORED for label in labels]
    assert sum(learned[:first]) == pytest.approx(first**0.5)
    assert sum(learned[first:]) == pytest.approx((len(learned) - first) ** 0.5)
    text = tokenizer.decode(ids)
    assert (
        text
        == "USER: "
        + "<image>" * 25
        + "\nHow? ASSISTANT: Sharp.</s>USER: Where is it? ASSISTANT: At row 1.</s>"
    )


def test_a_lesson_begins_as_a_question_does_later(processor, photo):
    """The base learns on the very tokens that fine-tuning and generation use."""
    ids, labels, _ = pretrain._encode(processor.tokenizer, [["How sharp is it?", "Very."]], image_tokens=25)
    asked = processor(images=photo, text=chat_prompt(processor, "How sharp is it?"), add_special_tokens=False)
    prompt = list(np.ravel(asked["input_ids"]))
    assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {IGNORED}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A pool of 64 scenes in one shard, with two lessons each."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SHARD", 64)
        patch.setattr(pool, "LESSONS", pool.LESSONS[3:5])
        pool.build_shard(folder, 0)
    return folder


def test_batches_pair_each_picture_with_its_own_lesson(tmp_path, processor):
    lessons = [[[["Which scene?", f"Scene {number}."]]] for number in range(50)]
    (tmp_path / "lessons-000.json").write_text(json.dumps(lessons))
    np.save(
        tmp_path / "features-000.npy", np.arange(50, dtype=np.float16)[:, None, None] * np.ones((1, 100, 1))
    )
    seen = []
    stream = pretrain.batches(tmp_path, processor.tokenizer, 1, np.random.default_rng(0))
    for batch, _ in zip(stream, range(50), strict=False):
        (number,) = batch["features"][:, 0, 0].tolist()
        learned = batch["labels"][batch["labels"] != IGNORED]
        assert processor.tokenizer.decode(learned) == f" Scene {int(number)}.</s>"
        assert (batch["input_ids"] == processor.image_token_id).sum() == 100
        seen.append(int(number))
    assert sorted(seen) == list(range(50))  # every scene once before any comes again


def test_padding_is_neither_seen_nor_learned(tmp_path, processor):
    lessons = [[[["Go on?", "On " * (number % 7 + 1) + "."]]] for number in range(100)]
    (tmp_path / "lessons-000.json").write_text(json.dumps(lessons))
    np.save(tmp_path / "features-000.npy", np.zeros((100, 100, 1), np.float16))
    batch = next(pretrain.batches(tmp_path, processor.tokenizer, 2, np.random.default_rng(0)))
    padding = batch["input_ids"] == processor.tokenizer.pad_token_id
    assert torch.equal(padding, batch["attention_mask"] == 0) and (batch["labels"][padding] == IGNORED).all()
    assert not batch["weights"][padding].any()


def test_the_loss_is_the_weighted_mean_over_what_is_learned(work, processor):
    """Against the model's own logits: picture features spliced in, each label's loss by its weight."""
    model = load_checkpoint(tiny_checkpoint()).model
    ids, labels, weights = pretrain._encode(
        processor.tokenizer, [["How?", "Sharp."], ["Why?", "Very noisy indeed."]], image_tokens=100
    )
    side = model.config.vision_config.hidden_size
    batch = {
        "features": torch.randn(1, 100, side, generator=torch.Generator().manual_seed(0)),
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        "labels": torch.tensor([labels]),
        "weights": torch.tensor([weights]),
    }
    with torch.no_grad():
        found = pretrain._loss(model, batch)
        seen = model.model.multi_modal_projector(batch["features"])
        embedded = model.get_input_embeddings()(batch["input_ids"])
        embedded[batch["input_ids"] == processor.image_token_id] = seen[0]
        logits = model(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).logits[0]
    each = [
        (-logits[i - 1].log_softmax(-1)[label] * weight, weight)
        for i, (label, weight) in enumerate(zip(labels, weights, strict=True))
        if label != IGNORED
    ]
    assert float(found) == pytest.approx(float(sum(e for e, _ in each)) / sum(w for _, w in each), rel=1e-5)


def test_a_training_in_miniature_gives_a_checkpoint_and_goes_on(work, tmp_path, monkeypatch, capsys):
    """Two rounds for the tower, forty steps for the text; the narrow model needs the patches of the tower's labels."""
    monkeypatch.setattr(pretrain, "BLOCK", 10)
    narrow = {name: size for name, size in SMALLER.items() if name != "PATCH_PX"}
    for name, size in narrow.items():
        monkeypatch.setattr(architecture, name, size)
    monkeypatch.setattr("giqa_hf.models.giqa_tiny.tower.WIDTH", narrow["WIDTH"])
    out = tmp_path / "out"
    pretrain.pretrain(work, out, pictures=128, lessons=40, size=1)
    said = capsys.readouterr().out
    assert "parameters" in said and "tower: seen 128/128" in said and "features 1/1" in said
    model = load_checkpoint(str(out)).model
    assert (out / "model.safetensors").stat().st_size < 3 * model.num_parameters()  # half precision
    tower = {name: tensor for name, tensor in model.state_dict().items() if "vision_tower" in name}
    stored = torch.load(work / "tower.pt", weights_only=True)["tower"]
    for name, tensor in stored.items():  # the tower of the first stage, untouched by the second
        mine = next(value for key, value in tower.items() if key.endswith(name))
        assert torch.allclose(mine, tensor, atol=1e-3, rtol=1e-3)
    # Started again, what is finished is not done again, and the rest goes on from the fortieth lesson.
    before = torch.load(work / "state.pt", weights_only=True)
    pretrain.pretrain(work, out, pictures=128, lessons=50, size=1)
    said = capsys.readouterr().out
    assert "tower:" not in said and "features" not in said
    after = torch.load(work / "state.pt", weights_only=True)
    assert (before["seen"], after["seen"]) == (40, 50)
    assert any(not torch.equal(before["model"][name], tensor) for name, tensor in after["model"].items())
