"""One commit or none, against a server on loopback: cut connections, a busy Hub, wrong tokens, somebody else's change."""

from __future__ import annotations

import hashlib

import huggingface_hub
import pytest

from giqa_hf.errors import GiqaError
from giqa_hf.hub.plan import UploadPlan, planned
from giqa_hf.hub.upload import look_up, summary, upload
from tests.hub_server.server import Fault, SmallHub

CARD = planned("README.md", "---\nlicense: mit\n---\n\n# x\n")
LARGE = [planned(f"part-{number}.safetensors", bytes([number]) * 3000) for number in range(4)]
SHA = [hashlib.sha256(file.source).hexdigest() for file in LARGE]


def plan_of(*files, repo_id="me/x", **options) -> UploadPlan:
    return UploadPlan(repo_id, options.pop("repo_type", "model"), (CARD, *files), **options)


def send(plan, *, update=False, revision="main", said=None):
    say = (said if said is not None else []).append
    return upload(plan, look_up(plan, update=update, revision=revision, say=say), revision=revision, say=say)


def content(plan):
    return {file.path_in_repo: file.source for file in plan.files}


@pytest.mark.parametrize("repo_type", ["model", "dataset", "space"])
@pytest.mark.parametrize("private", [True, False])
def test_a_new_repository(hub, repo_type, private):
    plan = plan_of(*LARGE, repo_type=repo_type, private=private)
    done = send(plan)
    repo = hub.repo(repo_type, "me/x")
    assert hub.files(repo_type, "me/x") == content(plan)
    assert repo.private is private and repo.gated is None
    assert len(repo.branches["main"]) == 2  # the Hub's own first one, and ours
    assert repo.branches["main"][-1].oid == done.commit
    assert summary(plan, done).startswith(f"{hub.endpoint}/") and "5 files, 12.0 kB" in summary(plan, done)


def test_a_large_file_in_parts(hub):
    hub.part_bytes = 1024
    plan = plan_of(LARGE[0])
    send(plan)
    assert hub.files("model", "me/x") == content(plan)
    assert len(hub.sent("PUT", f"/upload/{SHA[0]}/")) == 3  # 3000 bytes are 1024 + 1024 + 952


