"""The same tiny model through inspect_ai and through `giqa bench`: the same numbers."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

pytest.importorskip("inspect_ai", reason="an extra of one's own: pip install inspect_ai")

from inspect_ai import eval as inspect_eval
from inspect_ai.model import ModelAPI, ModelOutput, get_model, modelapi

from giqa_hf.backbones import load_checkpoint
from giqa_hf.benchmark import generate
from giqa_hf.benchmark.answers import read_answers
from giqa_hf.benchmark.inspect_task import giqa_bench_task
from giqa_hf.benchmark.record import ANSWERS
from giqa_hf.benchmark.run import RunSettings, run_benchmark
from giqa_hf.benchmark.scoring import score_run
from tests.benchmark.tiny_bench import family, make_bench

_LOADED = {}


@modelapi(name="giqa-tiny-local")
class TinyAPI(ModelAPI):
    """A real tiny model as a provider: it sees only the picture and the words that inspect_ai sends."""

    async def generate(self, input, tools, tool_choice, config):
        if not _LOADED:
            _LOADED["parts"] = load_checkpoint(str(family("tiny")))
        image, text = input[-1].content
        picture = Image.open(io.BytesIO(base64.b64decode(image.image.partition(",")[2])))
        (answer,) = generate(*_LOADED["parts"], [picture], [text.text], max_new_tokens=config.max_tokens)
        return ModelOutput.from_content(self.model_name, answer)


def test_both_give_the_same_numbers(tmp_path):
    bench = make_bench(tmp_path / "bench")
    task = giqa_bench_task(data=str(bench), processor=str(family("tiny")), max_new_tokens=12)
    (log,) = inspect_eval(
        task, model=get_model("giqa-tiny-local/x"), log_dir=str(tmp_path / "logs"), display="none"
    )
    assert log.status == "success" and log.results.completed_samples == 8
    (scored,) = log.results.scores
    theirs = {name: one.value for name, one in scored.metrics.items()}
    settings = RunSettings(str(family("tiny")), data=str(bench), max_new_tokens=12)
    run_benchmark(settings, tmp_path / "run", say=lambda line: None)
    ours = {
        name: value for name, value in score_run(tmp_path / "run")["figures"].items() if value is not None
    }
    assert theirs == ours and len(ours) >= 5
    answers = {row_id: answer.text for row_id, answer in read_answers(tmp_path / "run" / ANSWERS).items()}
    assert {sample.id: sample.output.completion for sample in log.samples} == answers
