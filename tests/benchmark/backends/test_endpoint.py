"""A model behind a real HTTP server on loopback: what is sent, what is kept, and what a broken server costs."""

from __future__ import annotations

import base64
import io
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from giqa_hf.benchmark.answers import read_answers
from giqa_hf.benchmark.backends.endpoint import EndpointBackend, data_uri
from giqa_hf.benchmark.data import load_bench_data
from giqa_hf.benchmark.reading import reading_of
from giqa_hf.benchmark.record import ANSWERS, read_record
from giqa_hf.benchmark.run import RunSettings, answer_rows, run_benchmark
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.frames import Frame
from giqa_hf.images import read_image
from tests.annotation.llm.chat_server import ChatServer, Reply, closed_url, running, said
from tests.benchmark.tiny_bench import bench_rows, family, make_bench

ANSWERS_OF = {
    "Report on the quality. Mention positions.": "The [cup](<82,229>) is sharp and the [plant](<50,357>) is dark.",
    "Is the [cup](<82,229>) sharp?": "Yes.",
    "Is the [cup](<84,229>) sharp?": "Yes.",
    "Is the image noisy?": "No, it is not.",
    "What is dark?": "The [plant](<50,357>).",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return make_bench(tmp_path_factory.mktemp("bench") / "data")


class Server(ChatServer):
    """Answers pictures by the words beside them; a prompt without a picture asks whether it is well."""

    def __init__(self, broken=None):
        super().__init__(self.reply, ("tiny-vlm",))
        self.broken = broken or {}
        self.under_way = self.most = 0

    def words(self, request):
        content = request.user
        return content if isinstance(content, str) else content[1]["text"]

    def attempts(self, user):
        return [r for r in self.requests if r.body.get("messages") and r.user == user]

    def reply(self, request, attempt):
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            time.sleep(0.02)
            words = self.words(request)
            return self.broken.get(words, said(ANSWERS_OF.get(words, "fine")))
        finally:
            with self.lock:
                self.under_way -= 1


def settings_for(server, bench, **options):
    return RunSettings(
        model="tiny-vlm",
        data=str(bench),
        backend="endpoint",
        url=server.url,
        frame="whole",
        max_new_tokens=40,
        **options,
    )


def run_at(server, bench, out, **options):
    """`run_benchmark`, with waits of a hundredth of a second."""
    settings = settings_for(server, bench, **options)
    backend = EndpointBackend(
        server.url, settings.model, max_new_tokens=40, concurrency=settings.concurrency, retries=2, first_wait_s=0.01,
        timeout_s=5.0,
    )  # fmt: skip
    reading = reading_of(None, settings.frame, settings.box_format)
    answer_rows(load_bench_data(settings.data), backend, reading, out, settings, say=lambda line: None)
    return read_answers(out / ANSWERS)


def test_a_run_from_picture_to_figures(bench, tmp_path):
    with running(Server()) as server:
        run_benchmark(settings_for(server, bench, concurrency=4), tmp_path / "run", say=lambda line: None)
        sent = [r for r in server.requests if r.body]
        assert 1 < server.most <= 4 and len(sent) == 8
    for request in sent:
        image, text = request.user
        assert request.body["model"] == "tiny-vlm" and request.body["temperature"] == 0
        assert request.body["max_tokens"] == 40 and "skip_special_tokens" not in request.body
        kind, _, encoded = image["image_url"]["url"].partition(",")
        assert kind == "data:image/png;base64" and "<img" not in text["text"]
        shown = Image.open(io.BytesIO(base64.b64decode(encoded)))
        assert shown.size in {(120, 80), (80, 120)}
    scores = score_run(tmp_path / "run")
    assert scores["figures"]["VQA Acc (Y)"] == 1.0  # "No, it is not." is No
    assert scores["figures"]["VQA Box-Precision"] == 1.0 and scores["answers"]["with_words"] == 8
    record = read_record(tmp_path / "run")
    assert record["run"]["model"] == {"name": "tiny-vlm"} and server.url not in str(record)
    assert record["sessions"][0]["execution"] == {"concurrency": 4}


BROKEN = {
    # what the server does with one question, and what becomes of its row
    "an empty answer": (said(""), ("", None, False)),
    "no content at all": (said(None), ("", None, False)),
    "cut off": (said("The image is", "length"), ("The image is", None, True)),
    "a refusal": (said(None, refusal="I cannot"), (None, "refused by the model", False)),
    "filtered": (said("x", "content_filter"), (None, "refused by the model", False)),
    "a question that it does not want": (
        Reply({"error": "bad"}, 400),
        (None, "refused by the server", False),
    ),
    "a picture too large": (Reply({"error": "x"}, 413), (None, "too long for the model's context", False)),
    "a crash on this one": (Reply({"error": "x"}, 500), (None, "the server fails on it", False)),
    "half an answer": (Reply('{"choices": [', cut=True), (None, "the server fails on it", False)),
    "a megabyte": (said("é" * 500_000), ("é" * 500_000, None, False)),
}


@pytest.mark.parametrize("reply, outcome", BROKEN.values(), ids=BROKEN)
def test_one_row_goes_wrong_and_the_others_do_not(bench, tmp_path, reply, outcome):
    with running(Server({"Is the [cup](<82,229>) sharp?": reply})) as server:
        answers = run_at(server, bench, tmp_path / "run")
    answer = answers["000001:photo-0"]
    assert (answer.text, answer.problem, answer.cut_off) == outcome
    assert sum(a.text is not None and a.text != "" and not a.cut_off for a in answers.values()) >= 7
    told = score_run(tmp_path / "run")["answers"]
    assert told["with_words"] + told["empty"] + told["only_thoughts"] + sum(told["failures"].values()) == 8
    assert told["failures"] == ({outcome[1]: 1} if outcome[1] else {}) and told["cut_off"] == outcome[2]


def test_a_server_that_goes_away_stops_the_run_which_goes_on_later(bench, tmp_path):
    class Leaving(Server):
        """Answers four rows and then nothing more."""

        def reply(self, request, attempt):
            if len([r for r in self.requests if r.body]) > 4:
                return Reply({"error": "down"}, 503)
            return super().reply(request, attempt)

    with running(Leaving()) as server, pytest.raises(GiqaError, match="run the same command again to go on"):
        run_at(server, bench, tmp_path / "run", concurrency=1)
    before = read_answers(tmp_path / "run" / ANSWERS)
    assert len(before) == 4
    with running(Server()) as server:
        answers = run_at(server, bench, tmp_path / "run", concurrency=1)
        assert len([r for r in server.requests if r.body]) == 4  # only those that were missing
    assert len(answers) == 8 and all(answers[row_id] == answer for row_id, answer in before.items())


def test_nobody_there(bench, tmp_path):
    settings = replace(settings_for(Nobody, bench), url=Nobody.url)
    backend = EndpointBackend(settings.url, "m", max_new_tokens=8, retries=1, first_wait_s=0.01)
    with pytest.raises(GiqaError, match="does not answer"):
        answer_rows(
            load_bench_data(str(bench)), backend, reading_of(None, "whole", None), tmp_path / "run", settings,
            say=lambda line: None,
        )  # fmt: skip


class Nobody:
    """An address where nobody listens."""

    url = closed_url()


def test_the_frame_is_the_processors_and_must_be_told(bench, tmp_path):
    with running(Server()) as server:
        blind = replace(settings_for(server, bench), frame=None)
        with pytest.raises(DataError, match="give --processor MODEL, --frame whole"):
            run_benchmark(blind, tmp_path / "blind", say=lambda line: None)
        assert not (tmp_path / "blind").exists() and not server.requests  # told before anything was asked
        told = replace(blind, processor=str(family("padding")))
        run_benchmark(told, tmp_path / "told", say=lambda line: None)
        asked = {Server.words(server, r) for r in server.requests if r.body}
    assert read_answers(tmp_path / "told" / ANSWERS)["000000:photo-0"].frame == Frame.square_pad(
        (120, 80), 240
    )
    # The question's cup in the padded square: y 0.2 and 0.6 of 80 are (20 + 16) / 120 = 0.3 and (20 + 48) / 120 = 0.57:
    # rows 6 and 11 of 20, columns 2 and 9 as before: 6 * 20 + 2 = 122, 11 * 20 + 9 = 229.
    assert "Is the [cup](<122,229>) sharp?" in asked


def test_special_tokens_are_asked_for_where_they_mark_boxes(bench, tmp_path):
    from giqa_hf.benchmark.backends import Asked

    data = load_bench_data(str(bench), limit=1)
    frames = [Frame.identity((120, 80))]
    with running(Server()) as server:
        backend = EndpointBackend(server.url, "tiny-vlm", max_new_tokens=8)
        list(backend.replies(Asked(data, ["Why?"], frames, [0], special_tokens=True)))
        (request,) = [r for r in server.requests if r.body]
    assert request.body["skip_special_tokens"] is False


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


RGB = Image.linear_gradient("L").resize((30, 20)).convert("RGB")
EXIF = Image.Exif()
EXIF[0x0112] = 6  # to be turned by 90 degrees
PICTURES = {
    # the file, and whether it is sent as it is
    "JPEG": (encoded(RGB, "JPEG"), True),
    "PNG": (encoded(RGB, "PNG"), True),
    "JPEG on its side": (encoded(RGB, "JPEG", exif=EXIF), False),
    "grey": (encoded(RGB.convert("L"), "PNG"), False),
    "transparent": (encoded(RGB.convert("RGBA"), "PNG"), False),
    "CMYK": (encoded(RGB.convert("CMYK"), "JPEG"), False),
    "WebP": (encoded(RGB, "WEBP", lossless=True), False),
}


@pytest.mark.parametrize("data, as_it_is", PICTURES.values(), ids=PICTURES)
def test_a_server_sees_the_picture_that_a_local_model_sees(data, as_it_is):
    head, _, body = data_uri(data).partition(",")
    sent = base64.b64decode(body)
    assert (sent == data) == as_it_is and head in ("data:image/png;base64", "data:image/jpeg;base64")
    with Image.open(io.BytesIO(sent)) as shown:  # without turning anything, as a server would
        assert shown.mode == "RGB" and np.array_equal(np.asarray(shown), np.asarray(read_image(data)))


def test_threads_end(bench, tmp_path):
    with running(Server()) as server:
        run_at(server, bench, tmp_path / "run")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(t.name == "giqa-llm" for t in threading.enumerate()):
        time.sleep(0.01)
    assert not any(t.name == "giqa-llm" for t in threading.enumerate())
    assert len(bench_rows()) == 8
