"""The adapter for groundingdino-py: the same boxes as transformers' port of it, where a torchvision is."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from giqa_hf.annotation.detection import groundingdino_py
from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from giqa_hf.annotation.detection.groundingdino_py import GroundingDinoPyDetector
from giqa_hf.errors import GiqaError, MissingExtraError
from tests.make_tiny_detector import bert_tokenizer

# From transformers' names to the package's, each step on the result of the one before.
RENAMED = [
    (r"^model\.backbone\.conv_encoder\.model\.(swin\.)?", "backbone.0."),
    (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"backbone\.0\.embeddings\.norm", "backbone.0.patch_embed.norm"),
    (r"backbone\.0\.encoder\.", "backbone.0."),
    (r"attention\.relative_position_bias\.", "attn."),
    (r"attention\.o_proj", "attn.proj"),
    (r"attention\.([qkv])_proj\.", r"attn.qkv.|\1|"),
    (r"(blocks\.\d+\.)layernorm_before", r"\1norm1"),
    (r"(blocks\.\d+\.)layernorm_after", r"\1norm2"),
    (r"hidden_states_norms\.stage2", "norm1"),
    (r"hidden_states_norms\.stage3", "norm2"),
    (r"hidden_states_norms\.stage4", "norm3"),
    (r"^model\.input_proj_vision", "input_proj"),
    (r"^model\.text_backbone", "bert"),
    (r"^model\.text_projection", "feat_map"),
    (r"^model\.query_position_embeddings", "transformer.tgt_embed"),
    (r"^model\.encoder_output_bbox_embed", "transformer.enc_out_bbox_embed"),
    (r"^model\.", "transformer."),
    (r"encoder\.layers\.(\d+)\.text_enhancer_layer\.", r"encoder.text_layers.\1."),
    (r"(text_layers\.\d+\.)layer_norm_before", r"\1norm1"),
    (r"(text_layers\.\d+\.)layer_norm_after", r"\1norm2"),
    (r"encoder\.layers\.(\d+)\.fusion_layer\.", r"encoder.fusion_layers.\1."),
    (r"vision_param", "gamma_v"),
    (r"text_param", "gamma_l"),
    (r"layer_norm_vision", "layer_norm_v"),
    (r"layer_norm_text", "layer_norm_l"),
    (r"(values_|out_|attn\.)vision_proj", r"\1v_proj"),
    (r"(values_|out_|attn\.)text_proj", r"\1l_proj"),
    (r"deformable_layer\.", ""),
    (r"(decoder\.layers\.\d+\.)encoder_attn_text_layer_norm", r"\1catext_norm"),
    (r"(decoder\.layers\.\d+\.)encoder_attn_text\.", r"\1ca_text."),
    (r"(decoder\.layers\.\d+\.)encoder_attn_layer_norm", r"\1norm1"),
    (r"(decoder\.layers\.\d+\.)encoder_attn\.", r"\1cross_attn."),
    (r"(decoder\.layers\.\d+\.)self_attn_layer_norm", r"\1norm2"),
    (r"(decoder\.layers\.\d+\.)final_layer_norm", r"\1norm3"),
    (r"(encoder\.layers\.\d+\.)self_attn_layer_norm", r"\1norm1"),
    (r"(encoder\.layers\.\d+\.)final_layer_norm", r"\1norm2"),
    (r"decoder\.layer_norm", "decoder.norm"),
    (r"reference_points_head", "ref_point_head"),
    (r"(transformer\..*layers\.\d+\.)fc([12])", r"\1linear\2"),
    (r"(self_attn|ca_text)\.(query|key|value)\.", r"\1.in_proj_|\2|"),
]  # fmt: skip
# The width is written into the package (256); all else is small.
SMALL = {
    "hidden_dim": 256,
    "enc_layers": 1,
    "dec_layers": 2,
    "dim_feedforward": 32,
    "num_queries": 40,
    "nheads": 2,
}


def original_state(state):
    """The numbers of transformers' model under the package's names; projections that it holds as one are put together."""
    import torch

    renamed, parts = {}, {}
    for name, value in state.items():
        for pattern, by in RENAMED:
            name = re.sub(pattern, by, name)
        if "|" in name:  # query, key and value of one attention, in this order
            before, _, after = name.split("|")
            parts.setdefault(before + after, []).append(value)
        else:
            renamed[name] = value.clone()
    renamed |= {name: torch.cat(values) for name, values in parts.items()}
    width = renamed["feat_map.weight"].shape[
        1
    ]  # BERT's pooler: in the checkpoints, but nobody reads what it gives
    return renamed | {
        "bert.pooler.dense.weight": torch.zeros(width, width),
        "bert.pooler.dense.bias": torch.zeros(width),
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One random network, with the Swin-T backbone and little behind it, for both back ends."""
    try:
        groundingdino_py._package()
    except GiqaError as error:
        pytest.skip(f"needs torchvision, which a CPU-only torch from PyPI has no working one for: {error}")
    import torch
    import transformers as t
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("grounding-dino")
    tokenizer = bert_tokenizer()
    bert = t.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    swin = t.SwinConfig(
        image_size=224, embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7, out_indices=[2, 3, 4]
    )  # fmt: skip
    config = t.GroundingDinoConfig(
        backbone_config=swin, text_config=bert, num_queries=40, d_model=256, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
    )  # fmt: skip
    model = t.GroundingDinoForObjectDetection(config).eval()
    for part in (model, tokenizer, t.GroundingDinoImageProcessorPil(), bert):
        part.save_pretrained(folder / ("bert" if part is bert else "hf"))
    tokenizer.save_pretrained(folder / "bert")
    save_file(original_state(model.state_dict()), folder / "weights.safetensors")

    def args(backbone, text_encoder, real=groundingdino_py.network_args):
        found = real(backbone, text_encoder)
        vars(found).update(SMALL)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groundingdino_py, "network_args", args)
        options = {"box_threshold": 0.0, "text_threshold": 0.0, "device": "cpu", "batch_size": 2}
        yield (
            GroundingDinoPyDetector(
                folder / "weights.safetensors", text_encoder=str(folder / "bert"), **options
            ),
            GroundingDinoDetector(str(folder / "hf"), **options),
        )


