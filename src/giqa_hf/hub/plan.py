"""What would be sent to the Hub: every file with its size, the card, what is left out and why, what forbids it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Literal, NamedTuple

from ..errors import GiqaError
from .contents import holds_pickle, holds_token

CARD = "README.md"
RepoType = Literal["dataset", "model", "space"]
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


class PlannedFile(NamedTuple):
    """A file to be sent."""

    path_in_repo: str
    source: Path | bytes
    """Where its content lies, or the content itself."""
    size: int
    """In bytes."""


@dataclass(frozen=True)
class UploadPlan:
    """All that one commit will hold, and how the repository is to be.

    Args:
        repo_id (`str`): user or organisation, slash, name.
        repo_type (`str`): `"dataset"`, `"model"` or `"space"`.
        files (`tuple` of `PlannedFile`): the card, `README.md`, among them.
        private (`bool`, *optional*, defaults to `True`): of a repository that is made; one that exists keeps its own.
        gated (`bool`, *optional*, defaults to `False`): whether readers have to accept terms first.
        replaced (`tuple` of `str`, *optional*): endings of files that an update removes where the plan lacks them, so
            that old shards do not stay beside new ones.
        replaced_patterns (`tuple` of `str`, *optional*): the same by whole paths, with wildcards as `fnmatch` has them;
            `*` does not go past a slash.
        notes (`tuple` of `str`, *optional*): what the user should know before agreeing.
        models (`tuple` of `str`, *optional*): repositories whose models it opens; `look_up` sees that they are there.
        refusals (`tuple` of `str`, *optional*): why it may not be sent; empty when it may.

    Raises:
        `GiqaError`: when the repository's name is none, a path leaves the repository, two files have one path, there is
            no card, a file is pickled, or one holds what looks like a token of the Hub.
    """

    repo_id: str
    repo_type: RepoType
    files: tuple[PlannedFile, ...]
    private: bool = True
    gated: bool = False
    replaced: tuple[str, ...] = ()
    replaced_patterns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_repo_id(self.repo_id)
        seen: set[str] = set()
        for file in self.files:
            check_path(file.path_in_repo)
            if file.path_in_repo in seen:
                raise GiqaError(
                    f"{file.path_in_repo}: expected each path once in {self.repo_id}, found it twice"
                )
            seen.add(file.path_in_repo)
            _check_content(file)
        if CARD not in seen:
            raise GiqaError(
                f"{self.repo_id}: expected a card, {CARD}, among the files, found none; write one"
            )

    @property
    def card(self) -> str:
        """The text of the README.md."""
        (card,) = (file for file in self.files if file.path_in_repo == CARD)
        return content_of(card).decode("utf-8", "replace")

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for file in self.files)

    def replaces(self, path: str) -> bool:
        """Whether an update removes a file of the repository, unless the plan sends one of that path."""
        return path.endswith(self.replaced) or any(
            path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
            for pattern in self.replaced_patterns
        )

    def describe(self, whole_card: bool = True) -> str:
        """The plan in words: files with sizes, notes, refusals, and the card as it will stand there.

        Args:
            whole_card (`bool`, *optional*, defaults to `True`): with the card's text.
        """
        kinds = ["private" if self.private else "public", *(["gated"] if self.gated else [])]
        width = max(len(shown(file.path_in_repo)) for file in self.files)
        lines = [f"{self.repo_type} {self.repo_id} ({', '.join(kinds)})"]
        lines += [f"  {shown(file.path_in_repo):<{width}}  {human(file.size):>9}" for file in self.files]
        count = len(self.files)
        lines.append(f"  {count} file{'s' if count > 1 else ''}, {human(self.size)}")
        lines += [f"note: {shown(note)}" for note in self.notes]
        lines += [f"refused: {shown(refusal)}" for refusal in self.refusals]
        if whole_card:
            lines += [f"{CARD}:", *(f"  | {shown(line)}".rstrip() for line in self.card.splitlines())]
        return "\n".join(lines)

    def check(self) -> None:
        """Refuse a plan that may not be sent.

        Raises:
            `GiqaError`: with every reason.
        """
        if self.refusals:
            raise GiqaError(f"{self.repo_id}: nothing was sent: " + "; ".join(self.refusals))


def planned(path_in_repo: str, source: Path | bytes | str) -> PlannedFile:
    """A file of a plan; a text is sent as UTF-8.

    Raises:
        `GiqaError`: when the file cannot be read.
    """
    if isinstance(source, str):
        source = source.encode("utf-8", "backslashreplace")
    if isinstance(source, bytes):
        return PlannedFile(path_in_repo, source, len(source))
    try:
        return PlannedFile(path_in_repo, source, source.stat().st_size)
    except OSError as error:
        raise GiqaError(
            f"{source}: expected a file to send, found none ({error.strerror}); check the folder"
        ) from None


def content_of(file: PlannedFile) -> bytes:
    """The content of a file of a plan."""
    return file.source if isinstance(file.source, bytes) else file.source.read_bytes()


def folder_files(folder: Path) -> Iterator[Path]:
    """The files below a folder, hidden ones left out, in the order of their paths.

    Raises:
        `GiqaError`: when a link leads out of the folder: what it names was not meant to be sent.
    """
    real = os.path.join(os.path.realpath(folder), "")
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        target = os.path.realpath(path)
        if not target.startswith(real):
            raise GiqaError(
                f"{path}: expected files of {folder}, found a link to {target}, which lies outside; copy the "
                "file into "
                "the folder, or remove the link"
            )
        if path.is_file():
            yield path


def check_repo_id(repo_id: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        `GiqaError`: with the form that is expected.
    """
    if (
        not _REPO_ID.fullmatch(repo_id)
        or ".." in repo_id
        or "--" in repo_id
        or repo_id.endswith((".", "-", ".git"))
    ):
        raise GiqaError(
            f"--to {shown(repo_id)!r}: expected your user or organisation, a slash and a name, as in me/giqa-160k"
        )


