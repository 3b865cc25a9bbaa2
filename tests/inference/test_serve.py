"""docs/serve.md, word for word: `transformers serve` on loopback with a checkpoint of ours, asked by the openai client."""

from __future__ import annotations

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from giqa_hf.inference import grounding_pipeline
from giqa_hf.processing import load_grounding_processor
from tests.make_tiny_checkpoint import tiny_checkpoint

COMMAND = shutil.which(
    "transformers", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
MISSING = [name for name in ("fastapi", "uvicorn", "openai") if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"transformers serve needs {', '.join(MISSING)}"),
    pytest.mark.skipif(COMMAND is None, reason="the command transformers is not beside this Python"),
]


@pytest.fixture
def url(tmp_path):
    """The address of the server; the process is ended afterwards, and no other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "serve", str(tiny_checkpoint()), *where],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        for _ in range(2400):  # ten minutes: importing torch takes long on a busy machine
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        else:
            raise AssertionError((tmp_path / "log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_picture_and_its_boxes_over_the_wire(url, photo):
    from openai import OpenAI

    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    question = "Is the [cup](<0,189>) sharp?"
    asked = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": question}]
    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    reply = client.chat.completions.create(
        model=str(tiny_checkpoint()),
        messages=[{"role": "user", "content": asked}],
        temperature=0,
        max_tokens=6,
    )
    raw = reply.choices[0].message.content
    processor = load_grounding_processor(tiny_checkpoint())
    [grounded] = processor.post_process_grounded_generation([raw], [photo.size])
    ours = grounding_pipeline(tiny_checkpoint())(photo, question, max_new_tokens=6)
    assert raw.strip() == ours.raw and grounded.text.strip() == ours.text
