"""The examples in the docstrings of the metrics run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re

import pytest

import giqa_hf.metrics as package

# The script of a metric is tested through evaluate.
MODULES = [
    found.name
    for found in pkgutil.walk_packages(package.__path__, "giqa_hf.metrics.")
    if found.name.rsplit(".", 1)[1] != found.name.rsplit(".", 2)[1]
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for test in finder.find(module, name):
        plain = re.sub(r"(?m)^\s*```\w*$", "", test.docstring or "")
        again = doctest.DocTestParser().get_doctest(plain, vars(module).copy(), test.name, test.filename, 0)
        said: list[str] = []
        doctest.DocTestRunner().run(again, out=said.append)
        assert not said, "".join(said)


def test_there_are_examples():
    assert "giqa_hf.metrics.giqa_bench.compute" in MODULES
    assert "giqa_hf.metrics.giqa_bench.giqa_bench" not in MODULES
