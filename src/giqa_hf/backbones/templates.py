"""Chat templates for checkpoints that ship none, or one that a model cannot be trained with.

Each writes the question as the public checkpoint's own template does; beside that, it writes the token that begins a
text and the one that ends an answer (see `chat.template_fault`). The blank behind the first token is that which the
tokenizers of LLaMA and Mistral put before the first word, so that the tokens are the same as without a template.
Content is a string, or a list of text and image parts.
"""

from __future__ import annotations

_PARTS = (
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}{{ IMAGE }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
)
_LLAVA_PARTS = _PARTS.replace("IMAGE", "'<image>\n'")
_QWEN_PARTS = _PARTS.replace("IMAGE", "'<|vision_start|><|image_pad|><|vision_end|>'")

VICUNA = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ ' USER: ' }}" + _LLAVA_PARTS + "{% else %}{{ ' ASSISTANT: ' }}"
    "{% generation %}" + _LLAVA_PARTS + "{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
MISTRAL = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ ' [INST] ' }}" + _LLAVA_PARTS + "{{ ' [/INST]' }}{% else %}{{ ' ' }}"
    "{% generation %}" + _LLAVA_PARTS + "{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)
QWEN = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}" + _QWEN_PARTS + "{{ eos_token }}{% endgeneration %}"
    "{% else %}" + _QWEN_PARTS + "{{ '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
