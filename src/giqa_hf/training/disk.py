"""A full or read-only disk, met inside somebody else's library, told in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from ..errors import GiqaError

# An OSError of another kind may be about a file that was read.
_OF_WRITING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
)
# safetensors and torch.save raise errors of their own; torch's says no more than that too little was written.
_SPEAKING = ("SafetensorError", "RuntimeError", "OSError")
_FULL = re.compile(r"os error 28\b|No space left|inline_container|PytorchStreamWriter|iostream error")


@contextlib.contextmanager
def explained_writing(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the failure of a library to write into `folder` into a `GiqaError`; other errors pass.

    Files of our own go through `giqa_hf.files`; this is for what datasets, transformers and torch write.

    Args:
        folder (`str` or `os.PathLike`): what the message calls the place.

    Raises:
        `GiqaError`: for an error that comes, at whatever remove, from a disk that is full or may not be written.
    """
    try:
        yield
    except GiqaError:
        raise
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise GiqaError(
            f"{os.fspath(folder)} could not be written ({reason}); make room or choose another place, then run again: "
            "what is finished is kept"
        ) from error


def _reason(error: BaseException | None) -> str | None:
    """The system's words for why writing failed, or `None` where it is not about that."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_WRITING:
            return os.strerror(error.errno)
        if type(error).__name__ in _SPEAKING and _FULL.search(str(error)):
            return os.strerror(errno.ENOSPC)
        error = error.__cause__ or error.__context__
    return None
