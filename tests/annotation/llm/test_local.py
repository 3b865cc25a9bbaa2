"""A model in this process: real loading code and real generation, on a tiny Llama with random weights."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from giqa_hf.annotation.batches import is_out_of_memory
from giqa_hf.annotation.llm import CachedLLM, Completion, LocalLLM, Prompt
from giqa_hf.annotation.llm.client import CUT_OFF, EMPTY, NOT_UNICODE, TOO_LONG, StreamingLLM
from giqa_hf.errors import DataError, GiqaError
from tests.make_tiny_llm import CHAT_TEMPLATE, CONTEXT, make_tiny_llm, tiny_llm

TEXTS = [
    "Why?",
    "Is the dog 🐶 blurry?",
    "a\0b",
    "שלום",
    "The tower is sharp but the sky is noisy. " * 4,
    "x" * 60,
    "é",
    "?",
]
ENOUGH = 120  # tokens after which every answer below has ended


def prompt(user, max_tokens=ENOUGH, system="You judge photos."):
    return Prompt(system, user, None, "1", max_tokens)


@pytest.fixture(scope="module")
def llm():
    return LocalLLM(str(tiny_llm()), batch_size=3)


@pytest.fixture(scope="module")
def reference():
    """Each answer as transformers itself gives it, one prompt at a time: its tokens, and the text."""
    model = AutoModelForCausalLM.from_pretrained(tiny_llm())
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm())
    found = {}
    for text in TEXTS:
        whole = f"<|begin|><|system|>You judge photos.<|end|><|user|>{text}<|end|><|assistant|>"
        ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt")
        out = model.generate(
            **ids,
            max_new_tokens=ENOUGH,
            do_sample=False,
            temperature=None,
            top_p=None,
            repetition_penalty=1.0,
        )
        new = out[0, ids["input_ids"].shape[1] :]
        found[text] = (len(new), tokenizer.decode(new, skip_special_tokens=True))
    return found


@pytest.fixture
def folder(tmp_path):
    """A copy of the checkpoint, to be spoilt."""
    return shutil.copytree(tiny_llm(), tmp_path / "llm")


def completion(text):
    return Completion(text, None) if text.strip() else Completion(None, EMPTY)


def test_answers_are_those_of_transformers(llm, reference):
    """In batches of three, padded on the left and sorted by length; in the order of the prompts all the same."""
    answers = llm.complete([prompt(text) for text in TEXTS])
    assert answers == [completion(reference[text][1]) for text in TEXTS]
    assert len({answer.text for answer in answers}) > 5  # so the model does look at its prompt
    assert all(length < ENOUGH for length, _ in reference.values())


def test_the_checkpoints_own_way_of_drawing_is_not_taken(folder, reference):
    """Llama-3 samples, Qwen penalises repetition: both would change what is greedy."""
    values = json.loads((folder / "generation_config.json").read_text())
    assert values["do_sample"] is True
    (folder / "generation_config.json").write_text(
        json.dumps(values | {"repetition_penalty": 1.9, "max_new_tokens": 1})
    )
    answers = LocalLLM(str(folder)).complete([prompt(text) for text in TEXTS])
    assert answers == [completion(reference[text][1]) for text in TEXTS]


def test_an_answer_needs_its_end_within_max_tokens(llm, reference):
    """The end is a token too, as it is for a server: with one token less the answer is cut off."""
    length, text = reference["Why?"]
    longest = max(reference, key=lambda text: reference[text][0])
    batch = [prompt("Why?", length), prompt("Why?", length - 1), prompt(longest)]  # three limits in one batch
    assert llm.complete(batch) == [
        completion(text),
        Completion(None, CUT_OFF),
        completion(reference[longest][1]),
    ]


def test_the_context_is_not_passed(llm):
    """A byte is a token; 5 special tokens around "system" (17) and the user's bytes, then the answer."""
    room = CONTEXT - 17 - 6 - 8
    fits, over = llm.complete([prompt("x" * room, 8), prompt("x" * (room + 1), 8)])
    assert fits.problem != TOO_LONG and over == Completion(None, TOO_LONG)


def test_text_without_a_utf8_form(llm, reference):
    assert llm.complete([prompt("\ud83d"), prompt("Why?")]) == [
        Completion(None, NOT_UNICODE),
        completion(reference["Why?"][1]),
    ]


def test_short_prompts_come_first_and_as_they_are_ready(llm):
    assert isinstance(llm, StreamingLLM)
    places = [
        answer.place for answer in llm.answers([prompt("xxx"), prompt("x"), prompt("xxxxx"), prompt("xx")])
    ]
    assert places == [1, 3, 0, 2]


def test_no_prompts_load_nothing():
    assert LocalLLM("no/such-model").complete([]) == []


def test_a_template_without_a_system_role_gets_it_before_the_users_words(folder):
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    silent = "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"
    answers = []
    for start in (refusing, silent):
        (folder / "chat_template.jinja").write_text(start + CHAT_TEMPLATE)
        answers.append(LocalLLM(str(folder)).complete([prompt("Why?")]))
    same = LocalLLM(str(tiny_llm())).complete([prompt("You judge photos.\n\nWhy?", system="")])
    assert answers == [same, same]


def test_a_template_writes_the_same_every_day(folder):
    dated = "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y %f') %}{% endif %}{{ date_string }}"
    (folder / "chat_template.jinja").write_text(dated + CHAT_TEMPLATE)
    fixed = shutil.copytree(folder, folder.parent / "fixed")
    (fixed / "chat_template.jinja").write_text("26 Jul 2024" + CHAT_TEMPLATE)
    assert LocalLLM(str(folder)).complete([prompt("Why?")]) == LocalLLM(str(fixed)).complete([prompt("Why?")])