def test_files_from_disk(hub, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    plan = plan_of(planned("deep/a.safetensors", tmp_path / "a.safetensors"))
    send(plan)
    assert hub.files("model", "me/x")["deep/a.safetensors"] == b"weights"


def test_gated_before_anything_can_be_read(hub):
    send(plan_of(LARGE[0], repo_type="dataset", gated=True))
    assert hub.repo("dataset", "me/x").gated == "auto"
    order = [request.path.rsplit("/", 1)[-1] for request in hub.log if request.method in ("PUT", "POST")]
    assert order[1] == "settings"  # right behind the request that makes the repository


def test_an_organisation(hub):
    send(plan_of(repo_id="team/x"))
    assert "README.md" in hub.files("model", "team/x")


def test_cut_in_the_middle_then_again(hub):
    """The second of four large files breaks off for good: the repository stays empty; then only the rest is sent."""
    plan = plan_of(*LARGE)
    hub.faults = [Fault("PUT", SHA[1], times=1000, cut_after=1000)]
    with pytest.raises(GiqaError, match="connection to the Hub was lost .* run the same command again"):
        send(plan)
    assert hub.files("model", "me/x") == {}  # never half a commit
    there = {one for one in SHA if one in hub.store.blobs}
    assert SHA[1] not in there and there
    hub.faults, hub.log[:] = [], []
    send(plan)  # the repository exists by now, but is empty: --update is not needed
    assert hub.files("model", "me/x") == content(plan)
    sent = {one for one in SHA if hub.sent("PUT", one)}
    assert sent == set(SHA) - there


def test_cut_once_goes_on_by_itself(hub):
    hub.faults = [Fault("PUT", SHA[2], times=1, cut_after=10)]
    plan = plan_of(*LARGE)
    send(plan)
    assert hub.files("model", "me/x") == content(plan)
    assert len(hub.sent("PUT", SHA[2])) == 2


@pytest.mark.parametrize("status, header, least", [(429, "7", 7.0), (503, "2", 2.0), (503, None, 1.0)])
def test_a_storm(hub, status, header, least):
    """Every request is turned away twice; where the Hub says for how long, no shorter time is waited."""
    headers = {} if header is None else {"Retry-After": header}
    places = [
        ("GET", "whoami"), ("GET", "/api/models/me/x"), ("POST", "repos/create"), ("POST", "preupload"),
        ("POST", "batch"), ("PUT", "upload"), ("POST", "verify"), ("POST", "validate-yaml"), ("POST", "/commit/"),
    ]  # fmt: skip
    # Without a header: a page of some proxy, and no JSON
    body = b"{}" if header else b"<html>busy"
    hub.faults = [Fault(method, pattern, 2, status, headers, body) for method, pattern in places]
    plan = plan_of(LARGE[0])
    said = []
    send(plan, said=said)
    assert hub.files("model", "me/x") == content(plan)
    assert [fault.times for fault in hub.faults] == [0] * len(places)
    assert len(hub.waits) >= 2 * len(places)
    assert min(hub.waits) >= least or header is None
    assert any("the Hub is busy" in line for line in said)


def test_a_storm_without_end(hub):
    hub.faults = [Fault("POST", "/commit/", 1000, 503)]
    with pytest.raises(
        GiqaError, match=r"me/x: the Hub stays busy \(HTTP 503\); run the same command again later"
    ):
        send(plan_of(LARGE[0]))
    assert hub.files("model", "me/x") == {}


def test_the_answer_to_the_commit_is_lost(hub):
    """The commit is made, but its answer never comes: it is found again and not taken for somebody else's."""
    hub.faults = [Fault("POST", "/commit/", lose_answer=True)]
    plan = plan_of(LARGE[0])
    done = send(plan)
    commits = hub.repo("model", "me/x").branches["main"]
    assert len(commits) == 2 and commits[-1].oid == done.commit


def test_the_answer_is_lost_and_another_commit_came(hub):
    plan = plan_of(LARGE[0])
    send(plan)
    remote = look_up(plan, update=True)
    repo = hub.repo("model", "me/x")
    theirs = repo.branches["main"][-1]._replace(oid="1" * 40, title="theirs")

    class Interfering(Fault):
        @property
        def cut_after(self):  # while our commit is under way
            if theirs not in repo.branches["main"]:
                repo.branches["main"].append(theirs)
            return 5

        @cut_after.setter
        def cut_after(self, value):
            pass

    hub.faults = [Interfering("POST", "/commit/")]
    with pytest.raises(GiqaError, match="somebody else has committed"):
        upload(plan_of(LARGE[1]), remote, say=lambda line: None)
    assert repo.branches["main"][-1] is theirs


def test_a_change_since_it_was_looked_at(hub):
    plan = plan_of(LARGE[0])
    send(plan)
    remote = look_up(plan, update=True)
    huggingface_hub.HfApi().upload_file(path_or_fileobj=b"theirs", path_in_repo="notes.txt", repo_id="me/x")
    with pytest.raises(GiqaError, match="somebody else has committed to it since .* run again"):
        upload(plan_of(LARGE[1]), remote, say=lambda line: None)
    assert set(hub.files("model", "me/x")) == {"README.md", "part-0.safetensors", "notes.txt"}


def test_a_model_that_a_space_opens(hub):
    plan = UploadPlan("me/demo", "space", (CARD,), models=("me/x",))
    with pytest.raises(
        GiqaError, match="--model me/x: expected a model on the Hub that you may read, found none"
    ):
        send(plan)
    assert not hub.sent("POST", "/api/repos/create")
    send(plan_of())
    send(plan)
    assert hub.files("space", "me/demo") == content(plan)


def test_an_existing_repository(hub):
    send(plan_of(LARGE[0], LARGE[1]))
    with pytest.raises(GiqaError, match="me/x: there is such a model on the Hub, with 4 files; add --update"):
        look_up(plan_of(LARGE[0]))
    hub.log[:] = []
    huggingface_hub.HfApi().upload_file(path_or_fileobj=b"by hand", path_in_repo="notes.txt", repo_id="me/x")
    done = send(plan_of(LARGE[0], replaced=(".safetensors",)), update=True)
    # the old second shard would be loaded beside the new one; what its owner added by hand stays
    assert done.removed == ("part-1.safetensors",)
    assert set(hub.files("model", "me/x")) == {"README.md", "part-0.safetensors", "notes.txt"}
    assert hub.sent("PUT", "upload") == []  # the Hub had that content


@pytest.mark.parametrize(
    "path, goes",
    [
        ("results/me--b-x_1.yaml", True),
        ("results/notes.yaml", False),
        ("results/me--b-x_1.yaml.txt", False),
        ("results/old/me--b-x_1.yaml", False),  # a star does not go past a slash
        ("old/results/me--b-x_1.yaml", False),
        ("results/you--b-x_2.yaml", False),  # the plan sends it anew
    ],
)
def test_files_that_are_replaced_by_pattern(hub, path, goes):
    send(plan_of(planned(path, b"old")))
    plan = plan_of(planned("results/you--b-x_2.yaml", b"new"), replaced_patterns=("results/*--*-x_*.yaml",))
    done = send(plan, update=True)
    assert done.removed == ((path,) if goes else ())
    assert (path in hub.files("model", "me/x")) is not goes


def test_a_public_repository_is_not_filled_by_accident(hub):
    send(plan_of(private=False))
    with pytest.raises(GiqaError, match="expected a private model, found a public one .* add --public"):
        look_up(plan_of(), update=True)
    assert look_up(plan_of(private=False), update=True).exists


def test_an_upload_makes_nothing_public(hub):
    send(plan_of())
    with pytest.raises(GiqaError, match="expected a public model for --public, found a private one"):
        look_up(plan_of(private=False), update=True)
    assert hub.repo("model", "me/x").private


def test_a_branch(hub):
    send(plan_of(LARGE[0]))
    send(plan_of(LARGE[1]), update=True, revision="v2")
    assert "part-1.safetensors" not in hub.files("model", "me/x")
    assert "part-1.safetensors" in hub.files("model", "me/x", "v2")


@pytest.mark.parametrize(
    "user, repo_id, says",
    [
        # no such token on the server
        (None, "me/x", "the Hub does not accept the access token; run  hf auth login --force"),
        # a good token, of somebody else
        ("other", "me/x", r"expected a name of yours before the slash \(other\), found 'me'"),
        # it may only read
        ("reader", "reader/x", r"the access token may not write there .* make one with write access"),
    ],
)
def test_tokens(hub, monkeypatch, user, repo_id, says):
    token = "hf_" + "another" * 6
    if user is not None:
        hub.add_user(token, user, may_write=user != "reader")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(GiqaError, match=says) as caught:
        send(plan_of(repo_id=repo_id))
    assert token not in str(caught.value) and "\n" not in str(caught.value)
    assert hub.store.repos == {}


def test_no_token(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(GiqaError, match="no access token of the Hub was found; run  hf auth login"):
        look_up(plan_of())
    assert hub.log == []


def test_a_token_in_what_the_hub_says_is_not_repeated(hub, monkeypatch):
    import os

    token = os.environ["HF_TOKEN"]
    hub.faults = [Fault("POST", "/commit/", 1, 400, {"X-Error-Message": f"bad: {token}"}, b"{}")]
    with pytest.raises(GiqaError, match="the Hub refused it") as caught:
        send(plan_of(LARGE[0]))
    assert token not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(
    "status, says",
    [(507, "the Hub has no room for it"), (413, "the Hub has no room for it"), (400, "refused it")],
)
def test_what_the_hub_refuses(hub, status, says):
    hub.faults = [Fault("POST", "batch", 1000, status, {"X-Error-Message": "sorry"})]
    with pytest.raises(GiqaError, match=says):
        send(plan_of(LARGE[0]))
    assert hub.files("model", "me/x") == {}


def test_offline(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")  # the tests' own setting: HF_HUB_OFFLINE=1
    with pytest.raises(GiqaError, match="HF_HUB_OFFLINE is set"):
        look_up(plan_of())


def test_a_refused_plan_is_not_sent(hub):
    plan = plan_of(refusals=("it may not",))
    with pytest.raises(GiqaError, match="me/x: nothing was sent: it may not"):
        send(plan)
    assert hub.store.repos == {}


def test_a_file_that_vanished(hub, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    plan = plan_of(planned("a.safetensors", tmp_path / "a.safetensors"))
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(GiqaError, match="a.safetensors"):
        send(plan)


def test_the_server_knows_right_from_wrong():
    """The tests above stand on it: a commit that names a large file which never came is refused."""
    with SmallHub() as small:
        small.add_user("t", "me")
        from tests.hub_server.store import Missing, Repo

        repo = Repo("model", "me/x", True)
        with pytest.raises(Missing):
            small.store.commit(
                repo, "main", [b'{"key": "lfsFile", "value": {"path": "a", "oid": "00", "size": 1}}']
            )
        assert len(repo.branches["main"]) == 1
