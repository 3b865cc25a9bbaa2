"""What has to be known of a model in order to tune it on boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..formats import BoxFormat, GiqaFormat
from .policies import ImagePolicy


@dataclass(frozen=True)
class Backbone:
    """One model that can be tuned, without any of its weights.

    Names of modules are those of the model in memory (`model.named_modules()`), which differ from those in the files of
    older checkpoints.

    Args:
        name (`str`): under which `load_backbone` finds it.
        checkpoint (`str`): id of its Hub repository, or a folder.
        revision (`str`, *optional*): commit of that repository; `None` takes the newest. `load_backbone` tells the
            commit that it found in `LoadedBackbone.identity`, which belongs into the record of a run.
        model_type (`str`): of its config.json; a checkpoint of another type is refused.
        architecture (`str`): name of its class in transformers, or in giqa_hf.models.
        image_policy (`ImagePolicy`): how a picture is made of an image, the same in training and in use.
        chat_template (`str`, *optional*): Jinja text, used where the checkpoint ships none, or one that cannot be
            trained with (see `chat.template_fault`); `None` where nothing but the checkpoint's own will do.
        vision (`str`): the module of the vision tower.
        connector (`str`): the module between vision and language.
        language (`str`): the module of the language model.
        frozen (`Mapping`): per kind of recipe, `"full"` and `"lora"`, the modules that stay as they are.
        lora_targets (`str`): regular expression that fully matches the names of the modules beside which low-rank
            matrices are trained; PEFT takes it as it is.
        size (`Size`): what its memory depends on.
        dtype (`str`, *optional*, defaults to `"bfloat16"`): of the weights on an accelerator, for training and for use.
            On a CPU they are float32.
        converter (`str`, *optional*): the command that makes a folder to load of a public repository whose weights are
            pickled.
        box_format (`BoxFormat`, *optional*, defaults to `GiqaFormat()`): how boxes stand in its text. The paper tunes
            every model to write the cells of its grid, so none keeps the form that it was pre-trained with. The cells
            count in the picture that the model sees: that of `frame(width, height)`, padding included.
    """

    name: str
    checkpoint: str
    revision: str | None
    model_type: str
    architecture: str
    image_policy: ImagePolicy
    chat_template: str | None
    vision: str
    connector: str
    language: str
    frozen: Mapping[str, tuple[str, ...]]
    lora_targets: str
    size: Size
    dtype: str = "bfloat16"
    converter: str | None = None
    box_format: BoxFormat = GiqaFormat()  # noqa: RUF009 (frozen)

    @property
    def parameters(self) -> int:
        """How many weights the full model has."""
        return self.size.parameters


@dataclass(frozen=True)
class Size:
    """What the memory of a model depends on; tests/backbones/test_entries.py counts it on the real configurations.

    Args:
        parameters (`int`): all weights.
        frozen (`int`): of these, the weights of `Backbone.frozen["full"]`.
        targeted (`int`): of these, the weights of the modules of `Backbone.lora_targets`.
        target_sides (`int`): inputs plus outputs over those modules: a matrix pair of rank r adds r times as many.
        layers (`int`): of the language model.
        width (`int`): of its hidden states.
        kv_width (`int`): of its keys, and of its values.
        mlp_width (`int`): inside its feed-forward part.
        vocabulary (`int`): entries of its output.
        image_tokens (`int`): the most places that one picture takes in the text.
    """

    parameters: int
    frozen: int
    targeted: int
    target_sides: int
    layers: int
    width: int
    kv_width: int
    mlp_width: int
    vocabulary: int
    image_tokens: int
