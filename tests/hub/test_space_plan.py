"""The address that a Space installs from: no secret of it is written, and none is repeated in the refusal."""

from __future__ import annotations

import pytest

from giqa_hf.errors import DataError
from giqa_hf.hub.metric_plan import metric_plan
from giqa_hf.hub.space_plan import requirement, space_plan

SECRET = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    "address",
    [
        f"git+https://oauth2:{SECRET}@github.com/me/giqa.git",
        f"git+https://{SECRET}@github.com/me/giqa.git@main",
        f"https://me:{SECRET}@example.org:8443/giqa.whl",
        f"git+ssh://{SECRET}@github.com/me/giqa.git",
        f"https://example.org/giqa.whl?private_token={SECRET}",
        f"https://example.org/giqa.whl?a=1&X-Amz-Signature={SECRET}",
        f"https://[{SECRET}/giqa.whl",  # no address: urlsplit's own message would repeat it
        f"git+https:///oauth2:{SECRET}@github.com/me/giqa.git",  # no host
        f"x://y://oauth2:{SECRET}@github.com/me",
        f"git+https://github.com/me/giqa.git {SECRET}",  # two words
        SECRET,
    ],
)
def test_secrets_are_neither_written_nor_repeated(address):
    plans = (
        lambda: space_plan("me/demo", package=address),
        lambda: metric_plan("bleu4", "me/bleu4", package=address),
    )
    for plan in plans:
        with pytest.raises(DataError, match="^--package: expected an address") as caught:
            plan()
        assert SECRET not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "git+https://github.com/me/giqa.git@main#subdirectory=package",  # a revision is no user
        "https://huggingface.co/me/giqa/resolve/main/giqa_hf-1-py3-none-any.whl?download=true",
        "https://example.org:8443/keys/giqa.whl",
    ],
)
def test_addresses_that_everybody_can_read(address):
    assert requirement("giqa-hf", address) == f"giqa-hf @ {address}\n"
