"""An `LLM` behind any OpenAI-compatible server: vLLM, `transformers serve`, llama.cpp, Inference Providers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import DataError, GiqaError
from .address import checked_url, key_in
from .client import NOT_UNICODE, TIMED_OUT, TOO_LONG, Answer, Completion, Prompt, in_order, is_unicode
from .pace import Pace, Stopped

if TYPE_CHECKING:  # importing huggingface_hub takes a while, and not every build asks a server
    from .server import ChatServer, Decoding, Failure

_TEMPERATURE = 0.0
_LOG = logging.getLogger(__name__)
_GO_ON = "run the same command again to go on"
# Asked when one prompt fails and goes on failing: a server that answers this is well, so it is that prompt's fault.
_SIMPLE = Prompt("You answer in one word.", "Are you there?", None, "1", 1)


@dataclass
class EndpointLLM:
    """Asks a server, many prompts at once.

    A server that has no room (429, 502, 503, 504) is asked again after 1, 2, 4, … seconds, or when it says
    (Retry-After, for all threads). So is one that does not answer, or not wholly. When it stays so, a prompt of one
    word shows whether the server is well: then the fault is the prompt's, which gets its `problem`. Otherwise the
    build stops.

    Args:
        base_url (`str`): the server's address, such as `"http://localhost:8000/v1"`.
        model (`str`, *optional*): its name at the server; without one, the only one of `/v1/models`.
        api_key_variable (`str`, *optional*, defaults to `"GIQA_LLM_API_KEY"`): environment variable with the key, if
            the server wants one; `"HF_TOKEN"` for Inference Providers. A variable of its own, so that no key for
            another service goes to this one. The key is never printed, cached or written down.
        concurrency (`int`, *optional*, defaults to `16`): prompts that are under way at once.
        requests_per_minute (`float`, *optional*): where the server has a limit; requests are spread evenly.
        timeout_s (`float`, *optional*, defaults to `300.0`): seconds without a byte before a request is given up.
        retries (`int`, *optional*, defaults to `5`): how often a request is sent again.
        timeout_retries (`int`, *optional*): how often at most after a time-out, where that shall be less than
            `retries`: a text on which a server hangs costs `timeout_s` every time.
        first_wait_s (`float`, *optional*, defaults to `1.0`): before the first retry; it doubles from there.
        max_wait_s (`float`, *optional*, defaults to `60.0`): the longest wait. A server that asks for more stops the
            build.
        seed (`int`, *optional*, defaults to `0`): sent along; at temperature 0 few servers have a use for it. A prompt
            with a `sampling` of its own has its own temperature and seed.

    Raises:
        `DataError`: when an option cannot be.

    Example:
        ```python
        >>> llm = EndpointLLM("http://localhost:8000/v1")
        >>> llm.complete([Prompt("", "Say yes.", None, "1", 8)])
        [Completion(text='Yes.', problem=None)]
        ```
    """

    base_url: str
    model: str | None = None
    api_key_variable: str = "GIQA_LLM_API_KEY"
    concurrency: int = 16
    requests_per_minute: float | None = None
    timeout_s: float = 300.0
    retries: int = 5
    timeout_retries: int | None = None
    first_wait_s: float = 1.0
    max_wait_s: float = 60.0
    seed: int = 0
    _state: _State | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.base_url = checked_url(self.base_url)
        for name, least in (("concurrency", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise DataError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        if self.timeout_retries is not None and self.timeout_retries < 0:
            raise DataError(f"timeout_retries: expected at least 0, got {self.timeout_retries}")
        for name in ("timeout_s", "first_wait_s", "max_wait_s", "requests_per_minute"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise DataError(f"{name}: expected more than 0, got {value}")

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a connection, and the key that it holds, do not travel to another process."""
        return {**self.__dict__, "_state": None}

    def settings(self) -> dict[str, Any]:
        """Back end, model and decoding; the first call may ask the server for its model's name."""
        return {
            "backend": "endpoint",
            "model": self._named_model(),
            "temperature": _TEMPERATURE,
            "seed": self.seed,
        }

    def notes(self) -> list[str]:
        """What showed only while asking, as sentences for people."""
        if self._state and self._state.plain:
            return [
                f"the server at {self.base_url} refuses JSON schemas (response_format), so answers were free text"
            ]
        return []

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Answer the prompts, in their order; see `LLM`."""
        return in_order(self.answers(prompts), len(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[Answer]:
        """Answer the prompts, in the order in which answers arrive.

        Raises:
            `GiqaError`: when the server does not answer after all retries, or refuses everything.
        """
        if not prompts:
            return
        state, model = self._connected(), self._named_model()
        todo, done = queue.SimpleQueue[int](), queue.SimpleQueue[Answer | BaseException]()
        for index in range(len(prompts)):
            todo.put(index)
        stop = threading.Event()

        def work() -> None:
            with contextlib.suppress(queue.Empty, Stopped):
                while not stop.is_set():
                    index = todo.get_nowait()
                    try:
                        done.put(Answer(index, self._complete(prompts[index], model, state, stop)))
                    except Stopped:
                        raise
                    except BaseException as error:  # it belongs to the caller
                        done.put(error)
                        return

        # Daemons, so that Ctrl-C need not wait for answers that nobody wants any more.
        for _ in range(min(self.concurrency, len(prompts))):
            threading.Thread(target=work, name="giqa-llm", daemon=True).start()
        try:
            for _ in prompts:
                item = done.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()

    def _complete(self, prompt: Prompt, model: str, state: _State, stop: threading.Event) -> Completion:
        if not is_unicode(prompt):
            return Completion(None, NOT_UNICODE)
        from .server import Failure

        schema = None if prompt.schema is None else json.dumps(prompt.schema, sort_keys=True)
        enforced = schema is not None and schema not in state.plain
        try:
            return self._insist(prompt, model, state, stop, enforce_schema=enforced)
        except Failure as error:
            failure = error
        if enforced and failure.status in (400, 422) and failure.problem != TOO_LONG:
            try:
                completion = self._insist(prompt, model, state, stop, enforce_schema=False)
            except Failure as error:
                failure = error
            else:  # so it was the schema
                state.plain.add(str(schema))
                return completion
        if failure.kind == "busy":
            raise self._no_answer(failure)
        try:
            state.pace.turn(stop)
            simple = _SIMPLE._replace(max_tokens=prompt.max_tokens)
            state.server.ask(simple, model, self._decoding(simple), enforce_schema=False)
        except Failure as error:
            error.tries, error.in_s = failure.tries, failure.in_s  # of the prompt, as it was told
            raise self._no_answer(error) from None
        return Completion(None, failure.problem)

    def _insist(
        self, prompt: Prompt, model: str, state: _State, stop: threading.Event, *, enforce_schema: bool
    ) -> Completion:
        """Ask, and ask again where that may help; raises the last `Failure`."""
        from .server import Failure

        attempt, timeouts, begun_s = 0, 0, time.monotonic()
        while True:
            state.pace.turn(stop)
            try:
                return state.server.ask(prompt, model, self._decoding(prompt), enforce_schema=enforce_schema)
            except Failure as failure:
                failure.tries, failure.in_s = attempt + 1, time.monotonic() - begun_s
                timeouts += failure.problem == TIMED_OUT
                wait_s = self._wait_s(failure, attempt, timeouts)
                if wait_s is None:
                    raise
                if failure.retry_after_s is not None:
                    state.pace.hold(wait_s)
                self._tell(failure, state)
            if stop.wait(wait_s):
                raise Stopped
            attempt += 1

    def _tell(self, failure: Failure, state: _State) -> None:
        """Say once that the server is waited for: the pauses may take minutes, and nobody should wonder."""
        if not state.told:
            state.told = True
            _LOG.warning(
                "the language model at %s does not answer now (%s); asking again, up to %d times, with growing pauses",
                self.base_url,
                failure.said,
                self._retries_after(failure),
            )

    def _retries_after(self, failure: Failure) -> int:
        if failure.problem != TIMED_OUT or self.timeout_retries is None:
            return self.retries
        return min(self.retries, self.timeout_retries)

    def _wait_s(self, failure: Failure, attempt: int, timeouts: int) -> float | None:
        """Seconds until the next attempt; `None` where there shall be none."""
        if failure.kind == "refused" or attempt >= self.retries:
            return None
        if failure.problem == TIMED_OUT and timeouts > self._retries_after(failure):
            return None
        if failure.retry_after_s is None:
            # The exponent is limited, since 2.0 ** 1024 is an OverflowError.
            return min(self.max_wait_s, self.first_wait_s * 2.0 ** min(attempt, 64))
        return failure.retry_after_s if failure.retry_after_s <= self.max_wait_s else None

    def _no_answer(self, failure: Failure) -> GiqaError:
        """The sentence that the build stops with."""
        if failure.retry_after_s is not None and failure.retry_after_s > self.max_wait_s:
            asked = (
                f"it asks to wait {failure.retry_after_s:.0f} s, longer than max_wait_s={self.max_wait_s:g}"
            )
            return GiqaError(
                f"the language model at {self.base_url} cannot be asked now ({asked}); {_GO_ON} then"
            )
        if failure.kind == "refused":
            advice = failure.advice or "mend that"
            return GiqaError(
                f"the language model at {self.base_url} refuses to be asked ({failure.said}); {advice}, then {_GO_ON}"
            )
        longer = (
            ", or give it more time (timeout_s; giqa bench: --judge-timeout)"
            if failure.problem == TIMED_OUT
            else ""
        )
        return GiqaError(
            f"the language model at {self.base_url} does not answer: {failure.tried} ({failure.said}); start it "
            f"or check the address{longer}, then {_GO_ON}"
        )

    def _decoding(self, prompt: Prompt) -> Decoding:
        from .server import Decoding

        if prompt.sampling is None:
            return Decoding(_TEMPERATURE, self.seed)
        return Decoding(prompt.sampling.temperature, prompt.sampling.seed)

    def _connected(self) -> _State:
        """The connection, opened when it is first needed, and again in a forked process."""
        if self._state is None or self._state.process != os.getpid():
            from .server import ChatServer

            server = ChatServer(
                self.base_url,
                key=key_in(self.api_key_variable),
                key_variable=self.api_key_variable,
                timeout_s=self.timeout_s,
                connections=self.concurrency,
            )
            interval_s = 60.0 / self.requests_per_minute if self.requests_per_minute else 0.0
            self._state = _State(server, Pace(interval_s), os.getpid())
        return self._state

    def _named_model(self) -> str:
        if self.model is not None:
            return self.model
        state = self._connected()
        if state.model is None:
            state.model = self._only_model(state)
        return state.model

    def _only_model(self, state: _State) -> str:
        from .server import Failure

        timeouts, begun_s = 0, time.monotonic()
        for attempt in range(self.retries + 1):
            state.pace.turn(threading.Event())
            try:
                names = state.server.models()
                break
            except Failure as failure:
                failure.tries, failure.in_s = attempt + 1, time.monotonic() - begun_s
                timeouts += failure.problem == TIMED_OUT
                if (wait_s := self._wait_s(failure, attempt, timeouts)) is None:
                    if failure.status in (404, 405, 500, 501):
                        raise GiqaError(
                            f"the server at {self.base_url} does not tell which models it has ({failure.said}); name "
                            "the one to ask, or check the address"
                        ) from None
                    raise self._no_answer(failure) from None
                self._tell(failure, state)
                time.sleep(wait_s)
        if len(names) != 1:
            some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            found = f"{len(names)} ({some})" if names else "none"
            raise GiqaError(
                f"the server at {self.base_url} was expected to offer one model, found {found}; name the one to ask "
                "(for giqa annotate with --llm-model)"
            )
        return names[0]


@dataclass
class _State:
    """What an `EndpointLLM` holds once it is connected."""

    server: ChatServer
    pace: Pace
    process: int
    model: str | None = None
    plain: set[str] = field(default_factory=set)
    """Schemas that the server refused, as JSON."""
    told: bool = False
    """Whether it was said that the server is waited for."""
