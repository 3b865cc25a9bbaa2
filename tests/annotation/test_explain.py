"""One record's way: found by its id, every fate in words, and nothing from the data reaches terminal or page raw."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from giqa_hf.annotation import explain, shards
from giqa_hf.annotation.explain_page import explanation_html, write_explanation
from giqa_hf.annotation.pipeline import annotate
from giqa_hf.annotation.record import Box, Fate, Mention, Pair, Record, Tag, drop
from giqa_hf.errors import GiqaError
from tests.annotation.handmade_build import write_build
from tests.annotation.small_stages import SmallProfile, embedded_corpus


def example() -> Record:
    """A cup of three boxes (kept and grown, rejected, merged), a tag without boxes, a kept pair and a dropped one."""
    boxes = [
        Box((0.3, 0.3, 0.7, 0.8), 0.81, (0.3, 0.3, 0.75, 0.85), judged=0.93),
        Box((0.35, 0.1, 0.6, 0.4), 0.44, judged=0.21),
        Box((0.4, 0.5, 0.75, 0.85), 0.4),
    ]
    drop(boxes[1], "filter", "judge says No", score=0.21)
    boxes[2].fate = Fate("merged", "merge", "touching", "into box 0", 0.15)
    cup = Tag("cup", "cup of coffee", "in focus", "positive", (4, 7), boxes)
    image = Tag("image", "the overall image", "", "", None)
    drop(image, "tags", "whole image")
    pairs = [
        Pair("Is the cup in focus?", "Yes.", "yes_no", [Mention("question", (7, 10), 0)]),
        Pair("Nice weather?", "No.", "yes_no", fate=Fate("dropped", "pairs", "not about quality")),
    ]
    return Record(
        "r1", "i1", "cup.png", "The cup of coffee is in focus.", "made", "CC0-1.0", width=60, height=40,
        question="How good is it?", tags=[cup, image], pairs=pairs,
    )  # fmt: skip


TEXT = """\
r1: kept
  photo: cup.png, 60 x 40 pixels
  source: made, licence: CC0-1.0
  description: The cup of coffee is in focus.
  question: How good is it?
tags: 2 found, 1 kept
  1 cup: kept
      "cup of coffee", in focus, positive
      box 0: 0.300 0.300 0.700 0.800, now 0.300 0.300 0.750 0.850, score 0.810, "Yes" 0.930: kept
      box 1: 0.350 0.100 0.600 0.400, score 0.440, "Yes" 0.210: dropped at filter: judge says No (0.21)
      box 2: 0.400 0.500 0.750 0.850, score 0.400: merged at merge: touching (0.15, into box 0)
  2 image: dropped at tags: whole image
      "the overall image", no quality, no effect
