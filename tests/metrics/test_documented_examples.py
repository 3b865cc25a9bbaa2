"""Every metric as evaluate sees it: by path, by name, offline; its documented example and its card's run."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

evaluate = pytest.importorskip("evaluate")

import giqa_hf  # noqa: E402
import giqa_hf.metrics as package  # noqa: E402
from giqa_hf._register import METRICS  # noqa: E402

FOLDERS = {
    script.stem: script.parent
    for script in sorted(Path(package.__path__[0]).glob("*/*.py"))
    if script.stem == script.parent.name
}
HEADINGS = ["Metric description", "How to use", "Example", "Limits", "Citation"]


@pytest.fixture(params=FOLDERS)
def name(request, monkeypatch, tmp_path):
    monkeypatch.setattr("evaluate.config.HF_EVALUATE_OFFLINE", True)
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "cache"))
    return request.param


def run(name, text, names):
    # A fence ends an example as a blank line does.
    test = doctest.DocTestParser().get_doctest(re.sub(r"(?m)^\s*```\w*$", "", text), names, name, name, 0)
    assert test.examples, name
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


def card(name):
    return (FOLDERS[name] / "README.md").read_text(encoding="utf-8")


def test_there_are_metrics():
    assert {"bleu4", "giqa_bench", "grounding_miou", "tag_recall", "vqa_accuracy"} <= set(FOLDERS)


def test_all_names_are_known():
    assert giqa_hf.__version__
    assert METRICS == FOLDERS


def test_loads_by_path_and_refuses_unknown_arguments(name, tmp_path):
    metric = evaluate.load(str(FOLDERS[name]), cache_dir=str(tmp_path))
    assert isinstance(metric, evaluate.Metric)
    assert metric.description.strip() and metric.citation.strip().startswith("@")
    with pytest.raises(TypeError, match="unexpected keyword argument 'jugde'"):
        metric._compute(predictions=[], references=[], jugde=None)


def test_documented_example_by_name(name):
    assert f'evaluate.load("{name}")' in evaluate.load(str(FOLDERS[name])).inputs_description
    run(name, evaluate.load(name).inputs_description, {"evaluate": evaluate})


def test_card_example(name):
    run(f"{name}/README.md", card(name), {"metric": evaluate.load(str(FOLDERS[name]))})


def test_card(name):
    text = card(name)
    front = text.split("---")[1]
    for line in ("title: ", "sdk: gradio", "- evaluate", "- metric", "license: apache-2.0"):
        assert line in front
    at = [text.index(f"\n## {heading}") for heading in HEADINGS]
    assert at == sorted(at)
    assert f'evaluate.load("{name}")' in text


def test_script_keeps_to_what_evaluate_reads(name):
    source = (FOLDERS[name] / f"{name}.py").read_text(encoding="utf-8")
    assert not re.search(r"(?m)^from \.", source)  # the file is copied away before it is imported
    assert re.search(r"(?m)^import datasets$", source) and re.search(r"(?m)^import evaluate$", source)
    assert len(re.findall(r"(?m)^class \w+\(evaluate\.Metric\)", source)) == 1
