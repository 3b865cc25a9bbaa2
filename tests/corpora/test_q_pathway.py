"""Q-Pathway out of Q-Instruct-DB: the choice, the sources, the layouts."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from giqa_hf.corpora import open_corpus
from giqa_hf.corpora.q_pathway import QPathway, no_description, source_of
from giqa_hf.errors import DataError

LONG = (
    "The lighting of this picture is average, the main subject is clear, but the background is rather blurry."
)
ASK = "<image>\nDescribe the quality of this picture and judge it."


def record(answer: str = LONG, question: str = ASK, **more: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": "8427827661_cauchy", "image": "spaq_koniq/8427827661.jpg", "conversations": turns, **more}


def turns(*roles: str) -> list[dict[str, str]]:
    return [{"from": role, "value": LONG} for role in roles]


CHOICE = {
    # row of Q-Instruct-DB -> why it is no description, None if it is one
    "a description": (record(), None),
    "the tag at the end": (record(question=ASK[8:] + "\n<image>"), None),
    "12 words": (record("The image is sharp and bright and shows the dog very well."), None),
    "11 words": (record("The image is sharp and bright and shows the dog well."), "fewer than 12 words"),
    "begins with A": (record("A " + LONG), None),
    "begins with No": (record("No " + LONG), None),
    "a further column": (record(gt_score="2.82 "), None),
    "unknown types": (record(type="p1", qtype=None), None),
    "types that are no text": (record(type=3, qtype=["x"]), None),
    "other names of the roles": (record(conversations=turns("user", "assistant")), None),
    "named a question": (record(type="Yes-No"), "named a question by its type"),
    "named a question in qtype": (record(qtype="what/how"), "named a question by its type"),
    "a word of those inside another": (record(type="whatever"), None),
    "yes": (record("Yes, " + LONG), "yes or no"),
    "a letter": (record("A. " + LONG), "an option of a list"),
    "a letter in brackets": (record("(B) " + LONG), "an option of a list"),
    "options in the question": (record(question="Which?\nA. one\nB. two"), "an option of a list"),
    "short": (record("Blurry."), "fewer than 12 words"),
    "more turns": (record(conversations=turns("human", "gpt", "human", "gpt")), "not one question"),
    "no answer": (record(conversations=turns("human")), "not one question"),
    "turned round": (record(conversations=turns("gpt", "human")), "not one question"),
    "no conversation": (record(conversations=None), "not one question"),
    "broken turns": (record(conversations=[{"from": "human"}, "x"]), "not one question"),
    "no object": ([1], "no object"),
}  # fmt: skip


@pytest.mark.parametrize("row, reason", CHOICE.values(), ids=CHOICE)
def test_choice(row: Any, reason: str | None) -> None:
    found = no_description(row)
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)


SOURCES = {
    # names as in the sets' own lists (Q-Bench's jsons, ImageRewardDB's card, FLIVE's folders)
    "spaq_koniq/00001.jpg": "spaq",
    "spaq_koniq/10004473376.jpg": "koniq",
    "spaq_koniq/826373.jpg": "koniq",
    "spaq_koniq/x1.jpg": "koniq or spaq",
    "livefb_liveitw_aigc/3.bmp": "live-itw",
    "livefb_liveitw_aigc/1160.JPG": "live-itw",
    "livefb_liveitw_aigc/t7.bmp": "live-itw",
    "livefb_liveitw_aigc/AttnGAN_normal_000.jpg": "agiqa-3k",
    "livefb_liveitw_aigc/sd1.5_highcorr_122.jpg": "agiqa-3k",
    "livefb_liveitw_aigc/DALLE2_normal_001.jpg": "agiqa-3k",
    "livefb_liveitw_aigc/0280642d-f69f-41d1-8598-5a44e296aa8b.jpg": "imagerewarddb",
    "livefb_liveitw_aigc/AVA__281607.jpg": "live-fb",
    "livefb_liveitw_aigc/JPEGImages__2008_001456.jpg": "live-fb",
    "livefb_liveitw_aigc/out_of_focus0027.JPG": "live-fb",
    "livefb_liveitw_aigc/cj23478+019.jpg": "live-fb",
    "livefb_liveitw_aigc/whatever.jpg": "live-fb, live-itw or generated",
}


@pytest.mark.parametrize("path", SOURCES)
def test_source_of(path: str) -> None:
    assert source_of(PurePosixPath(path)).name == SOURCES[path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("spaq_koniq/8427827661.jpg", "spaq_koniq/00003.jpg", "livefb_liveitw_aigc/t1.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


ROWS = [
    record(),
    record("Sharp.", id="8427827661_qa"),  # no description, so no row
    record(LONG.upper()),  # another text under the same id
    record(id="other"),  # the same text of the same photo
    record(id="s", image="spaq_koniq/00003.jpg"),
    record(id="l", image="livefb_liveitw_aigc/t1.bmp"),
    record(id="m", image="spaq_koniq/00009.jpg"),
    record(id="c", image="coco/1.jpg"),
    record(id="c2", image="1.jpg"),
    record(id="d", image="../secret.jpg"),
    record(id="n", image=None),
]


@pytest.mark.parametrize("name", ["cleaned_labels.json", "qinstruct_qalign.json"])
def test_rows(name: str, root: Path) -> None:
    further = {} if name.startswith("c") else {"gt_score": float("nan")}
    (root / name).write_text(json.dumps([row | further for row in ROWS]))
    corpus = open_corpus("q-pathway", root)
    rows = list(corpus)
    assert [(row.record_id, row.image_id, row.source, row.problem) for row in rows] == [
        ("8427827661_cauchy", "spaq_koniq/8427827661", "koniq", None),
        ("8427827661_cauchy#2", "spaq_koniq/8427827661", "koniq", "duplicate id"),
        ("other", "spaq_koniq/8427827661", "koniq", "duplicate description"),
        ("s", "spaq_koniq/00003", "spaq", None),
        ("l", "livefb_liveitw_aigc/t1", "live-itw", None),
        ("m", "spaq_koniq/00009", "spaq", "photo missing"),
        ("c", "coco/1", "live-fb, live-itw or generated", "photo of another set"),
        ("c2", "1", "live-fb, live-itw or generated", "photo of another set"),
        ("d", "../secret", "live-fb, live-itw or generated", "path leaves the root"),
        ("n", "n", "live-fb, live-itw or generated", "no photo"),
    ]
    assert rows[0].description == LONG
    assert rows[0].license == "text: S-Lab-1.0 (non-commercial); photo: free for research, no formal licence"
    assert isinstance(corpus, QPathway)
    assert corpus.left_out == {"an answer of fewer than 12 words": 1}
    assert list(corpus) == rows
    assert corpus.left_out == {"an answer of fewer than 12 words": 1}  # of one pass, not of both
    assert [file["file"] for file in corpus.settings()["files"]] == [name]


def test_photos_in_the_folder_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "q-instruct-images" / "spaq_koniq").mkdir(parents=True)
    (tmp_path / "q-instruct-images" / "spaq_koniq" / "8427827661.jpg").write_bytes(b"x")
    (tmp_path / "cleaned_labels.json").write_text(json.dumps([record()]))
    corpus = open_corpus("q-pathway", tmp_path)
    assert corpus.root == tmp_path / "q-instruct-images"
    assert [row.problem for row in corpus] == [None]


def test_what_is_missing_is_said_with_the_place_to_get_it(root: Path, tmp_path: Path) -> None:
    place = r"https://huggingface\.co/datasets/q-future/Q-Instruct-DB"
    with pytest.raises(DataError, match=rf"gone is no folder.*{place} .licence: S-Lab"):
        open_corpus("q-pathway", tmp_path / "gone")
    with pytest.raises(DataError, match=rf"has none of cleaned_labels\.json.*{place}"):
        open_corpus("q-pathway", root)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "cleaned_labels.json").write_text("[]")
    with pytest.raises(DataError, match=rf"no folder spaq_koniq.*unpack q-instruct-images\.tar of {place}"):
        open_corpus("q-pathway", tmp_path / "bare")
