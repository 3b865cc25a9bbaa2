"""A plan becomes one commit on the Hub: large files first, in steps that an interrupted upload need not repeat.

The token is huggingface_hub's own (`hf auth login`, or HF_TOKEN); it is not read, shown or kept here, except to take it
out of a message that should hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__
from ..errors import GiqaError
from ..progress import Progress, Say
from .patience import changed_meanwhile, patiently
from .plan import PlannedFile, UploadPlan, human, listed

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

MAIN = "main"
_STEP_FILES, _STEP_BYTES = 16, 500_000_000  # of one request for places to upload to
_OF_THE_HUB = (".gitattributes",)  # what a new repository holds


class Remote(NamedTuple):
    """How the repository is now."""

    exists: bool
    private: bool
    head: str | None
    """The commit that the upload stands on; `None` where the revision is not there yet."""
    files: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever sent to it, as after an upload that was cut off before its commit."""
        return not set(self.files) - set(_OF_THE_HUB)


class Uploaded(NamedTuple):
    """What came of it."""

    url: str
    """Of the repository."""
    commit: str
    removed: tuple[str, ...]
    """Old files that the plan replaces."""


def look_up(plan: UploadPlan, *, update: bool = False, revision: str = MAIN, say: Say = print) -> Remote:
    """Find the repository, and whether this user may send to it; nothing is changed.

    Args:
        plan (`UploadPlan`): what is to be sent.
        update (`bool`, *optional*, defaults to `False`): whether a repository that holds files may be changed.
        revision (`str`, *optional*, defaults to `"main"`): the branch.
        say (`callable`, *optional*, defaults to `print`): told of waits.

    Raises:
        `GiqaError`: when there is no token or a wrong one, the name is somebody else's, the repository exists and
            may not be changed, or a model that it opens is not on the Hub.
    """
    api = _api()
    _check_owner(api, plan, say)
    for model in plan.models:
        _check_model(api, model, plan, say)
    remote = _remote(api, plan, revision, say)
    if remote.exists and not remote.is_empty and not update:
        raise GiqaError(
            f"{plan.repo_id}: there is such a {plan.repo_type} on the Hub, with {len(remote.files)} files; add "
            "--update to "
            "change it by one commit, or choose another name"
        )
    if remote.exists and plan.private and not remote.private:
        raise GiqaError(
            f"{plan.repo_id}: expected a private {plan.repo_type}, found a public one on the Hub, where all "
            "would be seen "
            "at once; add --public if they may, or choose another name"
        )
    if remote.exists and remote.private and not plan.private:
        raise GiqaError(
            f"{plan.repo_id}: expected a public {plan.repo_type} for --public, found a private one on the Hub, which "
            "an upload does not change; make it public in its settings there, or leave --public out"
        )
    return remote


def upload(
    plan: UploadPlan, remote: Remote, *, revision: str = MAIN, message: str | None = None, say: Say = print
) -> Uploaded:
    """Send a plan: make the repository if there is none, send the large files, then commit all at once.

    Until the commit the repository shows nothing of it, and afterwards everything. What an interrupted upload has
    sent of the large files is there already and is not sent again.

    Args:
        plan (`UploadPlan`): what to send.
        remote (`Remote`): from `look_up`. If somebody commits to the repository after that, nothing is changed.
        revision (`str`, *optional*, defaults to `"main"`): the branch; it is made if there is none.
        message (`str`, *optional*): of the commit.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Raises:
        `GiqaError`: when the plan is refused, the Hub refuses it, or the connection is lost for good.
    """
    from huggingface_hub import CommitOperationDelete

    plan.check()
    api = _api()
    where: dict[str, Any] = {"repo_id": plan.repo_id, "repo_type": plan.repo_type}
    if not remote.exists:
        sdk: dict[str, Any] = {"space_sdk": "gradio"} if plan.repo_type == "space" else {}
        patiently(lambda: api.create_repo(private=plan.private, exist_ok=True, **sdk, **where), plan, say)
        say(f"made the {'private' if plan.private else 'public'} {plan.repo_type} {plan.repo_id}")
    if plan.gated:  # before anything can be read
        patiently(lambda: api.update_repo_settings(gated="auto", **where), plan, say)
    if remote.head is None:
        if revision != MAIN:
            patiently(lambda: api.create_branch(branch=revision, exist_ok=True, **where), plan, say)
        remote = _remote(api, plan, revision, say)
        if not remote.is_empty and revision == MAIN:
            raise GiqaError(
                f"{plan.repo_id}: somebody else has just filled it; look at it, then run again with --update"
            )

    additions = _send_large(api, plan, revision, say)
    removed = stale_files(plan, remote)
    operations = [*additions, *(CommitOperationDelete(path, is_folder=False) for path in removed)]
    commit = _commit(
        api, plan, operations, remote, revision, message or f"Upload with giqa_hf {__version__}", say
    )
    prefix = "" if plan.repo_type == "model" else f"{plan.repo_type}s/"
    return Uploaded(f"{api.endpoint}/{prefix}{plan.repo_id}", commit, removed)


def stale_files(plan: UploadPlan, remote: Remote) -> tuple[str, ...]:
    """Files of the repository that the plan replaces by others, such as old shards."""
    sent = {file.path_in_repo for file in plan.files}
    return tuple(path for path in remote.files if plan.replaces(path) and path not in sent)


