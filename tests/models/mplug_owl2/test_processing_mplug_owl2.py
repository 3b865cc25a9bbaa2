"""Prompts, token ids and labels equal to the original's, and the processor where others use it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor, LlamaTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from giqa_hf.benchmark import generate
from giqa_hf.models.mplug_owl2 import (
    CHAT_TEMPLATES,
    MPLUGOwl2ImageProcessor,
    MPLUGOwl2Processor,
    register_mplug_owl2,
)
from giqa_hf.processing import GroundingProcessorMixin, ground_processor, load_grounding_processor
from tests.make_tiny_mplug_owl2 import make_parts, make_tokenizer, tiny_mplug_owl2
from tests.models.mplug_owl2.parity import facts

register_mplug_owl2()

# The pieces of LLaMA-2's vocabulary that the ids in tokens.json are, in the order in which they win over each other.
PIECES = {
    "▁US": 3148, "▁Desc": 20355, "▁the": 278, "▁image": 1967, "▁A": 319, "▁Is": 1317, "▁it": 372, "▁bl": 1999,
    "▁Yes": 3869, "▁Where": 6804, "▁What": 1724, "▁is": 338, "▁noise": 11462, "▁quality": 11029, "▁The": 450,
    "cribe": 29581, "Des": 4002, "ribe": 915, "ur": 332, "ry": 719, "ER": 1001, "SS": 1799, "IST": 9047,
    "ANT": 13566, ":": 29901, "▁": 29871, ".": 29889, "?": 29973, "<unk>": 0, "<s>": 1, "</s>": 2,
}  # fmt: skip


def llama_tokenizer():
    """As much of LLaMA-2's tokenizer as tokens.json shows: 32000 entries, those pieces at their places."""
    pieces = PIECES | {f"<0x{byte:02X}>": byte + 3 for byte in range(256)}
    merges = []
    for piece in PIECES:
        if piece.startswith("<"):
            continue
        for end in range(1, len(piece) + 1):  # each is made from left to right
            pieces.setdefault(piece[:end], None)
            pieces.setdefault(piece[end - 1 : end], None)
            merges += [(piece[: end - 1], piece[end - 1])] if end > 1 else []
    free = iter(sorted(set(range(259, 32000)) - set(pieces.values())))
    ids = {piece: next(free) if index is None else index for piece, index in pieces.items()}
    ids |= {f"<filler {index}>": index for index in free}
    assert len(ids) == 32000
    return LlamaTokenizer(vocab=ids, merges=list(dict.fromkeys(merges)))


@pytest.fixture(scope="module")
def llama():
    return MPLUGOwl2Processor(MPLUGOwl2ImageProcessor(), llama_tokenizer(), num_image_tokens=1)


@pytest.fixture(scope="module")
def parts():
    return make_parts()


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def ids_of(processor, text):
    """With one position per image, which tokens.json writes as -200."""
    images = [Image.new("RGB", (8, 8))] * text.count("<|image|>") or None
    ids = processor(images=images, text=text)["input_ids"][0]
    return [-200 if i == processor.image_token_id else i for i in ids]


@pytest.mark.parametrize("name", ["infer_one", "infer_multi_turn", "infer_text_only"])
def test_token_ids_are_those_of_the_original(llama, name):
    prompt = facts("tokens")["prompts"][name]
    assert llama.image_token_id == 32000
    assert ids_of(llama, prompt["text"]) == prompt["ids_legacy"]


