"""What the page is given to show: everything from a model or a person is escaped, and ties of words to boxes hold."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from giqa_hf.app.sessions import LONGEST_QUESTION, MAX_UPLOAD_BYTES, Models, Session, box_of, examples
from giqa_hf.app.stage import script, show
from giqa_hf.errors import GiqaError, ImageError
from giqa_hf.grounded_text import GroundedText, Issue, Region
from giqa_hf.inference import FailedAnswer, GroundedAnswer
from tests.make_tiny_checkpoint import tiny_checkpoint

EVIL = "<img src=x onerror=alert(1)>`${alert(2)}{{3}}"
SESSION = Session(example="coffee.png", box_norm=(0.1, 0.2, 0.3, 0.4))


def answer(text="", regions=(), **changed):
    given = {"prompt": "Why?", "image_wh": (600, 400), "scores": (), "seconds": 1.25, "cut_off": False}
    return GroundedAnswer(
        GroundedText(text, list(regions)), text, picture=Image.new("RGB", (600, 400)), **(given | changed)
    )


def test_a_photo_alone():
    shown = show(SESSION)
    assert shown["photo"].startswith("data:image/jpeg;base64,") and shown["mark"] == (0.1, 0.2, 0.3, 0.4)
    assert "said" not in shown


def test_boxes_words_and_rows_share_their_number():
    regions = [
        Region("cup", (0, 3), np.array([[0, 0, 0.1, 0.1], [0, 0.1, 1, 1]])),
        Region("pan", (8, 11), np.array([[0.5, 0.5, 0.6, 0.6]])),
    ]
    shown = show(SESSION, answer("cup and pan", regions, scores=(0.5, None, 0.25)))
    # By area: the second box of the cup (0.9), then 0.01 twice, in reading order.
    assert re.findall(r'data-n="(\d)" style="left:([\d.]+)%;top:([\d.]+)%', shown["boxes"]) == [
        ("1", "0.00", "10.00"), ("1", "0.00", "0.00"), ("2", "50.00", "50.00"),
    ]  # fmt: skip
    assert re.findall(r'<tr data-n="(\d)">', shown["table"]) == ["1", "1", "2"]
    # 0.5, 0.5, 0.6, 0.6 of 600 x 400
    assert "<td>300</td><td>200</td><td>360</td><td>240</td><td>0.25</td>" in shown["table"]
    assert shown["table"].count("<td>n/a</td>") == 1
    assert re.findall(r'<span class="n"[^>]*>(\d)</span></mark>', shown["said"]) == ["1", "2"]
    assert "1.2 s" in shown["note"]


def test_what_others_wrote_is_escaped():
    region = Region(EVIL, (0, len(EVIL)), np.array([[0, 0, 0.1, 0.1]]))
    shown = show(SESSION, answer(EVIL, [region], scores=(0.5,), prompt=EVIL))
    failed = show(SESSION, FailedAnswer(EVIL))
    named = show(SESSION, answer("Sharp."), model=EVIL)
    pieces = (shown["said"], shown["boxes"], shown["table"], shown["asked"], failed["note"], named["note"])
    for piece in pieces:
        assert "<img" not in piece and "&lt;img src=x onerror=alert(1)&gt;" in piece
    assert "`" not in script().split("\n")[0]


def test_no_words_no_boxes_cut_off_and_unreadable():
    empty = show(SESSION, answer())
    assert empty["said"] == "The model wrote nothing." and empty["table"] == empty["boxes"] == ""
    said = answer("Hm.", cut_off=True)
    said.grounded.issues.append(Issue("bad_arity", "<7>", (0, 3)))
    note = show(SESSION, said)["note"]
    assert "was cut off" in note and "1 box unreadable: bad_arity" in note


BOXES = {
    "plain": ([0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
    "over the rim": ([-1, 0.2, 7, 0.4], (0.0, 0.2, 1.0, 0.4)),
    "reversed": ([0.3, 0.2, 0.1, 0.4], None),
    "empty": ([0.1, 0.2, 0.1, 0.4], None),
    "nothing": (None, None),
    "words": (["a", "b", "c", "d"], None),
    "three": ([0, 0, 1], None),
    "an object": ({"x": 1}, None),
}


@pytest.mark.parametrize("name", BOXES)
def test_what_a_browser_may_send_as_a_rectangle(name):
    sent, box = BOXES[name]
    assert box_of(sent) == box


def test_not_a_number_is_no_rectangle():
    assert box_of([0, 0, float("nan"), 1]) is None and box_of([float("nan")] * 4) is None


def test_photos_that_are_gone_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="found none; choose one first"):
        Session().picture()
    with pytest.raises(ImageError, match="not kept here any more"):
        Session(upload=str(tmp_path / "secret" / "a.png")).picture()
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES + 1)
    with pytest.raises(ImageError, match="larger than 30 MB"):
        Session(upload=str(tmp_path / "large.png")).picture()
    (tmp_path / "text.png").write_bytes(b"Dear diary")
    with pytest.raises(ImageError) as raised:
        show(Session(upload=str(tmp_path / "text.png")))
    assert str(tmp_path) not in str(raised.value), "the server's folders are nobody's business"


def test_models_are_loaded_one_at_a_time():
    models = Models([tiny_checkpoint(), str(tiny_checkpoint())])
    assert models.names == [tiny_checkpoint().name] * 2
    first = models._pipeline(0)
    assert models._pipeline(0) is first and models._pipeline(1) is not first
    assert models.ask(1, SESSION, " \n").prompt == "What is wrong with [this region](<82,145>)?"
    with pytest.raises(GiqaError, match="longer than 500 characters"):
        models.ask(0, SESSION, "x" * (LONGEST_QUESTION + 1))
    with pytest.raises(GiqaError, match="nowhere: expected"):
        Models(["nowhere"])


def test_the_examples_are_those_of_giqa_synth():
    assert "coffee.png" in examples()
    assert sum(name.startswith("motorcycle") for name in examples()) == 1
