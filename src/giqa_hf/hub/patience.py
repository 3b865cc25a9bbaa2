"""Calls of the Hub that wait while it is busy, and end in one sentence where they fail.

No message holds the token, whatever the Hub says.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import GiqaError
from ..progress import Say
from .plan import UploadPlan, shown

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_Result = TypeVar("_Result")
_TRIES, _LONGEST_WAIT = 6, 60.0
_AGAIN = (408, 429, 500, 502, 503, 504)


def patiently(call: Callable[[], _Result], plan: UploadPlan, say: Say) -> _Result:
    """Call the Hub, waiting as long as it asks for (60 s at most) when it is busy, six times in all.

    Args:
        call (`callable`): takes nothing; may be called again after it failed.
        plan (`UploadPlan`): for the messages.
        say (`callable`): told of waits.

    Raises:
        `GiqaError`: what went wrong, in one sentence.
    """
    for attempt in range(_TRIES):
        try:
            return call()
        except GiqaError:
            raise
        except Exception as error:
            wait = _wait(error, attempt)
            if wait is None or attempt == _TRIES - 1:
                raise _told(error, plan) from None  # what stands behind it may show headers
            say(f"the Hub is busy or cannot be reached ({_kind(error)}): trying again in {wait:.0f} s")
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _wait(error: BaseException, attempt: int) -> float | None:
    """Seconds until the next try; `None` when another one would not help."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return None
    response = getattr(_http_error(error), "response", None)
    if response is not None:
        if response.status_code not in _AGAIN:
            return None
        try:
            return min(max(float(response.headers.get("Retry-After", 2.0**attempt)), 0.0), _LONGEST_WAIT)
        except ValueError:  # a date
            return min(2.0**attempt, _LONGEST_WAIT)
    return min(2.0**attempt, _LONGEST_WAIT) if _is_connection(error) else None


def _http_error(error: BaseException) -> HfHubHTTPError | None:
    """The answer behind an error; huggingface_hub wraps those of large files in errors of other kinds."""
    from huggingface_hub.errors import HfHubHTTPError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, HfHubHTTPError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _is_connection(error: BaseException) -> bool:
    """Whether the line was cut, or an answer was no answer of the Hub (a page of some proxy instead of JSON)."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (ConnectionError, TimeoutError, json.JSONDecodeError)):
            return True
        # httpx's errors; which of its two packages it is depends on the release of huggingface_hub
        if type(seen).__module__.split(".")[0].startswith("http"):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _kind(error: BaseException) -> str:
    response = getattr(_http_error(error), "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"


def _told(error: Exception, plan: UploadPlan) -> GiqaError:
    """An error in one sentence."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return GiqaError("HF_HUB_OFFLINE is set, and publishing needs the Hub; unset it, then run again")
    answered = _http_error(error)
    if answered is None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return GiqaError(
                f"{error.filename or plan.repo_id}: the disk is full; make room and run the same command again"
            )
        if isinstance(error, OSError) and error.filename:
            return GiqaError(f"{error.filename}: cannot be read ({error.strerror}); check it, then run again")
        if _is_connection(error):
            return GiqaError(
                f"{plan.repo_id}: the connection to the Hub was lost ({type(error).__name__}); run the same "
                "command again, "
                "what has been sent of the large files is kept"
            )
        return GiqaError(f"{plan.repo_id}: {_plain(str(error))}; mend it, then run again")
    status = answered.response.status_code
    said = _plain(
        answered.server_message or answered.response.headers.get("X-Error-Message") or str(answered)
    )
    if status == 401:
        return GiqaError(
            "the Hub does not accept the access token; run  hf auth login --force  or mend HF_TOKEN, then run again"
        )
    if status == 403:
        return GiqaError(
            f"{plan.repo_id}: the access token may not write there ({said}); make one with write access under "
            "Settings > Access Tokens of the Hub, and log in with it"
        )
    if status in (409, 412):
        return changed_meanwhile(plan)
    if status in (507, 413):
        return GiqaError(
            f"{plan.repo_id}: the Hub has no room for it ({said}); free some of your quota, or ask for more"
        )
    if status in _AGAIN:
        return GiqaError(
            f"{plan.repo_id}: the Hub stays busy (HTTP {status}); run the same command again later"
        )
    return GiqaError(f"{plan.repo_id}: the Hub refused it (HTTP {status}: {said}); mend it, then run again")


def _plain(text: str) -> str:
    """A message of elsewhere on one line, without the token, whatever it is about."""
    from huggingface_hub import get_token

    token = get_token()
    if token:
        text = text.replace(token, "(token)")
    return shown(" ".join(text.split())).rstrip(".")[:300]


def changed_meanwhile(plan: UploadPlan) -> GiqaError:
    """The error that somebody else has committed."""
    return GiqaError(
        f"{plan.repo_id}: somebody else has committed to it since this upload began, and nothing of theirs was "
        "overwritten; "
        "look at their change, then run again"
    )
