"""`giqa describe PHOTO`: what is good and bad in a photo, in words and boxes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import GiqaError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "describe", help="describe the quality of a photo, with boxes drawn into a PNG"
    )
    parser.add_argument("photo", help="a picture file")  # no Path, which would take a slash out of an address
    parser.add_argument(
        "--model", help="folder or Hub id of a checkpoint (default: giqa-tiny, which knows few things)"
    )
    parser.add_argument(
        "--question",
        help="a question of your own, instead of asking for a description; ask for positions in it",
    )
    parser.add_argument("--out", type=Path, help="the PNG (default: <photo>-described.png in this folder)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run it."""
    import io

    from ..files import write_bytes
    from ..images import read_image
    from ..inference import FailedAnswer, grounding_pipeline
    from ..inference.pipeline import MIN_SIDE_PX
    from ..quickstart import quiet

    photo = Path(args.photo)
    out = args.out or Path(f"{photo.stem}-described.png")
    if out.suffix.lower() != ".png":
        raise GiqaError(f"{out}: expected a name that ends in .png, for a PNG is written; give another --out")
    if out.exists() and photo.exists() and out.samefile(photo):
        raise GiqaError(
            f"{out}: expected another file than the photo itself, which would be lost; give another --out"
        )
    image = read_image(args.photo, min_side=MIN_SIDE_PX)
    quiet()
    answer = grounding_pipeline(args.model)(image, args.question)
    if isinstance(answer, FailedAnswer):
        raise GiqaError(answer.error)
    grounded = answer.grounded
    buffer = io.BytesIO()
    answer.draw().save(buffer, "PNG")
    write_bytes(out, buffer.getvalue())
    if args.json:
        print(json.dumps({**answer.to_dict(), "image": str(out)}))
        return
    print(grounded.text or "(the model wrote nothing)")
    for region in grounded.regions:
        for box in region.boxes_norm:
            corners = " ".join(f"{value:.3f}" for value in box)
            print(f"  {region.phrase}: {corners}")
    for issue in grounded.issues:
        print(f"  unreadable box ({issue.status}): {issue.raw}")
    drawn = any(len(region.boxes_norm) for region in grounded.regions)
    if drawn:
        print("boxes as x1 y1 x2 y2, shares of width and height")
    print(f"boxes drawn into {out}" if drawn else f"no boxes in it; the photo is in {out}")
