"""One exchange about a picture with an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Callable

from ...annotation.llm.client import CUT_OFF, REFUSED, Completion, Prompt
from ...annotation.llm.server import ChatServer, Decoding


class PicturePrompt(Prompt):
    """A prompt with a picture."""

    photo: Callable[[], str]
    """Gives the picture as a data URI, when it is sent."""
    special_tokens: bool
    """Whether to ask for the special tokens in the text; vLLM and SGLang have a parameter for it, OpenAI has not."""


class PictureServer(ChatServer):
    """A connection whose answers are those of a model under test.

    An answer that is empty or cut off is kept as it is; with one that is cut off comes `CUT_OFF` as its problem.
    """

    @classmethod
    def of(cls, server: ChatServer) -> PictureServer:
        """The same connection."""
        made = cls.__new__(cls)
        vars(made).update(vars(server))
        return made

    def ask(self, prompt: Prompt, model: str, decoding: Decoding, *, enforce_schema: bool) -> Completion:
        """See `ChatServer.ask`."""
        if not isinstance(prompt, PicturePrompt):  # that one asks whether the server is well
            return super().ask(prompt, model, decoding, enforce_schema=enforce_schema)
        content = [
            {"type": "image_url", "image_url": {"url": prompt.photo()}},
            {"type": "text", "text": prompt.user},
        ]
        try:
            output = self._client.chat_completion(
                [{"role": "user", "content": content}],
                model=model,
                max_tokens=prompt.max_tokens,
                temperature=decoding.temperature,
                seed=decoding.seed,
                extra_body={"skip_special_tokens": False} if prompt.special_tokens else None,
            )
            choice = output.choices[0]
            text: object = choice.message.content
            refusal: object = choice.message.get("refusal")
            finish = choice.finish_reason
        except Exception as error:
            raise self._failure(error) from None
        if refusal or finish == "content_filter":
            return Completion(None, REFUSED)
        return Completion(text if isinstance(text, str) else "", CUT_OFF if finish == "length" else None)
