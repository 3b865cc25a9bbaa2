"""A model behind any OpenAI-compatible server that takes pictures; they travel inside the request, as data URIs.

The patience with a server (retries, Retry-After, rate, the question whether it is well) is `EndpointLLM`'s. Two things
are not: a picture comes beside the words, and an answer that is empty or cut off is an answer of the model under test,
to be scored, while an annotation throws it away.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from ...annotation.llm.client import CUT_OFF, Prompt
from ...annotation.llm.endpoint import EndpointLLM
from ...images import read_image
from .asking import Asked, Reply

_ORIENTATION = 0x0112  # EXIF tag
_SENT_AS_THEY_ARE = {"JPEG": "jpeg", "PNG": "png"}


class EndpointBackend:
    """Asks a server, many rows at once.

    Args:
        url (`str`): the server's address, such as `"http://localhost:8000/v1"`.
        model (`str`, *optional*): its name there; without one, the only one that the server offers.
        max_new_tokens (`int`): where an answer is cut off.
        concurrency (`int`, *optional*, defaults to `16`): rows that are under way at once.
        processor (`ProcessorMixin`, *optional*): the model's own, for its frame and box format.
        options: further ones of `EndpointLLM`, such as `api_key_variable` and `timeout_s`.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        max_new_tokens: int,
        concurrency: int = 16,
        processor: Any = None,
        **options: Any,
    ) -> None:
        self._llm = _PictureLLM(url, model, concurrency=concurrency, **options)
        self._max_new_tokens = max_new_tokens
        self._processor = processor

    @property
    def processor(self) -> Any:
        """See `Backend`."""
        return self._processor

    def settings(self) -> dict[str, Any]:
        """See `Backend`; the first call may ask the server for its model's name."""
        told = self._llm.settings()
        return {
            "model": {"name": told["model"]},
            "backend": {"name": "endpoint", "temperature": told["temperature"], "seed": told["seed"]},
        }

    def execution(self) -> dict[str, Any]:
        """See `Backend`."""
        return {"concurrency": self._llm.concurrency}

    def replies(self, asked: Asked) -> Iterator[list[Reply]]:
        """See `Backend`."""
        from .picture_server import PicturePrompt  # it imports the Hub's client, which takes a while

        prompts: list[Prompt] = []
        for place in asked.places:
            prompt = PicturePrompt("", asked.prompts[place], None, "1", self._max_new_tokens)
            prompt.photo = _Sending(asked, place)
            prompt.special_tokens = asked.special_tokens
            prompts.append(prompt)
        for index, (text, problem) in self._llm.answers(prompts):
            place = asked.places[index]
            if text is None:
                yield [Reply(place, None, problem)]
            else:
                yield [Reply(place, text.strip(), cut_off=problem == CUT_OFF)]


def data_uri(encoded: bytes) -> str:
    """A picture as an address that holds it.

    The file goes as it is where every server reads it alike; what is to be turned upright, is transparent or of another
    format, goes as the upright RGB that a local model would see.
    """
    with Image.open(io.BytesIO(encoded)) as header:
        kind = _SENT_AS_THEY_ARE.get(header.format or "")
        plain = header.mode == "RGB" and header.getexif().get(_ORIENTATION, 1) == 1
    if kind is None or not plain:
        buffer = io.BytesIO()
        read_image(encoded).save(buffer, "PNG", compress_level=1)
        encoded, kind = buffer.getvalue(), "png"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode('ascii')}"


class _Sending:
    """The picture of a row, encoded when its turn comes: not all of them are held at once."""

    def __init__(self, asked: Asked, place: int) -> None:
        self._asked = asked
        self._place = place

    def __call__(self) -> str:
        self._asked.photo(self._place)  # it is checked as for a local model
        return data_uri(self._asked.data.photo_bytes(self._place))


class _PictureLLM(EndpointLLM):
    """`EndpointLLM` over a connection that sends pictures."""

    def _connected(self) -> Any:
        from .picture_server import PictureServer

        state = super()._connected()
        if not isinstance(state.server, PictureServer):
            state.server = PictureServer.of(state.server)
        return state
