"""`giqa app`: the web app on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import GiqaError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("app", help="ask about photos in the browser, on this machine")
    parser.add_argument(
        "--model",
        nargs="+",
        default=[],
        help="folders or Hub ids of checkpoints to choose from (default: giqa-tiny, which knows few things)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve on (default: this machine only; 0.0.0.0: all)"
    )
    parser.add_argument("--port", type=int, help="port to serve on (default: the first free one from 7860)")
    parser.add_argument(
        "--share", action="store_true", help="also make a public address, through servers of Gradio's makers"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run it until it is interrupted."""
    from ..app import build
    from ..quickstart import quiet

    if args.port is not None and not 1 <= args.port <= 65535:
        raise GiqaError(f"--port: expected a number from 1 to 65535, got {args.port}; choose another")
    quiet()
    page = build(*args.model)
    try:
        page.launch(server_name=args.host, server_port=args.port, share=args.share)
    except OSError as error:  # Gradio's own sentence names the port
        raise GiqaError(
            f"{args.host}, port {args.port or '7860 and above'}: expected a free port, found none ({error}); choose "
            "another with --port"
        ) from None
