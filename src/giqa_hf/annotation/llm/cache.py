"""Answers of a language model, kept on disk: an interrupted build does not ask, or pay, twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import GiqaError
from .client import LLM, Answer, Completion, Prompt, answers_of, in_order

_FORMAT = 1  # user_version of the file
_APPLICATION = 0x47495141  # "GIQA": application_id, so that no other program's database is written to
_PATIENCE_S = 60.0  # how long another process may hold the file
_AT_ONCE = 500  # keys per query; SQLite takes 999 everywhere

_TABLE = "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID"


class CachedLLM:
    """Asks another `LLM` only what is not in a file yet.

    An answer is found under everything that it depends on: the model's settings (with its revision and decoding), the
    version of the prompt, schema, both texts, max_tokens and sampling. Only usable answers are kept, each as soon as it
    is there; a prompt that came to nothing is asked again in the next run. A prompt that stands several times in a
    batch is asked once. Several processes may use one file on a local disk; a network disk is no place for it, since
    its locks cannot be trusted.

    Args:
        llm (`LLM`): who is asked.
        path (`Path` or `str`): the SQLite file; made with its folder at the first batch.
    """

    def __init__(self, llm: LLM, path: Path | str) -> None:
        self.llm = llm
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def __getstate__(self) -> dict[str, Any]:
        """Without the open file, which does not travel to another process."""
        return {**self.__dict__, "_connection": None}

    def settings(self) -> dict[str, Any]:
        """Those of the model: a cache changes no answer."""
        return self.llm.settings()

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Answer the prompts, in their order; see `LLM`.

        Raises:
            `GiqaError`: as the model's, and when the file cannot be used.
        """
        return in_order(self.answers(prompts), len(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[Answer]:
        """Answer the prompts: first those that are in the file, then the others as they come."""
        if not prompts:
            return
        settings = json.dumps(self.settings(), sort_keys=True)
        places: dict[bytes, list[int]] = {}
        for index, prompt in enumerate(prompts):
            places.setdefault(_key(settings, prompt), []).append(index)
        known = self._read(list(places))
        for key, text in known.items():
            for index in places[key]:
                yield Answer(index, Completion(text, None))
        asked = [key for key in places if key not in known]
        for number, completion in answers_of(self.llm, [prompts[places[key][0]] for key in asked]):
            if completion.text is not None:
                self._write(asked[number], completion.text)
            for index in places[asked[number]]:
                yield Answer(index, completion)

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        with self._explained():
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, text FROM answers WHERE key IN ({marks})"
                for key, text in self._open().execute(query, some):
                    found[key] = text.decode("utf-8", "surrogatepass")
        return found

    def _write(self, key: bytes, text: str) -> None:
        # As bytes: a model's answer may hold a lone surrogate, which SQLite's texts cannot. The first answer stays
        # where another process was faster.
        with self._explained():
            self._open().execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, text.encode("utf-8", "surrogatepass"))
            )

    def _open(self) -> sqlite3.Connection:
        """The connection of this process; SQLite forbids to carry one across a fork."""
        if self._connection is None or self._process != os.getpid():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Each statement is its own transaction; the generator above may be run by any one thread at a time.
            connection = sqlite3.connect(
                self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            with contextlib.ExitStack() as undo:
                undo.callback(connection.close)
                _prepare(connection)
                undo.pop_all()
            self._connection, self._process = connection, os.getpid()
        return self._connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what can go wrong with the file into one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise GiqaError(
                f"{self.path}: the cache of the language model's answers cannot be used ({error}); check the disk's "
                "space and access rights, and that no other program holds the file, then run the same command again"
            ) from error
        except OSError as error:
            raise GiqaError(
                f"{self.path}: the cache of the language model's answers cannot be made ({error.strerror or error}); "
                "choose another place, then run the same command again"
            ) from error
        except (
            sqlite3.Error,
            AttributeError,
            UnicodeDecodeError,
        ) as error:  # not SQLite, or not as we wrote it
            raise GiqaError(
                f"{self.path}: expected a cache of a language model's answers (SQLite), found a damaged or other "
                f"file ({error}); delete or move it, with its -wal and -shm, then run the same command again (answers "
                "are asked for once more)"
            ) from error


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table in a new file; refuse a file that is not ours."""
    ours = _APPLICATION, _FORMAT
    if _marks(connection) != ours:
        connection.execute("BEGIN IMMEDIATE")  # of several processes, one makes it
        try:
            if _marks(connection) != ours:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise sqlite3.DatabaseError("not written by this version of giqa-hf")
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    # Readers and one writer at once, and no fsync per answer; after a power cut the file is whole, and at worst lacks
    # the last answers. Where the disk cannot do it, SQLite stays with its older journal.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return application, connection.execute("PRAGMA user_version").fetchone()[0]


def _key(settings: str, prompt: Prompt) -> bytes:
    """What an answer is found under; ASCII throughout, so that any text has one."""
    whole: list[Any] = [
        settings,
        prompt.version,
        prompt.schema,
        prompt.system,
        prompt.user,
        prompt.max_tokens,
    ]
    # Only where there is one: so the keys of all other prompts are what they were before there was sampling.
    if prompt.sampling is not None:
        whole.append([prompt.sampling.temperature, prompt.sampling.seed])
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode("ascii")).digest()