pairs: 2 made, 1 kept
  kept
      Is the cup in focus? Yes. [yes_no], boxes of cup (in the question)
  dropped at pairs: not about quality
      Nice weather? No. [yes_no]"""


def test_the_text():
    assert explain.explain_text(example()) == TEXT


def test_a_terminal_gets_no_control_characters():
    record = example()
    record.description = "red \x1b[31m, bell \x07, two\nlines, \u202e turned, \ud800"
    text = explain.explain_text(record)
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text and "\ud800" not in text
    assert "two lines" in text and text.count("\n") == TEXT.count("\n")


@pytest.fixture
def build(tmp_path):
    (tmp_path / "corpus").mkdir()
    corpus = embedded_corpus(tmp_path / "corpus", 20)
    annotate(corpus, SmallProfile(), tmp_path / "build", shard_size=6, say=lambda line: None)
    return tmp_path / "build"


def test_every_record_is_found(build):
    for record in shards.read_build(build):
        if record.fate is None or record.fate.reason != "duplicate id":
            assert explain.find_record(build, record.record_id) == record
    assert explain.find_record(build, "r0002").fate is None  # the first of two with this id


def test_an_id_that_there_is_not_names_the_nearest(build):
    with pytest.raises(
        GiqaError, match="of its 20 records, found 'r00013'; the nearest are r0013, "
    ) as caught:
        explain.find_record(build, "r00013")
    assert str(caught.value).count(", r00") == 4  # five of them
    with pytest.raises(GiqaError, match="found '###'; the nearest are r0000, "):
        explain.find_record(build, "###")


@pytest.fixture
def photos(tmp_path):
    """A build: cup.png with two descriptions, a/cup.png and b/cup.png with one each, a/lone.png, and no photo."""
    images = ["cup.png", "a/cup.png", "cup.png", "b/cup.png", "a/lone.png", ""]
    records = [
        Record(
            f"{image}#{i}",
            image,
            image,
            f"The cup number {i} is sharp, and so is the plate beside it.",
            "s",
            "l",
        )
        for i, image in enumerate(images)
    ]
    return write_build(tmp_path / "build", tmp_path / "root", records)


PHOTOS = {
    # what is asked for: the record's id, or what the refusal says
    "cup.png#2": "cup.png#2",
    "a/cup.png": "a/cup.png#1",  # a path is that photo alone, whoever has the same file name
    "lone.png": "a/lone.png#4",
    "cup.png": "expected one record of 'cup.png', found 2: cup.png#0 ('The cup number 0 is sharp, and so is the…'), "
    "cup.png#2 ('The cup number 2 is sharp, and so is the…'); give the id of one",
    "": "expected the id or the photo of one of its 6 records, found ''; the nearest are ",
    "one.png": "found 'one.png'; the nearest are ",
    "../root/cup.png": "expected the id or the photo of one of its 6 records",
    "\0": "expected the id or the photo of one of its 6 records",
}


@pytest.mark.parametrize(("wanted", "found"), PHOTOS.items())
def test_a_photo_finds_its_record_where_only_one_is_meant(photos, wanted, found):
    if "#" in found[:12]:
        assert explain.find_record(photos, wanted).record_id == found
    else:
        with pytest.raises(GiqaError, match=re.escape(found)) as caught:
            explain.find_record(photos, wanted)
        assert "\n" not in str(caught.value)


def test_a_file_name_in_several_folders_is_not_guessed(tmp_path):
    records = [Record(f"r{i}", f"i{i}", f"{i}/cup.png", "-", "s", "l") for i in range(7)]
    build = write_build(tmp_path / "build", tmp_path / "root", records)
    said = (
        "expected one photo called 'cup.png', found 7: 0/cup.png, 1/cup.png, 2/cup.png, 3/cup.png, 4/cup.png and 2 "
        "more; give its path"
    )
    with pytest.raises(GiqaError, match=re.escape(said)):
        explain.find_record(build, "cup.png")
    assert (
        explain.find_record(build, "3/cup.png").record_id
        == explain.find_record(build, "i3").record_id
        == "r3"
    )


def test_a_path_as_the_shell_completes_it(photos, tmp_path, monkeypatch):
    assert explain.find_record(photos, str(tmp_path / "root" / "a" / "cup.png")).record_id == "a/cup.png#1"
    (tmp_path / "root").mkdir()
    monkeypatch.chdir(tmp_path)
    assert explain.find_record(photos, "root/a/cup.png").record_id == "a/cup.png#1"
    monkeypatch.chdir(tmp_path / "root")
    assert explain.find_record(photos, "./a/lone.png").record_id == "a/lone.png#4"


def test_no_build_and_one_without_a_shard(build, tmp_path):
    with pytest.raises(GiqaError, match="expected a folder that `giqa annotate` has made"):
        explain.find_record(tmp_path, "r0001")
    for path in (build / "shards").iterdir():
        path.unlink()
    with pytest.raises(GiqaError, match="found 'r0001'; it has no finished shard yet"):
        explain.find_record(build, "r0001")


def test_where_the_photo_lies(build, tmp_path):
    inside, outside = explain.find_record(build, "r0001"), explain.find_record(build, "r0004")
    assert explain.photo_path(build, inside) == build / inside.image
    assert explain.photo_path(build, outside) == tmp_path / "corpus" / "0.png"
    assert explain.photo_path(build, outside, Path("/moved")) == Path("/moved/0.png")


@pytest.mark.parametrize("record_id", ["a/b:c", "../../etc/passwd", "." * 300, "né 💡", "", "\ud800"])
def test_a_page_has_a_name_that_any_disk_takes(tmp_path, record_id):
    page = explain.page_path(tmp_path, Record(record_id, "i", "i.png", "", "s", "l"))
    assert page.parent == tmp_path / "explain" and re.fullmatch(r"[A-Za-z0-9._-]{1,80}", page.name)
    page.parent.mkdir()
    page.write_text("x")
    (tmp_path / "manifest.json").write_text("{}")
    shards.remove_build(tmp_path)
    assert not page.exists()  # --fresh knows it as ours


class Page(HTMLParser):
    """Counts elements, and collects what is said and which classes there are."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.attributes = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (60, 40), "brown").save(tmp_path / "cup.png")
    return tmp_path / "cup.png"


