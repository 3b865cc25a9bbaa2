"""An OpenAI-compatible server that answers as it is told: real HTTP on loopback, for tests and for the benchmark.

python tests/annotation/llm/chat_server.py --latency-s 0.2     # prints its address, runs until it is terminated
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What is sent back."""

    body: Any
    """A `str` as it is; anything else as JSON."""
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    cut: bool = False
    """Whether the connection breaks after half of the body."""


class Request(NamedTuple):
    """What came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at_s: float

    @property
    def user(self) -> str:
        return self.body["messages"][-1]["content"]


def said(text: Any, finish: str = "stop", **more: Any) -> Reply:
    """An answer in OpenAI's form."""
    message = {"role": "assistant", "content": text, **more}
    return Reply(
        {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    )


def echo(request: Request, attempt: int) -> Reply:
    """The user's own words."""
    return said(request.user)


class ChatServer(ThreadingHTTPServer):
    """The server.

    Args:
        answer (`callable`): the reply to a request, and to its n-th attempt with the same words (from 1).
        models (`list` of `str`): what /v1/models offers.
    """

    daemon_threads = True
    request_queue_size = (
        256  # connections that may wait to be accepted; the default of 5 resets some in a storm
    )

    def __init__(
        self, answer: Callable[[Request, int], Reply] = echo, models: tuple[str, ...] = ("llama",)
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.models = models
        self.requests: list[Request] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def attempts(self, user: str) -> list[Request]:
        """The requests with these words."""
        return [request for request in self.requests if request.body.get("messages") and request.user == user]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True
    server: ChatServer

    def do_GET(self) -> None:
        self.server.requests.append(Request(self.path, self._headers(), {}, time.monotonic()))
        self._send(
            Reply(
                {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]}
            )
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = Request(self.path, self._headers(), body, time.monotonic())
        with self.server.lock:
            self.server.requests.append(request)
            attempt = len(self.server.attempts(request.user))
        self._send(self.server.answer(request, attempt))

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send(self, reply: Reply) -> None:
        data = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.cut else data)
        if reply.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def running(server: ChatServer) -> Iterator[ChatServer]:
    """The server, running in a thread for the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_url() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency-s", type=float, default=0.2)
    latency_s = parser.parse_args().latency_s

    def answer(request: Request, attempt: int) -> Reply:
        time.sleep(latency_s)
        return said('{"tags": []}')

    server = ChatServer(answer)
    # A benchmark sends thousands: none is kept.
    server.attempts = lambda user: server.requests.clear() or []  # type: ignore[method-assign, func-returns-value]
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
