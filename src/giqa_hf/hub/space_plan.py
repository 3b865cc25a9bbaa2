"""The upload of the web app as a Gradio Space, and what the Spaces of this package share."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from .. import __version__
from ..errors import DataError
from .plan import CARD, UploadPlan, check_repo_id, planned

GRADIO = "6.31.0"
"""The release that the app and the metrics' pages were run with; a Space without one gets the newest."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/]\S*")
_KEY = re.compile(r"[?&;#][^=&;#]*(auth|credential|key|passw|secret|sig|token)[^=&;#]*=", re.IGNORECASE)
FROM_PYPI = (
    "its requirements.txt takes giqa-hf from PyPI; while it is not there, name its address with --package"
)

_APP = '''"""The web app of giqa_hf."""

from giqa_hf.app import build

build({models}).launch()
'''
_CARD = """\
---
title: {title}
emoji: 🔎
colorFrom: blue
colorTo: gray
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
license: apache-2.0
short_description: Image quality in words and boxes
tags:
- image-quality-assessment
- visual-grounding
- giqa_hf
{used}---

# {name}

Upload a photo or choose one: a model describes its quality, and shows in boxes what it speaks of. Draw a rectangle
to ask about a part of the photo. It is the app of `giqa app`, from giqa_hf {version}, after
[Grounding-IQA](https://arxiv.org/abs/2411.17237).

{models}

What it says can be wrong and sound sure. Do not use it to decide about people. Uploaded photos go to the machine that
the Space runs on.
"""


def space_plan(
    repo_id: str, *, models: tuple[str, ...] = (), package: str | None = None, private: bool = True
) -> UploadPlan:
    """The plan for a Space with the web app.

    Args:
        repo_id (`str`): of the Space.
        models (`tuple` of `str`, *optional*): repositories on the Hub whose checkpoints it offers; without any, the
            small model that comes with the package.
        package (`str`, *optional*): address from which the Space installs giqa-hf, such as `git+https://...`; PyPI if
            not given.
        private (`bool`, *optional*, defaults to `True`): for a new Space.

    Raises:
        `GiqaError`: when a name is none of a repository.
    """
    for name in (repo_id, *models):
        check_repo_id(name)
    told = (
        "Models: " + ", ".join(f"[{model}](https://huggingface.co/{model})" for model in models) + "."
        if models
        else "Its model is giqa-tiny, which knows a few photographs and a few hundred words: it shows the loop, "
        "no more."
    )
    card = _CARD.format(
        title=json.dumps(repo_id.split("/")[1]),
        name=repo_id.split("/")[1],
        used="models:\n" + "".join(f"- {json.dumps(model)}\n" for model in models) if models else "",
        version=__version__,
        gradio=GRADIO,
        models=told,
    )
    files = (
        planned(CARD, card),
        planned("app.py", _APP.format(models=", ".join(map(json.dumps, models)))),
        planned("requirements.txt", requirement("giqa-hf[app]", package)),
    )
    notes = [] if package else [FROM_PYPI]
    if models:
        notes.append(
            "a model that is private can be read by the Space only with a token, as the secret HF_TOKEN in its settings"
        )
    return UploadPlan(repo_id, "space", files, private=private, notes=tuple(notes), models=models)


def requirement(name: str, package: str | None) -> str:
    """The line of a Space's requirements.txt for this package.

    Args:
        name (`str`): with its extras.
        package (`str`, *optional*): address to install from; PyPI if not given.

    Raises:
        `DataError`: for an address of more than one line or word, or with a name, password or key in it, which all
            readers of the Space would see. What was given is not repeated: it may be a secret.
    """
    if package is None:
        return f"{name}>={__version__}\n"
    if not _ADDRESS.fullmatch(package) or package.count("://") > 1:
        raise DataError(
            "--package: expected an address in one word, such as git+https://..., found another text; give an address"
        )
    if _holds_secret(package):
        raise DataError(
            "--package: expected an address that everybody can read, found one with a name, a password or a key in it, "
            "which would stand in the Space's requirements.txt; give it without, and revoke what it holds if that was "
            "shown anywhere"
        )
    return f"{name} @ {package}\n"


def _holds_secret(address: str) -> bool:
    """Whether an address has user information (`user:password@host`), or a query with a key."""
    try:
        parts = urlsplit(address)
    except ValueError:  # its message would repeat the address
        return True
    return "@" in parts.netloc or bool(_KEY.search(address))
