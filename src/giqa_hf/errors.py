"""The errors that a user can mend; the command line prints them as one sentence and exits with code 2."""

from __future__ import annotations


class GiqaError(Exception):
    """A problem the user can mend: one clear sentence with what, where, expected, found, what to do."""


class ImageError(GiqaError):
    """A picture that cannot be used as it is."""


class DataError(GiqaError, ValueError):
    """A row, a table or a build whose content is not what its schema says."""


class MissingExtraError(GiqaError, ImportError):
    """A part of the library whose optional dependencies are not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f'{what} needs the extra "{extra}": run  pip install "giqa-hf[{extra}]"  (in a clone of the repository: '
            f'pip install -e ".[{extra}]")'
        )
