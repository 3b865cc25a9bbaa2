"""LLaMA-Factory's form: `sharegpt` conversations with images, and `dataset_info.json`.

It knows no boxes: no column for them, no template, no frame. So they are words of the conversation, written here in one
model's notation and frame, and an export is for that model alone.

What it cannot carry, counted at export where it occurs: what a region says of quality and effect; phrases without a
box, where the notation has no place for them; boxes that the model's frame hides. And boxes as numbers: a grid cell is
read back as a cell.

Two things must hold when training, for LLaMA-Factory makes the pixels and knows nothing of the frame:

- the processor that it loads is the one that the boxes were written for. A LLaVA-1.5 of the Hub crops the centre out of
  a picture, and one whose processor pads it to a square sees boxes elsewhere: export with `--processor` of the very
  folder that is trained;
- it shrinks a picture of more than `image_max_pixels` (589,824 unless told otherwise) first. Boxes in cells or shares
  of the picture stay right, boxes in pixels do not (Qwen2.5-VL): set it to at least the `largest_pixels` of the export.

Written against LLaMA-Factory 0.9.5 (its `SharegptDatasetConverter`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .carries import NO, Carries
from .target import Line, Row, Writing

DATASET_INFO = "dataset_info.json"
CARRIES = Carries(
    boxes="cells, shares, thousandths or pixels, as the notation rounds; a box that the model does not see is left out",
    question_boxes="in the question",
    several_boxes="as the notation has it",
    unboxed="where the notation has a place for them",
    spans="in the text, or looked for by the label, as the notation has it",
    quality=NO,
    effect=NO,
    origin="beside",
    pictures="files",
)


@dataclass(frozen=True)
class LlamaFactory:
    """Rows for `llamafactory-cli train`.

    Args:
        writing (`Writing`): the notation and the frame of the model that will be trained.
    """

    writing: Writing

    name = "llama-factory"
    placeholders = ("<image>", "<video>", "<audio>")

    def line(self, row: Row, picture: str) -> Line:
        """See `Target.line`."""
        question, answer, lost = self.writing.texts(row)
        turns = [{"from": "human", "value": f"<image>{question}"}, {"from": "gpt", "value": answer}]
        return Line({"conversations": turns, "images": [picture]}, lost)

    def beside(self, dataset: str, rows_file: str) -> Mapping[str, Any]:
        """The entry by which LLaMA-Factory finds the rows."""
        return {
            DATASET_INFO: {
                dataset: {
                    "file_name": rows_file,
                    "formatting": "sharegpt",
                    "columns": {"messages": "conversations", "images": "images"},
                    "tags": {
                        "role_tag": "from",
                        "content_tag": "value",
                        "user_tag": "human",
                        "assistant_tag": "gpt",
                    },
                }
            }
        }

    def settings(self) -> dict[str, Any]:
        """See `Target.settings`."""
        return {"boxes": "words", **self.writing.settings()}

    def command(self, dataset: str, rows_file: str, largest_pixels: int) -> list[str]:
        """See `Target.command`."""
        return [
            f"llamafactory-cli train --stage sft --do_train --model_name_or_path MODEL --template TEMPLATE "
            f"--dataset_dir . --dataset {dataset} --image_max_pixels {largest_pixels} --output_dir OUT"
        ]
