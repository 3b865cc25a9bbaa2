"""Columns are found by name, by type, or as told; if not, the message lists those there are."""

from __future__ import annotations

import pytest

from giqa_hf.corpora.columns import Wanted, choose_columns
from giqa_hf.errors import DataError

CHOSEN = {
    # columns there are, what the user says -> photo, description, id, source, licence
    "usual": (["image", "description"], {}, ("image", "description", None, None, None)),
    "all": (
        ["id", "license", "source", "text", "file_name"], {}, ("file_name", "text", "id", "source", "license"),
    ),
    "the better name goes first": (["path", "img_path", "caption", "text"], {}, ("img_path", "text", None, None, None)),
    "case and blanks": ([" Image ", "DESCRIPTION"], {}, (" Image ", "DESCRIPTION", None, None, None)),
    "told": (
        ["image", "text", "shot", "say", "key"], {"image_column": "shot", "text_column": "say", "id_column": "key"},
        ("shot", "say", "key", None, None),
    ),
    "told exactly, where another differs in case": (["Image", "image", "text"], {"image_column": "Image"}, ("Image", "text", None, None, None)),
    "the user's source goes before the column": (
        ["image", "text", "source", "licence"], {"source": "mine"}, ("image", "text", None, None, "licence"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("there, says, chosen", CHOSEN.values(), ids=CHOSEN)
def test_chosen(there: list[str], says: dict[str, str], chosen: tuple[str | None, ...]) -> None:
    columns = choose_columns(there, "t.csv", Wanted(**says), "t")
    assert (columns.image, columns.text, columns.id, columns.source, columns.license) == chosen
    assert columns.names() == [name for name in chosen if name is not None]


def test_pictures_by_type_go_first() -> None:
    columns = choose_columns(["path", "shot", "text"], "t.parquet", Wanted(), "t", pictures=["shot"])
    assert columns.image == "shot"


REFUSED = {
    "no photo": (["foto", "text"], {}, "t.csv: which column holds the photo? Name it with --image-column; the columns there are: 'foto', 'text'"),
    "no text": (["image", "words"], {}, "which column holds the description? Name it with --text-column"),
    "told, not there": (["image", "text"], {"id_column": "key"}, "t.csv has no column 'key' for the id; the columns there are: 'image', 'text'"),
    "told in another case": (["Image", "text"], {"image_column": "image"}, "no column 'image' for the photo"),
    "twice": (["image", "text", "text"], {}, "t.csv has 2 columns 'text', expected one"),
    "twice but for the case": (["image", "Text", "TEXT"], {}, "t.csv has 2 columns 'text', expected one"),
    "many": ([f"c{i}" for i in range(50)], {}, "'c39' and 10 more"),
}  # fmt: skip


@pytest.mark.parametrize("there, says, said", REFUSED.values(), ids=REFUSED)
def test_refused(there: list[str], says: dict[str, str], said: str) -> None:
    with pytest.raises(DataError) as error:
        choose_columns(there, "t.csv", Wanted(**says), "t")
    assert said in str(error.value)


def test_cells() -> None:
    columns = choose_columns(["image", "text", "id", "source", "license"], "t.csv", Wanted(), "t")
    full = columns.found("line 2", {"image": "a", "text": "b", "id": 0, "source": "s", "license": "l"})
    assert (full.image, full.description, full.record_id, full.source, full.license) == (
        "a",
        "b",
        0,
        "s",
        "l",
    )
    bare = columns.found("line 3", {"image": "a", "source": " ", "license": float("nan")})
    assert (bare.description, bare.record_id, bare.source, bare.license) == (None, None, "t", "unknown")
    assert columns.unreadable("line 4", "why").problem == "unreadable line"
