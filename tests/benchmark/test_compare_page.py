"""The page: whole without anything from outside, nothing of a run's text as markup, and every number of the table."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import pytest

from giqa_hf.benchmark.compare_page import compare_html
from giqa_hf.benchmark.comparing import compare_runs
from giqa_hf.benchmark.differing import differences_from_first
from giqa_hf.benchmark.record import RECORD, SCORES
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.benchmark.yes_no_logits import FIGURE, FIRST_TOKEN_FILE
from giqa_hf.report.colours import PALETTE
from tests.benchmark.tiny_bench import bench_rows, make_bench, predicted_run

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "path", "line", "circle", "polygon", "br", "img", "wbr"}


class Page(HTMLParser):
    """Reads a page and sees that what is opened is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words, self.attributes = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    bench = make_bench(folder / "data")
    made = []
    for name, answers in (
        ("a", [row["answer"] for row in bench_rows()]),
        ("b", ["[cup](<42,190>) [", "Yes.", None, EVIL, "", "No.", "?", "The [plant](<30,399>)."]),
    ):
        made.append(predicted_run(folder / name, bench, answers))
        head = {"words": ["Yes", "No"], "token_ids": [[1], [2]], "tokens": [["Yes"], ["No"]]}
        p_yes = 0.9 if name == "b" else 0.5
        lines = [head, *({"id": f"00000{n}:photo-{n // 4}", "p_yes": p_yes} for n in (1, 2, 5, 6))]
        (made[-1] / FIRST_TOKEN_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
        score_run(made[-1])
    return made


def page_of(folders, **options):
    comparison = compare_runs(folders, **options)
    html = compare_html(comparison, differences_from_first(comparison, folders))
    return html, Page(html)


def test_it_is_whole_and_loads_nothing(runs):
    html, page = page_of(runs, published=True)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href", "onclick", "onload")]
    assert "default-src 'none'" in html and page.tags.count("table") == 6 and page.tags.count("svg") > 1


def test_every_figure_of_the_table_stands_in_it(runs):
    comparison = compare_runs(runs, published=True)
    _, page = page_of(runs, published=True)
    words = set(page.words)
    for row in comparison.cells:
        assert {cell.text for cell in row.values()} <= words
    assert words >= {"published, not measured", FIGURE, "a", "b"}


def test_first_token_figures_stand_apart(runs):
    """P(Yes) 0.9 for all four: two of them are Yes; 1/2 for all four decides nothing."""
    _, page = page_of(runs)
    place = page.words.index(FIGURE)
    assert "0.5000" in page.words[place:] and "0.0000" in page.words[place:]


def test_what_comes_from_a_run_is_no_markup(runs, tmp_path):
    """Names of models, of runs, problems and settings, as somebody else's folder may have them."""
    copied = tmp_path / "x<b>y"
    shutil.copytree(runs[1], copied)
    record = json.loads((copied / RECORD).read_text())
    record["run"]["model"]["name"] = record["run"]["data"]["name"] = EVIL
    record["run"]["backend"][EVIL] = EVIL
    (copied / RECORD).write_text(json.dumps(record))
    scores = json.loads((copied / SCORES).read_text())
    scores["answers"]["failures"] = {EVIL: 1}
    (copied / SCORES).write_text(json.dumps(scores))
    html, page = page_of([runs[0], copied])
    assert "<script" not in html and "<b>" not in html
    assert "x<b>y" in page.words and any(EVIL in words for words in page.words)


def test_counts_that_no_number_could_be_are_told(runs, tmp_path):
    """Somebody else's scores with words in the place of counts end in a sentence or in escaped words, not in markup."""
    copied = shutil.copytree(runs[1], tmp_path / "c")
    scores = json.loads((copied / SCORES).read_text())
    scores["answers"]["rows"] = scores["counts"]["des"]["true_boxes"] = EVIL
    (copied / SCORES).write_text(json.dumps(scores))
    html, _ = page_of([copied])
    assert "<script" not in html


def test_the_chart_has_no_figure_that_must_not_be_compared(runs, tmp_path):
    """A third run with another matching: its figures of boxes have a letter, and no dot."""
    copied = shutil.copytree(runs[1], tmp_path / "c")
    score_run(copied, matching="greedy")

    def dots(folders):
        comparison = compare_runs(folders)
        chart = compare_html(comparison).split('class="radar"')[1].split("</svg>")[0]
        return chart.count("<circle"), comparison

    alike, _ = dots([*runs, runs[1]])
    other, comparison = dots([*runs, copied])
    marked = sum(bool(cell.mark) for row in comparison.cells for cell in row.values())
    assert marked and other == alike - marked


def test_colours_go_to_the_runs_that_can_be_drawn(runs, tmp_path):
    """Three without a figure that may be compared, before more than there are colours for."""
    comparison = compare_runs([shutil.copytree(runs[0], tmp_path / name) for name in "abcdefghijkl"])
    for cells in comparison.cells[:3]:
        cells.update({key: cell._replace(mark="a") for key, cell in cells.items()})
    html = compare_html(comparison)
    legend = html.split('class="radar-legend">')[1].split("</ul>")[0]
    names = Page(f"<ul>{legend}</ul>").words
    assert names == list("defghijkl")[: len(PALETTE)]
    assert legend.index(PALETTE[0]) < legend.index("d</li>") < legend.index(PALETTE[1])
    assert "Not drawn, for want of a figure that may be compared: a, b, c." in html
    assert f"Not drawn, for want of colours: {', '.join('defghijkl'[len(PALETTE) :])}." in html
