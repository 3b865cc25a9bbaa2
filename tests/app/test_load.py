"""A hundred uploads at once, over HTTP as a browser sends them: each is served, or told that the queue is full."""

from __future__ import annotations

import io
import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.make_tiny_checkpoint import tiny_checkpoint

gradio = pytest.importorskip("gradio", reason="needs gradio")
VISITORS = 100


@pytest.fixture(scope="module")
def page():
    from giqa_hf.app import build

    page = build(tiny_checkpoint())
    page.launch(prevent_thread_lock=True, quiet=True)
    yield page
    page.close()


def post(address, data, kind="application/json"):
    request = urllib.request.Request(address, data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def uploaded(url, content):
    """The path that the server gives an uploaded photo."""
    head = b'--giqa\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body = head + content + b"\r\n--giqa--\r\n"
    return post(f"{url}gradio_api/upload", body, "multipart/form-data; boundary=giqa")[0]


def outcome(url, session):
    """What the server tells a visitor in the end."""
    with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash={session}", timeout=300) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["msg"] == "process_completed":
                    return message
    return None


def test_a_hundred_uploads_at_once(page, monkeypatch):
    import giqa_hf.app.page as page_module

    go_on, show = threading.Event(), page_module.show

    def slow(*arguments, **options):
        assert go_on.wait(300)
        return show(*arguments, **options)

    monkeypatch.setattr(page_module, "show", slow)
    url = page.local_url
    picture = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(picture, "PNG")
    upload = next(fn for fn in page.fns.values() if fn.name == "choose_upload")

    def visit(number):
        file = {"path": uploaded(url, picture.getvalue()), "meta": {"_type": "gradio.FileData"}}
        asked = {
            "data": [file],
            "fn_index": upload._id,
            "session_hash": f"visitor{number}",
            "trigger_id": None,
        }
        try:
            post(f"{url}gradio_api/queue/join", json.dumps(asked).encode())
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["detail"]
        return None

    with ThreadPoolExecutor(20) as pool:
        refusals = list(pool.map(visit, range(VISITORS)))
    go_on.set()
    refused = [refusal for refusal in refusals if refusal]
    # One is being served and 64 wait; the place of the first is free again as soon as it is begun.
    assert VISITORS - len(refused) in (page_module.WAITING_AT_MOST, page_module.WAITING_AT_MOST + 1)
    assert {code for code, _ in refused} == {503} and all("full" in words for _, words in refused)
    for number, refusal in enumerate(refusals):
        if refusal is None:
            message = outcome(url, f"visitor{number}")
            assert message["success"], message
            stage = message["output"]["data"][1]
            assert stage["photo"].startswith("data:image/png;base64,")


def test_an_upload_that_is_too_large_is_refused(page):
    with pytest.raises(urllib.error.HTTPError) as refused:
        uploaded(page.local_url, bytes(30_000_001))
    assert refused.value.code == 413
