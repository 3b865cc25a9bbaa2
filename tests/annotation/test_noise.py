"""The noise report: numbers counted by hand, a sheet that is the same draw in any order, a page that runs nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from giqa_hf.annotation.noise import NoiseTally, draw_sheet, noise_report
from giqa_hf.annotation.record import drop
from giqa_hf.errors import GiqaError
from tests.annotation.handmade_build import make_record, write_build


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


def numbers(*records):
    tally = NoiseTally()
    for record in records:
        tally.add(record)
    return tally.to_dict()


def test_raw_and_refined_boxes_of_a_record(root):
    found = numbers(make_record(root, "r", "coffee", answers="yw"))
    raw, refined = found["raw"], found["refined"]
    # face: three boxes came into refinement, 0.2 x 0.2, 0.15 x 0.2 and 0.3 x 0.3; sky: one, 1 x 0.25 (the one without
    # area was dropped at "boxes" and is no raw box). Left are the merged one of the face, 0.3 x 0.2, and the sky's.
    assert (raw["tags"], raw["boxes"], raw["boxes_per_tag"]) == (2, 4, {"1": 1, "3": 1})
    assert (refined["tags"], refined["boxes"], refined["boxes_per_tag"]) == (2, 2, {"1": 2})
    assert raw["area_median"] == pytest.approx((0.04 + 0.09) / 2) and refined["area_median"] == pytest.approx(
        (0.06 + 0.25) / 2
    )
    histogram = [0] * 20
    for area in (0.04, 0.03, 0.09, 0.25):  # bins of 0.05; 0.25 belongs to the bin that it opens
        histogram[int(area / 0.05 + 1e-9)] += 1
    assert raw["area_histogram"] == histogram
    assert (raw["boxes_per_tag_mean"], raw["zero_area_share"]) == (2.0, 0.0)


def test_the_grid_ceiling(root):
    refined = numbers(make_record(root, "r", "coffee"))["refined"]
    # Eq. 2 takes the centres of the corner cells: 0.3 x 0.2 becomes 0.25 x 0.15 inside it, 1 x 0.25 becomes 0.95 x 0.2.
    assert refined["grid_mean_iou"] == pytest.approx((0.25 * 0.15 / 0.06 + 0.95 * 0.2 / 0.25) / 2)
    assert (refined["grid_below_half_share"], refined["grid_zero_area_share"]) == (0.0, 0.0)


def test_a_box_in_one_row_of_cells_has_no_area_in_eq_2(root):
    record = make_record(root, "r", "coffee")
    record.tags[1].boxes[0].box_norm = (0.0, 0.0, 1.0, 0.04)
    assert numbers(record)["refined"]["grid_zero_area_share"] == 0.5


def test_the_filter(root):
    found = numbers(make_record(root, "r", "coffee"), make_record(root, "s", "coffee"))["filter"]
    # Of each record 0.8, 0.7 and 0.2; the last one was dropped. That the second was merged later is no refusal.
    assert found["judged"] == 6
    assert found["accepted_share"] == pytest.approx(2 / 3) and found["yes_share"] == pytest.approx(2 / 3)
    assert found["mean_probability"] == pytest.approx(1.7 / 3)


def test_boxes_of_what_was_dropped_before_are_no_raw_boxes(root):
    record = make_record(root, "r", "coffee")
    for tag in record.tags:
        for box in tag.boxes:
            box.fate = box.judged = None
    drop(record, "images", "photo cannot be read")
    record.settle()
    found = numbers(record)
    assert found["raw"]["boxes"] == found["refined"]["boxes"] == found["filter"]["judged"] == 0
    assert found["audit"]["candidates"]["box"] == 5 and found["audit"]["kept"]["record"] == 0


def test_of_nothing():
    found = numbers()
    for key in ("grid_mean_iou", "area_median", "boxes_per_tag_mean", "zero_area_share"):
        assert found["raw"][key] is None
    assert found["filter"] == {
        "judged": 0,
        "accepted_share": None,
        "mean_probability": None,
        "yes_share": None,
    }
    json.dumps(found, allow_nan=False)


def test_every_fate_is_counted(root):
    outcomes = numbers(make_record(root, "r", "coffee", answers="yw"))["audit"]["outcomes"]
    counted = {
        (line["kind"], line["status"], line["stage"], line["reason"]): line["count"] for line in outcomes
    }
    assert counted == {
        ("record", "kept", "", ""): 1,
        ("tag", "kept", "", ""): 2,
        ("box", "kept", "", ""): 2,
        ("box", "dropped", "boxes", "no area"): 1,
        ("box", "dropped", "filter", "judge says No"): 1,
        ("box", "merged", "merge", "touching, and the other is small"): 1,
        ("pair", "kept", "", ""): 2,
    }


def test_the_sheet_is_the_same_draw_in_any_order(root):
    records = [make_record(root, f"r{i}", "coffee") for i in range(60)]
    ids = [record.record_id for record in draw_sheet(records, 20)]
    assert [record.record_id for record in draw_sheet(reversed(records), 20)] == ids
    assert len(set(ids)) == 20 and ids != sorted(ids, key=lambda name: int(name[1:]))
    assert [record.record_id for record in draw_sheet(records, 20, seed=1)] != ids
    assert len(draw_sheet(records[:3], 20)) == 3


class Tags(HTMLParser):
    """Every element of a page, and whether they are closed in order."""

    VOID = frozenset({"meta", "img", "input", "line", "rect"})

    def __init__(self, page):
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture(scope="module")
def page(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    records = [make_record(root, f"r{i}{EVIL}", "coffee", answers="ywh") for i in range(3)]
    for record in records:
        record.source = record.pairs[0].question = EVIL
        record.tags[0].quality = record.tags[0].phrase = EVIL
        record.pairs[0].mentions = []
    lost = make_record(root, "lost", "coffee")
    drop(lost, EVIL, EVIL)
    lost.settle()
    gone = make_record(root, "gone", "coffee")
    gone.image = f"photos/{EVIL.replace('/', '')}.jpg"
    build = write_build(folder / "build", root, [*records, lost, gone])
    found = noise_report(build, folder)
    assert json.loads((folder / "noise.json").read_text()) == found.numbers
    assert found.photos == ("coffee.jpg",)  # of four records, one photo
    return (folder / "noise.html").read_text()


def test_the_page_is_whole_and_runs_nothing(page):
    tags = Tags(page)
    assert tags.open == []
    assert not {tag for tag, _ in tags.seen} & {"script", "iframe", "link", "object", "form", "a"}
    assert not [name for _, attributes in tags.seen for name in attributes if name.startswith("on")]
    sources = [attributes["src"] for tag, attributes in tags.seen if tag == "img"]
    assert len(sources) == 3 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    policies = [a["content"] for t, a in tags.seen if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert "http" not in re.sub(r'http-equiv|base64,[^"]*', "", page)


def test_what_the_page_shows(page):
    boxes = [a for tag, a in Tags(page).seen if tag == "input"]
    assert {box["type"] for box in boxes} == {"checkbox"}
    assert len(boxes) == 3 * 3 * (2 + 3)  # three ticks for each of 2 tags and 3 pairs of 3 records
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3 * 4
    assert (
        "does not exist, expected the path of a picture file" in page
    )  # the record whose photo is gone says so
    assert (
        page.count('<svg class="wide"') == page.count('<svg class="narrow"') == 2
        and "as paper Fig. 6" in page
    )
    # What a newcomer cannot know is said: terms, stages, the draw, what a tick means.
    for words in ("IQA-Filter, which drops", "A tag is a thing", "no model that answers in cells can do better",
                  "<dt>merge</dt>", "drawn at random (seed 0)", "that each box holds it"):  # fmt: skip
        assert words in " ".join(page.split()), words
    assert "yes_no" not in page and "<td>Yes/No</td>" in page
    assert "box: merged at merge</th>" in page and "touching, and the other is small</td>" in page


def test_the_sheet_can_leave_out_what_may_not_be_shown(root, tmp_path):
    records = [make_record(root, "r", "coffee"), make_record(root, "s", "rocket", source="spaq")]
    build = write_build(tmp_path / "build", root, records)
    found = noise_report(build, tmp_path, shown={"r"})
    page = (tmp_path / "noise.html").read_text()
    assert page.count("<img") == 1 and "s · spaq" not in page
    assert found.photos == ("coffee.jpg",)
    assert found.numbers["audit"]["kept"]["record"] == 2  # the numbers are over all


def test_a_build_that_is_not_finished(root, tmp_path):
    build = write_build(tmp_path / "build", root, [make_record(root, "r", "coffee")])
    (build / "shards" / "00000.jsonl").unlink()
    with pytest.raises(GiqaError, match="expected a finished build"):
        noise_report(build, tmp_path)
    assert not (tmp_path / "noise.html").exists()
