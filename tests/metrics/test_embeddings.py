"""Name similarity by embeddings: pooling against plain torch, batches, the name, refusals; a real tiny BERT."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from giqa_hf.errors import DataError, GiqaError, MissingExtraError  # noqa: E402
from giqa_hf.metrics.giqa_bench.compute import giqa_bench  # noqa: E402
from giqa_hf.metrics.signature import parse_signature  # noqa: E402
from giqa_hf.metrics.tag_recall.compute import tag_recall  # noqa: E402
from giqa_hf.metrics.tag_recall.embeddings import EmbeddingSimilarity  # noqa: E402
from giqa_hf.metrics.tag_recall.similarity import BatchSimilarity  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from make_tiny_bert import make_tiny_bert  # noqa: E402

PRED = ["the coffee cup", "dog", "an old man with a dog", ""]
TRUE = ["cup", "dog", "tower"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "tiny-bert"))


def plain_vector(folder, name):
    """The mean of the last hidden states of all its tokens, of length 1."""
    vector = tiny_states(folder, name).mean(dim=0).double().numpy()
    return vector / np.linalg.norm(vector)


def tiny_states(folder, name):
    """One name at a time, so that nothing is padded: shape (tokens, width)."""
    from transformers import BertModel, BertTokenizer

    model, tokenizer = BertModel.from_pretrained(folder).eval(), BertTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return model(**tokenizer(name, return_tensors="pt")).last_hidden_state[0]


def test_cosines_of_mean_pooled_vectors(folder):
    found = EmbeddingSimilarity(str(folder))(PRED, TRUE)
    pred, true = ([plain_vector(folder, name) for name in names] for names in (PRED, TRUE))
    assert found.shape == (4, 3)
    assert found == pytest.approx(np.array(pred) @ np.array(true).T, abs=1e-5)
    assert found[1, 1] == pytest.approx(1.0)  # the same name
    assert np.ptp(found) > 0.1  # this random model does tell names apart


def test_padding_and_batches_change_nothing(folder):
    alone, together = EmbeddingSimilarity(str(folder), batch_size=1), EmbeddingSimilarity(str(folder))
    assert alone(PRED, TRUE) == pytest.approx(together(PRED, TRUE), abs=1e-6)
    assert together([], TRUE).shape == (0, 3) and together(PRED, []).shape == (4, 0)


def test_each_name_is_encoded_once_and_in_batches(folder, monkeypatch):
    similarity = EmbeddingSimilarity(str(folder), batch_size=4)
    encode, batches = similarity._encode, []
    monkeypatch.setattr(similarity, "_encode", lambda names: batches.append(list(names)) or encode(names))
    assert isinstance(similarity, BatchSimilarity)
    boxes = [[[0, 0, 1, 1]]] * 6
    names = [["cup"], ["dog"], ["man"], ["tower"], ["desk"], ["cup"]]
    assert tag_recall(boxes, names, boxes, names, similarity=similarity).value == 1.0
    # five different names for six samples: 4 + 1, before the first sample is scored
    assert [len(batch) for batch in batches] == [4, 1]
    assert len({name for batch in batches for name in batch}) == 5


def test_giqa_bench_encodes_a_thousand_samples_at_once(folder, monkeypatch):
    similarity = EmbeddingSimilarity(str(folder))
    encode, batches = similarity._encode, []
    monkeypatch.setattr(similarity, "_encode", lambda names: batches.append(list(names)) or encode(names))
    row = {"task": "des", "question": "Describe.", "answer": "The cup and the dog.", "answer_regions": [
        {"phrase": "cup", "boxes_norm": [[0.025, 0.025, 0.975, 0.975]]}]}  # fmt: skip
    result = giqa_bench(
        ["The [dog](<0,399>)."] * 30 + ["The [old man](<0,399>)."] * 30, [row] * 60, similarity=similarity
    )
    assert sorted(batches[0]) == ["cup", "dog", "old man"] and len(batches) == 1
    cosines = similarity(["dog", "old man"], ["cup"])[:, 0]
    assert result["DES Tag-Recall"] == pytest.approx((cosines > 0.5).mean())  # half of the samples each
    assert (
        result["settings"]["similarity"]
        == similarity.name
        == parse_signature(result["signature"])["similarity"]
    )


def test_long_names_are_cut(folder):
    # 16 positions: [CLS], 14 words, [SEP]
    similarity = EmbeddingSimilarity(str(folder))
    assert similarity(["dog " * 14], ["dog " * 400])[0, 0] == pytest.approx(1.0)


def test_the_name_has_the_model_and_a_revision_of_its_files(folder, copy):
    name = EmbeddingSimilarity(str(folder)).name
    assert name.startswith("mean-pooled tiny-bert@") and len(name.split("@")[1]) == 12
    assert EmbeddingSimilarity(str(copy)).name == name  # the same files in another place
    make_tiny_bert(copy, seed=1)
    assert EmbeddingSimilarity(str(copy)).name != name  # other weights


def test_sentence_transformers_that_pool_by_the_mean_are_taken(folder, copy):
    write_modules(
        copy,
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
        ["Transformer", "Pooling", "Normalize"],
    )
    assert EmbeddingSimilarity(str(copy))(PRED, TRUE) == pytest.approx(
        EmbeddingSimilarity(str(folder))(PRED, TRUE)
    )


@pytest.mark.parametrize(
    ("pooling", "modules", "message"),
    [
        ({"pooling_mode_cls_token": True}, ["Transformer", "Pooling"], "pools by the mean over tokens, found pooling_mode_cls_token"),
        ({"pooling_mode": "lasttoken"}, ["Transformer", "Pooling"], "found lasttoken in 1_Pooling"),
        # two poolings joined are not the mean
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, [], "found pooling_mode_max_tokens, pooling_mode_mean_tokens"),
        ({"pooling_mode_mean_tokens": True}, ["Transformer", "Pooling", "Dense"], "found Dense in modules.json"),
    ],
)  # fmt: skip
def test_other_poolings_need_sentence_transformers(copy, pooling, modules, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as where it is not installed
    write_modules(copy, pooling, modules)
    with pytest.raises(GiqaError, match=f"{message}.*; `pip install sentence-transformers`"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)


def test_the_pooling_is_where_the_modules_say(copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    write_modules(copy, {"pooling_mode_cls_token": True}, ["Transformer", "Pooling"])
    (copy / "1_Pooling").rename(copy / "pool")
    with pytest.raises(
        GiqaError, match="expected 1_Pooling/config.json, which modules.json names, found none"
    ):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)
    modules = (copy / "modules.json").read_text()
    (copy / "modules.json").write_text(modules.replace("1_Pooling", "pool"))
    with pytest.raises(GiqaError, match="found pooling_mode_cls_token in pool/config.json"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)


def test_pickled_parts_are_refused(copy):
    write_modules(copy, {"pooling_mode_mean_tokens": True}, ["Transformer", "Pooling", "Dense"])
    (copy / "2_Dense" / "model.safetensors").rename(copy / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(GiqaError, match="weights of its part Dense as safetensors, found none"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)


def write_modules(folder, pooling, modules):
    """A folder as sentence-transformers writes it, around the tiny BERT; a dense layer from 32 to 8 numbers."""
    from safetensors.torch import save_file

    (folder / "1_Pooling").mkdir()
    size = {"word_embedding_dimension": 32}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({**size, **pooling}))
    parts = []
    for number, kind in enumerate(modules):
        path = "" if kind == "Transformer" else f"{number}_{kind}"
        parts.append(
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        if kind == "Dense":
            (folder / path).mkdir()
            torch.manual_seed(2)
            dense = {"linear.weight": torch.randn(8, 32), "linear.bias": torch.randn(8)}
            save_file(dense, folder / path / "model.safetensors")
            config = {
                "in_features": 32,
                "out_features": 8,
                "bias": True,
                "activation_function": "torch.nn.modules.activation.Tanh",
            }
            (folder / path / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(parts))


def test_sentence_transformers_runs_other_heads(folder, copy):
    pytest.importorskip("sentence_transformers")
    from safetensors.torch import load_file

    write_modules(copy, {"pooling_mode_mean_tokens": True}, ["Transformer", "Pooling", "Dense"])
    similarity = EmbeddingSimilarity(str(copy), device="cpu")
    found = similarity(PRED, TRUE)
    assert similarity.name.startswith("sentence embeddings tiny-bert@")
    # By hand: tanh(W mean + b) of the means that are not yet of length 1.
    dense = load_file(copy / "2_Dense" / "model.safetensors")

    def vector(name):
        states = tiny_states(folder, name).mean(dim=0)
        out = torch.tanh(dense["linear.weight"] @ states + dense["linear.bias"])
        return (out / out.norm()).double().numpy()

    pred, true = (np.array([vector(name) for name in names]) for names in (PRED, TRUE))
    assert found == pytest.approx(pred @ true.T, abs=1e-5)


def test_sentence_transformers_pools_the_first_token(folder, copy):
    pytest.importorskip("sentence_transformers")
    write_modules(copy, {"pooling_mode_cls_token": True}, ["Transformer", "Pooling"])
    found = EmbeddingSimilarity(str(copy), device="cpu")(["dog"], ["old man"])[0, 0]
    a, b = (tiny_states(folder, name)[0] for name in ("dog", "old man"))
    assert found == pytest.approx(float(a @ b / (a.norm() * b.norm())), abs=1e-5)


def test_refusals(copy, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="batch_size: expected at least 1, got 0"):
        EmbeddingSimilarity("x", batch_size=0)
    with pytest.raises(GiqaError, match="expected a text encoder with its tokenizer"):
        EmbeddingSimilarity(str(tmp_path / "nothing"))(PRED, TRUE)
    # pickled weights only: not read
    state = {"embeddings.word_embeddings.weight": torch.zeros(20, 32)}
    (copy / "model.safetensors").unlink()
    torch.save(state, copy / "pytorch_model.bin")
    with pytest.raises(GiqaError, match="safetensors"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="giqa-hf\\[models\\]"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)


def test_absent_weights_are_refused(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    lost = "encoder.layer.1.output.dense.weight"
    del tensors[lost]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GiqaError, match=f"found none for 1 of its tensors, such as {lost}"):
        EmbeddingSimilarity(str(copy))(PRED, TRUE)