def test_training_labels_are_those_of_the_original(llama):
    """The answer and its end, by the marks in the chat template."""
    example = facts("tokens")["labels"]["mplug_owl2.one"]
    (_, question), (_, answer) = example["turns"]
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    turns[0]["content"] = [
        {"type": "image", "image": Image.new("RGB", (8, 8))},
        {"type": "text", "text": question.removeprefix("<|image|>")},
    ]
    got = llama.apply_chat_template(turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids = [-200 if i == llama.image_token_id else i for i in got["input_ids"][0]]
    assert ids == example["ids_legacy"]
    labels = [i if own else -100 for i, own in zip(ids, got["assistant_masks"][0], strict=True)]
    assert labels == example["labels_legacy"]


def test_an_answer_tokenised_by_itself_is_the_same_tokens(llama):
    """As TRL does it for prompt and completion: no second space before the one that is there."""
    example = facts("tokens")["labels"]["mplug_owl2.one"]
    completion = llama.tokenizer(" The image is blurry.</s>", add_special_tokens=False).input_ids
    assert completion == [label for label in example["labels_legacy"] if label != -100]


@pytest.mark.parametrize(
    "text, ids",
    [
        ("<|image|>", [1, -200]),
        ("<|image|><|image|>", [1, -200, -200]),  # nothing between them, so no space either
        ("<|image|>.", [1, -200, 29871, 29889]),  # a space before what follows an image ...
        ("<|image|> .", [1, -200, 29871, 29871, 29889]),  # ... also if it begins with one
        ("<|image|>\n.", [1, -200, 29871, 13, 29889]),  # as in Vicuna's style
        (". <|image|>", [1, 29871, 29889, 29871, -200]),
    ],
)
def test_pieces_around_an_image_are_tokenised_each_by_itself(llama, text, ids):
    assert ids_of(llama, text) == ids


def test_a_tokenizer_file_of_transformers_4(llama):
    """It makes the space by a normalizer, which would put a second one before a space."""
    from tokenizers import normalizers

    tokenizer = llama_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.backend_tokenizer.pre_tokenizer = None
    other = MPLUGOwl2Processor(MPLUGOwl2ImageProcessor(), tokenizer, num_image_tokens=1)
    for prompt in facts("tokens")["prompts"].values():
        assert ids_of(other, prompt["text"]) == prompt["ids_legacy"]


ASKED = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is it sharp?"}]}]
TALK = [
    *ASKED,
    {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    {"role": "user", "content": "Why?"},
]
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. "
)


@pytest.mark.parametrize(
    "style, messages, text",
    [
        ("mplug_owl2", ASKED, "USER: <|image|>Is it sharp? ASSISTANT:"),
        ("mplug_owl2", TALK, "USER: <|image|>Is it sharp? ASSISTANT: No.</s>USER: Why? ASSISTANT:"),
        # the image stays where it is put
        ("mplug_owl2", [{"role": "user", "content": ASKED[0]["content"][::-1]}], "USER: Is it sharp?<|image|> ASSISTANT:"),
        ("mplug_owl2", [{"role": "system", "content": "Be brief."}, *ASKED], "Be brief. USER: <|image|>Is it sharp? ASSISTANT:"),
        ("vicuna_v1", ASKED, VICUNA + "USER: <|image|>\nIs it sharp? ASSISTANT:"),
        ("vicuna_v1", TALK, VICUNA + "USER: <|image|>\nIs it sharp? ASSISTANT: No.</s>USER: Why? ASSISTANT:"),
        # images come first
        ("vicuna_v1", [{"role": "user", "content": ASKED[0]["content"][::-1]}], VICUNA + "USER: <|image|>\nIs it sharp? ASSISTANT:"),
        ("vicuna_v1", [{"role": "system", "content": "Be brief."}, *ASKED], "Be brief. USER: <|image|>\nIs it sharp? ASSISTANT:"),
    ],
)  # fmt: skip
def test_prompt_styles(style, messages, text):
    processor = AutoProcessor.from_pretrained(tiny_mplug_owl2(), chat_template=style)
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == text


def test_a_template_of_ones_own():
    own = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    assert AutoProcessor.from_pretrained(tiny_mplug_owl2(), chat_template=own).chat_template == own


def test_saved_and_loaded(tmp_path, image):
    processor = AutoProcessor.from_pretrained(tiny_mplug_owl2())
    assert type(processor) is MPLUGOwl2Processor and processor.chat_template == CHAT_TEMPLATES["mplug_owl2"]
    assert type(AutoImageProcessor.from_pretrained(tiny_mplug_owl2())) is MPLUGOwl2ImageProcessor
    processor.image_processor.image_aspect_ratio = "resize"
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert again.image_processor.image_aspect_ratio == "resize" and again.num_image_tokens == 9
    text = "USER: <|image|>Is it blurry?</s>USER: Why? ASSISTANT:"
    one, two = (p(images=image, text=text, return_tensors="np") for p in (processor, again))
    assert one.keys() == two.keys() == {"input_ids", "attention_mask", "pixel_values"}
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_templates_and_calls_agree(parts, image):
    """One `<s>`, whichever way."""
    processor = parts[1]
    asked = [{"role": "user", "content": [{"type": "image", "image": image}, ASKED[0]["content"][1]]}]
    at_once = processor.apply_chat_template(
        asked, add_generation_prompt=True, tokenize=True, return_dict=True
    )
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    ids = processor(images=image, text=text)["input_ids"][0]
    assert at_once["input_ids"][0] == ids and ids.count(1) == 1 and ids[0] == 1


def test_what_a_released_checkpoint_names_is_replaced():
    """Its preprocessor_config.json says CLIP, which would crop."""
    clip = CLIPImageProcessorPil(size=56, crop_size=56)
    processor = MPLUGOwl2Processor(clip, make_tokenizer(), num_image_tokens=9)
    assert type(processor.image_processor) is MPLUGOwl2ImageProcessor
    assert processor.image_processor.image_aspect_ratio == "pad"
    assert dict(processor.image_processor.crop_size) == {"height": 56, "width": 56}


def test_padding_and_beginning_are_there_without_being_told():
    tokenizer = LlamaTokenizer(vocab={"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4}, merges=[])
    assert tokenizer.pad_token is None
    processor = MPLUGOwl2Processor(MPLUGOwl2ImageProcessor(), tokenizer)
    assert processor.tokenizer.pad_token_id == 0
    assert processor(text="a")["input_ids"] == [[1, 3, 4]]


@pytest.mark.parametrize(
    "text, images, message",
    [("USER: <|image|>", 2, "2 images"), ("USER: x", 1, "1 images"), ("<|image|>", 0, "no images")],
)
def test_counts_must_agree(parts, image, text, images, message):
    with pytest.raises(ValueError, match=message):
        parts[1](images=[image] * images or None, text=text)


def test_grounding(tmp_path, image):
    for grounding in (
        ground_processor(AutoProcessor.from_pretrained(tiny_mplug_owl2())),
        load_grounding_processor(tiny_mplug_owl2()),
    ):
        assert isinstance(grounding, GroundingProcessorMixin) and isinstance(grounding, MPLUGOwl2Processor)
        # 60 x 40 padded to 60 x 60: ten of sixty rows above
        assert grounding.frame(60, 40).to_model_norm([[0, 0, 1, 1]]).tolist() == [
            pytest.approx([0, 1 / 6, 1, 5 / 6])
        ]
        grounding.save_pretrained(tmp_path)
        assert type(AutoProcessor.from_pretrained(tmp_path)) is MPLUGOwl2Processor
        assert load_grounding_processor(tmp_path).box_format == grounding.box_format


def test_the_benchmark_can_ask_it(parts, image):
    """Batched by length, left-padded, and the answers of single calls."""
    model, processor = parts
    prompts = ["Is it blurry?", "What is in the image? Describe it.", "Why?"]
    images = [image, image.rotate(90, expand=True), image]
    together = generate(model.eval(), ground_processor(processor), images, prompts, max_new_tokens=6)
    alone = [
        generate(model, ground_processor(processor), [one], [prompt], max_new_tokens=6)[0]
        for one, prompt in zip(images, prompts, strict=True)
    ]
    assert together == alone and all(together)
