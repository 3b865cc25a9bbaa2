"""The pipeline: nothing is lost or doubled, whatever happens in between, and the bytes are always the same."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from giqa_hf import files
from giqa_hf.annotation import shards
from giqa_hf.annotation.pipeline import annotate
from giqa_hf.errors import DataError, GiqaError
from tests.annotation.small_stages import (
    ListCorpus,
    Pause,
    Row,
    SmallProfile,
    Trap,
    WordTags,
    embedded_corpus,
    files_of,
    small_corpus,
)  # fmt: skip

QUIET = {"say": lambda line: None}
ROWS = 20


@pytest.fixture
def root(tmp_path):
    (tmp_path / "corpus").mkdir()
    return tmp_path / "corpus"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "build"


def build(root, out, rows=ROWS, profile=None, **options):
    options = {"shard_size": 3, **QUIET, **options}
    return annotate(embedded_corpus(root, rows), profile or SmallProfile(), out, **options)


@pytest.fixture
def undisturbed(root, tmp_path):
    """The files of a build that nothing happened to."""
    build(root, tmp_path / "undisturbed")
    return files_of(tmp_path / "undisturbed")


# Nothing is lost


def test_every_row_is_a_record_in_its_place(root, out):
    audit = build(root, out)
    corpus = embedded_corpus(root, ROWS)
    records = list(shards.read_build(out))
    assert [r.record_id for r in records] == [row.record_id for row in corpus]
    assert [r.description for r in records] == [row.description for row in corpus]
    assert shards.finished_shards(out) == list(range(7))  # ceil(20 / 3)
    # Four rows of small_corpus cannot be used: 20 - 4 = 16.
    assert (audit.candidates["record"], audit.kept("record")) == (20, 16)
    reasons = {r.record_id: (r.fate.stage, r.fate.reason) for r in records if r.fate}
    assert reasons == {
        "r0003": ("corpus", "photo missing"),
        "r0005": ("images", "photo cannot be read"),
        "r0002": ("corpus", "duplicate id"),  # the second row of this id
        "r0009": ("corpus", "no description"),
    }
    assert next(r for r in records if r.record_id == "r0009").fate.detail == "row 9"
    assert json.loads((out / "audit.json").read_text()) == audit.to_dict()


def test_embedded_photos_are_in_the_build_and_are_found_there(root, out):
    build(root, out)
    inside = [r for r in shards.read_build(out) if r.embedded]
    # Rows 1, 2, 11, 12 show the photos 1, 2, 3, 0: four files.
    assert [r.record_id for r in inside] == ["r0001", "r0002", "r0011", "r0012"]
    assert all(
        r.fate is None and (out / r.image).is_file() and r.width == 48 + n
        for r, n in zip(inside, (1, 2, 3, 0), strict=True)
    )
    assert len(list((out / "images").iterdir())) == 4


def test_two_descriptions_of_one_photo_are_two_records(root, out):
    corpus = small_corpus(root, 4)
    rows = [Row("a", "i", "1.png", "dark tower"), Row("b", "i", "1.png", "noisy lake")]
    annotate(ListCorpus(root, rows), SmallProfile(), out, **QUIET)
    assert [(r.image_id, len(r.live_tags)) for r in shards.read_build(out)] == [("i", 2), ("i", 2)]
    assert corpus.root == root


def test_the_manifest_says_what_the_bytes_depend_on(root, out):
    build(root, out, limit=9)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["corpus"] == {
        "name": "list", "limit": 9, "rows": 9, "problems": {"duplicate id": 1, "photo missing": 1},
        "sha256": manifest["corpus"]["sha256"],
    }  # fmt: skip
    assert manifest["stages"] == [
        {"name": "tags"},
        {"name": "boxes", "most": 3},
        {"name": "merge"},
        {"name": "pairs"},
    ]
    assert manifest["shard_size"] == 3 and manifest["versions"].keys() == {"giqa_hf"}
    assert len(list(shards.read_build(out))) == 9


# What is there is not made again, and nothing else is taken for it


def test_going_on_makes_only_what_is_missing(root, out, undisturbed):
    build(root, out)
    times = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    for number in (0, 4):
        shards.shard_path(out, number).unlink()
    (out / "audit.json").unlink()
    lines = []
    build(root, out, say=lines.append)
    assert files_of(out) == undisturbed
    again = {path.name for path in (out / "shards").iterdir() if path.stat().st_mtime_ns != times[path]}
    assert again == {"00000.jsonl", "00004.jsonl"}
    assert "5 of 7 shards are there already" in lines


def test_a_finished_build_is_only_counted(root, out, undisturbed, monkeypatch):
    first = build(root, out)
    monkeypatch.setattr(WordTags, "process", lambda *_: pytest.fail("a stage was at work"))
    lines = []
    assert build(root, out, say=lines.append).to_dict() == first.to_dict()
    assert files_of(out) == undisturbed and "7 of 7 shards are there already" in lines


DIFFERENT = {
    # what is different the second time, and how the sentence names it
    "a setting of a stage": (
        {"profile": SmallProfile(most=2)},
        "begun with --set most=3 (now most=2); run",
    ),
    "the profile": ({"profile": SmallProfile(name="other")}, "begun with --profile small (now other); run"),
    "the shards": ({"shard_size": 4}, "begun with --shard-size 3 (now 4); run"),
    "the limit": ({"limit": 12}, "begun with all 20 rows, without --limit (now --limit 12); run"),
    "the rows": (
        {"rows": 19},
        "begun with other rows in the corpus (photos or texts have changed since); run",
    ),
    "the stages": (
        {"profile": SmallProfile(trap=functools.partial(Pause, 0))},
        "begun with the stages tags, boxes, merge, pairs (now tags, trap, boxes, merge, pairs); run",
    ),
}


@pytest.mark.parametrize("change, said", DIFFERENT.values(), ids=DIFFERENT)
def test_a_build_with_other_settings_is_refused_until_it_is_to_be_made_anew(
    root, out, tmp_path, change, said
):
    build(root, out)
    before = files_of(out)
    with pytest.raises(GiqaError, match=f"{out} holds a build that was begun with ") as caught:
        build(root, out, **change)
    assert said in str(caught.value) and "--fresh" in str(caught.value) and "\n" not in str(caught.value)
    assert files_of(out) == before
    (out / "notes.txt").write_text("mine")
    build(root, out, **change, fresh=True)
    build(root, tmp_path / "other", **change)
    assert files_of(out) == {**files_of(tmp_path / "other"), "notes.txt": b"mine"}


def test_photos_that_turn_up_later_are_another_corpus(root, out):
    """Their records were dropped in finished shards; to go on would leave them out without a word."""
    build(root, out)
    corpus = embedded_corpus(root, ROWS)
    corpus.rows[3] = Row("r0003", "i3", "3.png", "a tower")
    with pytest.raises(
        GiqaError, match="begun with 1 row with the problem 'photo missing' \\(now 0 rows\\); run"
    ):
        annotate(corpus, SmallProfile(), out, shard_size=3, **QUIET)


def test_a_build_of_the_first_rows_grows_with_the_limit(root, out, tmp_path):
    """7 rows in shards of 3: shards 0 and 1 are full and stay, shard 2 has a row and is made anew."""
    build(root, out, limit=7)
    times = {path.name: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    assert sorted(times) == ["00000.jsonl", "00001.jsonl", "00002.jsonl"]
    lines = []
    for limit, there in ((12, "2 of 4 shards are there already"), (None, "4 of 7 shards are there already")):
        build(root, out, limit=limit, say=lines.append)
        assert there in lines
        assert files_of(out) == files_of_new(root, tmp_path / f"new {limit}", limit=limit)
        lines.clear()
    same = {
        path.name for path in (out / "shards").iterdir() if times.get(path.name) == path.stat().st_mtime_ns
    }
    assert same == {"00000.jsonl", "00001.jsonl"}


def files_of_new(root, out, **options):
    build(root, out, **options)
    return files_of(out)


@pytest.mark.parametrize("killed_before", ["the last shard goes", "the manifest"])
def test_a_build_that_dies_while_it_grows_can_still_go_on(root, out, tmp_path, monkeypatch, killed_before):
    build(root, out, limit=7)
    target = "unlink" if killed_before == "the last shard goes" else None

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if target:
            patch.setattr(Path, "unlink", die)
        else:
            patch.setattr("giqa_hf.annotation.manifest.write_json", die)
        build(root, out, limit=12)
    for limit in (7, 12):  # either command
        build(root, out, limit=limit)
        assert files_of(out) == files_of_new(root, tmp_path / f"new {limit}", limit=limit)


def test_a_larger_limit_over_other_rows_is_refused(root, out):
    build(root, out, limit=7)
    corpus = embedded_corpus(root, ROWS)
    corpus.rows[4] = Row("r0004", "i0", "0.png", "a noisy lake")
    with pytest.raises(
        GiqaError, match="begun with other first 7 rows \\(photos or texts have changed since\\)"
    ):
        annotate(corpus, SmallProfile(), out, shard_size=3, limit=12, **QUIET)


# Nothing kept


def test_a_corpus_without_a_row_that_can_be_used_is_refused_before_any_work(root, out):
    rows = [
        Row(f"r{n}", "i", f"{n}.png", "a tower", problem="photo missing", detail=f"line {n}")
        for n in range(4)
    ]
    rows.append(Row("r4", "i", "", "a tower", problem="no photo"))
    with pytest.raises(GiqaError) as caught:
        annotate(ListCorpus(root, rows), SmallProfile(), out, **QUIET)
    assert str(caught.value) == (
        "list: none of its 5 rows can be used: photo missing (4 rows, the first at line 0, 1 other reason for the "
        "rest); name the folder that the photos' paths start from with --root"
    )
    assert not out.exists()


def test_a_build_that_keeps_nothing_is_an_error_and_stands_in_nobodys_way(root, out, tmp_path):
    small_corpus(root, 1)
    rows = [Row(f"r{number}", f"i{number}", "broken.png", "a dark tower") for number in range(5)]
    lines = []
    for again in range(2):  # the second time it starts anew: the photos may have been mended meanwhile
        with pytest.raises(GiqaError) as caught:
            annotate(ListCorpus(root, rows), SmallProfile(), out, shard_size=3, say=lines.append)
        said = str(caught.value)
        assert said.startswith(
            f"{out}: none of 5 records is kept, most often because of: photo cannot be read, at images (5 of 5)"
        ), again
        assert "check that these files are pictures" in said and "\n" not in said
    assert sum("5 rows in 2 shards" in line for line in lines) == 2
    assert any("= kept" in line for line in lines)  # the whole table is there
    assert json.loads((out / "audit.json").read_text())["kept"]["record"] == 0
    assert files_of_new(root, out, rows=9) == files_of_new(root, tmp_path / "other", rows=9)


def test_a_build_without_a_finished_shard_stands_in_nobodys_way(root, out, tmp_path):
    trap = functools.partial(Trap, "r0000", str(tmp_path / "flag"), "dead server")
    with pytest.raises(GiqaError, match="no longer answers"):
        build(root, out, profile=SmallProfile(trap=trap))
    assert shards.finished_shards(out) == [] and (out / "manifest.json").exists()
    assert files_of_new(root, out, shard_size=4) == files_of_new(root, tmp_path / "other", shard_size=4)


def test_what_the_reader_leaves_out_stands_in_the_audit(root, out):
    corpus = small_corpus(root, 2)
    corpus.left_out = {"a question": 3, "too short": 1}  # so it is a `ChoosingCorpus`
    audit = annotate(corpus, SmallProfile(), out, **QUIET)
    assert json.loads((out / "audit.json").read_text())["left_out"] == {"a question": 3, "too short": 1}
    top = [line.split() for line in audit.table().splitlines()[:3]]
    assert [line[-1] for line in top] == ["4", "3", "1"] and top[1][:2] == ["a", "question"]


def test_lines_of_progress_begin_with_what_is_to_be_done(root, out):
    lines = []
    build(root, out, say=lines.append)
    assert lines[:2] == ["1 row whose photo is missing:", "  nowhere.png"]
    assert lines[2] == "list: 20 rows in 7 shards, through the stages tags, boxes, merge, pairs"


def test_a_corpus_may_be_moved(root, out, tmp_path, undisturbed):
    build(root, out)
    shards.shard_path(out, 2).unlink()
    root.rename(tmp_path / "elsewhere")
    build(tmp_path / "elsewhere", out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["root"] == str(tmp_path / "elsewhere")
    del undisturbed["manifest.json"]
    assert files_of(out) == {**undisturbed, "manifest.json": (out / "manifest.json").read_bytes()}


def test_somebody_elses_folder_is_left_alone(root, out, tmp_path):
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(
            GiqaError, match="expected an empty folder or an earlier build, found other files"
        ):
            build(root, out, fresh=fresh)
    (out / "manifest.json").write_text('{"name": "a web app"}')
    for fresh in (False, True):
        with pytest.raises(GiqaError, match="found no manifest.json of it"):
            build(root, out, fresh=fresh)
    assert files_of(out) == {"notes.txt": b"mine", "manifest.json": b'{"name": "a web app"}'}
    (tmp_path / "file").write_text("")
    with pytest.raises(GiqaError, match="expected a folder, found a file"):
        build(root, tmp_path / "file")


def test_two_runs_at_once(root, out):
    fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")
    out.mkdir()
    other = os.open(out, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(GiqaError, match="another `giqa annotate` is at work there"):
        build(root, out)
    os.close(other)
    build(root, out)


def test_a_shard_that_was_tampered_with_is_found_out(root, out):
    build(root, out)
    path = shards.shard_path(out, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for content in (
        b"".join(lines[:-1]),
        b"".join(lines[::-1]),
        b"".join([*lines, lines[0]]),
    ):  # lost, moved, doubled
        path.write_bytes(content)
        with pytest.raises(
            DataError, match="00001.jsonl: expected the records of this part of the corpus, each once"
        ):
            build(root, out)
    path.unlink()
    build(root, out)
    assert path.read_bytes() == b"".join(lines)


# Missing photos


def test_missing_photos_are_told_first_twenty_and_number(root, out):
    rows = [Row(f"r{n}", "i", f"gone/{n}.png", "tower", problem="photo missing") for n in range(23)]
    rows.append(Row("there", "i", "1.png", "tower"))
    small_corpus(root, 4)
    lines = []
    with pytest.raises(
        GiqaError, match=r"23 of 24 rows have no photo \(the first: gone/0.png\); put the photos"
    ):
        annotate(ListCorpus(root, rows), SmallProfile(), out, on_missing="stop", say=lines.append)
    assert not out.exists()  # stopped before any work
    told = "\n".join(lines)
    assert "gone/19.png" in told and "gone/20.png" not in told and "and 3 more" in told
    audit = annotate(ListCorpus(root, rows), SmallProfile(), out, **QUIET)
    assert (audit.kept("record"), audit.candidates["record"]) == (1, 24)


def test_nothing_is_said_when_all_photos_are_there(root, out):
    lines = []
    rows = small_corpus(root, 3).rows
    annotate(ListCorpus(root, rows), SmallProfile(), out, on_missing="stop", say=lines.append)
    assert not any("missing" in line for line in lines)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"shard_size": 0}, "--shard-size: expected a whole number of at least 1, got 0"),
        ({"workers": 0}, "--workers: expected"),
        ({"limit": -1}, "--limit: expected"),
        ({"engine": "spark"}, "engine: expected one of 'local', 'ray', got 'spark'"),
        ({"on_missing": "cry"}, "on_missing: expected one of 'go on', 'stop'"),
    ],
)
def test_options_that_cannot_be(root, out, options, said):
    with pytest.raises(GiqaError, match=said):
        build(root, out, **options)
    assert not out.exists()


# Interrupted at any moment


@pytest.mark.parametrize("what, error", [("dead server", GiqaError), ("bug", KeyError)])
@pytest.mark.parametrize("at", ["r0000", "r0010", "r0019"])  # in the first, a middle and the last shard
def test_a_stage_that_stops_the_build(root, out, tmp_path, at, what, error):
    profile = SmallProfile(trap=functools.partial(Trap, at, str(tmp_path / "flag"), what))
    with pytest.raises(error):
        build(root, out, profile=profile)
    assert len(shards.finished_shards(out)) == int(at[1:]) // 3
    build(root, out, profile=profile)  # the trap has sprung
    build(root, tmp_path / "other", profile=profile)
    assert files_of(out) == files_of(tmp_path / "other")


@pytest.mark.parametrize("file_number", [1, 2, 4, 9])  # of 13: manifest, 4 photos, 7 shards, audit
def test_a_full_disk(root, out, undisturbed, monkeypatch, file_number):
    def full(handle, _fsync=os.fsync):
        nonlocal file_number
        file_number -= 1
        if file_number < 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        patch.setattr(files, "_sync_folder", lambda folder: None)  # which syncs too, and may fail
        with pytest.raises(GiqaError, match="the disk is full; free some space"):
            build(root, out)
    assert not list(out.rglob("*.part"))
    build(root, out)
    assert files_of(out) == undisturbed


def test_memory_that_is_used_up(root, out, monkeypatch):
    def hungry(self, records, pictures):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Pause, "process", hungry)
        with pytest.raises(GiqaError, match="the memory is used up; run the same command again"):
            build(root, out, profile=SmallProfile(trap=functools.partial(Pause, 0)))
    build(root, out, profile=SmallProfile(trap=functools.partial(Pause, 0)))


def command(**options):
    return [sys.executable, "-m", "tests.annotation.run_small_build", json.dumps(options)]


@pytest.fixture
def here(repository, monkeypatch):
    """Where subprocesses find the package and the tests."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repository / "src"), str(repository)]))


