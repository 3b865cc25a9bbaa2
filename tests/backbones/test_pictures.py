"""Quicker pictures: the same values as transformers', bit for bit, and transformers' own way for all else."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.backbones import load_backbone_processor, load_checkpoint, pictures
from giqa_hf.backbones.pictures import CLIPImageProcessorPil, LlavaImageProcessorPil, quicken
from tests.backbones.loaded import loaded
from tests.make_tiny_backbones import tiny_backbone

SQUARE = {"height": 48, "width": 48}
PADDED = {"do_pad": True, "size": {"shortest_edge": 48}, "crop_size": SQUARE}  # PaddedSquare on LLaVA-1.5
SQUASHED = {"size": SQUARE, "crop_size": SQUARE, "do_center_crop": False}  # Squashed on giqa-tiny

SIZES = [
    (64, 48),  # landscape
    (48, 64),  # portrait
    (65, 48),  # an odd rest: the smaller half of the padding goes in front
    (48, 48),  # as it is to be
    (31, 31),  # square, enlarged
    (1, 1),
    (1, 50),  # a side of one pixel, upright and lying
    (50, 1),
    (48, 47),  # padded by one row
    (47, 48),
    (48, 300),  # one side fits, the other does not
    (900, 20),
]
MODES = ["RGB", "L", "RGBA", "LA", "P", "CMYK", "1", "I;16"]


def picture(wh, mode="RGB"):
    """Noise, which shows every difference of a filter or a place."""
    noise = np.random.default_rng(wh).integers(0, 256, (wh[1], wh[0], 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(noise[:, :, 0].astype(np.uint16))
    image = Image.fromarray(noise)
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


def transparent(wh):
    """A palette in which one colour is transparent: no band is called A, but there is alpha."""
    image = picture(wh, "P")
    image.info["transparency"] = int(np.bincount(np.asarray(image).ravel()).argmax())
    return image


def only_quick(kind, config):
    """A quick image processor that cannot take transformers' way."""

    def refuse(self, *args, **kwargs):
        raise AssertionError("transformers' way was taken")

    return type("OnlyQuick", (kind,), {"_preprocess": refuse})(**config)


def extended(kind):
    """transformers' class that a quick one extends."""
    [plain] = [base for base in kind.__bases__ if base.__module__.startswith("transformers.")]
    return plain


def assert_same(values, expected):
    assert values.dtype == expected.dtype == torch.float32
    assert values.shape == expected.shape
    assert values.numpy().tobytes() == expected.numpy().tobytes()


COVERED = {
    "padded": (LlavaImageProcessorPil, PADDED),
    "padded, no crop": (LlavaImageProcessorPil, {**PADDED, "do_center_crop": False}),
    "padded, not to a square": (
        LlavaImageProcessorPil,
        {"do_pad": True, "size": {"height": 20, "width": 36}, "do_center_crop": False},
    ),
    "padded, enlarged": (
        LlavaImageProcessorPil,
        {"do_pad": True, "size": {"shortest_edge": 336}, "do_center_crop": False},
    ),
    "squashed by LLaVA's": (LlavaImageProcessorPil, {**SQUASHED, "do_pad": False}),
    "squashed": (CLIPImageProcessorPil, SQUASHED),
    "bilinear": (CLIPImageProcessorPil, {**SQUASHED, "resample": 2}),
    "box": (LlavaImageProcessorPil, {**PADDED, "resample": 4}),
    "other colours": (
        LlavaImageProcessorPil,
        {**PADDED, "image_mean": [0.5, 0.0, 1.0], "image_std": [0.1, 0.7, 1.3], "rescale_factor": 1 / 127.5},
    ),
}


@pytest.mark.parametrize("case", COVERED)
def test_values_are_those_of_transformers(case):
    kind, config = COVERED[case]
    quick, plain = only_quick(kind, config), extended(kind)(**config)
    for wh in SIZES:
        assert_same(
            quick(picture(wh), return_tensors="pt")["pixel_values"],
            plain(picture(wh), return_tensors="pt")["pixel_values"],
        )


