"""Load a backbone as it is to be tuned: with its image policy, its box format and a chat template to train with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import GiqaError, MissingExtraError
from ..formats import BoxFormat
from ..frames import Frame
from .backbone import Backbone
from .chat import read_template, template_fault, template_with_start
from .checkpoint import check_processor, load_model, load_processor
from .entries import find_backbone
from .files import checkpoint_folder, checkpoint_identity, explained_loading, model_type_of, parameters_of
from .memory import Kind, check_memory

Quantization = Literal["4bit", "8bit"]
TemplateSource = Literal["checkpoint", "mended", "entry", "given"]


@dataclass(frozen=True)
class LoadedBackbone:
    """A model that can be tuned on boxes, and asked for them.

    Args:
        entry (`Backbone`): what is known of it.
        model (`transformers.PreTrainedModel`): in evaluation mode.
        processor (`transformers.ProcessorMixin`): with `GroundingProcessorMixin`, the image policy applied.
        identity (`dict`): which checkpoint was loaded: the commit of a repository, or the digest of a folder.
        template (`str`): where the chat template is from: the `"checkpoint"`, the same `"mended"` by the token that
            begins a text, the `"entry"`, or `"given"`.
    """

    entry: Backbone
    model: Any
    processor: Any
    identity: dict[str, str]
    template: TemplateSource

    @property
    def name(self) -> str:
        """Of the entry."""
        return self.entry.name

    @property
    def box_format(self) -> BoxFormat:
        """How boxes stand in its text."""
        box_format: BoxFormat = self.processor.box_format
        return box_format

    def frame(self, width: int, height: int) -> Frame:
        """The map from an image of `width` x `height` to the picture that the model sees."""
        frame: Frame = self.processor.frame(width, height)
        return frame


def load_backbone(
    name: str,
    *,
    checkpoint: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    quantization: Quantization | None = None,
    chat_template: str | None = None,
) -> LoadedBackbone:
    """Load one of `BACKBONES`, or a checkpoint of its kind.

    The processor gets the backbone's image policy and box format. A checkpoint that was saved with a box format has
    been tuned already: then its own image processor and format stay, since its weights belong to them. The chat
    template is the one given, else the checkpoint's, to which the token that begins a text is added where only that is
    missing, else, where there is none or it does not end an answer, the entry's. What full fine-tuning leaves as it is
    (`Backbone.frozen`) requires no gradient.

    Args:
        name (`str`): out of `BACKBONES`, such as `"llava-1.5-7b"`.
        checkpoint (`str`, *optional*): folder or Hub id of another checkpoint of the same kind, such as a tuned one.
        revision (`str`, *optional*): commit, branch or tag of the Hub repository.
        device (`str`, *optional*): such as `"cuda:1"`. Without one the model is on the CPU, from where a trainer takes
            it; in fewer bits it is loaded onto the current accelerator.
        dtype (`str`, *optional*): of the weights. Without it they are float32, as all that is trained has to be (on
            bfloat16 a step at the paper's rate is lost in rounding), or with `quantization` as by `"auto"`: the
            entry's on a machine with an accelerator (bfloat16 for all but giqa-tiny, also where the checkpoint is
            float16, which overflows in training), and float32 without. For LoRA, whose own matrices are float32
            whatever the rest is, and for use, `"auto"` takes half the memory.
        quantization (`str`, *optional*): `"4bit"` (NF4, with its scales quantised too) or `"8bit"`, of the matrices of
            the language model's layers, for QLoRA; needs the extra "qlora" and an accelerator.
        chat_template (`str`, *optional*): a Jinja text, or the file that holds one.

    Returns:
        `LoadedBackbone`

    Raises:
        `GiqaError`: for an unknown name, a checkpoint of another kind of model or without what boxes need, or too
            little memory for the weights.
        `MissingExtraError`: when torch, transformers or bitsandbytes is not installed.

    Example:

    ```python
    >>> backbone = giqa_hf.load_backbone("llava-1.5-7b")
    >>> train = giqa_hf.to_conversations(load_dataset("giqa-160k", split="train"), backbone)
    ```
    """
    entry = find_backbone(name)
    try:
        import torch
        import transformers  # noqa: F401  # to say what is missing before anything is downloaded
    except ImportError:
        raise MissingExtraError("loading a model", "models") from None
    if dtype is None:
        dtype = "float32" if quantization is None else "auto"
    if dtype == "auto":
        dtype = entry.dtype if torch.cuda.is_available() else "float32"
    bits = _bits(quantization, entry, dtype)
    if bits is not None and device is None:
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else None
    kind: Kind = "qlora" if quantization == "4bit" else "inference"
    if checkpoint is None:
        check_memory(entry, kind, device=device, dtype=dtype)  # before gigabytes are downloaded
    source = checkpoint or entry.checkpoint
    revision = revision or (entry.revision if checkpoint is None else None)
    folder = _folder(entry, source, revision)
    _check_type(entry, folder, source)
    if checkpoint is not None:
        check_memory(entry, kind, device=device, dtype=dtype, parameters=parameters_of(folder))
    processor, template = _processor(entry, folder, source, chat_template)
    check_processor(processor, source)
    model = load_model(folder, source, device=device, dtype=dtype, quantization=bits)
    for prefix in entry.frozen["full"]:
        model.get_submodule(prefix).requires_grad_(False)
    return LoadedBackbone(entry, model, processor, checkpoint_identity(source, revision), template)


def load_backbone_processor(
    name: str,
    *,
    checkpoint: str | None = None,
    revision: str | None = None,
    chat_template: str | None = None,
) -> Any:
    """The processor that `load_backbone` gives, without any weight: for writing rows that are trained on elsewhere.

    Args and errors are those of `load_backbone`.
    """
    entry = find_backbone(name)
    source = checkpoint or entry.checkpoint
    folder = _folder(entry, source, revision or (entry.revision if checkpoint is None else None))
    _check_type(entry, folder, source)
    return _processor(entry, folder, source, chat_template)[0]


def _processor(
    entry: Backbone, folder: str, source: str, chat_template: str | None
) -> tuple[Any, TemplateSource]:
    with explained_loading(source):
        processor = load_processor(folder)
    return processor, _prepare(processor, entry, chat_template, source)


def _folder(entry: Backbone, source: str, revision: str | None) -> str:
    try:
        return checkpoint_folder(source, revision)
    except GiqaError as error:
        if entry.converter is None:
            raise
        raise GiqaError(
            f"{error}; where the weights of {entry.name} are pickled, download them, run  {entry.converter}  and give "
            "the new folder as the checkpoint"
        ) from None


def _check_type(entry: Backbone, folder: str, source: str) -> None:
    """Before any weight is read: whether the checkpoint is of the entry's kind of model."""
    found = model_type_of(folder)
    if found != entry.model_type:
        raise GiqaError(
            f"{source}: expected a checkpoint of the model type {entry.model_type}, as {entry.name} is, found "
            f"{found or 'none'} in its config.json; choose the backbone that it was made from"
        )
    if entry.model_type == "mplug_owl2":
        from ..models.mplug_owl2 import register_mplug_owl2

        register_mplug_owl2()


