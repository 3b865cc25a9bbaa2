"""docs/backbones.md shows what the entries say."""

from __future__ import annotations

from giqa_hf.backbones import BACKBONES, estimate_memory
from giqa_hf.backbones.memory import GIB

START, END = "<!-- table: tests/backbones/test_docs.py -->\n", "<!-- end -->"
HEAD = (
    "| Backbone | Checkpoint | Parameters | Pictures | Image tokens | Frozen in full tuning | full | lora | qlora |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def row(entry):
    checkpoint = (
        f"`{entry.checkpoint}`" if "/giqa_tiny/" not in entry.checkpoint else "[in the package](giqa_tiny.md)"
    )
    frozen = ", ".join(f"`{prefix}`" for prefix in entry.frozen["full"]) or "nothing"
    memory = [f"{estimate_memory(entry, kind).total / GIB:.1f}" for kind in ("full", "lora", "qlora")]
    cells = [
        f"`{entry.name}`",
        checkpoint,
        f"{entry.parameters:,}",
        entry.image_policy.summary,
        f"{entry.size.image_tokens:,}",
        frozen,
        *memory,
    ]
    return f"| {' | '.join(cells)} |\n"


def test_the_table(repository):
    table = HEAD + "".join(row(entry) for entry in BACKBONES.values())
    page = (repository / "docs" / "backbones.md").read_text(encoding="utf-8")
    found = page.split(START)[1].split(END)[0]
    assert found == table, f"docs/backbones.md: expected between its two marks\n{table}"
