"""What lies in dataset_scripts/ and model_cards/ is what the commands render now."""

from __future__ import annotations

import importlib.util
import re

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard


def script(path):
    spec = importlib.util.spec_from_file_location(path.parent.name.replace("-", "_") + "_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cards_of_the_shipped_checkpoints(repository):
    folder = repository / "model_cards"
    rendered = script(folder / "render.py").rendered()
    assert (
        set(rendered) == {path.name for path in folder.glob("*.md")} == {"giqa-tiny.md", "giqa-tiny-base.md"}
    )
    for name, text in rendered.items():
        assert (folder / name).read_text() == text, "run python model_cards/render.py"
        assert ModelCard(text).data.license == "apache-2.0"


def test_eval_yaml(repository):
    folder = repository / "dataset_scripts" / "giqa-bench"
    text = script(folder / "build.py").rendered()
    assert (folder / "eval.yaml").read_text() == text, "run dataset_scripts/giqa-bench/build.py --render"
    assert yaml.safe_load(text)["name"] == "giqa-bench"


def test_the_sample_card(repository, capsys):
    module = script(repository / "dataset_scripts" / "giqa-160k" / "build.py")
    text = module.sample_card()
    # Measured areas may differ in their last digit from one version of scikit-image to another.
    numbers = re.compile(r"\d+\.\d+")
    stored = module.SAMPLE_CARD.read_text()
    assert numbers.sub("0", stored) == numbers.sub("0", text), (
        "run dataset_scripts/giqa-160k/build.py --sample"
    )
    pairs = zip(numbers.findall(stored), numbers.findall(text), strict=True)
    assert [(a, b) for a, b in pairs if abs(float(a) - float(b)) > 0.02] == []
    assert "A sample." in text and "say nothing about giqa-160k" in text
    assert DatasetCard(text).data.license_name == "per-row"


@pytest.mark.parametrize("name", ["giqa-160k", "giqa-bench"])
def test_no_script_is_named_like_its_folder(repository, name):
    names = {path.name for path in (repository / "dataset_scripts" / name).iterdir()}
    assert not names & {f"{name}.py", f"{name.replace('-', '_')}.py"} and "build.py" in names
