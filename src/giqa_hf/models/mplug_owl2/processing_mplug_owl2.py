"""mPLUG-Owl2's processor: prompts as it was trained on them, to token ids and pictures."""

# mypy: allow-untyped-calls
# (transformers' own methods, on whose names mypy finds no types)
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from transformers.processing_utils import ProcessorMixin
from transformers.utils.hub import cached_file

from .image_processing_mplug_owl2 import MPLUGOwl2ImageProcessor
from .tokenization_mplug_owl2 import from_sentencepiece, make_as_trained

IMAGE_TOKEN = "<|image|>"

_SYSTEM = (  # Vicuna's, which checkpoints tuned with `--version v1` have seen before every prompt
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_PARTS = (
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<|image|>' }}{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
)
_IMAGES_FIRST = (
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<|image|>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
)


def _template(content_of_user: str, system: str) -> str:
    return (
        f"{system}{{% for message in messages %}}"
        "{% if message['role'] == 'system' %}" + _PARTS + "{{ ' ' }}"
        "{% elif message['role'] == 'user' %}{{ 'USER: ' }}" + content_of_user + "{{ ' ' }}"
        "{% else %}{{ 'ASSISTANT: ' }}{% generation %}"
        + _PARTS
        + "{{ '</s>' }}{% endgeneration %}{% endif %}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )


CHAT_TEMPLATES = {
    "mplug_owl2": _template(_PARTS, ""),
    "vicuna_v1": _template(
        _IMAGES_FIRST, f'{{% if messages[0]["role"] != "system" %}}{{{{ "{_SYSTEM} " }}}}{{% endif %}}'
    ),
}
"""The two prompt styles. `mplug_owl2` is the model's own, `USER: <|image|>{question} ASSISTANT:`, the image where the
message has it. `vicuna_v1` is that of its fine-tuning scripts, Q-Instruct's among them: Vicuna's system sentence in
front, unless the messages bring one, and the images first, each on a line."""


class MPLUGOwl2Processor(ProcessorMixin):
    """Tokens and pictures for mPLUG-Owl2.

    Args:
        image_processor (`MPLUGOwl2ImageProcessor`):
            makes the pictures. CLIP's own, which is what the file of a released checkpoint names, is replaced by one of
            its sizes, which pads.
        tokenizer (`LlamaTokenizer`):
            LLaMA's. It is changed: `<s>` goes in front, the text behind an image or a `</s>` begins with a space,
            `<unk>` is padding unless it has another, and the image token is made known to it.
        chat_template (`str`, *optional*, defaults to `"mplug_owl2"`):
            a name in `CHAT_TEMPLATES`, or a template.
        num_image_tokens (`int`, *optional*, defaults to 65): positions per image, `config.image_seq_length`.
        image_token (`str`, *optional*, defaults to `"<|image|>"`): stands for an image in a prompt.

    Example:

    ```python
    >>> messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is it sharp?"}]}]
    >>> prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    >>> prompt
    'USER: <|image|>Is it sharp? ASSISTANT:'
    >>> inputs = processor(images=image, text=prompt, return_tensors="pt")
    ```
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        num_image_tokens: int = 65,
        image_token: str = IMAGE_TOKEN,
    ) -> None:
        if not hasattr(image_processor, "frame"):
            image_processor = MPLUGOwl2ImageProcessor.from_dict(image_processor.to_dict())
        make_as_trained(tokenizer)
        tokenizer.add_tokens([image_token], special_tokens=True)
        self.num_image_tokens = num_image_tokens
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        template = CHAT_TEMPLATES.get(chat_template or "mplug_owl2", chat_template)
        super().__init__(image_processor, tokenizer, chat_template=template)

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """The text that stands for an image: its token, once per position."""
        return self.image_token * self.num_image_tokens

    def get_text_with_replacements(self, text: list[str], *args: Any, **kwargs: Any) -> Any:
        """See `ProcessorMixin`. A space behind an image is doubled first.

        The original tokenised each piece of text around an image by itself, which puts a space before it, also before
        one that begins with a space.
        """
        behind = re.compile(f"(?<={re.escape(self.image_token)}) ")
        return super().get_text_with_replacements([behind.sub("  ", row) for row in text], *args, **kwargs)

    @classmethod
    def _load_tokenizer_from_pretrained(
        cls, sub_processor_type: str, pretrained_model_name_or_path: Any, subfolder: str = "", **kwargs: Any
    ) -> Any:
        """As `ProcessorMixin` does it, but for a checkpoint whose only tokenizer file is tokenizer.model."""
        place = {key: kwargs[key] for key in _PLACE if key in kwargs}
        files = (
            cached_file(
                pretrained_model_name_or_path,
                name,
                subfolder=subfolder,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
                **place,
            )
            for name in ("tokenizer.json", "tokenizer.model")
        )
        converted, sentencepiece = files
        if converted is None and sentencepiece is not None:
            return from_sentencepiece(Path(sentencepiece))
        return super()._load_tokenizer_from_pretrained(
            sub_processor_type, pretrained_model_name_or_path, subfolder=subfolder, **kwargs
        )


_PLACE = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")