@pytest.mark.usefixtures("here")
def test_killed_again_and_again(root, out, tmp_path):
    """A real process, killed like by kill -9 just before a file appears; each run gets one file further.

    Eight rows in shards of three: manifest, two photos, three shards, audit: seven files. The run that is to make file
    n is killed before its second one, so that each of the seven is once the half-written one.
    """
    options = {"root": str(root), "rows": 8, "pause": 0.0}
    for _ in range(6):
        killed = subprocess.run(
            command(**options, out=str(out), die_before_file=2), check=False, capture_output=True
        )
        assert killed.returncode == -signal.SIGKILL
        assert list(out.rglob("*.part"))  # it was in the middle of something
    last = subprocess.run(command(**options, out=str(out)), check=True, capture_output=True, text=True)
    assert "are there already" in last.stdout
    subprocess.run(command(**options, out=str(tmp_path / "other")), check=True, capture_output=True)
    assert files_of(out) == files_of(tmp_path / "other") and len(files_of(out)) == 7


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return found


def children(pid: int) -> set[int]:
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    }


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="looks for processes in /proc, which is Linux"
)
@pytest.mark.parametrize(
    "end, code", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)], ids=["kill -9", "Ctrl-C"]
)
def test_two_workers_interrupted_from_outside(root, out, tmp_path, end, code):
    options = {"root": str(root), "rows": 40, "workers": 2, "pause": 0.2}
    running = subprocess.Popen(
        command(**options, out=str(out)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(shards.finished_shards(out)) >= 2)
    workers = children(running.pid)
    assert len(workers) >= 2
    if end == signal.SIGINT:
        os.killpg(running.pid, end)  # as a terminal does: everybody gets it
    else:
        running.send_signal(end)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == code
    assert "Traceback" not in errors
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))  # no orphan goes on
    done = len(shards.finished_shards(out))
    assert 2 <= done < 14
    assert [r.record_id for r in shards.read_build(out, partial=True)]  # whole shards only
    options["pause"] = 0.0
    subprocess.run(command(**options, out=str(out)), check=True, capture_output=True)
    subprocess.run(
        command(**{**options, "workers": 1}, out=str(tmp_path / "other")), check=True, capture_output=True
    )
    assert files_of(out) == files_of(tmp_path / "other")
