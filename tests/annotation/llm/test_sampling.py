"""Answers that are drawn: what is sent, what is found again, and that the draws follow the model's distribution."""

from __future__ import annotations

import pytest
import torch

from giqa_hf.annotation.llm import CachedLLM, EndpointLLM, LocalLLM, Prompt, Sampling
from giqa_hf.annotation.llm.local import _Draws
from tests.annotation.llm.chat_server import ChatServer, running, said
from tests.make_tiny_llm import tiny_llm

PLAIN = Prompt("You judge photos.", "Is it sharp?", None, "1", 120)


def drawn(seed, temperature=0.7, prompt=PLAIN):
    return prompt._replace(sampling=Sampling(temperature, seed))


def test_a_prompt_is_greedy_unless_it_says_else():
    assert PLAIN.sampling is None


def test_what_a_server_is_sent(tmp_path):
    with running(ChatServer(lambda request, _: said(f"{request.body['seed']}"))) as server:
        llm = CachedLLM(EndpointLLM(server.url, model="llama", concurrency=1, seed=9), tmp_path / "a.sqlite")
        batch = [PLAIN, drawn(0), drawn(1), drawn(1, 1.5), drawn(0)]
        assert [answer.text for answer in llm.complete(batch)] == ["9", "0", "1", "1", "0"]
        # each draw has its own key: four questions for five prompts, and none when they are asked again
        sent = sorted((request.body["temperature"], request.body["seed"]) for request in server.requests)
        assert sent == [(0.0, 9), (0.7, 0), (0.7, 1), (1.5, 1)]
        llm.complete(batch)
        assert len(server.requests) == 4
        assert llm.settings()["temperature"] == 0.0


def test_a_draw_is_that_of_its_prompt_and_seed_whatever_the_batch():
    texts = ["Why?", "Is the dog blurry?", "x" * 60, "The tower is sharp but the sky is noisy. " * 3]
    batch = [
        prompt
        for text in texts
        for prompt in (
            PLAIN._replace(user=text),
            *(drawn(seed, 1.0, PLAIN._replace(user=text)) for seed in (0, 1, 2)),
        )
    ]
    found = LocalLLM(str(tiny_llm()), batch_size=5).complete(batch)
    assert found == LocalLLM(str(tiny_llm()), batch_size=1).complete(batch)
    assert found == LocalLLM(str(tiny_llm()), batch_size=16).complete(batch[::-1])[::-1]
    greedy = LocalLLM(str(tiny_llm())).complete(batch[::4])
    assert found[::4] == greedy  # the likeliest answer of a row is untouched by draws beside it
    for start in range(0, len(batch), 4):
        assert len(set(found[start : start + 4])) > 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature):
    """3,000 draws with fixed seeds: each share within 4 standard deviations, sqrt(p (1 - p) / n), of its probability."""
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -30.0])
    count = 3_000
    draws = _Draws([[1, 2, 3]] * count, [Sampling(temperature, seed) for seed in range(count)])
    scores = logits.repeat(count, 1)
    found = torch.bincount(draws(None, scores).argmax(dim=1), minlength=5) / count
    truth = (logits / temperature).softmax(dim=0)
    assert (abs(found - truth) <= 4 * (truth * (1 - truth) / count).sqrt() + 1e-9).all()
    assert torch.equal(scores, logits.repeat(count, 1))  # the model's own scores are left alone
    assert not _Draws([[1]], [None]).any