@pytest.mark.parametrize("resample", [1, 2, 3, 4, 5])
def test_a_pillow_of_the_other_order_costs_time_and_no_value(resample, monkeypatch):
    assert pictures._rows_go_first(
        resample
    )  # as of Pillow 13; else landscape pictures are no quicker than portraits
    monkeypatch.setattr(pictures, "_rows_go_first", lambda resample: False)
    config = {**PADDED, "resample": resample}
    quick, plain = only_quick(LlavaImageProcessorPil, config), transformers.LlavaImageProcessorPil(**config)
    for wh in SIZES:
        assert_same(
            quick(picture(wh), return_tensors="pt")["pixel_values"],
            plain(picture(wh), return_tensors="pt")["pixel_values"],
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["padded", "squashed"])
def test_modes_become_the_colours_that_transformers_makes_of_them(case, mode):
    kind, config = COVERED[case]
    quick, plain = only_quick(kind, config), extended(kind)(**config)
    for image in (picture((40, 25), mode), picture((25, 40), mode)):
        assert_same(
            quick(image, return_tensors="pt")["pixel_values"],
            plain(image, return_tensors="pt")["pixel_values"],
        )


def test_transparency_of_a_palette_is_white():
    quick = only_quick(LlavaImageProcessorPil, PADDED)
    plain = transformers.LlavaImageProcessorPil(**PADDED)
    found = quick(transparent((40, 25)), return_tensors="pt")["pixel_values"]
    assert_same(found, plain(transparent((40, 25)), return_tensors="pt")["pixel_values"])
    # and so it is not what the palette alone says
    assert not torch.equal(found, plain(picture((40, 25), "P"), return_tensors="pt")["pixel_values"])


@settings(deadline=None, max_examples=120)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from([1, 2, 3, 4, 5]),  # all filters of Pillow but the nearest pixel
    st.booleans(),
    st.booleans(),
)
def test_any_size_any_filter(wh, model_wh, resample, do_pad, square):
    config = {
        "size": {"width": model_wh[0], "height": model_wh[0] if square else model_wh[1]},
        "resample": resample,
        "do_pad": do_pad,
        "do_center_crop": False,
    }
    quick = only_quick(LlavaImageProcessorPil, config)
    plain = transformers.LlavaImageProcessorPil(**config)
    assert_same(
        quick(picture(wh), return_tensors="pt")["pixel_values"],
        plain(picture(wh), return_tensors="pt")["pixel_values"],
    )


def test_a_batch_in_each_form():
    images = [picture(wh) for wh in SIZES[:4]]  # landscape and portrait in one
    quick, plain = (
        only_quick(LlavaImageProcessorPil, PADDED),
        transformers.LlavaImageProcessorPil(**PADDED),
    )
    expected = plain(images, return_tensors="np")["pixel_values"]
    for given_as in (images, [[image] for image in images]):  # TRL's collator gives a list for each row
        assert np.array_equal(quick(given_as, return_tensors="np")["pixel_values"], expected)
    listed = quick(images)["pixel_values"]
    assert isinstance(listed, list) and isinstance(plain(images)["pixel_values"], list)
    assert all(np.array_equal(one, other) for one, other in zip(listed, expected, strict=True))


ARRAY = np.asarray(picture((64, 48)))
NOT_COVERED = {
    "a crop that cuts": (CLIPImageProcessorPil, {"size": {"shortest_edge": 48}, "crop_size": SQUARE}, {}),
    "a crop that pads": (LlavaImageProcessorPil, {**PADDED, "crop_size": {"height": 60, "width": 60}}, {}),
    "a bound on the longer side": (
        CLIPImageProcessorPil,
        {"size": {"shortest_edge": 48, "longest_edge": 50}, "do_center_crop": False},
        {},
    ),
    "the nearest pixel": (LlavaImageProcessorPil, {**PADDED, "resample": 0}, {}),
    "CLIP's padding, to the batch": (CLIPImageProcessorPil, {**SQUASHED, "do_pad": True}, {}),
    "no resize in this call": (CLIPImageProcessorPil, SQUASHED, {"do_resize": False}),
    "no normalisation": (CLIPImageProcessorPil, {**SQUASHED, "do_normalize": False}, {}),
    "no rescaling": (CLIPImageProcessorPil, {**SQUASHED, "do_rescale": False}, {}),
    "colours as they are": (CLIPImageProcessorPil, {**SQUASHED, "do_convert_rgb": False}, {}),
    "one mean for all": (CLIPImageProcessorPil, SQUASHED, {"image_mean": 0.5, "image_std": 0.2}),
    "an array": (LlavaImageProcessorPil, PADDED, {"images": ARRAY}),
    "an array, channels first": (LlavaImageProcessorPil, PADDED, {"images": ARRAY.transpose(2, 0, 1)}),
    "a tensor": (CLIPImageProcessorPil, SQUASHED, {"images": torch.from_numpy(ARRAY.copy())}),
    "a picture and an array": (LlavaImageProcessorPil, PADDED, {"images": [picture((9, 5)), ARRAY]}),
}