def check_path(path: str) -> None:
    """Refuse a path that leaves the repository, or that a reader of the preview could be misled by.

    Raises:
        `GiqaError`: with the path and the reason.
    """
    pure = PurePosixPath(path)
    reason = (
        "is empty" if not path or path in (".", "/")
        else "is absolute" if pure.is_absolute() or re.match(r"[A-Za-z]:", path)
        else 'goes up with ".."' if ".." in pure.parts
        else "has backslashes" if "\\" in path
        else "has characters that do not print" if not path.isprintable()
        else "lies in .git" if pure.parts[0] == ".git"
        else "is not in its plain form" if pure.as_posix() != path
        else None
    )  # fmt: skip
    if reason is not None:
        raise GiqaError(
            f"{shown(path)!r}: expected a path inside the repository, found one that {reason}; rename it"
        )


def shown(text: str) -> str:
    """A text on one line of a terminal: characters that do not print, such as escape sequences, are replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def human(size: int) -> str:
    """A size for people.

    ```python
    >>> human(999), human(1_234_567)
    ('999 B', '1.2 MB')
    ```
    """
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first names of many, for a message."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more


def _check_content(file: PlannedFile) -> None:
    """What is sent is opened and read by others: nothing in it may run, and no token may go with it."""
    try:
        with _opened(file) as stream:
            if holds_pickle(file.path_in_repo, stream):
                raise GiqaError(
                    f"{file.path_in_repo}: expected weights as safetensors, found a pickled file, which runs code when "
                    "it is opened; save the model again with save_pretrained(folder), which writes safetensors, and "
                    "remove this file"
                )
            stream.seek(0)
            if holds_token(file.path_in_repo, stream):
                raise GiqaError(
                    f"{file.path_in_repo}: expected no secrets, found what looks like an access token of the Hub; "
                    "remove it there, and revoke the token in your settings"
                )
    except OSError as error:
        raise GiqaError(
            f"{file.path_in_repo}: expected a file to send, found one that cannot be read ({error.strerror}); check "
            "the folder"
        ) from None


def _opened(file: PlannedFile) -> IO[bytes]:
    return io.BytesIO(file.source) if isinstance(file.source, bytes) else file.source.open("rb")