def test_both_back_ends_find_the_same_boxes(pair, photo):
    """Pixels, text and network: nearly equal scores, and boxes within a thousandth of the photo's side."""
    images = [photo.crop((0, 0, 320, 240)), photo.crop((100, 100, 420, 340))]
    phrases = ["the red tower", "a blurry dog in the background"]
    original, port = (detector.detect(images, phrases) for detector in pair)
    for one, other in zip(original, port, strict=True):
        assert len(one.scores) == len(other.scores) == 40
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        order, other_order = (np.lexsort(np.round(found.boxes_norm, 3).T) for found in (one, other))
        np.testing.assert_allclose(one.boxes_norm[order], other.boxes_norm[other_order], atol=1e-3)


def test_problems_are_told_alike(pair, photo):
    for detector in pair:
        found = detector.detect([photo.crop((0, 0, 320, 240))] * 2, ["", "sky " * 300])
        assert [one.problem for one in found] == ["phrase without a word", "phrase too long for the detector"]


def test_weights_of_another_network(pair, tmp_path, photo):
    from safetensors.torch import load_file, save_file

    state = load_file(pair[0].weights)
    del state["feat_map.weight"]
    save_file(state, tmp_path / "other.safetensors")
    other = GroundingDinoPyDetector(tmp_path / "other.safetensors", text_encoder=pair[0].text_encoder)
    with pytest.raises(GiqaError, match="found none for 1 of its tensors, such as feat_map.weight"):
        other.detect([photo], ["sky"])


def test_pickled_weights_are_refused(pair, tmp_path, photo):
    import torch

    torch.save({"model": {}}, tmp_path / "weights.pth")
    with pytest.raises(GiqaError, match="a .pth file has to be converted once"):
        GroundingDinoPyDetector(tmp_path / "weights.pth").detect([photo], ["sky"])


@pytest.mark.parametrize("absent", ["torchvision", "groundingdino.models"])
def test_without_the_extra(absent, monkeypatch, photo):
    import types

    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, absent, None)  # what an import finds that is not installed
    with pytest.raises(MissingExtraError, match=r'groundingdino-py needs the extra "groundingdino"'):
        GroundingDinoPyDetector("x.safetensors").detect([photo], ["sky"])


def test_a_torchvision_that_does_not_fit_torch(monkeypatch, tmp_path, photo):
    """What torchvision from PyPI does beside a CPU-only torch."""
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        GiqaError, match=r"does not fit this torch \(operator torchvision::nms does not exist\); install"
    ):
        GroundingDinoPyDetector("x.safetensors").detect([photo], ["sky"])


def test_settings_and_options():
    assert GroundingDinoPyDetector("a/b.safetensors", batch_size=1).settings() == {
        "detector": "groundingdino-py", "weights": "a/b.safetensors", "backbone": "tiny",
        "text_encoder": "bert-base-uncased", "box_threshold": 0.35, "text_threshold": 0.25, "max_boxes": 100,
    }  # fmt: skip
    with pytest.raises(ValueError, match="backbone: expected tiny or base, got 'large'"):
        GroundingDinoPyDetector("x", backbone="large")
