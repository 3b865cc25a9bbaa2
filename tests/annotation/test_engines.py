"""Work on a shard: which batches the stages see, and that the number of processes is not seen in the bytes."""

from __future__ import annotations

import functools
import multiprocessing
import signal
import subprocess
import sys

import pytest

from giqa_hf.annotation import engines
from giqa_hf.annotation.engines import Job, Plan, annotate_shard, run_local, work
from giqa_hf.annotation.record import Record
from giqa_hf.annotation.shards import decode
from giqa_hf.annotation.stage import Pictures, Stage
from giqa_hf.errors import GiqaError
from tests.annotation.small_stages import SmallProfile, Trap, small_corpus


class Seen(Stage):
    """Remembers its batches in a list that it shares with others."""

    name = "seen"

    def __init__(self, label, photos, log):
        self.label, self.log = label, log
        if photos:
            self.reads = ("photo",)

    def process(self, records, pictures):
        self.log.append((self.label, len(records)))


def records(corpus):
    return [
        Record(row.record_id, row.image_id, row.image, row.description, row.source, row.license)
        for row in corpus
    ]


def test_stages_with_photos_share_small_batches_and_the_others_get_the_whole_shard(tmp_path):
    log = []
    stages = [Seen(label, label in "bce", log) for label in "abcde"]
    work(stages, records(small_corpus(tmp_path, 20)), Pictures(tmp_path, tmp_path))
    # 20 = 16 + 4: b and c take turns, so that a photo is opened once for both.
    assert engines.PHOTO_BATCH == 16
    assert log == [("a", 20), ("b", 16), ("c", 16), ("b", 4), ("c", 4), ("d", 20), ("e", 16), ("e", 4)]


def test_photos_are_closed_after_each_batch(tmp_path):
    opened = []

    class Look(Seen):
        def process(self, records, pictures):
            for record in records:
                pictures.get(record)
            opened.append(len(pictures._open))

    corpus = small_corpus(tmp_path, 40)
    pictures = Pictures(tmp_path, tmp_path)
    work([Look("a", True, [])], [r for r in records(corpus) if r.image[0].isdigit()], pictures)
    assert max(opened) <= 16 and not pictures._open


def plan(tmp_path, profile=None):
    return Plan(tuple((profile or SmallProfile()).stages()), tmp_path, tmp_path / "build")


def jobs(tmp_path, count=30, size=7):
    rows = records(small_corpus(tmp_path, count))
    return [Job(start // size, rows[start : start + size]) for start in range(0, count, size)]


def test_a_shard_has_the_same_bytes_whatever_was_done_before(tmp_path):
    stages = [make() for make in plan(tmp_path).stages]
    pictures = Pictures(tmp_path, tmp_path)
    forward = {job.number: annotate_shard(job.records, stages, pictures) for job in jobs(tmp_path)}
    backward = {job.number: annotate_shard(job.records, stages, pictures) for job in reversed(jobs(tmp_path))}
    assert forward == backward
    assert [r.record_id for r in decode(forward[1])] == [r.record_id for r in jobs(tmp_path)[1].records]


def test_several_processes_make_the_same_bytes(tmp_path):
    one = sorted(run_local(jobs(tmp_path), plan(tmp_path)))
    assert sorted(run_local(jobs(tmp_path), plan(tmp_path), 2)) == one and len(one) == 5
    assert multiprocessing.active_children() == []


def test_shards_are_taken_as_they_are_needed(tmp_path):
    """Two per worker are under way: memory does not grow with the corpus."""
    taken = []

    def watched():
        for job in jobs(tmp_path, 60, 5):
            taken.append(job.number)
            yield job

    done = 0
    for _ in run_local(watched(), plan(tmp_path), 2):
        done += 1
        assert len(taken) - done < 4  # 2 workers, 2 each, one of which has just come back
    assert done == len(taken) == 12


TRAPS = {
    # what happens in the worker, the error here, and its words
    "kill": (GiqaError, "a worker process died, likely for want of memory"),
    "dead server": (GiqaError, "http://host:8000/v1 no longer answers; start it again"),
    "bug": (KeyError, "bug"),
}


@pytest.mark.parametrize("what", TRAPS)
def test_when_a_worker_fails(tmp_path, what):
    error, words = TRAPS[what]
    trap = functools.partial(Trap, "r0010", str(tmp_path / "flag"), what)
    with pytest.raises(error, match=words) as caught:
        list(run_local(jobs(tmp_path), plan(tmp_path, SmallProfile(trap=trap)), 2))
    assert type(caught.value) is error and (tmp_path / "flag").exists()
    assert multiprocessing.active_children() == []


def test_a_ctrl_c_does_not_reach_workers_that_are_starting():
    """The terminal sends it to all; a worker that is still importing would print a traceback."""
    ask = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with engines._no_interrupt_inherited():
        asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert asked.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_where_the_work_is_can_be_watched(tmp_path):
    """Four stages, 20 records in one shard: `boxes` sees photos, so it gets them in batches of 16."""
    places = []
    list(run_local(jobs(tmp_path, 20, 20), plan(tmp_path), watch=places.append))
    assert places == [
        "shard 00000: tags, records 1 to 20 of 20",
        "shard 00000: boxes, records 1 to 16 of 20",
        "shard 00000: boxes, records 17 to 20 of 20",
        "shard 00000: merge, records 1 to 20 of 20",
        "shard 00000: pairs, records 1 to 20 of 20",
    ]


def test_workers_leave_when_nobody_wants_the_rest(tmp_path):
    running = run_local(jobs(tmp_path), plan(tmp_path), 2)
    next(running)
    assert multiprocessing.active_children()
    running.close()  # as on Ctrl-C, or when the disk is full
    assert multiprocessing.active_children() == []
