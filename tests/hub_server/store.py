"""What the small Hub keeps: repositories as lists of commits, large files by their SHA-256, users by their tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

# As .gitattributes of a new repository has it: these go to LFS whatever their size, the others from 10 MB.
LARGE = (".arrow", ".bin", ".jpg", ".parquet", ".png", ".safetensors")
ATTRIBUTES = b"".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n".encode() for ending in LARGE)


class User(NamedTuple):
    name: str
    orgs: tuple[str, ...] = ()
    may_write: bool = True


class Entry(NamedTuple):
    """A file of a commit: its bytes, or the digest and size of a large one."""

    data: bytes | None
    sha256: str = ""
    size: int = 0

    @property
    def oid(self) -> str:
        data = self.pointer if self.data is None else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def pointer(self) -> bytes:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def etag(self) -> str:
        return self.oid if self.data is not None else self.sha256

    @property
    def length(self) -> int:
        return self.size if self.data is None else len(self.data)


class Commit(NamedTuple):
    oid: str
    title: str
    files: dict[str, Entry]


@dataclass
class Repo:
    kind: str
    id: str
    private: bool
    gated: str | None = None
    granted: set[str] = field(default_factory=set)
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = Commit(_oid(self.kind, self.id, "0"), "initial commit", {".gitattributes": Entry(ATTRIBUTES)})
        self.branches["main"] = [first]

    def find(self, revision: str) -> Commit | None:
        if revision in self.branches:
            return self.branches[revision][-1]
        for commits in self.branches.values():
            for commit in commits:
                if commit.oid == revision:
                    return commit
        return None


class Conflict(Exception):
    """The commit does not stand on the newest one."""


class Missing(Exception):
    """The commit names a large file that was never sent."""


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.users: dict[str, User] = {}

    def commit(self, repo: Repo, branch: str, lines: list[bytes]) -> Commit:
        """All of it, or nothing."""
        with self.lock:
            commits = repo.branches[branch]
            files, title = dict(commits[-1].files), ""
            for line in lines:
                item = json.loads(line)
                value = item["value"]
                if item["key"] == "header":
                    title = value["summary"]
                    if value.get("parentCommit") not in (None, commits[-1].oid):
                        raise Conflict
                elif item["key"] == "file":
                    assert value["encoding"] == "base64"
                    files[value["path"]] = Entry(base64.b64decode(value["content"]))
                elif item["key"] == "lfsFile":
                    if value["oid"] not in self.blobs:
                        raise Missing(value["path"])
                    files[value["path"]] = Entry(None, value["oid"], len(self.blobs[value["oid"]]))
                elif item["key"] == "deletedFile":
                    del files[value["path"]]
                else:
                    raise AssertionError(item["key"])
            commits.append(Commit(_oid(repo.kind, repo.id, f"{branch}{len(commits)}"), title, files))
            return commits[-1]


def _oid(*words: str) -> str:
    return hashlib.sha1("\0".join(words).encode()).hexdigest()
