"""What every test stands on: no network, a Hugging Face home of its own, fixed seeds.

The libraries read these variables when they are imported, so they are set here, before any test is collected.
Processes that a test starts inherit them.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HF_HOME = tempfile.mkdtemp(prefix="giqa-hf-tests-")
atexit.register(shutil.rmtree, HF_HOME, ignore_errors=True)
# Each of these would otherwise point out of HF_HOME, at the caches of whoever runs the tests.
for name in (
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "HF_METRICS_CACHE",
    "HF_EVALUATE_CACHE",
    "HF_MODULES_CACHE",
):
    os.environ.pop(name, None)
os.environ.update(
    HF_HOME=HF_HOME,
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_EVALUATE_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",  # else a warning about threads whenever a test forks
)

if "PYTEST_XDIST_WORKER" in os.environ:  # the threads of several processes would stand in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis  # noqa: E402  # the environment comes first
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from PIL import Image  # noqa: E402

# A busy machine is no failure, so examples have no deadline; in CI they are the same in every run.
hypothesis.settings.register_profile("giqa", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("giqa")

_calls_out: list[str] = []


def _is_here(address: Any) -> bool:
    """Whether a socket address stays on this machine: a path, a loopback address, or no address at all."""
    host = address[0] if isinstance(address, tuple) else None
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:  # a name, and names are looked up outside
        return host == socket.gethostname()


def _watch_sockets(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: Python calls it before it connects, sends or looks up a name."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (args[0],)
    else:
        return
    if not _is_here(address):
        _calls_out.append(f"{event} {address}")
        raise ConnectionError(f"tests have no network: {event} {address}")


sys.addaudithook(_watch_sockets)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that turned to the network, also when the code under test swallowed the refusal."""
    try:
        result = yield
    finally:
        calls, _calls_out[:] = list(_calls_out), []
    assert not calls, f"the test, or a fixture of it, called out of this machine: {calls}"
    return result


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20260421)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Whatever draws from the old global state of numpy or random draws the same in every run."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:  # only then: a test of the core must not pay for its import
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A real photograph, 512 x 512 RGB: Eileen Collins, by NASA, in the public domain."""
    from skimage import data

    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with pyproject.toml."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C means Ctrl-C also in a background job of a shell, which ignores it and hands that on to its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
