"""`transformers.pipeline`: with our task, and with transformers' own on our checkpoint."""

from __future__ import annotations

import pytest

from giqa_hf.inference import GroundedAnswer, grounding_pipeline
from giqa_hf.inference.transformers_task import TASK, register_grounding_task
from tests.make_tiny_checkpoint import tiny_checkpoint


@pytest.fixture
def registered():
    import transformers.pipelines as pipelines

    known = pipelines.PIPELINE_REGISTRY.supported_tasks
    before = known.pop(TASK, None)
    register_grounding_task()
    register_grounding_task()  # twice changes nothing, and warns of nothing
    yield
    known.pop(TASK)
    if before is not None:
        known[TASK] = before


@pytest.mark.usefixtures("registered")
def test_our_task_answers_as_our_pipeline(photo):
    from transformers import pipeline

    theirs = pipeline(TASK, model=str(tiny_checkpoint()), dtype="float32")
    ours = grounding_pipeline(tiny_checkpoint())
    options = {"question": "How is this region?", "region_norm": (0, 0, 0.5, 0.5), "max_new_tokens": 4}
    answer = theirs(photo, **options)
    assert isinstance(answer, GroundedAnswer)
    assert (answer.raw, answer.prompt) == (ours(photo, **options).raw, "How is [this region](<0,189>)?")
    several = theirs([{"image": photo, "question": "Why?"}, {"image": "nowhere.png"}], max_new_tokens=2)
    assert several[0].prompt == "Why?" and not several[1]


def test_their_own_task_gives_the_raw_text(photo):
    """It works, and knows nothing of boxes: what it says is for `post_process_grounded_generation`."""
    from transformers import pipeline

    theirs = pipeline("image-text-to-text", model=str(tiny_checkpoint()), dtype="float32")
    chat = [
        {"role": "user", "content": [{"type": "image", "image": photo}, {"type": "text", "text": "Why?"}]}
    ]
    (said,) = theirs(text=chat, max_new_tokens=4, do_sample=False, return_full_text=False)
    ours = grounding_pipeline(tiny_checkpoint())(photo, "Why?", max_new_tokens=4)
    assert said["generated_text"].strip() == ours.raw