def short_of_memory(llm, limit, error):
    """Let the model have room for a few prompts at once only, and tell what sizes are tried."""
    llm.complete([prompt("?")])
    model, sizes = llm._loaded.model, []
    generate = model.generate

    def limited(**inputs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > limit:
            raise error
        return generate(**inputs)

    model.generate = limited
    return sizes


MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
    ),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY, ids=lambda error: type(error).__name__)
def test_a_batch_that_does_not_fit_is_halved(error, reference):
    """Eight at once fail, four fail, two fit: then there are four batches of two, and it stays so."""
    llm = LocalLLM(str(tiny_llm()), batch_size=8)
    sizes = short_of_memory(llm, 2, error)
    assert llm.complete([prompt(text) for text in TEXTS]) == [
        completion(reference[text][1]) for text in TEXTS
    ]
    assert sizes == [8, 4, 2, 2, 2, 2]
    llm.complete([prompt(text) for text in TEXTS[:4]])
    assert sizes[6:] == [2, 2]


def test_one_prompt_that_does_not_fit_stops_the_build():
    llm = LocalLLM(str(tiny_llm()), batch_size=2)
    sizes = short_of_memory(llm, 0, MEMORY[0])
    with pytest.raises(
        GiqaError, match=r"not enough memory for a single prompt of \d+ tokens; take a smaller model"
    ):
        llm.complete([prompt("a"), prompt("b")])
    assert sizes == [2, 1]


def test_other_errors_are_not_taken_for_memory(llm):
    assert not is_out_of_memory(RuntimeError("shape '[2, 3]' is invalid"))
    assert not is_out_of_memory(ValueError("boom"))


def test_settings_name_the_weights(folder):
    """The same name with other weights is another model; batch size and device are not in it."""
    first = LocalLLM(str(folder)).settings()
    assert first == LocalLLM(str(folder), batch_size=1, device="cpu").settings()
    assert first["model"] == str(folder) and len(first["revision"]) == 64
    json.dumps(first)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    second = LocalLLM(str(folder)).settings()
    assert second["revision"] != first["revision"] and second | {"revision": first["revision"]} == first
    assert LocalLLM(str(folder), dtype="bfloat16").settings() != second


def test_the_cache_before_it(tmp_path, reference):
    path, batch = tmp_path / "llm.sqlite", [prompt(text) for text in TEXTS]
    first = CachedLLM(LocalLLM(str(tiny_llm())), path).complete(batch)
    again = LocalLLM(str(tiny_llm()))
    assert CachedLLM(again, path).complete([p for p, a in zip(batch, first, strict=True) if a.text]) == [
        answer for answer in first if answer.text
    ]
    assert again._loaded is None  # nothing was asked, so nothing was loaded


def test_it_travels_to_another_process(llm):
    llm.complete([prompt("?")])
    assert len(pickle.dumps(llm)) < 1000 and pickle.loads(pickle.dumps(llm)) == llm


def _no_weights(folder):
    (folder / "model.safetensors").unlink()


def _pickled_weights(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _a_tensor_less(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _cut_weights(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _no_template(folder):
    (folder / "chat_template.jinja").unlink()


def _no_end(folder):
    (folder / "generation_config.json").unlink()
    for name in ("config.json", "tokenizer_config.json"):
        values = json.loads((folder / name).read_text())
        values = {key: value for key, value in values.items() if not key.startswith("eos_token")}
        (folder / name).write_text(
            json.dumps(values | ({"eos_token_id": None} if name == "config.json" else {}))
        )


def _own_code(folder):
    values = json.loads((folder / "config.json").read_text())
    values |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"},
    }
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "mine.py").write_text("raise SystemExit('code of a checkpoint ran')")


SPOILT = {
    "no weights": (_no_weights, "expected a causal language model"),
    "pickled weights": (_pickled_weights, "expected a causal language model"),
    "a tensor less": (_a_tensor_less, "found none for 1 of its tensors, such as model.norm.weight"),
    "half the weights": (_cut_weights, "expected a causal language model"),
    "no chat template": (_no_template, "expected a chat model, found no chat template"),
    "no end token": (_no_end, "found no end token"),
    "code of its own": (_own_code, "expected a causal language model"),
}


@pytest.mark.parametrize("spoil, words", SPOILT.values(), ids=SPOILT)
def test_checkpoints_that_cannot_be_used(folder, spoil, words):
    spoil(folder)
    with pytest.raises(GiqaError) as caught:
        LocalLLM(str(folder)).complete([prompt("Hi")])
    sentence = str(caught.value)
    assert sentence.startswith(f"{folder}: ") and words in sentence and "\n" not in sentence


@pytest.mark.parametrize("name", ["giqa/no-such-model", "/no/such/folder"])
def test_models_that_are_not_there(name):
    for ask in (LocalLLM.settings, lambda llm: llm.complete([prompt("Hi")])):
        with pytest.raises(GiqaError, match=f"{name}: expected a causal language model .*check the name"):
            ask(LocalLLM(name))


def test_a_device_that_is_not_there():
    with pytest.raises(GiqaError, match="device: expected one that this machine has, got 'no-such-device'"):
        LocalLLM(str(tiny_llm()), device="no-such-device").complete([prompt("Hi")])


def test_options_that_cannot_be():
    with pytest.raises(DataError, match="batch_size: expected at least 1, got 0"):
        LocalLLM("x/y", batch_size=0)


def test_the_checkpoint_is_the_same_every_time(tmp_path):
    made = make_tiny_llm(tmp_path / "again")
    assert (made / "model.safetensors").read_bytes() == (tiny_llm() / "model.safetensors").read_bytes()
