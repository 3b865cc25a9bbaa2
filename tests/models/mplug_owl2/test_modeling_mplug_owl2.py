"""The port against the numbers of the original code, and against itself where batches are put together otherwise."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from transformers import StaticCache

from giqa_hf.models.mplug_owl2 import (
    MPLUGOwl2Config,
    MPLUGOwl2ForConditionalGeneration,
    MPLUGOwl2Model,
)
from tests.models.mplug_owl2.parity import IMAGE, LOGITS, LOSS, Case, load, old_checkpoint, ours, stored

CASES = ["single", "batch_pad", "text_only"]
TABLES = (".q_pos_embed", ".k_pos_embed", ".inv_freq")


@pytest.fixture(scope="module")
def model():
    """With eager attention, whose weights the original stored."""
    return load(attn_implementation="eager")


def close(got, expected, tolerance=LOGITS):
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


def test_full_size_has_the_published_parameters():
    with torch.device("meta"):
        full = MPLUGOwl2ForConditionalGeneration(MPLUGOwl2Config())
    # 0.304 B vision + 0.081 B abstractor + 7.681 B language + 0.131 B head
    assert sum(weight.numel() for weight in full.parameters()) == 8_197_859_328
    assert len(full.state_dict()) == 850


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CASES)
def test_logits_loss_and_hidden_states(name, attention):
    case = Case(name)
    out = load(attn_implementation=attention)(**case.inputs, labels=case.labels, output_hidden_states=True)
    close(out.logits[case.real], case["logits"][case.real])
    close(out.loss.reshape(1), case["loss"], LOSS)
    assert len(out.hidden_states) == 3
    for layer, got in enumerate(out.hidden_states):
        close(got[case.real], case[f"hidden_states.{layer}"][case.real])
    if case.pixel_values is not None:
        close(out.image_hidden_states, case["image_features"])


def test_inner_steps(model):
    case = Case("single")
    seen = model.model.vision_model(case.pixel_values, output_hidden_states=True)
    close(seen.last_hidden_state, case["vision_last_hidden_state"])
    close(seen.hidden_states[0], case["vision_embeddings"])
    for layer, got in enumerate(seen.hidden_states):  # before the last norm
        close(got, case[f"vision_hidden_states.{layer}"])
    close(model.model.visual_abstractor(seen.last_hidden_state).last_hidden_state, case["abstractor_hidden"])
    out = model(**case.inputs, output_attentions=True, use_cache=True)
    for layer in range(2):
        close(out.attentions[layer], case[f"attentions.{layer}"])
        close(out.past_key_values.layers[layer].keys, case[f"cache_key.{layer}"])
        close(out.past_key_values.layers[layer].values, case[f"cache_value.{layer}"])


def test_gradients(model):
    case = Case("batch_pad")
    model.zero_grad()
    model(**case.inputs, labels=case.labels).loss.backward()
    parameters = dict(model.named_parameters())
    prefix = "batch_pad.grad."
    names = [key.removeprefix(prefix) for key in stored("outputs") if key.startswith(prefix)]
    assert len(names) == 11
    for name in names:
        torch.testing.assert_close(parameters[ours(name)].grad, case[f"grad.{name}"], rtol=1e-4, atol=1e-6)
    model.zero_grad()


@pytest.mark.parametrize("name", ["single", "text_only"])
@pytest.mark.parametrize(
    "options", [{}, {"use_cache": False}, {"cache_implementation": "static"}, {"padding": 5}]
)
def test_greedy_tokens(model, name, options):
    """Eight steps, with every kind of cache, and behind five columns of padding."""
    case = Case(name)
    inputs, padding = case.inputs, options.pop("padding", 0)
    for key in ("input_ids", "attention_mask"):
        inputs[key] = torch.nn.functional.pad(inputs[key], (padding, 0))
    out = generate(model, inputs, output_logits=True, return_dict_in_generate=True, **options)
    assert torch.equal(out.sequences[:, inputs["input_ids"].shape[1] :], case["greedy_tokens"])
    close(torch.stack(out.logits, dim=1), case["greedy_logits"])


def test_each_call_is_one_graph():
    """Prompts with images, and steps of decoding with a static cache, as `generate` compiles them."""
    case, model = Case("single"), load()
    one_graph = torch.compile(model, backend="eager", fullgraph=True)
    cache = StaticCache(config=model.config.get_text_config(), max_cache_len=32)
    with torch.no_grad():
        close(one_graph(**case.inputs, use_cache=False).logits, case["logits"])
        model(**case.inputs, past_key_values=cache)
        for step in range(2):
            token, place = case["greedy_tokens"][:, step : step + 1], torch.tensor([[23 + step]])
            out = one_graph(input_ids=token, position_ids=place, past_key_values=cache)
            close(out.logits[:, -1], case["greedy_logits"][:, step + 1])


def test_tables_are_there_after_loading_in_any_precision(model):
    """They are not in the state dict, and a model is loaded on the meta device: they could be garbage."""
    tables = {key: value for key, value in stored("weights").items() if key.endswith("_pos_embed")}
    assert len(tables) == 4
    buffers, halves = dict(model.named_buffers()), dict(load(dtype=torch.bfloat16).named_buffers())
    for key, table in tables.items():
        close(buffers[key], table, 1e-6)
        close(halves[key].float(), table, 2**-8)  # bfloat16 has 8 bits, values lie in -1..1
        assert key not in model.state_dict()


def test_old_names_load_without_a_word_and_are_saved_again(model, tmp_path):
    folder = old_checkpoint(tmp_path / "old")
    loaded, report = MPLUGOwl2ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    loaded.save_pretrained(tmp_path / "new")
    expected = {key: value for key, value in stored("weights").items() if not key.endswith(TABLES)}
    written = load_file(tmp_path / "new" / "model.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], value) for key, value in expected.items())
    again, report = MPLUGOwl2ForConditionalGeneration.from_pretrained(
        tmp_path / "new", output_loading_info=True
    )
    assert not any(report.values())
    case = Case("single")
    close(again.eval()(**case.inputs).logits, case["logits"])


def test_the_part_below_the_head_loads_and_is_saved(tmp_path):
    folder = old_checkpoint(tmp_path / "old")
    body, report = MPLUGOwl2Model.from_pretrained(folder, output_loading_info=True)
    assert report["unexpected_keys"] == {"lm_head.weight"} and not report["missing_keys"]
    body.save_pretrained(tmp_path / "new")
    again, report = MPLUGOwl2Model.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not any(report.values())
    assert all(torch.equal(again.state_dict()[key], value) for key, value in body.state_dict().items())


def generate(model, inputs, **options):
    return model.generate(**inputs, max_new_tokens=8, do_sample=False, pad_token_id=0, **options)


def row(*parts):
    """Ids of one row: a number is that many words, "i" an image, which takes nine positions."""
    generator = torch.Generator().manual_seed(len(parts))
    ids = [1]
    for part in parts:
        ids += [IMAGE] * 9 if part == "i" else torch.randint(3, 320, (part,), generator=generator).tolist()
    return ids


ROWS = [
    row(4, "i", 3),  # one image in the middle
    row(5),  # none
    row("i", "i", 2),  # two in a row, behind the first token
    row(3, "i"),  # one at the very end
    row("i", 1, "i", "i", 2),  # three, of which two in a row
]
PICTURES = torch.randn(7, 3, 56, 56, generator=torch.Generator().manual_seed(7))
IMAGES_OF_ROW = [PICTURES[:1], PICTURES[:0], PICTURES[1:3], PICTURES[3:4], PICTURES[4:]]


def batch(rows, pictures, side):
    longest = max(map(len, rows))
    blanks = [[0] * (longest - len(ids)) for ids in rows]
    ids = [blank + ids if side == "left" else ids + blank for blank, ids in zip(blanks, rows, strict=True)]
    ones = [[1] * len(ids) for ids in rows]
    mask = [blank + one if side == "left" else one + blank for blank, one in zip(blanks, ones, strict=True)]
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    return inputs | {"pixel_values": pictures} if len(pictures) else inputs


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_mixed_batch_is_its_rows(model, side):
    together = batch(ROWS, PICTURES, side)
    logits = model(**together).logits
    for place, (ids, pictures) in enumerate(zip(ROWS, IMAGES_OF_ROW, strict=True)):
        alone = model(**batch([ids], pictures, side)).logits[0]
        close(logits[place][together["attention_mask"][place].bool()], alone)


@pytest.mark.parametrize(
    "options",
    [{}, {"num_beams": 3}, {"num_beams": 4, "num_return_sequences": 2}, {"cache_implementation": "static"}],
)
def test_left_padded_generation_is_that_of_single_rows(model, options):
    together = generate(model, batch(ROWS, PICTURES, "left"), **options)[:, -8:]
    each = [
        generate(model, batch([ids], pictures, "left"), **options)[:, -8:]
        for ids, pictures in zip(ROWS, IMAGES_OF_ROW, strict=True)
    ]
    assert torch.equal(together, torch.cat(each))


def test_frames_of_a_sample_follow_each_other(model):
    """Pictures with one dimension more, (samples, frames, ...), are those in reading order."""
    rows = [row(2, "i", "i", "i", 3)] * 2
    flat = batch(rows, PICTURES[:6], "left")
    nested = flat | {"pixel_values": PICTURES[:6].unflatten(0, (2, 3))}
    assert torch.equal(model(**flat).logits, model(**nested).logits)
    assert torch.equal(generate(model, flat, num_beams=2), generate(model, nested, num_beams=2))


def test_pixel_values_of_none_are_no_images(model):
    inputs = batch([row(5)], PICTURES[:0], "left")
    assert torch.equal(generate(model, inputs), generate(model, inputs, pixel_values=None))
    assert model.get_image_features(None) is None


def test_images_encoded_before(model):
    case = Case("single")
    encoded = model.get_image_features(case.pixel_values)
    inputs = {key: value for key, value in case.inputs.items() if key != "pixel_values"}
    assert torch.equal(
        model(**inputs, mm_encoder_outputs={"image": encoded}).logits, model(**case.inputs).logits
    )
    with pytest.raises(ValueError, match="got both"):
        model(**case.inputs, mm_encoder_outputs={"image": encoded})


def test_embeddings_instead_of_ids(model):
    """They do not tell which positions are an image's; `mm_token_type_ids` does."""
    case = Case("single")
    inputs = {
        "inputs_embeds": case["inputs_embeds"],
        "attention_mask": case.attention_mask,
        "mm_token_type_ids": case["modality"],
    }
    close(model(**inputs).logits, case["logits"])
    assert torch.equal(generate(model, inputs), case["greedy_tokens"])
    blank = inputs | {"inputs_embeds": case["inputs_embeds"] * (case["modality"] == 0)[..., None]}
    close(model(**blank, pixel_values=case.pixel_values).logits, case["logits"])
    with pytest.raises(ValueError, match="mm_token_type_ids"):
        model(inputs_embeds=case["inputs_embeds"], pixel_values=case.pixel_values)


