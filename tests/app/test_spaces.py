"""What is published as a Space runs as it was written: its app.py, in a process of its own name."""

from __future__ import annotations

import inspect
import json
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

from giqa_hf.errors import DataError
from giqa_hf.hub.metric_plan import metric_plan
from giqa_hf.hub.space_plan import GRADIO, space_plan

needs_gradio = pytest.mark.skipif(find_spec("gradio") is None, reason="needs gradio")


def written(plan, folder: Path) -> Path:
    """The files of a plan, as the Space holds them."""
    for file in plan.files:
        path = folder / file.path_in_repo
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.source if isinstance(file.source, bytes) else file.source.read_bytes())
    return folder


@needs_gradio
@pytest.mark.parametrize("models", [(), ("me/a",), ("me/a", "me/b")])
def test_the_demo_builds_the_app_with_its_models(models, tmp_path, monkeypatch):
    import giqa_hf.app

    signature, asked = inspect.signature(giqa_hf.app.build), []

    class Page:
        def launch(self):
            asked.append("launched")

    def build(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)  # as the real one takes them
        asked.extend(bound.arguments.get("models", ()))
        return Page()

    monkeypatch.setattr(giqa_hf.app, "build", build)
    folder = written(space_plan("me/demo", models=models), tmp_path)
    runpy.run_path(str(folder / "app.py"), run_name="__main__")
    assert asked == [*models, "launched"]


@needs_gradio
def test_the_page_of_a_metric_computes(tmp_path):
    import gradio

    folder = written(metric_plan("giqa_bench", "me/giqa_bench"), tmp_path / "giqa_bench")
    page = runpy.run_path(str(folder / "app.py"), run_name="app")
    case = runpy.run_path(str(folder / "tests.py"))["test_cases"][0]
    found = page["computed"](json.dumps(case["predictions"]), json.dumps(case["references"]))
    assert {name: found[name] for name in case["result"]} == case["result"]
    assert found["DES mIoU"] is None and found["counts"]["vqa"]["samples"] == 2  # plain JSON, and all of it
    for predictions, said in (("[", "JSONDecodeError"), ('["No."]', "references")):
        with pytest.raises(gradio.Error, match=said):
            page["computed"](predictions, "[]")
    shown = [block.value for block in page["page"].blocks.values() if isinstance(block, gradio.Markdown)]
    assert len(shown) == 1 and "## How to use" in shown[0] and "sdk:" not in shown[0]


def files_of(plan) -> dict[str, str]:
    return {file.path_in_repo: file.source.decode() for file in plan.files if isinstance(file.source, bytes)}


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        (lambda **options: space_plan("me/demo", **options), "giqa-hf[app]"),
        (lambda **options: metric_plan("bleu4", "me/bleu4", **options), "giqa-hf"),
    ],
)
def test_where_the_package_comes_from(plan, name):
    assert files_of(plan())["requirements.txt"].startswith(f"{name}>=")
    assert any("--package" in note for note in plan().notes)
    told = plan(package="git+https://example.org/giqa_hf.git@main")
    assert files_of(told)["requirements.txt"] == f"{name} @ git+https://example.org/giqa_hf.git@main\n"
    assert not any("--package" in note for note in told.notes)
    assert f"\nsdk_version: {GRADIO}\n" in files_of(told)["README.md"]
    for wrong in ("giqa-hf", "https://a.org/x\nevil", "a b://c"):
        with pytest.raises(DataError, match="--package: expected an address"):
            plan(package=wrong)
