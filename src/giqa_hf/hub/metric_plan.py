"""The upload of a metric as a Space that `evaluate.load("me/giqa_bench")` opens; it needs only giqa-hf."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .. import __version__
from ..errors import DataError
from .plan import CARD, UploadPlan, check_repo_id, planned

_METRICS = Path(__file__).parent.parent / "metrics"
_REQUIREMENTS = "giqa-hf>={version}\n"
_APP = '''"""The page of the Space: the metric's card, and a form to try it."""

import evaluate
from evaluate.utils import launch_gradio_widget

launch_gradio_widget(evaluate.load("{repo_id}"))
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


def metric_plan(name: str, repo_id: str, *, private: bool = True) -> UploadPlan:
    """The plan for one of our metrics.

    Args:
        name (`str`): of the metric, such as `"giqa_bench"`.
        repo_id (`str`): of the Space; the part behind the slash has to be the metric's name, for `evaluate` looks for a
            file that is named like the Space.
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
        planned("app.py", _APP.format(repo_id=repo_id)),
        planned(f"{name}.py", source),
        planned("requirements.txt", _REQUIREMENTS.format(version=__version__)),
    ]
    if name == "giqa_bench":
        files.append(planned("tests.py", _TESTS))
    return UploadPlan(repo_id, "space", tuple(files), private=private)


def metric_card(name: str, repo_id: str) -> str:
    """A metric's card for its Space: that of the package, loading the metric by the Space's name."""
    text = (_METRICS / name / CARD).read_text(encoding="utf-8")
    text = re.sub(r"import giqa_hf +#[^\n]*\n", "", text)
    text = text.replace(f'evaluate.load("{name}")', f'evaluate.load("{repo_id}")')
    install = "\n\nIt computes with the package giqa-hf: `pip install giqa-hf`.\n\n## How to use\n"
    return re.sub(r"\n+## How to use\n", lambda _: install, text, count=1)
