"""The command `giqa`."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..errors import GiqaError
from . import annotate, app, bench, convert, dataset, describe, diagnose, publish, quickstart, train

COMMANDS = (quickstart, describe, annotate, dataset, convert, train, bench, diagnose, publish, app)
USER_ERROR = 2
INTERRUPTED = 130
READER_GONE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `giqa`; a problem that the user can mend ends in one sentence and exit code 2, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a model may write what the terminal's encoding lacks
    parser = _Parser(prog="giqa", description="Image quality with words and boxes.")
    parser.add_argument("--version", action="version", version=f"giqa_hf {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    args = parser.parse_args(arguments)
    try:
        args.run(args)
        sys.stdout.flush()
    except GiqaError as error:
        print(f"giqa: {error}", file=sys.stderr)
        return USER_ERROR
    except (
        BrokenPipeError
    ):  # whoever read our output has seen enough, as in `giqa describe photo.jpg | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return READER_GONE
    except OSError as error:
        print(f"giqa: {_sentence(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\ngiqa: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0


class _Parser(argparse.ArgumentParser):
    """Words that nobody expected are told with the usage of the command that they were given to, not with giqa's."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def _sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{where}the disk is full; make room and run the same command again, what is finished is kept"
    reason = (error.strerror or str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"{where}{reason}; check the place and its access rights, then run the same command again"


if __name__ == "__main__":
    sys.exit(main())
