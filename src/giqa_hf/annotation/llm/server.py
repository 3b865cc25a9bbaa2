"""One exchange with an OpenAI-compatible server: a completion, or a `Failure` that says whose fault it seems to be."""

from __future__ import annotations

import email.utils
import json
import re
import time
from typing import Any, Literal, NamedTuple

from huggingface_hub import InferenceClient

from .client import (
    REFUSED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    TIMED_OUT,
    TOO_LONG,
    Completion,
    Prompt,
    completion_of,
)

try:
    import httpx2 as httpx  # what huggingface_hub 2 stands on
except ImportError:  # huggingface_hub 1
    import httpx  # type: ignore[import-not-found, no-redef, unused-ignore]  # one of the two is there

# The server has no room for us now: it says nothing about the prompt, which is tried again and never dropped.
_BUSY = frozenset({408, 409, 425, 429, 502, 503, 504, 529})
_REDIRECTS = range(300, 400)
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)|maximum (input|sequence|model) length|max_new_tokens|(prompt|input) is too long"
    r"|too many tokens",
    re.IGNORECASE,
)
_KEY_ADVICE = "check the key in the environment variable {key}"
_ADVICE = {
    401: _KEY_ADVICE,
    402: "check the account that the key belongs to",
    403: _KEY_ADVICE,
    404: "check the address, which mostly ends in /v1, and the model's name",
}


