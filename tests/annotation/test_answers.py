"""Reading items out of answers: one row per way in which models spoil JSON, and what must hold for any text."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from giqa_hf.annotation.answers import NO_ITEMS, NO_JSON, UNFINISHED, clip, one_line, read_items, text_of
from giqa_hf.annotation.llm.client import EMPTY

KEYS = ("name", "phrase")
SKY = {"name": "sky", "phrase": "the sky"}
SEA = {"name": "sea", "phrase": "a sea"}
SKY_TEXT, SEA_TEXT = json.dumps(SKY), json.dumps(SEA)

READ = {
    # what came, and the items in it
    "a list": (f"[{SKY_TEXT}, {SEA_TEXT}]", [SKY, SEA]),
    "a wrapper": (f'{{"tags": [{SKY_TEXT}, {SEA_TEXT}]}}', [SKY, SEA]),
    "nested wrappers": (f'{{"result": {{"n": 2, "tags": [{SKY_TEXT}], "more": [[{SEA_TEXT}]]}}}}', [SKY, SEA]),
    "one object": (SKY_TEXT, [SKY]),
    "a fence": (f"```json\n[{SKY_TEXT}]\n```", [SKY]),
    "prose around": (f"Sure, here's what I've found:\n[{SKY_TEXT}]\nIt's all \"there\" is.", [SKY]),
    "prose with brackets": (f"The list [see below] has {{1}} item [1]: [{SKY_TEXT}]", [SKY]),
    "JSON lines": (f"{SKY_TEXT}\n{SEA_TEXT}\n", [SKY, SEA]),
    "objects with commas, no list": (f"{SKY_TEXT},\n{SEA_TEXT},", [SKY, SEA]),
    "two fences": (f"```\n[{SKY_TEXT}]\n```\nand\n```\n[{SEA_TEXT}]\n```", [SKY, SEA]),
    "trailing commas": ('[{"name": "sky", "phrase": "the sky",}, ]', [SKY]),
    "missing commas": ('[{"name": "sky" "phrase": "the sky"} {"name": "sea" "phrase": "a sea"}]', [SKY, SEA]),
    "single quotes": ("[{'name': 'sky', 'phrase': 'the sky'}]", [SKY]),
    "an apostrophe in single quotes": ("[{'name': 'dog', 'phrase': 'the dog's tail'}]", [{"name": "dog", "phrase": "the dog's tail"}]),
    "an escaped apostrophe": (r"[{'name': 'dog', 'phrase': 'the dog\'s tail'}]", [{"name": "dog", "phrase": "the dog's tail"}]),
    "quotes in single quotes": ("[{'name': 'a \"big\" dog'}]", [{"name": 'a "big" dog'}]),
    "bare keys and values": ("{name: sky, phrase: 'the sky'}", [SKY]),
    "Python's literals": ("[{'name': 'sky', 'phrase': None, 'sure': True}]", [{"name": "sky", "phrase": None, "sure": True}]),
    "a raw line break in a string": ('[{"name": "sky", "phrase": "the\nsky"}]', [{"name": "sky", "phrase": "the\nsky"}]),
    "escapes, read loosely": (r'[{"name": "\u00e9\n\"x\"", }]', [{"name": 'é\n"x"'}]),
    "a bad escape": (r'[{"name": "C:\dir"}]', [{"name": r"C:\dir"}]),
    "missing closers inside": (f'{{"tags": [{SKY_TEXT}, {SEA_TEXT}}}', [SKY, SEA]),
    "closers of nothing": (f"[{SKY_TEXT}}} , {SEA_TEXT}]]", [SKY, SEA]),
    "keys in another case": ('[{"Name": "sky"}]', [{"Name": "sky"}]),
    "thinking aloud": (f"<think>Maybe [{SEA_TEXT}]? No.</think>[{SKY_TEXT}]", [SKY]),
    "a broken item among good ones": (f'[{SKY_TEXT}, "sea", {{"x": 1}}, null]', [SKY, "sea", {"x": 1}, None]),
    "texts instead of objects": ('{"tags": ["sky", "sea"]}', ["sky", "sea"]),
    "a wrapper under a strange key": (f'{{"": {{"0": {SKY_TEXT}, "1": {SEA_TEXT}}}}}', [SKY, SEA]),
    "a number too long for Python": ('[{"name": "sky", "n": ' + "9" * 5000 + "}]", [{"name": "sky", "n": "9" * 5000}]),
    "an empty list": ("[]", []),
    "an empty list in a wrapper, in prose": ('There is nothing: {"tags": []}.', []),
    "ten thousand": (json.dumps([SKY] * 10_000), [SKY] * 10_000),
    "deep, but whole": ("[" * 200 + SKY_TEXT + "]" * 200, [SKY]),
    "deep, read loosely": ("[" * 90 + "{'name': 'sky', 'phrase': 'the sky'}" + "]" * 90, [SKY]),
}  # fmt: skip


@pytest.mark.parametrize("text, items", READ.values(), ids=READ)
def test_items_are_read(text, items):
    assert read_items(text, KEYS) == (items, None)


SPOILED = {
    # what came, the items that are whole, and the problem
    "half a list": (f'[{SKY_TEXT}, {{"name": "sea", "phr', [SKY], UNFINISHED),
    "half a wrapper": (f'{{"tags": [{SKY_TEXT}, {{"name": "sea"', [SKY], UNFINISHED),
    "cut behind an opening": (f'[{SKY_TEXT}, {{"', [SKY], UNFINISHED),
    "nothing whole": ('{"tags": [{"name": "sky", "phrase": "the', [], UNFINISHED),
    "nothing whole, of something else": ('[{"x": 1, "na', [], UNFINISHED),
    "cut before the first": ('{"tags": [', [], UNFINISHED),
    "cut while thinking": ("<think>The sky is ...", [], UNFINISHED),
    "nothing behind thinking": ("<think>The sky is ...</think>  ", [], UNFINISHED),
    "empty": ("", [], EMPTY),
    "blank": (" \n ", [], EMPTY),
    "too deep": (f"[{SKY_TEXT}, {'[' * 100_000}{SEA_TEXT}{']' * 100_000}]", [SKY], None),
    "prose": ("I can't help with that. (It's a photo.)", [], NO_JSON),
    "prose with brackets": ("I can't [really] help with [1].", [], NO_JSON),
    "an object of something else": (
        '{"error": "overloaded"}',
        [{"error": "overloaded"}],
        None,
    ),  # a broken item
    "an empty object": ("{}", [], NO_ITEMS),
    "a text as the list": ('{"tags": {}}', [], NO_ITEMS),
}


@pytest.mark.parametrize("text, items, problem", SPOILED.values(), ids=SPOILED)
def test_what_is_not_there_is_told(text, items, problem):
    assert read_items(text, KEYS) == (items, problem)


def test_items_are_complete_wherever_an_answer_ends():
    """Cut after every character: the items are the first ones of the whole answer, and none is half."""
    whole = [SKY, SEA, SKY]
    for text in (json.dumps({"tags": whole}), json.dumps(whole, indent=1), str(whole)):
        counts = []
        for end in range(len(text) + 1):
            items, problem = read_items(text[:end], KEYS)
            assert items == whole[: len(items)]
            assert items or problem
            counts.append(len(items))
        assert counts == sorted(counts)
        assert counts[-1] == 3


MEGABYTE = 1_000_000
GARBAGE = {
    "opening lists": "[" * MEGABYTE,
    "opening objects": "{" * MEGABYTE,
    "closers of nothing": "[" + "]}" * (MEGABYTE // 2),
    "many small failures": "{a} " * (MEGABYTE // 4),
    "lines of failures": "[1\n" * (MEGABYTE // 3),
    "escaped quotes": '["' + '\\"' * (MEGABYTE // 2),
    "escaped quotes outside": "[" + '\\"' * (MEGABYTE // 2),
    "apostrophes": "[" + "' " * (MEGABYTE // 2),
    "one apostrophe, then blanks": "['" + " " * MEGABYTE + "'x",
    "crossed closers": "[{]}" * (MEGABYTE // 4),
    "half an item": '[{"name": "' + "a" * MEGABYTE,
    "backslashes": "[" + "\\" * MEGABYTE,
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_a_megabyte_of_garbage_is_read_to_its_end(text):
    """Anything that is not linear would hang here: 10^12 steps."""
    items, _ = read_items(text, KEYS)
    assert not any(isinstance(item, dict) and "name" in item for item in items)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEYS, "x"]) | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("{}[]:,\"'\\ \nnameé1"), max_size=60) | st.text(max_size=60))
@example("{'name':")
@example("</think>")
def test_any_text_is_read(text):
    items, problem = read_items(text, KEYS)
    assert items or problem or "[]" in "".join(text.split()) or "[" in text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"name": st.text(max_size=20), "phrase": st.text(max_size=20)}),
        min_size=1,
        max_size=5,
    )
)
def test_the_tolerant_reader_reads_json_as_json_is_read(items):
    """A comma too much makes it no strict JSON."""
    text = json.dumps(items)[:-1] + ",]"
    with pytest.raises(ValueError, match=r"Expecting|Illegal"):
        json.loads(text)
    assert read_items(text, KEYS) == (items, None)
    assert read_items(f'Here: {{"tags": {text}, }} and so on', KEYS) == (items, None)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_any_json_is_read(value):
    items, _ = read_items(json.dumps(value), KEYS)
    for item in items:
        for key in KEYS:
            text_of(item, key).encode()  # fit for a file


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"name": " a  big\n tower "}, "a big tower"),  # on one line
        ({" Name ": "tower"}, "tower"),  # the key in another form
        ({"name": ["dark", 5, "noisy"]}, "dark, noisy"),  # a list of texts
        ({"name": True}, "Yes"),  # as some answer a yes-or-no question
        ({"name": False}, "No"),
        ({"name": 5}, ""),
        ({"name": {"name": "x"}}, ""),
        ({"other": "x"}, ""),
        ({5: "x"}, ""),
        (
            {"name": "a\ud800b\x00c\x1b[0m"},
            "a b c [0m",
        ),  # half a character and control characters are no text
        ("tower", ""),  # not an object
        (None, ""),
    ],
)
def test_text_of(item, text):
    assert text_of(item, "name") == text


def test_clip():
    assert clip("a\n b") == "a b"
    assert clip("x" * 200) == "x" * 200
    assert clip("x" * 201) == "x" * 199 + "…"
    assert len(clip("y" * MEGABYTE)) == 200
    assert one_line("\ud800") == ""
