"""The command `giqa`."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import GiqaError
from . import describe, quickstart

COMMANDS = (quickstart, describe)
USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `giqa`; a problem that the user can mend ends in one sentence and exit code 2, never in a traceback."""
    parser = argparse.ArgumentParser(prog="giqa", description="Image quality with words and boxes.")
    parser.add_argument("--version", action="version", version=f"giqa_hf {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except GiqaError as error:
        print(f"giqa: {error}", file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        print(f"giqa: {_sentence(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\ngiqa: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0


def _sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{where}the disk is full; make room and run the same command again, what is finished is kept"
    return f"{where}{error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
