"""What models do to their own formats: peers.md 4.2, the cases in which the best readers lose boxes or invent some.

A row per case: no box that can be read is lost, none is invented, and what cannot be read is an issue.
"""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.formats import (
    FORMATS,
    DeepSeekVL2Format,
    FerretFormat,
    Florence2Format,
    GiqaFormat,
    InternVLFormat,
    Kosmos2Format,
    LlavaFormat,
    PaliGemmaFormat,
    Qwen2VLFormat,
    Qwen3VLFormat,
    Qwen25VLFormat,
    ShikraFormat,
)
from giqa_hf.grounded_text import GroundedText, Region

QWEN = Qwen3VLFormat()
CAT = [0.001, 0.002, 0.03, 0.04]  # [1, 2, 30, 40] of 1000
DOG = [0.005, 0.006, 0.07, 0.08]


@pytest.mark.parametrize(
    ("box_format", "written", "text", "regions", "issues"),
    [
        # fenced JSON, and prose with [1] before it (LibreYOLO PR 341); supervision: no box
        (
            QWEN,
            'See [1]. ```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]\n```',
            "See [1]. cat",
            [("cat", [CAT], ["ok"])],
            [],
        ),
        # one object, no list
        (QWEN, '{"bbox_2d": [1, 2, 30, 40], "label": "cat"}', "cat", [("cat", [CAT], ["ok"])], []),
        # no label, another key
        (
            QWEN,
            '[{"bbox_2d": [1, 2, 30, 40]}, {"bbox": [5, 6, 70, 80], "label": "dog"}]',
            "dog",
            [("", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        # one of two boxes has three numbers; supervision: ValueError, all lost
        (
            QWEN,
            '[{"bbox_2d": [1, 2, 30], "label": "cat"}, {"bbox_2d": [5, 6, 70, 80], "label": "dog"}]',
            "cat, dog",
            [("cat", [], []), ("dog", [DOG], ["ok"])],
            [("bad_arity", "[1, 2, 30]")],
        ),
        # nested lists; supervision: IndexError, VLMEvalKit: the first only
        (
            QWEN,
            '{"bbox_2d": [[1, 2, 30, 40], [5, 6, 70, 80]], "label": "pets"}',
            "pets",
            [("pets", [CAT, DOG], ["ok", "ok"])],
            [],
        ),
        # null: the model says that there is no box
        (QWEN, '{"bbox_2d": null, "label": "cat"}', "cat", [("cat", [], [])], []),
        # cut off within a box, and within a label
        (
            QWEN,
            '[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}, {"bbox_2d": [5, 6, 7',
            "cat",
            [("cat", [CAT], ["ok"]), ("", [], [])],
            [("truncated", "[5, 6, 7")],
        ),
        (
            QWEN,
            '[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}, {"bbox_2d": [5, 6, 70, 80], "label": "do',
            "cat",
            [("cat", [CAT], ["ok"]), ("", [DOG], ["ok"])],
            [],
        ),
        # out of range: 15 of 1000 outside is clipped (up to 20 are), 500 is no place in the image
        (
            QWEN,
            '{"bbox_2d": [-5, 0, 1015, 700], "label": "a"} {"bbox_2d": [0, 0, 1500, 700], "label": "b"}',
            "a, b",
            [("a", [[0.0, 0.0, 1.0, 0.7]], ["clipped"]), ("b", [], [])],
            [("out_of_range", "[0, 0, 1500, 700]")],
        ),
        # numbers with exponents, as JSON has them
        (
            QWEN,
            '{"bbox_2d": [1e2, 2.5E+2, 500, 5e2], "label": "cat"}',
            "cat",
            [("cat", [[0.1, 0.25, 0.5, 0.5]], ["ok"])],
            [],
        ),
        # reversed corners; lmms-eval: IoU 0
        (QWEN, '{"bbox_2d": [30, 40, 1, 2], "label": "cat"}', "cat", [("cat", [CAT], ["swapped"])], []),
        # single quotes; labels as keys; named corners in an object
        (QWEN, "[{'bbox_2d': [1, 2, 30, 40], 'label': 'cat'}]", "cat", [("cat", [CAT], ["ok"])], []),
        (
            QWEN,
            '{"cat": [1, 2, 30, 40], "dog": [[5, 6, 70, 80]]}',
            "cat, dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        (
            QWEN,
            '{"objects": [{"box": {"x1": 1, "y1": 2, "x2": 30, "y2": 40}, "name": "cat"}]}',
            "cat",
            [("cat", [CAT], ["ok"])],
            [],
        ),
        # numbers in quotes: 1 / 1000 and so on, whether each, in lists of lists, by name, or all four in one string
        (
            QWEN,
            '[{"bbox_2d": ["1", "2", "30", "40"], "label": "cat"}, {"bbox": [[5, "6", 70, \'80\']], "label": "dog"}]',
            "cat, dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        (
            QWEN,
            '[{"bbox_2d": {"x1": "1", "y1": "2", "x2": "30", "y2": "40"}, "label": "cat"}]',
            "cat",
            [("cat", [CAT], ["ok"])],
            [],
        ),
        (
            QWEN,
            '[{"bbox_2d": "[1, 2, 30, 40]", "label": "cat"}, {"label": "dog", "bbox": "[[5, 6, 70, 80]]"}]',
            "cat, dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        # a tuple of Python, alone and in a list
        (
            QWEN,
            '[{"bbox_2d": (1, 2, 30, 40), "label": "cat"}, {"bbox_2d": [("5", "6", 70, 80)], "label": "dog"}]',
            "cat, dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        # an answer beside a box without a label, and before labels; said twice, it is read once
        (QWEN, '{"answer": "Yes", "bbox_2d": [1, 2, 30, 40]}', "Yes", [("", [CAT], ["ok"])], []),
        (
            QWEN,
            'So: {"response": "A cat.", "objects": [{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]} '
            '{"response": "A cat.", "bbox_2d": [5, 6, 70, 80], "label": "dog"}',
            "So: A cat. dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        # ... and beside a fault; words under another key stay as they stand, where there is only a fault
        (
            QWEN,
            '{"answer": "Yes", "bbox_2d": [1, 2, 30]}',
            "Yes",
            [("", [], [])],
            [("bad_arity", "[1, 2, 30]")],
        ),
        (
            QWEN,
            '{"quality": "sharp", "bbox_2d": "1, 2, 30"}',
            '{"quality": "sharp", "bbox_2d": "1, 2, 30"}',
            [("", [], [])],
            [("bad_arity", '"1, 2, 30"')],
        ),
        # corners named in pairs: (1, 2) and (30, 40); (70, 6) and (5, 80) say x2, y1 and x1, y2
        (
            QWEN,
            '{"bbox_2d": {"top_left": [1, 2], "bottom_right": [30, 40]}, "label": "cat"} '
            '{"topRight": ["70", "6"], "label": "dog", "box": {"topRight": [70, 6], "bottomLeft": [5, 80]}}',
            "cat, dog",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        # a name without a box beside brackets, a colon or a dash: the name is kept
        (
            InternVLFormat(),
            "<ref>cat</ref>: <box>[[1, 2, 30, 40]]</box> and <ref>dog</ref> - <box>[[5, 6, 70, 80]]</box>.",
            "cat: and dog-.",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        (
            FerretFormat(),
            "A cat [[1, 2, 30, 40]], a dog ([5, 6, 70, 80]).",
            "A cat, a dog.",
            [("cat", [CAT], ["ok"]), ("dog", [DOG], ["ok"])],
            [],
        ),
        (
            LlavaFormat(),
            "The cats [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.6, 0.6]] sit on a mat [[0.0, 0.5, 0.9",
            "The cats sit on a mat",
            [("cats", [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.6, 0.6]], ["ok", "ok"]), ("mat", [], [])],
            [("truncated", "[0.0, 0.5, 0.9")],
        ),
        # behind boxes a dash or colon is of the text; blanks and commas join them
        (
            InternVLFormat(),
            "<ref>cat</ref><box>[[1, 2, 30, 40]]</box>\n- <box>[[5, 6, 70, 80]]</box>",
            "cat\n-",
            [("cat", [CAT], ["ok"]), ("", [DOG], ["ok"])],
            [],
        ),
        (
            Qwen2VLFormat(),
            "red (1,2,30,40)\n:\n(5,6,70,80)",
            "red\n:\n",
            [("red", [CAT], ["ok"]), ("", [DOG], ["ok"])],
            [],
        ),
        (
            InternVLFormat(),
            "<ref>cats</ref>: <box>[[1, 2, 30, 40]]</box>, <box>[[5, 6, 70, 80]]</box> sit",
            "cats: sit",
            [("cats", [CAT, DOG], ["ok", "ok"])],
            [],
        ),
        # a bracket that closes behind more than boxes is of the text
        (
            LlavaFormat(),
            "It (the cat [0.1, 0.2, 0.3, 0.4]) sits ([0.5, 0.5, 0.6, 0.6] or so).",
            "It (the cat) sits ( or so).",
            [("cat", [[0.1, 0.2, 0.3, 0.4]], ["ok"]), ("", [[0.5, 0.5, 0.6, 0.6]], ["ok"])],
            [],
        ),
        # an apostrophe in a label; supervision: "dog"
        (
            PaliGemmaFormat(),
            "<loc0256><loc0512><loc0768><loc1023> dog's ball",
            "dog's ball",
            [("dog's ball", [[0.5, 0.25, 1023 / 1024, 0.75]], ["ok"])],
            [],
        ),
        # segmentation tokens; supervision: no box
        (
            PaliGemmaFormat(),
            "<loc0256><loc0512><loc0768><loc1023><seg001><seg127> cat",
            "cat",
            [("cat", [[0.5, 0.25, 1023 / 1024, 0.75]], ["ok"])],
            [],
        ),
        # boxes in prose; supervision: none, VLMEvalKit: the first only, lmms-eval: as pixels
        (
            LlavaFormat(),
            "The cat [0.1, 0.2, 0.3, 0.4] and the dog [0.5, 0.5, 0.6, 0.6].",
            "The cat and the dog.",
            [("cat", [[0.1, 0.2, 0.3, 0.4]], ["ok"]), ("dog", [[0.5, 0.5, 0.6, 0.6]], ["ok"])],
            [],
        ),
        (
            ShikraFormat(),
            "Cats[0.1,0.2,0.3,0.4;0.5,0.5,0.6,0.6] sit.",
            "Cats sit.",
            [("Cats", [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.6, 0.6]], ["ok", "ok"])],
            [],
        ),
        (
            FerretFormat(),
            "A cat [1, 2, 30, 40] sits on a mat [0, 500, 999, 999].",
            "A cat sits on a mat.",
            [("cat", [CAT], ["ok"]), ("mat", [[0.0, 0.5, 0.999, 0.999]], ["ok"])],
            [],
        ),
        # the paper's own form: two boxes; VLMEvalKit: one wrong box of the four numbers
        # 33 = (1, 13), 354 = (17, 14); 22 = (1, 2), 324 = (16, 4); centres
        (
            GiqaFormat(),
            "The [candles](<33, 354>, <22, 324>) are lit.",
            "The candles are lit.",
            [("candles", [[0.675, 0.075, 0.725, 0.875], [0.125, 0.075, 0.225, 0.825]], ["ok", "ok"])],
            [],
        ),
        # Qwen2-VL's tokens; and what is left where a tokenizer dropped them as special
        (
            Qwen2VLFormat(),
            "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(1,2),(30,40)<|box_end|>",
            "cat",
            [("cat", [CAT], ["ok"])],
            [],
        ),
        (Qwen2VLFormat(), "The cat(1,2),(30,40) sits.", "The cat sits.", [("cat", [CAT], ["ok"])], []),
        # seen in the wild (ms-swift 5280): no closing tag, five digits, an opening tag twice
        (InternVLFormat(), "<ref>cat</ref><box>[[1, 2, 30, 40]] is", "cat is", [("cat", [CAT], ["ok"])], []),
        (
            Qwen2VLFormat(),
            "<|box_start|>(1,2),(30,10825)<|box_end|>",
            "",
            [("", [], [])],
            [("out_of_range", "(1,2),(30,10825)")],
        ),
        (
            Qwen2VLFormat(),
            "cat <|box_start|><|box_start|>(1,2),(30,40)<|box_end|>",
            "cat",
            [("cat", [CAT], ["ok"])],
            [],
        ),
        # the form printed as it was asked for (InternVL 625)
        (
            InternVLFormat(),
            "<ref>cat</ref><box>[[x1, y1, x2, y2]]</box>",
            "cat",
            [("cat", [], [])],
            [("bad_arity", "[[x1, y1, x2, y2]]")],
        ),
        # cut off in the second box
        (
            DeepSeekVL2Format(),
            "<|ref|>pets<|/ref|><|det|>[[0, 0, 999, 999], [5, 6, 70",
            "pets",
            [("pets", [[0.0, 0.0, 1.0, 1.0]], ["ok"])],
            [("truncated", "[5, 6, 70")],
        ),
        # three of four tokens; one patch of two
        (
            Florence2Format(),
            "cat<loc_1><loc_2><loc_30>",
            "cat",
            [("cat", [], [])],
            [("truncated", "<loc_1><loc_2><loc_30>")],
        ),
        # 0 .. 1023: the whole image, from the centre of the first patch to that of the last
        (
            Kosmos2Format(),
            "<phrase>a cat</phrase><object><patch_index_0000><patch_index_1023>"
            "</delimiter_of_multi_objects/><patch_index_0010></object>",
            "a cat",
            [("a cat", [[0.5 / 32, 0.5 / 32, 31.5 / 32, 31.5 / 32]], ["ok"])],
            [("bad_arity", "<patch_index_0010>")],
        ),
    ],
)
def test_no_readable_box_is_lost(box_format, written, text, regions, issues):
    grounded = box_format.read(written)
    assert grounded.text == text
    assert [(r.phrase, len(r.boxes_norm), list(r.box_statuses)) for r in grounded.regions] == [
        (phrase, len(boxes), statuses) for phrase, boxes, statuses in regions
    ]
    for region, (_, boxes, _) in zip(grounded.regions, regions, strict=True):
        np.testing.assert_allclose(region.boxes_norm, np.reshape(boxes, (-1, 4)), atol=1e-12)
    assert [(issue.status, issue.raw) for issue in grounded.issues] == issues


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        # under a key that says "box" stands something, and it is no box
        ('["a", "b"]', ("bad_arity", '["a", "b"]')),
        ("[x1, y1, x2, y2]", ("bad_arity", "[x1, y1, x2, y2]")),  # the form as it was asked for
        ('["1", "2", "30"]', ("bad_arity", '["1", "2", "30"]')),
        ('["<1>", 2, 30, 40]', ("bad_arity", '["<1>", 2, 30, 40]')),
        ('"1, 2, 30"', ("bad_arity", '"1, 2, 30"')),
        ('"x1, y1, x2, y2"', ("bad_arity", '"x1, y1, x2, y2"')),
        ("1, 2, 30, 40", ("bad_arity", "1, 2, 30, 40")),
        ('{"x1": "a"}', ("bad_arity", '{"x1": "a"}')),
        ('{"min": [1, 2], "max": [30, 40]}', ("bad_arity", '{"min": [1, 2], "max": [30, 40]}')),
        # a corner and two sides, or a middle and two sides: nobody says which
        ('{"x": 1, "y": 2, "width": 3, "height": 4}',
         ("bad_arity", '{"x": 1, "y": 2, "width": 3, "height": 4}')),
        ('{"x1": 1, "y1": 2, "x2": 30}', ("bad_arity", '{"x1": 1, "y1": 2, "x2": 30}')),
        ('{"top_left": [1, 2]}', ("bad_arity", '{"top_left": [1, 2]}')),
        # said to be none
        ("null", None),
        ("None", None),
        ("[]", None),
        ("{}", None),
        ('""', None),
        ('"N/A"', None),
        ('"on the left"', None),  # no digit
        ('{"a": "b"}', None),  # neither a corner nor a side
        ('{"lat": 1, "lon": 2}', None),
        ("[null, null, null, null]", None),
        ('{"x1": null, "y1": null, "x2": null, "y2": null}', None),
    ],
)  # fmt: skip
def test_a_box_that_says_nothing_is_a_fault_and_one_that_is_none_is_not(value, fault):
    for written in (f'[{{"bbox_2d": {value}, "label": "cat"}}]', f'{{"label": "cat", "boxes": {value}}}'):
        grounded = QWEN.read(written)
        assert [(issue.status, issue.raw) for issue in grounded.issues] == ([] if fault is None else [fault])
        assert len(grounded.boxes_norm) == 0
        assert fault is None or [region.phrase for region in grounded.regions] == ["cat"]


@pytest.mark.parametrize("key", ["box", "bbox", "bbox_2d"])
def test_one_number_is_a_fault_where_it_can_be_no_count(key):
    grounded = QWEN.read(f'{{"{key}": 0.93, "label": "cat"}}')
    assert [(issue.status, issue.raw) for issue in grounded.issues] == [("bad_arity", "0.93")]
    assert [region.phrase for region in grounded.regions] == ["cat"]


@pytest.mark.parametrize(
    ("written", "raw"),
    [
        ('[{"bbox_2d": ["1", "2", "30', '["1", "2", "30'),  # within a number
        ('[{"bbox_2d": ["1", "2", "30", "40', '["1", "2", "30", "40'),  # may have been 400
        ('[{"bbox_2d": "1, 2, 30', '"1, 2, 30'),
        ('[{"bbox_2d": {"x1": 1, "y1": 2', '{"x1": 1, "y1": 2'),
    ],
)
def test_a_box_in_other_words_that_the_end_cuts_is_truncated(written, raw):
    assert [(issue.status, issue.raw) for issue in QWEN.read(written).issues] == [("truncated", raw)]


@pytest.mark.parametrize(
    "written",
    [
        '{"label": "cat", "position": "left", "area": "large"}',  # words of a place are no box
        '{"mailbox": "red", "direction": "left", "correct": "yes"}',
        '{"num_boxes": 2, "label": "cats"}',
        '{"answer": "Yes", "bounding boxes": "not requested"}',
        '{"answer": "Yes", "coordinates": "see photo"}',
        '{"answer": "Yes", "quality": {"box": "the box is sharp"}}',
        '{"coordinates": {"lat": 1, "lon": 2}}',
        "{see (1, 2, 3, 4)}",
        '{"text": ["1", "2", "3", "4"]}',
        '{"box_format": "xyxy", "objects": [{"bbox": [1, 2, 30, 40], "name": "cat"}]}',
        '{"coordinates": "relative", "bbox": [1, 2, 30, 40], "name": "cat"}',
    ],
)
def test_words_and_counts_are_no_faults(written):
    grounded = QWEN.read(written)
    assert grounded.issues == []
    assert grounded.boxes_norm.tolist() == ([CAT] if "30" in written else [])
    assert "30" in written or grounded.text == written  # nothing is lost


@pytest.mark.parametrize("box_format", [LlavaFormat(), ShikraFormat()], ids=repr)
@pytest.mark.parametrize("before", ["a [", "a ([", "a [\\", "a \\[["])
def test_brackets_of_the_text_around_a_box_stay(box_format, before):
    """A nameless box within brackets of the text, which would go with it but for a backslash."""
    place = (len(before), len(before))
    grounded = GroundedText(f"{before}]] b", [Region("", place, np.array([[0.1, 0.2, 0.3, 0.4]]))])
    back = box_format.read(box_format.write(grounded))
    assert (back.text, back.regions[0].span) == (grounded.text, place)
    np.testing.assert_allclose(back.boxes_norm, grounded.boxes_norm, atol=1e-12)


def test_a_loop_of_one_box_is_one_box_and_its_duplicates():
    """lmms-eval takes the best of such boxes against the truth; here 499 of 500 are marked, and cost precision."""
    loop = ", ".join(['{"bbox_2d": [1, 2, 30, 40], "label": "cat"}'] * 500)
    for written in (f"[{loop}]", f"[{loop}"):  # closed, and cut off
        (region,) = QWEN.read(written).regions
        assert region.box_statuses == ("ok", *["duplicate"] * 499)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "4 dogs 3 cats 2 x 1",  # VLMEvalKit invents a box of any four numbers
        "Give it as [x1, y1, x2, y2].",
        "Rated [4] of (5), see [1, 2] and Fig. (3).",
        "f(1, 2) < 3 and {a} is 50% [sic]",
    ],
)
def test_no_box_is_invented(name, text):
    box_format = Qwen25VLFormat(picture_wh=(640, 480)) if name == "qwen2_5_vl" else FORMATS[name]()
    grounded = box_format.read(text)
    assert (grounded.text, grounded.regions, grounded.issues) == (text, [], [])


@pytest.mark.parametrize(
    "name", sorted(set(FORMATS) - {"giqa", "normalized", "kosmos2", "florence2", "paligemma"})
)
def test_other_families_tokens_are_words(name):
    """A file in another form gives no boxes rather than wrong ones."""
    box_format = Qwen25VLFormat(picture_wh=(640, 480)) if name == "qwen2_5_vl" else FORMATS[name]()
    for text in (
        "A cat <patch_index_0001><patch_index_0002>",
        "cat<loc_1><loc_2><loc_3><loc_4>",
        "[a](<1,22>)",
    ):
        assert box_format.read(text).regions == []