def _prepare(processor: Any, entry: Backbone, chat_template: str | None, source: str) -> TemplateSource:
    """Give a processor what its entry says, as far as the checkpoint does not know better."""
    if "_box_format" not in vars(processor):  # none was saved, so nobody has tuned it on boxes
        with explained_loading(source):
            entry.image_policy.apply(processor)
        processor.box_format = entry.box_format
    if chat_template is not None:
        processor.chat_template = read_template(chat_template)
        return "given"
    with explained_loading(source):
        fault = template_fault(processor)
        if fault is None:
            return "checkpoint"
        mended = template_with_start(processor) if fault.kind == "start" else None
    if mended is not None:
        processor.chat_template = mended
        return "mended"
    if entry.chat_template is None:
        raise GiqaError(
            f"{source}: expected a chat template that a model can be trained with, found that {fault.words}; give "
            "another with --chat-template (in Python: chat_template=...)"
        )
    processor.chat_template = entry.chat_template
    return "entry"


def _bits(quantization: Quantization | None, entry: Backbone, dtype: str) -> Any:
    """Transformers' settings for bitsandbytes; `None` for weights as they are."""
    if quantization is None:
        return None
    if quantization not in ("4bit", "8bit"):
        raise GiqaError(f"quantization: expected 4bit or 8bit, got {quantization!r}; choose one of them")
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("loading weights in fewer bits", "qlora")
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=quantization == "4bit",
        load_in_8bit=quantization == "8bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
        # Despite its name for both: the parts that are small or see the picture stay exact.
        llm_int8_skip_modules=[entry.vision, entry.connector, "lm_head"],
    )
