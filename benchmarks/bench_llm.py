"""Asking a server: throughput against what its latency and the concurrency allow, in one run.

A server in a process of its own answers each prompt after 200 ms, whatever comes beside it. With 16 prompts under way
at once, N prompts cannot take less than N x 0.2 s / 16. Measured with and without the cache before it, each with
prompts that it has not seen.

    python benchmarks/bench_llm.py            # exits with 1 when the limit is missed
    python benchmarks/bench_llm.py --count 320 --rounds 1
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from giqa_hf.annotation.llm import LLM, CachedLLM, EndpointLLM, Prompt

LATENCY_S = 0.2
CONCURRENCY = 16
LEAST = 0.90
_SERVER = Path(__file__).parent.parent / "tests" / "annotation" / "llm" / "chat_server.py"
_SCHEMA = {"type": "object", "properties": {"tags": {"type": "array"}}, "required": ["tags"]}
_WORDS = (
    "The dog in the foreground is sharp, while the trees behind it are blurred and too dark to show detail. "
)


def prompts(count: int, round_number: int) -> list[Prompt]:
    """As long as real ones: instructions of 2,000 characters and a description of 300."""
    system = "You find the objects whose quality a text describes. " * 40
    return [Prompt(system, f"{round_number}.{n} {_WORDS * 3}", _SCHEMA, "1", 512) for n in range(count)]


class Round(NamedTuple):
    """One measurement."""

    share: float
    """Of the possible throughput."""
    cpu_ms: float
    """Spent on this side, per prompt."""


def measure(llm: LLM, batch: list[Prompt]) -> Round:
    before, cpu_before = time.perf_counter(), time.process_time()
    answers = llm.complete(batch)
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu_before
    assert all(answer.text == '{"tags": []}' for answer in answers)
    return Round(len(batch) * LATENCY_S / CONCURRENCY / seconds, 1000 * cpu / len(batch))


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=960, help="prompts per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts (default: %(default)s)")
    options = parser.parse_args()
    command = [sys.executable, str(_SERVER), "--latency-s", str(LATENCY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            plain = EndpointLLM(server.stdout.readline().strip(), model="llama", concurrency=CONCURRENCY)
            plain.complete(prompts(CONCURRENCY, -1))  # imports and connections
            with tempfile.TemporaryDirectory() as folder:
                llms = {
                    "EndpointLLM": plain,
                    "CachedLLM before it": CachedLLM(plain, Path(folder, "llm.sqlite")),
                }
                rounds: dict[str, list[Round]] = {name: [] for name in llms}
                for number in range(options.rounds):  # in turns: whatever else the machine does meets both
                    for name, llm in llms.items():
                        rounds[name].append(measure(llm, prompts(options.count, number)))
        finally:
            server.terminate()
    print(
        f"{options.count} prompts, {CONCURRENCY} at once, {1000 * LATENCY_S:.0f} ms each; share of the possible"
    )
    passed = True
    for name, found in rounds.items():
        best = max(found)
        passed &= best.share >= LEAST
        every = ", ".join(f"{one.share:.3f}" for one in found)
        print(
            f"{name:24} {best.share:8.3f}  >= {LEAST:.2f}  {'PASS' if best.share >= LEAST else 'FAIL'}"
            f"  ({every}; CPU {best.cpu_ms:.1f} ms per prompt)"
        )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