class Failure(Exception):
    """An exchange that brought no completion.

    Args:
        kind (`str`): `"busy"`: the server cannot now; `"broken"`: no answer, or a damaged one; `"refused"`: it did not
            want this request.
        said (`str`): what happened, for people, in a few words.
        problem (`str`): what to call it where it turns out to be the prompt's fault.
        retry_after_s (`float`, *optional*): how long the server asks to wait.
        advice (`str`, *optional*): what to do about it.
        status (`int`, *optional*): the HTTP status.
    """

    def __init__(
        self,
        kind: Literal["busy", "broken", "refused"],
        said: str,
        problem: str,
        *,
        retry_after_s: float | None = None,
        advice: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(said)
        self.kind = kind
        self.said = said
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.advice = advice
        self.status = status
        self.tries = 1
        self.in_s = 0.0
        """How often the same was tried, and how many seconds that took; whoever tries again counts."""

    @property
    def tried(self) -> str:
        """How often and how long, in words."""
        return "tried once" if self.tries == 1 else f"tried {self.tries} times in {self.in_s:.0f} s"


class Decoding(NamedTuple):
    """How answers are drawn."""

    temperature: float
    seed: int


class ChatServer:
    """A connection to one server, for many threads.

    Args:
        base_url (`str`): its address, such as `"http://localhost:8000/v1"`.
        key (`str`, *optional*): sent as the bearer token; without one, none is sent.
        key_variable (`str`): where the key comes from, for messages.
        timeout_s (`float`): seconds without a byte after which an exchange is given up.
        connections (`int`): how many exchanges there may be at once.
    """

    def __init__(
        self, base_url: str, *, key: str | None, key_variable: str, timeout_s: float, connections: int
    ) -> None:
        self._key = key
        self._key_variable = key_variable
        self._base_url = base_url
        self._timeout_s = timeout_s
        session = httpx.Client(timeout=timeout_s, limits=httpx.Limits(max_connections=connections))
        self._client = _Client(session, base_url, key)
        self._session = session

    def models(self) -> list[str]:
        """The names of the models that the server offers."""
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        # The rules by which the hub's client makes the other address.
        path, full, _ = self._base_url.partition("/chat/completions")
        if not full and not path.endswith("/v1"):
            path += "/v1"
        try:
            response = self._session.get(f"{path}/models", headers=headers)
            if response.status_code >= 300:
                raise _Refused(response)
            return [str(entry["id"]) for entry in response.json()["data"]]
        except Exception as error:
            raise self._failure(error) from None

    def ask(self, prompt: Prompt, model: str, decoding: Decoding, *, enforce_schema: bool) -> Completion:
        """Send one prompt.

        Raises:
            `Failure`: when no whole answer came back.
        """
        messages: list[Any] = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages.append({"role": "user", "content": prompt.user})
        try:
            output = self._client.chat_completion(
                messages,
                model=model,
                max_tokens=prompt.max_tokens,
                temperature=decoding.temperature,
                seed=decoding.seed,
                response_format=_response_format(prompt.schema) if enforce_schema and prompt.schema else None,  # type: ignore[arg-type]  # a dict, as its documentation has it
            )
            choice = output.choices[0]
            finish, message = choice.finish_reason, choice.message
            text: object = message.content
            refusal: object = message.get("refusal")
        except Exception as error:
            raise self._failure(error) from None
        if refusal or finish == "content_filter":
            return Completion(None, REFUSED)
        return completion_of(text if isinstance(text, str) else None, cut_off=finish == "length")

    def _failure(self, error: Exception) -> Failure:
        """What an exception of the exchange means."""
        if isinstance(error, _Refused):
            return self._refusal(error.response)
        if isinstance(error, httpx.TimeoutException):
            return Failure("broken", f"it did not answer within {self._timeout_s:g} s", TIMED_OUT)
        if isinstance(error, httpx.TransportError):
            return Failure("broken", f"no connection: {self._shown(str(error))}", SERVER_FAILED)
        # What is left comes from reading the answer: wrongly compressed, half JSON, no choices, not an object.
        words = f"{type(error).__name__}: {self._shown(str(error))}"
        return Failure(
            "broken", f"its answer is not that of an OpenAI-compatible server, {words}", SERVER_FAILED
        )

    def _refusal(self, response: Any) -> Failure:
        """What an answer with an error status means."""
        status = int(response.status_code)
        try:
            words = _error_text(response.text)
        except Exception:  # the body may be cut off or wrongly compressed; the status is enough
            words = ""
        said = f"it answered {status}: {self._shown(words)}" if words else f"it answered {status}"
        if status in _BUSY:
            return Failure(
                "busy", said, SERVER_FAILED, retry_after_s=_retry_after_s(response.headers), status=status
            )
        if status >= 500:
            return Failure("broken", said, SERVER_FAILED, status=status)
        if status in _REDIRECTS:
            return Failure(
                "refused", said, REQUEST_REFUSED, advice="give the address that it leads to", status=status
            )
        problem = TOO_LONG if status == 413 or _TOO_LONG.search(words) else REQUEST_REFUSED
        advice = _ADVICE.get(status, "").format(key=self._key_variable) or None
        return Failure("refused", said, problem, advice=advice, status=status)

    def _shown(self, words: str) -> str:
        """A server's words, fit for one line of a message: short, printable, and without the key."""
        if self._key:
            words = words.replace(self._key, "***")
        words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
        return words[:200].rstrip(".")


class _Refused(Exception):
    """An answer with an error status."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Client(InferenceClient):
    """The hub's client with one method replaced, the one that sends, for what is in its way (huggingface_hub 2.4.0).

    It writes a JSON schema in TGI's older form, which vLLM and llama.cpp take for "any JSON"; and with
    HF_HUB_OFFLINE=1, which is about the Hub, it does not talk to a server on this machine either.
    """

    def __init__(self, session: httpx.Client, base_url: str, key: str | None) -> None:
        # Never without a key: the hub's client would send the user's Hugging Face token to whatever server this is.
        super().__init__(base_url=base_url, api_key=key or "none")
        self._session = session
        self._left_out = () if key else ("authorization",)

    def _inner_post(self, request_parameters: Any, *, stream: bool = False) -> Any:
        body = dict(request_parameters.json)
        if "value" in (form := body.get("response_format") or {}):
            body["response_format"] = _response_format(form["value"])
        headers = {
            name: value for name, value in request_parameters.headers.items() if name not in self._left_out
        }
        response = self._session.post(
            request_parameters.url, content=json.dumps(body).encode("ascii"), headers=headers
        )
        if response.status_code >= 300:  # a redirect too: following it might carry the key to another server
            raise _Refused(response)
        return response.content


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _error_text(body: str) -> str:
    """The sentence in an error's body: OpenAI's and FastAPI's forms, or the body itself."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value if isinstance(value, str) else json.dumps(value)


def _retry_after_s(headers: Any) -> float | None:
    """Seconds to wait, from a header that gives seconds or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None
