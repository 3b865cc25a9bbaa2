"""What a plan shows, and what it refuses: paths that leave the repository, pickled files, secrets, links."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.errors import GiqaError
from giqa_hf.hub.contents import PICKLED
from giqa_hf.hub.plan import UploadPlan, check_path, folder_files, human, planned, shown

CARD = planned("README.md", "# x\n")


def plan(*files, **options):
    return UploadPlan(options.pop("repo_id", "me/x"), "model", files, **options)


def test_what_it_shows():
    told = plan(
        CARD, planned("a/b.json", b"x" * 1500), gated=True, notes=("one",), refusals=("two",)
    ).describe()
    assert told.splitlines() == [
        "model me/x (private, gated)",
        "  README.md        4 B",
        "  a/b.json      1.5 kB",  # 1500 bytes
        "  2 files, 1.5 kB",
        "note: one",
        "refused: two",
        "README.md:",
        "  | # x",
    ]
    assert "(public)" in plan(CARD, private=False).describe()


def test_escape_sequences_of_a_card_do_not_reach_the_terminal():
    card = planned("README.md", "# \x1b[2Jgone\x07 <script>\n")
    assert "\x1b" not in plan(card).describe() and "\x07" not in plan(card).describe()


@pytest.mark.parametrize(
    "path, reason",
    [
        ("../x.json", 'goes up with ".."'),
        ("a/../../x", 'goes up with ".."'),
        ("/etc/passwd", "is absolute"),
        ("C:/x", "is absolute"),
        ("a\\b", "has backslashes"),
        ("a\nb", "do not print"),
        (".git/config", "lies in .git"),
        ("a//b", "not in its plain form"),
        ("./a", "not in its plain form"),
        ("", "is empty"),
    ],
)
def test_paths_that_leave(path, reason):
    with pytest.raises(GiqaError, match=reason) as caught:
        plan(CARD, planned(path, b""))
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_a_path_that_passes_stays_inside(path):
    try:
        check_path(path)
    except GiqaError:
        return
    assert os.path.normpath(os.path.join("/repo", path)) == f"/repo/{path}" != "/repo/"


@pytest.mark.parametrize("ending", sorted(PICKLED))
def test_pickled_files(ending):
    with pytest.raises(
        GiqaError, match=f"weights{ending}: expected weights as safetensors, found a pickled file"
    ):
        plan(CARD, planned(f"weights{ending}", b""))


@pytest.mark.parametrize(
    "name, text, is_refused",
    [
        ("run.json", '{"arguments": ["--token", "hf_' + "a1B2" * 9 + '"]}', True),
        ("README.md", "hf_" + "x" * 34, True),
        ("a.json", "hf_hub_url and hf_short", False),  # names of functions are no tokens
        ("a.safetensors", "hf_" + "x" * 34, False),  # weights are not searched
        ("train.log", "login with hf_" + "x" * 34, True),
        ("run.sh", "HF_TOKEN=hf_" + "x" * 34, True),
        ("LICENSE", "hf_" + "x" * 34, True),
        ("notes.ipynb", '{"source": "hf_' + "x" * 34 + '"}', True),
    ],
)
def test_secrets(name, text, is_refused):
    files = (planned(name, text),) if name == "README.md" else (CARD, planned(name, text))
    if not is_refused:
        plan(*files)
        return
    with pytest.raises(GiqaError, match="looks like an access token") as caught:
        plan(*files)
    assert "x" * 34 not in str(caught.value) and "a1B2" not in str(caught.value)


def test_a_secret_at_the_end_of_a_large_file(tmp_path):
    large = tmp_path / "train.log"
    with large.open("wb") as file:
        file.seek(60_000_000)  # a hole
        file.write(b" hf_" + b"x" * 34)
    with pytest.raises(GiqaError, match="train.log: .* looks like an access token"):
        plan(CARD, planned("train.log", large))


def test_a_pickle_under_another_name(tmp_path):
    (tmp_path / "weights.msgpack").write_bytes(b"\x80\x04K\x01.")  # the number 1
    with pytest.raises(GiqaError, match="weights.msgpack: .* found a pickled file"):
        plan(CARD, planned("weights.msgpack", tmp_path / "weights.msgpack"))


def test_a_file_that_went_away(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    gone = planned("a.json", tmp_path / "a.json")
    (tmp_path / "a.json").unlink()
    with pytest.raises(GiqaError, match="a.json: expected a file to send, found one that cannot be read"):
        plan(CARD, gone)


@pytest.mark.parametrize(
    "repo_id", ["x", "me/", "/x", "me/x/y", "me/../x", "me/x y", "me/a--b", "me/x.git", "m\x1be/x"]
)
def test_names_of_repositories(repo_id):
    with pytest.raises(GiqaError, match="as in me/giqa-160k"):
        plan(CARD, repo_id=repo_id)


def test_the_same_path_twice_and_no_card():
    with pytest.raises(GiqaError, match="found it twice"):
        plan(CARD, CARD)
    with pytest.raises(GiqaError, match="expected a card"):
        plan(planned("a", b""))


def test_links_that_leave_the_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    (folder / "b.json").symlink_to(folder / "a.json")  # inside: the file itself
    (folder / ".hidden").write_text("")
    assert [path.name for path in folder_files(folder)] == ["a.json", "b.json"]
    (tmp_path / "secret").write_text("")
    (folder / "c.json").symlink_to(tmp_path / "secret")
    with pytest.raises(GiqaError, match="found a link to .*secret, which lies outside"):
        list(folder_files(folder))


def test_sizes():
    assert [human(size) for size in (0, 999, 1000, 2_500_000, 3 * 10**9, 5 * 10**15)] == [
        "0 B", "999 B", "1.0 kB", "2.5 MB", "3.0 GB", "5000.0 TB",
    ]  # fmt: skip
    assert shown("a\tb") == "a\ufffdb"
