"""An export: its folder, pictures by content, what is left out and counted, and that it can be interrupted."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest
from PIL import Image

from giqa_hf.benchmark.data import BenchData
from giqa_hf.errors import GiqaError
from giqa_hf.files import write_bytes
from giqa_hf.formats import GiqaFormat, LlavaFormat, NormalizedFormat, Qwen2VLFormat, Qwen25VLFormat
from giqa_hf.frames import Frame
from giqa_hf.images import read_image
from giqa_hf.interchange import LlamaFactory, MsSwift, Writing, export_data, pictures
from giqa_hf.interchange.conversations import qwen25_frame
from giqa_hf.interchange.exporting import dataset_name
from giqa_hf.training.conversations import conversation
from tests.benchmark.tiny_bench import bench_rows


def whole(width, height):
    return Frame.identity((width, height))


def square(width, height):
    return Frame.square_pad((width, height), max(width, height))


CELLS = Writing(GiqaFormat(), whole, "whole")


@pytest.fixture
def rows():
    """Eight rows on two photos of 120 x 80 and 80 x 120."""
    return bench_rows()


def data_of(rows):
    plain = [{name: value for name, value in row.items() if name != "image"} for row in rows]
    return BenchData("a/my set", "train", plain, [row["image"] for row in rows])


def export(rows, out, target=None):
    said = []
    exported = export_data(data_of(rows), out, target or MsSwift(), say=said.append)
    lines = [json.loads(line) for line in (out / "my_set_train.jsonl").read_text().splitlines()]
    return exported, lines


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_for_ms_swift(tmp_path, rows):
    exported, lines = export(rows, tmp_path)
    assert (exported.rows, exported.written, exported.pictures, exported.dropped) == (8, 8, 2, {})
    assert exported.largest_pixels == 120 * 80
    first = lines[0]
    assert first["messages"] == [
        {"role": "user", "content": "<image>Report on the quality. Mention positions."},
        {
            "role": "assistant",
            "content": "The <ref-object><bbox> is sharp and the <ref-object><bbox> is dark.",
        },
    ]
    # 0.1 .. 0.5 of 120 and 0.2 .. 0.6 of 80; 0.5 .. 0.9 of 120 and 0.1 .. 0.9 of 80
    assert first["objects"] == {
        "ref": ["cup", "plant"],
        "bbox": [[12.0, 16.0, 60.0, 48.0], [60.0, 8.0, 108.0, 72.0]],
        "bbox_type": "real",
    }
    assert first["id"] == "000000:photo-0" and first["license"] == "cc0-1.0" and first["kind"] == "des"
    assert lines[1]["messages"][0]["content"] == "<image>Is the <ref-object><bbox> sharp?"
    assert lines[2]["objects"] == {"ref": [], "bbox": [], "bbox_type": "real"}
    for line in lines:
        said = "".join(message["content"] for message in line["messages"])
        assert said.count("<ref-object>") == len(line["objects"]["ref"])
        assert said.count("<bbox>") == len(line["objects"]["bbox"])
        (name,) = line["images"]
        assert (tmp_path / name).is_file() and said.count("<image>") == 1


def as_swift_writes(line, size):
    """What ms-swift 4.6 makes of a line for Qwen2-VL: thousandths of the picture, marks in the order of the text.

    Facts of its `normalize_bbox` and of its Qwen2-VL template; the package itself needs a transformers of its own.
    """
    text = line["messages"][1]["content"]
    skipped = (
        line["messages"][0]["content"].count("<bbox>"),
        line["messages"][0]["content"].count("<ref-object>"),
    )
    for ref in line["objects"]["ref"][skipped[1] :]:
        text = text.replace("<ref-object>", f"<|object_ref_start|>{ref}<|object_ref_end|>", 1)
    for box in line["objects"]["bbox"][skipped[0] :]:
        x1, y1, x2, y2 = (round(value / side * 1000) for value, side in zip(box, (*size, *size), strict=True))
        text = text.replace("<bbox>", f"<|box_start|>({x1},{y1}),({x2},{y2})<|box_end|>", 1)
    return text


def test_what_ms_swift_writes_is_what_we_read(tmp_path, rows):
    rows[0]["answer_regions"][0]["boxes_norm"].append([0.6, 0.6, 0.7, 0.7])  # two boxes of one phrase
    _, lines = export(rows, tmp_path)
    for row, line in zip(rows, lines, strict=True):
        read = Qwen2VLFormat().read(as_swift_writes(line, (row["width"], row["height"])))
        assert read.text == row["answer"] and not read.issues
        assert [region.phrase for region in read.regions] == [r["phrase"] for r in row["answer_regions"]]
        for region, true in zip(read.regions, row["answer_regions"], strict=True):
            assert region.boxes_norm == pytest.approx(_array(true["boxes_norm"]), abs=0.0011)


def _array(boxes):
    import numpy as np

    return np.array(boxes)


def test_what_has_no_place_is_counted(tmp_path, rows):
    cup, plant = rows[0]["answer_regions"]
    cup["boxes_norm"].append([0.6, 0.6, 0.7, 0.7])
    cup["quality"], cup["effect"], plant["quality"] = "sharp", "positive", "dark"
    rows[0]["question"] = "Report. Write positions."
    exported, lines = export(rows, tmp_path)
    assert exported.not_carried == {
        "effect of a region": 1,
        "notation in a question": 1,
        "quality of a region": 2,
        "several boxes of one phrase, tied to it by order only": 1,
    }
    assert lines[0]["messages"][0]["content"] == "<image>Report. Write positions."
    assert "The <ref-object><bbox><bbox> is" in lines[0]["messages"][1]["content"]
    record = json.loads((tmp_path / "export.json").read_text())
    assert record["not_carried"] == exported.not_carried and record["settings"]["to"] == "ms-swift"


def test_a_phrase_without_boxes_is_words(tmp_path, rows):
    rows[0]["answer_regions"][0]["boxes_norm"] = []
    exported, lines = export(rows, tmp_path)
    assert exported.not_carried == {"phrases without a box": 1}
    assert lines[0]["messages"][1]["content"] == "The cup is sharp and the <ref-object><bbox> is dark."
    assert lines[0]["objects"]["ref"] == ["plant"]


@pytest.mark.parametrize(
    ("notation", "written", "lost"),
    [
        (GiqaFormat(), "The [cup]() is sharp and", {}),
        (LlavaFormat(), "The cup is sharp and", {"phrases without a box": 1}),
        (Qwen2VLFormat(), "The <|object_ref_start|>cup<|object_ref_end|> is sharp and", {}),
    ],
)
def test_a_phrase_without_boxes_in_words(tmp_path, rows, notation, written, lost):
    rows[0]["answer_regions"][0]["boxes_norm"] = []
    exported, lines = export(rows, tmp_path, LlamaFactory(Writing(notation, whole, "whole")))
    assert exported.not_carried == lost
    assert lines[0]["conversations"][1]["value"].startswith(written)


def test_a_picture_that_the_model_does_not_take_is_left_out(tmp_path, rows):
    thin = {"width": 2049, "height": 3, "image_id": "thin"}
    rows[0] |= thin | {"image": {"bytes": encoded(Image.new("RGB", (2049, 3)), "PNG"), "path": None}}
    target = LlamaFactory(Writing(Qwen25VLFormat(), qwen25_frame, "of Qwen2.5-VL"))
    exported, lines = export(rows, tmp_path, target)
    assert exported.dropped == {"the model takes no picture of this size or shape": 1}
    assert (exported.written, exported.pictures, len(lines)) == (7, 2, 7)


def test_for_llama_factory(tmp_path, rows):
    rows[0]["question"] = "Report. Write positions."
    exported, lines = export(rows, tmp_path, LlamaFactory(CELLS))
    # cells of 20: (0.1, 0.2) .. (0.5, 0.6) is column 2 row 4 to column 9 row 11: 82, 229
    # (0.5, 0.1) .. (0.9, 0.9) is column 10 row 2 to column 17 row 17: 50, 357
    assert lines[0]["conversations"] == [
        {"from": "human", "value": "<image>Report. Write positions as [name](<first cell,last cell>)."},
        {"from": "gpt", "value": "The [cup](<82,229>) is sharp and the [plant](<50,357>) is dark."},
    ]
    assert "objects" not in lines[0] and lines[0]["images"] == lines[1]["images"]
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert info["my_set_train"]["file_name"] == "my_set_train.jsonl"
    assert info["my_set_train"]["columns"] == {"messages": "conversations", "images": "images"}
    assert "notation in a question" not in exported.not_carried


@pytest.mark.parametrize("target", [LlamaFactory, MsSwift])
def test_boxes_as_words_are_those_of_our_own_training(tmp_path, rows, target):
    writing = Writing(NormalizedFormat(), square, "square")
    _, lines = export(rows, tmp_path, target(writing))
    for row, line in zip(rows, lines, strict=True):
        ours = conversation(row, NormalizedFormat(), square)
        turns = line.get("messages") or line["conversations"]
        said = [turn.get("content") or turn["value"] for turn in turns]
        assert said == ["<image>" + ours["prompt"][0]["content"], ours["completion"][0]["content"]]
        assert not line.get("objects")


def test_boxes_that_a_frame_hides_are_counted(tmp_path, rows):
    def left(
        width, height
    ):  # the model sees the left half: the plant (0.5 .. 0.9) is hidden, the cup is seen
        return Frame((width, height), (width // 2, height), (1.0, 1.0), (0.0, 0.0))

    exported, lines = export(rows[:4], tmp_path, LlamaFactory(Writing(NormalizedFormat(), left, "left")))
    assert exported.not_carried["boxes that the frame hides"] == 2  # in the description and in "The plant."
    assert lines[3]["conversations"][1]["value"] == "The plant."


@pytest.mark.parametrize("field", ["question", "answer"])
def test_a_text_with_a_placeholder_is_left_out(tmp_path, rows, field):
    rows[2][field] = "Is <image> a word? No <bbox>."
    exported, lines = export(rows, tmp_path)
    assert exported.dropped == {f"{field} holds a placeholder of ms-swift": 1} and len(lines) == 7
    assert json.loads((tmp_path / "export.json").read_text())["dropped_rows"] == {
        f"{field} holds a placeholder of ms-swift": ["000002:photo-0"]
    }


def test_pictures_that_cannot_be_used_are_left_out(tmp_path, rows):
    good = rows[0]["image"]["bytes"]
    rows[0]["image"] = {"bytes": good[: len(good) // 2], "path": None}
    rows[1]["image"] = {"bytes": None, "path": str(tmp_path / "gone.png")}
    rows[2]["width"] = 100
    exported, lines = export(rows, tmp_path / "out")
    assert exported.dropped == {
        "picture cannot be read": 2,
        "picture has another size than the row says": 1,
    }
    assert [line["id"] for line in lines] == [f"{n:06d}:photo-{n // 4}" for n in range(3, 8)]


def test_nothing_left_is_an_error_and_leaves_no_rows(tmp_path, rows):
    for row in rows:
        row["answer"] = "<image>"
        row["answer_regions"] = []
    with pytest.raises(GiqaError, match="found none that can be .answer holds a placeholder of ms-swift: 8"):
        export(rows, tmp_path)
    assert not (tmp_path / "my_set_train.jsonl").exists()


PICTURES = {
    # how the file is stored, its suffix in the export, whether its bytes are the same
    "a JPEG": (lambda image: encoded(image, "JPEG"), ".jpg", True),
    "a PNG": (lambda image: encoded(image, "PNG"), ".png", True),
    "a WebP": (lambda image: encoded(image, "WEBP"), ".webp", True),
    "a BMP": (lambda image: encoded(image, "BMP"), ".png", False),
    "with a palette": (lambda image: encoded(image.quantize(16), "PNG"), ".png", False),
    "transparent": (lambda image: encoded(image.convert("RGBA"), "PNG"), ".png", False),
    "turned by EXIF": (lambda image: encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=turned()), ".png", False),
}  # fmt: skip


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    return exif


@pytest.mark.parametrize("store, suffix, same", PICTURES.values(), ids=PICTURES)
def test_any_reader_sees_what_we_see(tmp_path, store, suffix, same):
    data = store(Image.linear_gradient("L").resize((120, 80)).convert("RGB"))
    picture = pictures.Pictures(tmp_path).put(data)
    path = tmp_path / picture.name
    assert path.suffix == suffix and (picture.width, picture.height) == (120, 80)
    assert (path.read_bytes() == data) == same
    with Image.open(path) as plain:  # as the other tools do it: no turning, no compositing
        assert plain.convert("RGB").tobytes() == read_image(data).tobytes()


def test_a_picture_is_written_once(tmp_path, rows, monkeypatch):
    written = []
    monkeypatch.setattr(
        pictures, "write_bytes", lambda path, data: (written.append(path), write_bytes(path, data))
    )
    export(rows, tmp_path)
    assert len(written) == 2
    export(rows, tmp_path)  # once more: nothing to write
    assert len(written) == 2


def test_an_interrupted_export_goes_on(tmp_path, rows):
    @dataclass(frozen=True)
    class Interrupted(MsSwift):
        def line(self, row, picture):
            if row["image_id"] == "photo-1":
                raise KeyboardInterrupt
            return super().line(row, picture)

    with pytest.raises(KeyboardInterrupt):
        export(rows, tmp_path / "cut", Interrupted())
    left = sorted(path.name for path in (tmp_path / "cut").iterdir())
    assert left == ["export.json", "images"]  # no half file of rows
    again, _ = export(rows, tmp_path / "cut")
    whole, _ = export(rows, tmp_path / "whole")
    assert again == whole
    files = [path.relative_to(tmp_path / "whole") for path in sorted((tmp_path / "whole").rglob("*.*"))]
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_settings_are_refused(tmp_path, rows):
    export(rows, tmp_path)
    with pytest.raises(GiqaError, match="found one with another rows_sha256; choose another folder"):
        export(rows[:4], tmp_path)
    with pytest.raises(GiqaError, match="found one with another .*to"):
        export(rows, tmp_path, LlamaFactory(CELLS))


def test_a_folder_with_other_files_is_refused(tmp_path, rows):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(GiqaError, match="expected a new folder or an earlier export"):
        export(rows, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "data, split, expected",
    [
        ("giqa-160k", "train", "giqa-160k_train"),
        ("someone/giqa", "train", "giqa_train"),
        ("/data/../a b;rm -rf *", "train", "a_b_rm_-rf_train"),
        ("..", "..", "giqa"),
        ("ü" * 300, "test", "test"),
    ],
)
def test_names_are_safe(data, split, expected):
    assert dataset_name(data, split) == expected
