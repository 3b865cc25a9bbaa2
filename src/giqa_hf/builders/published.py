"""Where "giqa-160k" and "giqa-bench" are found: a local build, or a dataset repo on the Hub."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

from ..errors import DataError

PUBLISHED = ("giqa-160k", "giqa-bench")
MADE_HERE = "giqa-synth"
NAMESPACE_VARIABLE = "GIQA_HF_NAMESPACE"
"""Environment variable with the Hub user or organisation whose repos carry these names."""


_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def dataset_source(name: str) -> str:
    """What `load_dataset` is to open for a user's word, told at once when it can be nothing.

    `datasets` asks the Hub for any word that is no folder, and goes on asking for half a minute where there is none.

    Args:
        name (`str`): a folder, `"giqa-160k"`, `"giqa-bench"`, `"giqa-synth"`, or the Hub's OWNER/NAME.

    Raises:
        `DataError`: when it is none of these.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    known = (*PUBLISHED, MADE_HERE)
    if name in known or _HUB_ID.fullmatch(name):
        return name
    alike = difflib.get_close_matches(name, known, n=1, cutoff=0.85)  # a slip, not a longer name
    advice = f"did you mean {alike[0]}?" if alike else "check the path"
    raise DataError(
        f"{name}: expected the folder of a dataset, {', '.join(known)}, or the OWNER/NAME of one on the Hub, found "
        f"{'a file' if folder.is_file() else 'no such folder'}; {advice}"
    )


def locate(name: str, data_dir: str | None) -> str:
    """What `load_dataset` is to open for one of our published names.

    Args:
        name (`str`): `"giqa-160k"` or `"giqa-bench"`.
        data_dir (`str`, *optional*): the folder of a local build; it wins over the Hub.

    Returns:
        `str`: a local folder or a Hub repo id, both of which `datasets` opens by its public rules.

    Raises:
        `DataError`: when there is neither; it says how to get the data.
    """
    if data_dir is not None:
        folder = Path(data_dir).expanduser()
        if not folder.is_dir() or not any(folder.rglob("*.parquet")):
            raise DataError(
                f'load_dataset("{name}", data_dir={str(data_dir)!r}): expected a folder with Parquet files, '
                f"found {'none in it' if folder.is_dir() else 'no such folder'}; give the folder of a finished build"
            )
        return str(folder)
    namespace = os.environ.get(NAMESPACE_VARIABLE)
    if namespace and _on_hub(f"{namespace}/{name}"):
        return f"{namespace}/{name}"
    raise DataError(
        f'"{name}" is not published by its authors and no copy was named: build it from the public corpora and pass '
        f'load_dataset("{name}", data_dir="the build\'s folder"),\n'
        f"or set {NAMESPACE_VARIABLE}=<user or organisation> if someone gave you access to theirs on the Hub"
        + (f' ("{namespace}/{name}" could not be reached).' if namespace else ".")
    )


def _on_hub(repo_id: str, **options: Any) -> bool:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        return True  # datasets then looks into its cache, and says so itself when nothing is there
    try:
        HfApi().dataset_info(repo_id, timeout=10, **options)
    except (HfHubHTTPError, OSError, ConnectionError):
        return False
    except Exception as error:  # httpx errors are no OSErrors; anything but the network must be heard of
        if type(error).__module__.split(".")[0].startswith("http"):
            return False
        raise
    return True
