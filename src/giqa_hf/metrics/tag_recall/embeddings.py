"""Name similarity by embeddings: the cosine of a text encoder's vectors.

The paper does not say which similarity it uses (spec A6). Its likely ancestor, GLaMM's recall of grounded captions,
pools `bert-base-uncased`, whose cosines of unrelated nouns are mostly above 0.5, so that nearly every name passes; an
encoder trained for sentences is much stricter. So the numbers of two models do not compare, and the name of this
similarity carries the model and its revision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from .encoders import Encoder, load_encoder

BERT = "google-bert/bert-base-uncased"
"""What GLaMM pools; the likely choice of the paper."""
SENTENCES = "sentence-transformers/all-MiniLM-L6-v2"
"""A small encoder of sentences."""

_MOST_REMEMBERED = 65_536  # vectors; of 768 floats each 200 MB
_SHOWN = 12


@dataclass(eq=False)
class EmbeddingSimilarity:
    """Cosine similarity of names under a text encoder; a `Similarity` with `prepare` for many names at once.

    A name's vector is the mean of the encoder's last hidden states over all tokens of the attention mask, the special
    ones among them. A model of sentence-transformers that is made for another head (its CLS token, a dense layer) is
    run by that package, if it is installed. Each name is encoded once.

    Args:
        model (`str`): a folder that `save_pretrained` or sentence-transformers wrote, or the id of a Hub repository,
            e.g. `BERT` or `SENTENCES`; safetensors only.
        revision (`str`, *optional*): of the Hub repository; its main branch without one.
        batch_size (`int`, *optional*, defaults to `64`): names per forward pass.
        device (`str`, *optional*): such as `"cuda:1"`; without one, a CUDA device if there is any, or the CPU.

    Raises:
        `DataError`: when the batch size cannot be.
        `GiqaError`: at the first use, when the model cannot be loaded, or needs sentence-transformers, which is not
            installed.
        `MissingExtraError`: at the first use, when torch or transformers is not installed.

    Example:
        ```python
        similarity = EmbeddingSimilarity("sentence-transformers/all-MiniLM-L6-v2")
        giqa_bench(predictions, references, similarity=similarity)
        ```
    """

    model: str
    revision: str | None = None
    batch_size: int = 64
    device: str | None = None
    _encoder: Encoder | None = field(default=None, init=False, repr=False)
    _identity: str | None = field(default=None, init=False, repr=False)
    _vectors: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"batch_size: expected at least 1, got {self.batch_size}")

    @property
    def name(self) -> str:
        """`mean-pooled MODEL@REVISION`; a folder's revision is the start of a SHA-256 over its files.

        A folder goes by its last name, so that the same files in another place are the same similarity. What runs in
        sentence-transformers begins with `sentence embeddings` instead.
        """
        if self._identity is None:
            encoder = self._loaded()
            folder = Path(self.model).expanduser()
            if folder.is_dir():
                model, revision = folder.resolve().name, _digest(folder)
            else:
                model, revision = self.model, encoder.commit or "unknown"
            self._identity = f"{encoder.kind} {model}@{revision[:_SHOWN]}"
        return self._identity

    def prepare(self, names: Iterable[str]) -> None:
        """Encode those names that have no vector yet, in batches."""
        wanted = dict.fromkeys(names)
        if len(self._vectors) + len(wanted) > _MOST_REMEMBERED:
            self._vectors = {}  # the wanted ones are encoded again if they were among them
        # By length, so that a batch is padded little; within one length as they came.
        new = sorted((name for name in wanted if name not in self._vectors), key=len)
        for start in range(0, len(new), self.batch_size):
            batch = new[start : start + self.batch_size]
            for name, vector in zip(batch, self._encode(batch), strict=True):
                self._vectors[name] = vector

    def __call__(self, pred_names: list[str], true_names: list[str]) -> npt.NDArray[np.float64]:
        """Cosines of N predicted with M true names, shape (N, M), in -1..1."""
        if not pred_names or not true_names:
            return np.zeros((len(pred_names), len(true_names)))
        self.prepare([*pred_names, *true_names])
        pred, true = (
            np.stack([self._vectors[name] for name in names]).astype(np.float64)
            for names in (pred_names, true_names)
        )
        return np.asarray(np.clip(pred @ true.T, -1.0, 1.0))

    def _encode(self, names: list[str]) -> npt.NDArray[np.float32]:
        return self._loaded().encode(names)

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            self._encoder = load_encoder(self.model, self.revision, self.device)
        return self._encoder


def _digest(folder: Path) -> str:
    """The start of a SHA-256 over the files of a checkpoint that decide its vectors."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".safetensors", ".model", ".txt") and path.is_file():
            name = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return whole.hexdigest()[:_SHOWN]
