"""Build giqa-160k from the public corpora, or render the sample card that lies beside this file.

    python dataset_scripts/giqa-160k/build.py --corpus q-pathway --root PHOTOS --bench BENCH --out OUT
    python dataset_scripts/giqa-160k/build.py --sample

The first is the real thing: it needs the corpus, its photos and the models of the profile `paper`; its commands are
those that a user would type. The second builds a few rows of four photographs that come with scikit-image, with the
profile `classic`, which has no models, and writes their card: it shows what a card looks like, and nothing else.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import tempfile
from pathlib import Path

from giqa_hf.cli.main import main as giqa
from giqa_hf.files import write_text
from giqa_hf.hub.dataset_plan import dataset_plan

HERE = Path(__file__).parent
SAMPLE_CARD = HERE / "sample_card.md"
WARNING = """\
<!-- A sample. It was rendered from a few rows of photographs that come with scikit-image, annotated without models, by
     dataset_scripts/giqa-160k/build.py --sample. Its numbers say nothing about giqa-160k, which is not published. -->
"""
SAMPLE = (
    ("coffee", "The cup of coffee in the centre is clear. The background is a bit dark.", "cc0-1.0"),
    ("chelsea", "The face of the cat is clear with rich details, while the background is blurry.", "cc0-1.0"),
    ("astronaut", "The woman in the orange suit is clear. The flag on the left is out of focus.", "public-domain"),
    # As if its terms were those of a corpus that may not be passed on, so that the card shows such a row as well.
    ("rocket", "The sky is dark and noisy, but the lights near the ground are overexposed.", "research only"),
)  # fmt: skip


def build(corpus: str, root: Path, bench: Path, out: Path) -> None:
    """The commands of the real build."""
    work = out.with_name(f"{out.name}-build")
    _run("annotate", corpus, "--root", str(root), "--profile", "paper", "--out", str(work))
    _run("dataset", "build", str(work), "--out", str(out), "--against", str(bench), "--leave-out-overlap")
    print(f"look at it:  giqa publish dataset {out} --to ME/giqa-160k --dry-run")


def sample_card() -> str:
    """The card of the sample; what names the content of its files, which depends on pyarrow's version, is left out."""
    from PIL import Image
    from skimage import data

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        with (folder / "sample.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("image", "description", "license"))
            for photo, text, license in SAMPLE:
                picture = Image.fromarray(getattr(data, photo)())
                picture.thumbnail((320, 320))
                picture.save(folder / "photos" / f"{photo}.png")
                table.writerow((f"{photo}.png", text, license))
        paths = {key: str(folder / key) for key in ("sample.csv", "photos", "build", "giqa-160k")}
        _run(
            "annotate",
            paths["sample.csv"],
            "--root",
            paths["photos"],
            "--profile",
            "classic",
            "--out",
            paths["build"],
        )
        _run("dataset", "build", paths["build"], "--out", paths["giqa-160k"], "--no-balance")
        with dataset_plan(folder / "giqa-160k", "ME/giqa-160k") as plan:
            card = re.sub(r"content [0-9a-f]{16}", "content of the files", plan.card)
    front, body = card.split("\n---\n", 1)
    return f"{front}\n---\n{WARNING}{body}".replace(str(folder), "FOLDER")


def _run(*arguments: str) -> None:
    if code := giqa(arguments):
        sys.exit(code)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", action="store_true", help="render the sample card")
    parser.add_argument("--corpus", default="q-pathway")
    parser.add_argument("--root", type=Path, help="folder of the corpus")
    parser.add_argument("--bench", type=Path, help="the benchmark that it must share no photo with")
    parser.add_argument("--out", type=Path, default=Path("giqa-160k"))
    args = parser.parse_args()
    if args.sample:
        write_text(SAMPLE_CARD, sample_card())
        return
    if args.root is None or args.bench is None:
        parser.error("give --root and --bench, or --sample")
    build(args.corpus, args.root, args.bench, args.out)


if __name__ == "__main__":
    main()