@pytest.mark.parametrize("case", NOT_COVERED)
def test_all_else_is_left_to_transformers(case):
    kind, config, call = NOT_COVERED[case]
    call = {"images": picture((64, 48)), "return_tensors": "pt", **call}
    with pytest.raises(AssertionError, match="transformers' way was taken"):
        only_quick(kind, config)(**call)
    found, expected = (
        kind(**config)(**call)["pixel_values"],
        extended(kind)(**config)(**call)["pixel_values"],
    )
    assert found.dtype == expected.dtype and torch.equal(found, expected)


@pytest.mark.parametrize(
    ("images", "call"),
    [
        (7, {}),  # no picture
        ("no such file.png", {}),
        (picture((9, 5)), {"size": {"heigth": 3}}),  # a name that there is not
        (picture((9, 5)), {"do_pad": "yes"}),  # a wrong type
    ],
)
def test_errors_are_those_of_transformers(images, call):
    with pytest.raises(Exception) as expected:  # noqa: PT011 (whatever it is)
        transformers.LlavaImageProcessorPil(**PADDED)(images, return_tensors="pt", **call)
    with pytest.raises(type(expected.value)) as found:
        LlavaImageProcessorPil(**PADDED)(images, return_tensors="pt", **call)
    assert str(found.value) == str(expected.value)


def test_no_picture_at_all():
    assert LlavaImageProcessorPil(**PADDED)([], return_tensors="pt")["pixel_values"].shape == (0,)


def test_settings_go_with_it():
    plain = transformers.CLIPImageProcessorPil(**SQUASHED, image_mean=[0.1, 0.2, 0.3])
    plain.do_convert_rgb = None  # `to_dict` and `from_dict` would fill that with the default
    quick = quicken(plain)
    assert type(quick) is CLIPImageProcessorPil
    assert vars(quick) == vars(plain)


def test_other_classes_stay():
    class Own(transformers.CLIPImageProcessorPil):
        """Whatever it does differently is not known."""

    for image_processor in (Own(), transformers.SiglipImageProcessorPil(), CLIPImageProcessorPil()):
        assert quicken(image_processor) is image_processor


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_it_goes_to_the_workers_of_a_data_loader(again):
    quick = LlavaImageProcessorPil(**PADDED)
    other = again(quick)
    assert type(other) is LlavaImageProcessorPil and vars(other) == vars(quick)


@pytest.mark.parametrize(
    ("name", "kind"), [("llava-1.5-7b", LlavaImageProcessorPil), ("giqa-tiny", CLIPImageProcessorPil)]
)
def test_a_backbone_saves_transformers_class_and_loads_the_quick_one(name, kind, tmp_path):
    processor = loaded(name).processor
    assert type(processor.image_processor) is kind
    loaded(name).model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))["image_processor"]
    assert saved["image_processor_type"] == kind.__name__.removesuffix("Pil")

    elsewhere = transformers.AutoProcessor.from_pretrained(tmp_path).image_processor
    assert type(elsewhere) is extended(kind)
    assert elsewhere.to_dict() == processor.image_processor.to_dict()

    ours = load_backbone_processor(name, checkpoint=str(tmp_path)).image_processor
    assert type(ours) is kind and ours.to_dict() == processor.image_processor.to_dict()


def test_a_checkpoint_as_it_is_gets_the_quick_one_too():
    # The public checkpoint's class: it crops, which is not covered, and stays what it is.
    image_processor = load_checkpoint(str(tiny_backbone("llava-1.5-7b"))).processor.image_processor
    assert type(image_processor) is CLIPImageProcessorPil
    assert image_processor.do_center_crop
