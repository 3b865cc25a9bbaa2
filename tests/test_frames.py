"""Frames against the real processors: a painted rectangle is found in the pixels that they make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.frames import Frame

sides = st.integers(1, 2000)
sizes = st.tuples(sides, sides)
unit = st.floats(0.0, 1.0)


@st.composite
def frames(draw):
    """A frame of any kind, of an image of any size."""
    image_wh = draw(sizes)
    if max(image_wh) > 200 * min(image_wh):
        image_wh = (image_wh[0], image_wh[0])  # smart_resize refuses longer ones
    kind = draw(st.sampled_from(["identity", "squash", "pad", "crop", "smart", "letterbox"]))
    return {
        "identity": lambda: Frame.identity(image_wh),
        "squash": lambda: Frame.squash(image_wh, (336, 224)),
        "pad": lambda: Frame.square_pad(image_wh, 336),
        "crop": lambda: Frame.center_crop(image_wh, 224, (224, 192)),
        "smart": lambda: Frame.smart_resize(image_wh, 28, 56 * 56, 28 * 28 * 1280),
        "letterbox": lambda: Frame.letterbox(image_wh, (512, 384)),
    }[kind]()


@settings(max_examples=200, deadline=None)
@given(frame=frames(), corners=st.lists(st.tuples(unit, unit, unit, unit), max_size=4))
def test_there_and_back(frame, corners):
    boxes = np.sort(np.array(corners).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    width, height = frame.image_wh
    np.testing.assert_allclose(frame.to_image_norm(frame.to_model_norm(boxes)), boxes, atol=1e-9)
    np.testing.assert_allclose(frame.from_model_px(frame.to_model_px(boxes)), boxes, atol=1e-9)
    px = boxes * [width, height, width, height]
    np.testing.assert_allclose(
        frame.to_image_px(frame.to_model_norm(boxes)), px, atol=1e-9 * max(width, height)
    )


@settings(max_examples=200, deadline=None)
@given(frame=frames(), corners=st.tuples(unit, unit, unit, unit))
def test_visible_fraction_is_the_area_left_in_the_picture(frame, corners):
    x1, x2 = sorted(corners[:2])
    y1, y2 = sorted(corners[2:])
    if x2 - x1 < 1e-3 or y2 - y1 < 1e-3:
        return
    whole = frame.to_model_px([[x1, y1, x2, y2]])
    cut = np.clip(whole, 0, np.array([*frame.model_wh, *frame.model_wh]))
    area = lambda b: (b[0, 2] - b[0, 0]) * (b[0, 3] - b[0, 1])  # noqa: E731
    seen = frame.visible_fraction([[x1, y1, x2, y2]])
    np.testing.assert_allclose(seen, [area(cut) / area(whole)], atol=1e-6)


@pytest.mark.parametrize(
    ("frame", "box", "in_model_px"),
    [
        (Frame.identity((640, 480)), [0.25, 0.5, 0.5, 1.0], [160, 240, 320, 480]),
        # 640 -> 336 is 0.525 per pixel, 480 -> 168 is 0.35
        (Frame.squash((640, 480), (336, 168)), [0.5, 0.5, 1.0, 1.0], [168, 84, 336, 168]),
        # 80 px above and below; 0.525 per pixel: 80 -> 42, 560 -> 294
        (Frame.square_pad((640, 480), 336), [0.0, 0.0, 1.0, 1.0], [0, 42, 336, 294]),
        # 5 x 8: the odd difference 3 puts 1 px left, 2 px right; 8 -> 16 doubles
        (Frame.square_pad((5, 8), 16), [0.0, 0.0, 1.0, 1.0], [2, 0, 12, 16]),
        # 480 -> 336, 640 -> 448; the crop of 336 begins at (448 - 336) / 2 = 56
        (Frame.center_crop((640, 480), 336, (336, 336)), [0.0, 0.0, 1.0, 1.0], [-56, 0, 392, 336]),
        # 100 x 50 -> 20 x 10, padded to 20 x 21: (10 - 21) // 2 = -6, so 6 px above
        (Frame.center_crop((100, 50), 10, (20, 21)), [0.0, 0.0, 1.0, 1.0], [0, 6, 20, 16]),
        # 100 x 40 into 50 x 50: 50 x 20, (50 - 20) / 2 = 15 above
        (Frame.letterbox((100, 40), (50, 50)), [0.0, 0.0, 1.0, 1.0], [0, 15, 50, 35]),
        # 640 / 28 = 22.86 -> 23 * 28 = 644; 480 / 28 = 17.14 -> 17 * 28 = 476
        (Frame.smart_resize((640, 480), 28, 3136, 10**7), [0.0, 0.0, 1.0, 1.0], [0, 0, 644, 476]),
    ],
)
def test_constructors_by_hand(frame, box, in_model_px):
    np.testing.assert_allclose(frame.to_model_px([box]), [in_model_px], atol=1e-9)


def test_visibility_by_hand():
    # 640 x 480 keeps the middle 480 columns of 640: 0.125 .. 0.875.
    frame = Frame.center_crop((640, 480), 336, (336, 336))
    np.testing.assert_allclose(frame.visible_norm, [0.125, 0.0, 0.875, 1.0])
    boxes = [
        [0.0, 0.0, 0.25, 1.0],  # half of it to the left of 0.125: hidden by half, which is not more than half
        [0.0, 0.0, 0.2, 0.5],  # 0.075 of 0.2 is seen: 0.375
        [0.9, 0.1, 1.0, 0.2],  # nothing is seen
        [0.3, 0.3, 0.6, 0.6],  # all is seen
        [0.05, 0.3, 0.05, 0.6],  # a line outside
        [0.5, 0.3, 0.5, 0.3],  # a point inside
    ]
    np.testing.assert_allclose(frame.visible_fraction(boxes), [0.5, 0.375, 0.0, 1.0, 0.0, 1.0])
    assert frame.hides(boxes).tolist() == [False, True, True, False, True, False]
    assert frame.hides(boxes, more_than=0.25).tolist() == [True, True, True, False, True, False]
    assert frame.visible_fraction([]).shape == (0,)


@settings(max_examples=300, deadline=None)
@given(image_wh=st.tuples(st.integers(1, 5000), st.integers(1, 5000)), factor=st.sampled_from([28, 32]))
def test_smart_resize_has_the_integers_of_transformers(image_wh, factor):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    width, height = image_wh
    try:
        expected = smart_resize(height, width, factor, 3136, 1003520)
    except ValueError:
        with pytest.raises(ValueError, match="200 : 1"):
            Frame.smart_resize(image_wh, factor, 3136, 1003520)
        return
    assert Frame.smart_resize(image_wh, factor, 3136, 1003520).model_wh == (expected[1], expected[0])


def processors():
    from transformers import CLIPImageProcessorPil, LlavaImageProcessorPil, LlavaNextImageProcessorPil
    from transformers import Qwen2VLImageProcessorPil as Qwen

    square, plain = {"height": 224, "width": 224}, {"shortest_edge": 224}
    return {
        "clip squash": CLIPImageProcessorPil(size={"height": 192, "width": 160}, do_center_crop=False),
        "clip crop": CLIPImageProcessorPil(size=plain, crop_size={"height": 200, "width": 216}),
        "clip small crop": CLIPImageProcessorPil(size={"shortest_edge": 100}, crop_size=square),  # pads
        "clip crop alone": CLIPImageProcessorPil(do_resize=False, crop_size=square),
        "llava plain": LlavaImageProcessorPil(size=plain, crop_size=square),
        "llava pad": LlavaImageProcessorPil(size=plain, crop_size=square, do_pad=True),
        "llava pad squash": LlavaImageProcessorPil(size=square, do_center_crop=False, do_pad=True),
        "llava next": LlavaNextImageProcessorPil(size=plain, crop_size=square),
        "qwen": Qwen(min_pixels=56 * 56, max_pixels=28 * 28 * 200),
        "qwen small": Qwen(min_pixels=28 * 28 * 2000, max_pixels=28 * 28 * 4000),  # enlarges
        "qwen as it is": Qwen(do_resize=False),
    }


def picture_of(image_processor, image: Image.Image) -> np.ndarray:
    """The green channel that the model sees, (H, W), without normalisation."""
    out = image_processor(images=image, return_tensors="np", do_normalize=False)
    pixels = out["pixel_values"]
    if (
        "image_grid_thw" in out
    ):  # Qwen: patches (rows/2, cols/2, 2, 2, channel, time, 14, 14) back to a picture
        _, rows, cols = out["image_grid_thw"][0]
        blocks = pixels.reshape(rows // 2, cols // 2, 2, 2, 3, 2, 14, 14)[:, :, :, :, 1, 0]
        return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(rows * 14, cols * 14)
    return pixels[0][0][1] if pixels.ndim == 5 else pixels[0][1]  # LLaVA-NeXT: the base view comes first


@pytest.mark.parametrize("wh", [(333, 517), (641, 427), (300, 299), (61, 200)], ids=str)
@pytest.mark.parametrize("name", sorted(processors()))
def test_a_painted_rectangle_is_where_the_frame_says(name, wh):
    image_processor = processors()[name]
    if name == "qwen as it is":
        wh = (wh[0] // 28 * 28, wh[1] // 28 * 28)  # this configuration takes nothing else
    width, height = wh
    left, top, right, bottom = int(width * 0.37), int(height * 0.41), int(width * 0.66), int(height * 0.63)
    image = Image.new("RGB", wh, (255, 0, 0))
    image.paste((255, 255, 0), (left, top, right, bottom))
    seen = picture_of(image_processor, image)

    frame = Frame.from_processor(image_processor, width, height)
    assert frame.model_wh == (seen.shape[1], seen.shape[0])
    expected = frame.to_model_px([[left / width, top / height, right / width, bottom / height]])[0]
    # Padding is gray at most (LLaVA pads with its mean, 0.46): the rectangle's inside is the brightest part.
    rows, cols = np.nonzero(seen > 0.75)
    found = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
    blur = max(1.0, *frame.scale_xy)  # enlarging spreads an edge over more than a pixel
    np.testing.assert_allclose(found, expected, atol=1.0 + 0.5 * (blur - 1))


def test_a_processor_is_looked_into_and_may_say_its_frame_itself():
    class Inner:
        def frame(self, width, height):
            return Frame.squash((width, height), (448, 448))

    class Outer:
        image_processor = Inner()

    assert Frame.from_processor(Outer(), 640, 480) == Frame.squash((640, 480), (448, 448))


def test_an_unknown_processor_is_refused_by_name():
    from transformers import CLIPImageProcessorPil

    class Resizer(CLIPImageProcessorPil):
        """A subclass may do anything, so it is not taken for its parent."""

    for image_processor, name in ((Resizer(), "Resizer"),):
        with pytest.raises(ValueError, match=rf"out of CLIPImageProcessor, .*got {name}"):
            Frame.from_processor(image_processor, 640, 480)
    with pytest.raises(ValueError, match="without do_pad"):
        Frame.from_processor(CLIPImageProcessorPil(do_pad=True), 640, 480)
    long_too = CLIPImageProcessorPil(size={"shortest_edge": 224, "longest_edge": 400})
    with pytest.raises(ValueError, match=r"shortest_edge alone, got .*400"):
        Frame.from_processor(long_too, 640, 480)


@pytest.mark.parametrize("image_wh", [(0, 5), (5,), (5.0, 5), (-1, 5)])
def test_a_frame_needs_real_sizes(image_wh):
    with pytest.raises(ValueError, match="expected image_wh to be two whole numbers of at least 1"):
        Frame.identity(image_wh)