def test_the_page(photo):
    page = Page(explanation_html(example(), photo))
    groups = [attributes["class"] for tag, attributes in page.attributes if tag == "g"]
    # Found: three boxes, two of them lost. Kept: one.
    assert groups == ["in", "lost", "lost", "in"]
    places = [a for tag, a in page.attributes if tag == "rect" and a["class"] == "box"]
    # 0.3 * 60 = 18, 0.3 * 40 = 12, (0.7 - 0.3) * 60 = 24, (0.8 - 0.3) * 40 = 20
    assert (places[0]["x"], places[0]["y"], places[0]["width"], places[0]["height"]) == (
        "18.00",
        "12.00",
        "24.00",
        "20.00",
    )
    assert (places[3]["width"], places[3]["height"]) == (
        "27.00",
        "22.00",
    )  # as it has grown: 0.45 * 60, 0.55 * 40
    assert page.elements.count("image") == 1 and page.elements.count("use") == 1  # the pixels are there once
    said = " ".join("".join(page.text).split())
    for words in ("4 boxes", "Photo: 3 boxes found, 1 kept", "judge says No (0.21)", "touching (0.15, into box 0)",
                  "dropped at tags: whole image", "not about quality", "How good is it?"):  # fmt: skip
        assert (words in said) == (words != "4 boxes"), words
    assert "Everything that was found" in page.text and "Kept, as it is now" in page.text
    assert page.text.count("1.0") == 4  # the legend, two photos and the list
    assert page.text.count("1.1") == page.text.count("1.2") == 2  # the photo of all and the list
    assert "box 0 of tag 1, as in the list of tags below" in said and "letters tell" not in said
    assert "shares of the photo's width and height" in said


def test_tags_of_the_same_name_have_letters(photo):
    record = example()
    other = Tag("The cup", "cup behind", "blurry", "negative", None, [Box((0.0, 0.0, 0.2, 0.2))])
    spoon = Tag("spoon", "spoon", "blurry", "negative", None, [Box((0.0, 0.5, 0.2, 0.7))])
    record.tags += [
        other,
        spoon,
        Tag("cup", "cup", "dark", "negative"),
    ]  # the last one has no box to be told apart
    page = Page(explanation_html(record, photo))
    assert {"1a.0", "1a.1", "1a.2", "1b.0", "3.0"} <= set(page.text) and "1c.0" not in page.text
    assert "letters tell tags of the same name apart" in "".join(page.text)


def test_without_boxes_no_badge_is_explained(photo):
    record = example()
    record.tags[0].boxes = []
    text = "".join(Page(explanation_html(record, photo)).text)
    assert "as in the list of tags below" not in text and "shares of the photo" not in text


def test_nothing_is_loaded_from_anywhere(photo):
    html = explanation_html(example(), photo)
    assert (
        "default-src 'none'" in html
        and "http" not in html.replace("http-equiv", "")
        and "<script" not in html
    )


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\ud800\x00"


def test_everything_from_the_data_is_escaped(photo):
    plain = example()
    evil = example()
    for item in (evil, *evil.tags, *evil.pairs):
        for name, value in vars(item).items():
            if isinstance(value, str):
                setattr(item, name, EVIL)
    evil.tags[1].fate = Fate("dropped", EVIL, EVIL, EVIL)
    evil.tags[0].span = None
    html = explanation_html(evil, photo)
    html.encode("utf-8")
    page = Page(html)
    assert "script" not in page.elements and page.elements.count("img") == 0
    assert not any(name.startswith("on") for _, attributes in page.attributes for name in attributes)
    # Structure is that of the harmless record, but for the marks of phrases that are no longer in the description.
    assert page.elements.count("li") == Page(explanation_html(plain, photo)).elements.count("li")


def test_a_photo_that_cannot_be_read_and_a_record_that_was_dropped_at_once(tmp_path):
    lost = Record("r", "i", "gone.png", "a cup", "s", "l", fate=Fate("dropped", "corpus", "photo missing"))
    write_explanation(tmp_path / "page.html", lost, tmp_path / "gone.png")
    text = (tmp_path / "page.html").read_text()
    assert (
        "gone.png does not exist" in text
        and "dropped at corpus: photo missing" in text
        and "<svg view" not in text
    )


def test_tags_before_fusion_that_do_not_fit_together(photo):
    """Spans that overlap, as in a record that was dropped before fusion could see it: the description stays plain."""
    record = example()
    record.tags[1] = Tag("cup of coffee", "cup of coffee", "", "", (4, 17))
    assert "The cup of coffee is in focus." in explanation_html(record, photo)