def test_labels_on_image_tokens_are_no_loss(model):
    """A collator that copies the ids (TRL's for whole texts) leaves them in."""
    case = Case("single")
    copied = torch.where(case.input_ids == IMAGE, IMAGE, case.labels)
    assert (copied != case.labels).any()
    close(model(**case.inputs, labels=copied).loss.reshape(1), case["loss"], LOSS)


def test_groups_of_heads_share_keys():
    """The original crashed here; equal copies of keys and values must give what one copy gives."""
    config = MPLUGOwl2Config.from_pretrained(old_checkpoint_config())
    config.text_config.num_key_value_heads = 2
    torch.manual_seed(0)
    grouped = MPLUGOwl2ForConditionalGeneration(config).eval()
    config = MPLUGOwl2Config.from_pretrained(old_checkpoint_config())
    full = MPLUGOwl2ForConditionalGeneration(config).eval()
    weights = grouped.state_dict()
    for key in weights:
        if ".k_proj." in key or ".v_proj." in key:  # (2 heads x 16, 64): each head twice
            weights[key] = weights[key].unflatten(0, (2, 16)).repeat_interleave(2, dim=0).flatten(0, 1)
    full.load_state_dict(weights)
    case = Case("single")
    close(grouped(**case.inputs).logits, full(**case.inputs).logits, 1e-6)


def old_checkpoint_config():
    from tests.models.mplug_owl2.parity import GOLDEN

    return GOLDEN / "config.json"


@pytest.mark.parametrize(
    "change, message",
    [
        # one image more than the text has
        (
            lambda i: {**i, "pixel_values": i["pixel_values"].repeat(2, 1, 1, 1)},
            "expected 18 in input_ids, 9 for each of 2 images, got 9",
        ),
        # image tokens without images
        (
            lambda i: {key: i[key] for key in ("input_ids", "attention_mask")},
            "expected images for the image tokens",
        ),
        # a picture of another size
        (
            lambda i: {**i, "pixel_values": i["pixel_values"][..., :42]},
            "expected pictures of 56 x 56, got 42 x 56",
        ),
        # neither a batch of images nor one of samples
        (lambda i: {**i, "pixel_values": i["pixel_values"][0]}, r"got \(3, 56, 56\)"),
        # nothing to read
        (lambda i: {"pixel_values": i["pixel_values"]}, "exactly one of input_ids and inputs_embeds"),
    ],
)
def test_what_does_not_fit_is_said(model, change, message):
    with pytest.raises(ValueError, match=message):
        model(**change(Case("single").inputs))
