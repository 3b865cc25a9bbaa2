"""A small Hub on loopback for this process, and a token that must never be seen."""

from __future__ import annotations

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from tests.hub_server.server import SmallHub

TOKEN = "hf_" + "SecretTokenOfTheTests" * 2


@pytest.fixture
def hub(monkeypatch, tmp_path, capfd):
    """The server, and huggingface_hub of this process pointed at it; waiting takes no time.

    No output of the test, and no file that it leaves, may hold the token.
    """
    read = capfd.readouterr

    def read_and_search():
        found = read()
        assert TOKEN not in found.out + found.err
        return found

    monkeypatch.setattr(capfd, "readouterr", read_and_search)
    with SmallHub() as small:
        small.add_user(TOKEN, "me", orgs=("team",))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", small.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
        monkeypatch.setattr(_http, "_HUB_ORIGINS", frozenset({_http._url_origin(small.endpoint)}))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        small.waits = []
        monkeypatch.setattr("time.sleep", small.waits.append)
        yield small
        huggingface_hub.close_session()
        assert small.trouble == []
    read_and_search()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
