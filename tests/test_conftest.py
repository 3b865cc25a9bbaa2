"""The guard of conftest.py: a test that turns to the network fails, one that stays on the machine passes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# Each row: the body of a test, and whether it passes. 192.0.2.1 and 2001:db8::1 are kept for documentation
# (RFC 5737 and 3849): nobody is there.
ROWS = {
    "connect": ("socket.create_connection(('192.0.2.1', 80), timeout=1)", False),
    "swallowed": (
        "try: socket.create_connection(('192.0.2.1', 80), timeout=1)\n    except OSError: pass",
        False,
    ),
    "name": ("try: socket.getaddrinfo('huggingface.co', 443)\n    except OSError: pass", False),
    "datagram": (
        "s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "    try: s.sendto(b'', ('192.0.2.1', 9))\n    except OSError: pass",
        False,
    ),
    "version 6": (
        "s = socket.socket(socket.AF_INET6)\n"
        "    try: s.connect_ex(('2001:db8::1', 80, 0, 0))\n    except OSError: pass",
        False,
    ),
    "in a fixture": ("request.getfixturevalue('caller')", False),
    "loopback": (
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "    socket.create_connection(server.getsockname()).close()",
        True,
    ),
    "localhost": ("socket.getaddrinfo('localhost', 80)", True),
    "pair": ("left, right = socket.socketpair()\n    left.send(b'x')", True),
}

FILE = """
import socket, pytest

@pytest.fixture
def caller():
    try: socket.create_connection(('192.0.2.1', 80), timeout=1)
    except OSError: pass

"""


def test_the_guard(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    tests = [f"def test_{i}(request):\n    {body}\n" for i, (body, _) in enumerate(ROWS.values())]
    (tmp_path / "test_calls.py").write_text(FILE + "\n".join(tests))
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_calls.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    outcomes = {
        name: any(
            line.startswith("PASSED") and line.endswith(f"::test_{i}") for line in run.stdout.splitlines()
        )
        for i, name in enumerate(ROWS)
    }
    assert outcomes == {name: passes for name, (_, passes) in ROWS.items()}, run.stdout + run.stderr


def test_a_home_of_its_own() -> None:
    """Nothing that a test downloads, builds or caches reaches the home of whoever runs it."""
    datasets = pytest.importorskip("datasets")
    constants = pytest.importorskip("huggingface_hub").constants
    home = Path(os.environ["HF_HOME"])
    assert home.is_dir()
    assert home in Path(constants.HF_HUB_CACHE).parents
    assert home in Path(datasets.config.HF_DATASETS_CACHE).parents
    assert constants.HF_HUB_OFFLINE
    assert datasets.config.HF_HUB_OFFLINE
    assert socket.gethostname()  # the guard lets a machine ask for its own name
