"""The upload of a metric as a Space that `evaluate.load("me/giqa_bench")` opens; it needs only giqa-hf."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ..errors import DataError
from .plan import CARD, UploadPlan, check_repo_id, planned
from .space_plan import FROM_PYPI, GRADIO, requirement

_METRICS = Path(__file__).parent.parent / "metrics"
_APP = '''"""The page of the Space: the metric's card, and a form to try it."""

import json
from pathlib import Path

import evaluate
import gradio

HERE = Path(__file__).parent
metric = evaluate.load(str(HERE / "{name}.py"))
card = (HERE / "README.md").read_text(encoding="utf-8").split("---", 2)[-1]


def computed(predictions, references):
    try:
        given = {{"predictions": json.loads(predictions), "references": json.loads(references)}}
        return json.loads(json.dumps(metric.compute(**given), default=float))
    except Exception as error:
        raise gradio.Error(f"{{type(error).__name__}}: {{error}}") from error


with gradio.Blocks(title="{name}", analytics_enabled=False) as page:
    predictions = gradio.Code("[]", language="json", label="predictions, a JSON list; see the card for what is in it")
    references = gradio.Code("[]", language="json", label="references, a JSON list of the same length")
    button = gradio.Button("Compute", variant="primary")
    result = gradio.JSON(label="result")
    button.click(computed, [predictions, references], result)
    gradio.Markdown(card)

if __name__ == "__main__":
    page.launch()
'''
_TESTS = '''"""The metric's answers to a case that was worked by hand, see the card."""

test_cases = [
    {
        "predictions": ["No.", "Yes, it is."],
        "references": [
            {
                "task": "vqa", "question_type": "yes_no", "question": "Is it sharp?", "answer": "No.",
                "answer_regions": [], "image_id": "a",
            },
            {
                "task": "vqa", "question_type": "yes_no", "question": "Is it dark?", "answer": "No.",
                "answer_regions": [], "image_id": "b",
            },
        ],
        # one of two Yes/No questions is answered right
        "result": {"VQA Acc (Y)": 0.5},
    },
]
'''


def metric_plan(name: str, repo_id: str, *, package: str | None = None, private: bool = True) -> UploadPlan:
    """The plan for one of our metrics.

    Args:
        name (`str`): of the metric, such as `"giqa_bench"`.
        repo_id (`str`): of the Space; the part behind the slash has to be the metric's name, for `evaluate` looks for a
            file that is named like the Space.
        package (`str`, *optional*): address from which the Space installs giqa-hf, see `space_plan`.
        private (`bool`, *optional*, defaults to `True`): for a new Space.

    Raises:
        `DataError`: when there is no such metric, or the Space has another name.
    """
    check_repo_id(repo_id)
    known = sorted(path.parent.name for path in _METRICS.glob("*/README.md"))
    if name not in known:
        raise DataError(
            f"{name!r}: expected one of the metrics {', '.join(known)}, found none of them; choose one"
        )
    if repo_id.split("/")[1] != name:
        raise DataError(
            f"--to {repo_id}: expected {repo_id.split('/')[0]}/{name}, for evaluate.load opens a file that is "
            "named like "
            "the Space; change the name"
        )
    folder = _METRICS / name
    source = (folder / f"{name}.py").read_text(encoding="utf-8")
    ast.parse(source)
    files = [
        planned(CARD, metric_card(name, repo_id)),
        planned("app.py", _APP.format(name=name)),
        planned(f"{name}.py", source),
        planned("requirements.txt", requirement("giqa-hf", package)),
    ]
    if name == "giqa_bench":
        files.append(planned("tests.py", _TESTS))
    notes = () if package else (FROM_PYPI,)
    return UploadPlan(repo_id, "space", tuple(files), private=private, notes=notes)


def metric_card(name: str, repo_id: str) -> str:
    """A metric's card for its Space: that of the package, loading the metric by the Space's name."""
    text = (_METRICS / name / CARD).read_text(encoding="utf-8")
    text = re.sub(r"import giqa_hf +#[^\n]*\n", "", text)
    text = re.sub(r"(?m)^sdk: gradio$", f"sdk: gradio\nsdk_version: {GRADIO}", text, count=1)
    text = text.replace(f'evaluate.load("{name}")', f'evaluate.load("{repo_id}")')
    install = "\n\nIt computes with the package giqa-hf: `pip install giqa-hf`.\n\n## How to use\n"
    return re.sub(r"\n+## How to use\n", lambda _: install, text, count=1)
