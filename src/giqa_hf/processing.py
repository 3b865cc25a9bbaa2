"""Any transformers processor that writes and reads boxes in its own frame and form.

A model names places in the picture that it sees, in the form that it was tuned on. Both belong to its
processor, so the processor renders and reads them. `GroundingProcessorMixin` adds that to a class::

    class GiqaLlavaProcessor(GroundingProcessorMixin, LlavaProcessor):
        pass

and `ground_processor(processor)` to a processor that is there already, of whatever class. The form is saved
in processor_config.json under `box_format`, beside the class name of the plain processor, so that
`AutoProcessor` loads the folder as what it is without grounding, without remote code and without this
package.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

from .boxes import check_norm, clip
from .formats import BoxFormat, GiqaFormat, format_from_dict, placed
from .frames import Frame
from .grounded_text import GroundedText, Region
from .thoughts import spoken

Hidden = Literal["error", "drop", "keep"]
_CONFIG_KEY = "box_format"
_ROUNDING = 1e-9  # of the image's side; what a box moves by on its way through a frame and back


class GroundingProcessorMixin:
    """Adds grounded text to a transformers processor class; name it before that class among the bases.

    The shape is that of Kosmos-2's processor: text with boxes in, clean text, phrases, spans and boxes out.
    """

    _box_format: BoxFormat = GiqaFormat()

    @property
    def box_format(self) -> BoxFormat:
        """How boxes stand in this model's text; `GiqaFormat()`, the paper's form, unless set or loaded."""
        return self._box_format

    @box_format.setter
    def box_format(self, box_format: BoxFormat) -> None:
        if isinstance(box_format, type) or not isinstance(box_format, BoxFormat):
            raise ValueError(f"box_format: expected a format such as GiqaFormat(), got {box_format!r}")
        self._box_format = box_format

    def frame(self, width: int, height: int) -> Frame:
        """The map from an image of `width` x `height` to what the model sees; `ValueError` if not known."""
        return Frame.from_processor(self, width, height)

    def render_grounded(
        self, grounded: GroundedText, image_size: tuple[int, int], *, hidden: Hidden = "error"
    ) -> str:
        """Write a grounded text as this model is to read or write it.

        Boxes are cut to the part of the image that the model sees.

        Args:
            grounded (`GroundedText`): boxes normalised by the original upright image.
            image_size (`tuple` of two `int`): width and height of that image, as PIL's `image.size`.
            hidden (`str`, *optional*, defaults to `"error"`):
                what to do with a box of whose area the model does not see more than half. `"error"` raises.
                `"drop"` leaves the box out, and leaves a region that has lost all its boxes as plain words.
                `"keep"` writes what is left of it at the picture's rim.

        Returns:
            `str`: the text with boxes, in `self.box_format`.

        Raises:
            `ValueError`: on hidden boxes with `hidden="error"`, on boxes that are none.
        """
        return render(grounded, self.box_format, self.frame(*image_size), hidden=hidden)

    def post_process_grounded_generation(
        self, texts: Sequence[str], image_sizes: Sequence[tuple[int, int]]
    ) -> list[GroundedText]:
        """Read what the model wrote; never raises because of a text.

        Args:
            texts (`list` of `str`): decoded answers, without the prompt.
            image_sizes (`list` of `tuple`): width and height of each original upright image, as `image.size`.

        Returns:
            `list` of `GroundedText`: clean texts, phrases with spans, boxes normalised by the original
            image (for pixels: `grounded.boxes_px(width, height)`). A box that reaches into padding is cut
            to the image and is `clipped`; one that lies in padding altogether is `degenerate`.

        Example:

        ```python
        >>> answers = processor.batch_decode(generated[:, prompt_length:], skip_special_tokens=True)
        >>> [grounded] = processor.post_process_grounded_generation(answers, [image.size])
        >>> grounded.text, grounded.phrases, grounded.boxes_px(*image.size)
        ```
        """
        if isinstance(texts, str):
            raise ValueError(
                "texts: expected a list of strings, got one string; pass [text] and [image.size]"
            )
        if len(texts) != len(image_sizes):
            raise ValueError(
                f"image_sizes: expected one (width, height) per text ({len(texts)}), got {len(image_sizes)}"
            )
        return [
            _read(text, self.box_format, self.frame(*image_size))
            for text, image_size in zip(texts, image_sizes, strict=True)
        ]

    # Saving and loading: hooks of transformers' ProcessorMixin (as of 5.23)

    def to_dict(self) -> dict[str, Any]:
        """The processor's configuration with its box format; see `ProcessorMixin.to_dict`."""
        plain: Any = super()
        config: dict[str, Any] = plain.to_dict()
        config[_CONFIG_KEY] = self.box_format.to_dict()
        # AutoProcessor looks the class up by name among its own: it is to find the one that this one extends.
        extended = next(c for c in type(self).__mro__ if not issubclass(c, GroundingProcessorMixin))
        if extended.__module__.startswith("transformers.models."):
            config["processor_class"] = extended.__name__
        return config

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        box_format: BoxFormat | None = None,
        **kwargs: Any,
    ) -> Any:
        """See `ProcessorMixin.from_pretrained`; `box_format` replaces the saved one."""
        plain: Any = super()
        processor = plain.from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        if box_format is not None:
            processor.box_format = box_format
        return processor

    @classmethod
    def from_args_and_dict(cls, args: Any, processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """See `ProcessorMixin.from_args_and_dict`."""
        plain: Any = super()
        config = dict(processor_dict)
        saved: Mapping[str, Any] | None = config.pop(_CONFIG_KEY, None)
        made = plain.from_args_and_dict(args, config, **kwargs)
        if saved is not None:
            processor = made[0] if isinstance(made, tuple) else made  # with `return_unused_kwargs` a pair
            processor.box_format = format_from_dict(saved)
        return made


def render(
    grounded: GroundedText, box_format: BoxFormat, frame: Frame | None = None, *, hidden: Hidden = "error"
) -> str:
    """Write a grounded text in a box format, its boxes brought into a frame first.

    Args:
        grounded (`GroundedText`): boxes normalised by the original upright image.
        box_format (`BoxFormat`): how boxes stand in the text.
        frame (`Frame`, *optional*): from that image to what the model sees; `None` sees all of it.
        hidden (`str`, *optional*, defaults to `"error"`): see `GroundingProcessorMixin.render_grounded`.

    Returns:
        `str`: the text with boxes.

    Raises:
        `ValueError`: on hidden boxes with `hidden="error"`, on boxes that are none.
    """
    if hidden not in get_args(Hidden):
        raise ValueError(f"hidden: expected one of {', '.join(get_args(Hidden))}, got {hidden!r}")
    if frame is None:
        return box_format.write(grounded)
    box_format, frame = placed(box_format, frame)
    regions = [region for r in grounded.regions if (region := _seen(r, frame, hidden)) is not None]
    return box_format.write(replace(grounded, regions=regions))


def ground_processor(processor: Any, box_format: BoxFormat | None = None) -> Any:
    """A processor like `processor`, of a class that extends its class by `GroundingProcessorMixin`.

    Args:
        processor (`transformers.ProcessorMixin`): any; it is not changed, its parts are shared.
        box_format (`BoxFormat`, *optional*): the paper's form, or that of `processor` if it has one.

    Returns:
        a processor that is an instance of `type(processor)` too; it can be copied, pickled, saved, and loaded
        by `AutoProcessor` (plain) or `load_grounding_processor`.
    """
    if isinstance(processor, GroundingProcessorMixin):
        grounding: Any = copy.copy(processor)
    else:
        grounding = _restore(type(processor), vars(processor))
    if box_format is not None:
        grounding.box_format = box_format
    return grounding


def load_grounding_processor(name_or_path: Any, box_format: BoxFormat | None = None, **kwargs: Any) -> Any:
    """Load the processor of any checkpoint, with grounding.

    Args:
        name_or_path (`str` or `os.PathLike`): a folder or a Hub repository.
        box_format (`BoxFormat`, *optional*):
            defaults to the saved one, and to the paper's form where none is saved.
        kwargs: for `AutoProcessor.from_pretrained`, such as `revision`.
    """
    from transformers import AutoProcessor

    auto: Any = AutoProcessor
    plain: Any = auto.from_pretrained(name_or_path, **kwargs)
    grounding_class = _grounding_class(plain.__class__)
    return grounding_class.from_pretrained(name_or_path, box_format=box_format, **kwargs)


@cache
def _grounding_class(plain_class: type) -> Any:
    if issubclass(plain_class, GroundingProcessorMixin):
        return plain_class

    def reduce(self: Any) -> tuple[Any, ...]:  # such a class has no importable name, so pickle takes its base
        return _restore, (plain_class, vars(self).copy())

    # The plain class's name, because transformers writes it into every file that it saves.
    body = {"__reduce__": reduce, "__module__": __name__, "__doc__": plain_class.__doc__}
    return type(plain_class.__name__, (GroundingProcessorMixin, plain_class), body)


def _restore(plain_class: type, state: Mapping[str, Any]) -> Any:
    grounding_class = _grounding_class(plain_class)
    processor = grounding_class.__new__(grounding_class)
    vars(processor).update(state)
    return processor


def _seen(region: Region, frame: Frame, hidden: Hidden) -> Region | None:
    """The region in the coordinates of the model's picture; `None` where it has lost all its boxes."""
    boxes_norm = check_norm(region.boxes_norm)
    is_hidden = frame.hides(boxes_norm)
    if hidden == "error" and is_hidden.any():
        row = int(np.flatnonzero(is_hidden)[0])
        box = boxes_norm[row].round(4).tolist()
        percent = int(100 * frame.visible_fraction(boxes_norm)[row])
        raise ValueError(
            f"region {region.phrase!r}: expected the model to see at least half of box {box}, got {percent}% "
            "of it in sight; pad images to a square instead of cropping them, or pass hidden='drop'"
        )
    kept = ~is_hidden if hidden == "drop" else np.ones(len(is_hidden), dtype=bool)
    if len(kept) and not kept.any():
        return None
    return replace(region, boxes_norm=clip(frame.to_model_norm(boxes_norm[kept])), statuses=())


def _read(text: str, box_format: BoxFormat, frame: Frame) -> GroundedText:
    box_format, frame = placed(box_format, frame)
    return _of_the_image(box_format.read(spoken(text).text), frame)


def _of_the_image(seen: GroundedText, frame: Frame) -> GroundedText:
    return replace(seen, regions=[_region_of_the_image(region, frame) for region in seen.regions])


def _region_of_the_image(region: Region, frame: Frame) -> Region:
    mapped = frame.to_image_norm(region.boxes_norm)
    boxes_norm = clip(mapped)
    outside = np.asarray((np.abs(mapped - boxes_norm) > _ROUNDING).any(axis=1))
    empty = np.asarray((boxes_norm[:, 2:] <= boxes_norm[:, :2]).any(axis=1))
    statuses = [
        _status(status, is_cut=bool(outside[row]), is_empty=bool(empty[row]))
        for row, status in enumerate(region.box_statuses)
    ]
    return replace(region, boxes_norm=boxes_norm, statuses=tuple(statuses))


def _status(read: str, *, is_cut: bool, is_empty: bool) -> str:
    """The status of a box brought to the image, of that which it was read with."""
    if read == "duplicate":
        return read
    if is_empty:
        return "degenerate"
    return "clipped" if is_cut and read == "ok" else read