def _send_large(api: HfApi, plan: UploadPlan, revision: str, say: Say) -> list[CommitOperationAdd]:
    """Send the content of the large files, a few at a time; those that the Hub holds already are passed over."""
    progress = Progress(say, "files")
    additions: list[CommitOperationAdd] = []
    for step in _steps(plan.files):
        group = [_addition(file) for file in step]

        def send(group: list[CommitOperationAdd] = group) -> None:
            api.preupload_lfs_files(
                plan.repo_id,
                group,
                repo_type=plan.repo_type,
                revision=revision,
                free_memory=False,
                num_threads=4,
            )

        patiently(send, plan, say)
        additions += group
        progress(len(additions), len(plan.files))
    if ignored := [addition.path_in_repo for addition in additions if addition._should_ignore]:
        raise GiqaError(
            f"{plan.repo_id}: its .gitignore keeps out {listed(ignored)}, so the commit would lack files; "
            "change it there"
        )
    return additions


def _addition(file: PlannedFile) -> CommitOperationAdd:
    from huggingface_hub import CommitOperationAdd

    try:
        source = file.source if isinstance(file.source, bytes) else str(file.source)
        return CommitOperationAdd(file.path_in_repo, source)
    except (OSError, ValueError):
        raise GiqaError(
            f"{file.source!s}: the file was there and is gone; put it back, then run again"
        ) from None


def _steps(files: tuple[PlannedFile, ...]) -> Iterator[list[PlannedFile]]:
    step: list[PlannedFile] = []
    size = 0
    for file in files:
        if step and (len(step) >= _STEP_FILES or size + file.size > _STEP_BYTES):
            yield step
            step, size = [], 0
        step.append(file)
        size += file.size
    if step:
        yield step


def _commit(
    api: HfApi, plan: UploadPlan, operations: list[Any], remote: Remote, revision: str, message: str, say: Say
) -> str:
    """One commit on top of what was looked at. An answer that got lost is not taken for a failure."""
    lost = False  # an earlier try may have been carried out

    def commit() -> str:
        nonlocal lost
        if lost and (head := _remote(api, plan, revision, say).head) != remote.head and head is not None:
            if _is_ours(api, plan, head, message):
                return head
            raise changed_meanwhile(plan)
        lost = True
        made = api.create_commit(
            plan.repo_id,
            operations,
            repo_type=plan.repo_type,
            revision=revision,
            commit_message=message,
            parent_commit=remote.head,
        )
        return str(made.oid)

    return patiently(commit, plan, say)


def _is_ours(api: HfApi, plan: UploadPlan, head: str, message: str) -> bool:
    """Whether a commit is the one that we sent: its message, and every file with our size."""
    newest = api.list_repo_commits(plan.repo_id, repo_type=plan.repo_type, revision=head)[0]
    found = api.get_paths_info(
        plan.repo_id, [file.path_in_repo for file in plan.files], repo_type=plan.repo_type, revision=head
    )
    sizes = {info.path: getattr(info, "size", None) for info in found}
    return newest.title == message and all(sizes.get(file.path_in_repo) == file.size for file in plan.files)


def _check_owner(api: HfApi, plan: UploadPlan, say: Say) -> None:
    from huggingface_hub import get_token

    if get_token() is None:
        raise GiqaError(
            "no access token of the Hub was found; run  hf auth login  once, or set HF_TOKEN, then run again"
        )
    me = patiently(api.whoami, plan, say)
    names = [str(me.get("name")), *(str(group.get("name")) for group in me.get("orgs") or [])]
    owner = plan.repo_id.split("/")[0]
    if owner not in names:
        raise GiqaError(
            f"--to {plan.repo_id}: expected a name of yours before the slash ({listed(names)}), found "
            f"{owner!r}; change it, "
            "or log in as its owner"
        )


def _check_model(api: HfApi, model: str, plan: UploadPlan, say: Say) -> None:
    if not patiently(lambda: api.repo_exists(model), plan, say):
        raise GiqaError(
            f"--model {model}: expected a model on the Hub that you may read, found none; publish it first "
            f"(giqa publish model FOLDER --to {model}), or check the name"
        )


def _remote(api: HfApi, plan: UploadPlan, revision: str, say: Say) -> Remote:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    def find() -> Remote:
        where: dict[str, Any] = {"repo_type": plan.repo_type}
        try:
            info = api.repo_info(plan.repo_id, revision=revision, **where)
        except RevisionNotFoundError:
            info = api.repo_info(plan.repo_id, **where)
            files = tuple(sibling.rfilename for sibling in getattr(info, "siblings", None) or [])
            return Remote(True, bool(info.private), None, files)
        except RepositoryNotFoundError:
            return Remote(False, plan.private, None, ())
        files = tuple(sibling.rfilename for sibling in getattr(info, "siblings", None) or [])
        return Remote(True, bool(info.private), info.sha, files)

    return patiently(find, plan, say)


def _api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(library_name="giqa_hf", library_version=__version__)


def summary(plan: UploadPlan, done: Uploaded) -> str:
    """What was sent, in a line."""
    removed = f", {len(done.removed)} old ones removed" if done.removed else ""
    return f"{done.url}: {len(plan.files)} files, {human(plan.size)}{removed} (commit {done.commit[:12]})"
