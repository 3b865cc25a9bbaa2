"""Writing files so that nothing is ever half there: new content appears whole, or what was there stays."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .errors import GiqaError

# Errors of a device that can only come from writing; an OSError of another kind that leaves the caller's own
# `with` block (say, a file that it tried to read) is not about our file and is passed on as it is.
_DEVICE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or choose another place, then run again",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another place, then run again",
    errno.EFBIG: "the file would be larger than this disk allows; choose another place, then run again",
    errno.EIO: "the disk reported an input/output error; check it or choose another place, then run again",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.EACCES: "writing there is not permitted; change its access rights or choose another place",
    errno.EPERM: "writing there is not permitted; change its access rights or choose another place",
    errno.ENOTDIR: "a part of its path is a file, expected a folder; choose another place",
    errno.EEXIST: "a part of its path is a file, expected a folder; choose another place",
    errno.ENAMETOOLONG: "its name is too long for this disk; choose a shorter one",
    errno.ELOOP: "its path runs in a circle of links; choose another place",
}


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place under `path` only when the block ends without an error.

    The bytes go to a hidden file in the same folder, reach the disk (fsync), and then replace what was at
    `path` in one step, so that another process sees the old content or the new one, never a part. After an
    error, Ctrl-C included, the hidden file is gone and what was at `path` is untouched. Missing folders are
    made. A link is followed, and an existing file keeps its access rights.

    Args:
        path (`str` or `os.PathLike`): where the file shall be; a regular file, or nothing yet.

    Yields:
        `BinaryIO`: the file to write to; it can also seek.

    Raises:
        `GiqaError`: when the place cannot be written to (full disk, read-only folder, a file where a folder
            must be, a folder or a device where the file must be).

    Example:
        >>> import os, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with atomic_write(os.path.join(folder, "a.bin")) as file:
        ...     _ = file.write(b"abc")
        >>> os.listdir(folder)
        ['a.bin']
    """
    target = Path(os.path.realpath(path))  # through links, so that a link is not replaced by a file
    with _explained(path):
        _check_target(target, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.parent / f".{target.name[:60]}.{secrets.token_hex(6)}.part"
        # O_EXCL: never somebody else's file. Mode 0666 less the umask, as for any file that a program makes.
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with _explained(path, only=_DEVICE_ERRORS), os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with _explained(path):
            with contextlib.suppress(FileNotFoundError):
                os.chmod(part, stat.S_IMODE(target.stat().st_mode))
            os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as the whole content of `path`, atomically; errors as in `atomic_write`."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Write `text` as UTF-8, atomically; errors as in `atomic_write`.

    Line ends are written as they are. A lone surrogate, which UTF-8 cannot hold and which a model's output
    may contain, is written as its escape (`\udc80`).
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: str | os.PathLike[str], value: Any, *, indent: int | None = 2) -> None:
    """Write `value` as JSON with a final newline, atomically; errors as in `atomic_write`.

    Args:
        path (`str` or `os.PathLike`): where the file shall be.
        value (`Any`): what `json.dumps` takes; NaN and infinities are refused: JSON has no word for them.
        indent (`int`, *optional*, defaults to `2`): spaces per level, or `None` for one line.

    Raises:
        `ValueError`: when `value` holds NaN or an infinity.
        `TypeError`: when `value` holds something that JSON has no form for.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent) + "\n")


def _check_target(target: Path, path: str | os.PathLike[str]) -> None:
    """Refuse a folder, and above all a device such as /dev/null, which must never be replaced by a file."""
    if not os.path.lexists(target):
        return
    mode = target.stat().st_mode
    if stat.S_ISDIR(mode):
        raise GiqaError(
            f"{os.fspath(path)} is a folder, expected a file to write; add a file name to the path"
        )
    if not stat.S_ISREG(mode):
        raise GiqaError(
            f"{os.fspath(path)} is a device or pipe, expected a regular file to write; choose another place"
        )


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str], only: frozenset[int] | None = None) -> Iterator[None]:
    """Turn an OSError of the block (or only those of some numbers) into one sentence about `path`."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "check the place or choose another one")
        raise GiqaError(
            f"{os.fspath(path)} could not be written ({reason}): {advice} (nothing that was there is changed)"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; some file systems cannot, and the content is safe anyway."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
