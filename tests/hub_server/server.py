"""A small Hub on loopback: what huggingface_hub 2.4, datasets 5.2 and evaluate 0.4.6 ask of the real one.

Users and tokens, private, gated and public repositories, branches, preupload, LFS (one piece or many), commits as
NDJSON, trees, resolve with etags, ranges and redirects to a second origin (the "CDN", which must never be shown a
token), and faults on request: answers such as 429 and 503, connections cut in the middle. Without Xet, as for a client
with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_server.store import LARGE, Conflict, Entry, Missing, Repo, Store, User

ENDPOINT_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}


class Request(NamedTuple):
    method: str
    path: str
    status: int
    received: int
    """Bytes of the body that arrived."""


class Fault:
    """What goes wrong, for the first so many requests that fit."""

    def __init__(
        self,
        method: str,
        pattern: str,
        times: int = 1,
        status: int = 0,
        headers=None,
        body: bytes = b"{}",
        cut_after: int | None = None,
        lose_answer: bool = False,
    ) -> None:
        self.method, self.pattern, self.times = method, re.compile(pattern), times
        self.status, self.headers, self.body = status, headers or {}, body
        self.cut_after, self.lose_answer = cut_after, lose_answer


class SmallHub:
    """The server; use as a context manager."""

    def __init__(self, part_bytes: int = 1 << 40) -> None:
        self.store = Store()
        self.log: list[Request] = []
        self.faults: list[Fault] = []
        self.trouble: list[str] = []
        """What a real Hub would be sorry about, such as a token shown to the CDN."""
        self.part_bytes = part_bytes
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.cdn = f"http://localhost:{port}"

    def __enter__(self) -> SmallHub:
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_user(self, token: str, name: str, orgs: tuple[str, ...] = (), may_write: bool = True) -> None:
        self.store.users[token] = User(name, orgs, may_write)

    def repo(self, kind: str, repo_id: str) -> Repo:
        return self.store.repos[kind, repo_id]

    def files(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What the repository shows."""
        found = self.repo(kind, repo_id).find(revision)
        assert found is not None
        return {
            path: self.store.blobs[entry.sha256] if entry.data is None else entry.data
            for path, entry in found.files.items()
            if path != ".gitattributes"
        }

    def sent(self, method: str, pattern: str) -> list[Request]:
        return [one for one in self.log if one.method == method and re.search(pattern, one.path)]

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.store.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and fault.pattern.search(path):
                    fault.times -= 1
                    return fault
        return None


class _Cut(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    hub: SmallHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        self.received = 0
        self.url = urlsplit(self.path)
        self.route = unquote(self.url.path)
        try:
            fault = self.hub.fault_for(self.command, self.route)
            body = self._body(fault.cut_after if fault else None)
            if fault is not None and fault.status:
                self._answer(fault.status, fault.body, fault.headers)
                return
            self.loses = fault is not None and fault.lose_answer
            for method, pattern, handle in _ROUTES:
                if self.command in method and (match := re.fullmatch(pattern, self.route)):
                    handle(self, body, **match.groupdict())
                    return
            self._error(404, "", f"no such endpoint {self.route}")
            self.hub.trouble.append(f"unknown: {self.command} {self.path}")
        except _Cut:
            self._log(0)
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _body(self, cut_after: int | None) -> bytes:
        data = b""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length if cut_after is None else min(length, cut_after))
        self.received = len(data)
        if cut_after is not None:
            raise _Cut
        return data

    # answers

    def _log(self, status: int) -> None:
        self.hub.log.append(Request(self.command, self.route, status, self.received))

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        if getattr(self, "loses", False):
            raise _Cut
        self._log(status)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, "Content-Type": "application/json"}
        if code:
            headers["X-Error-Code"] = code
        self._answer(status, json.dumps({"error": message}).encode(), headers)

    # who asks, and for what

    def _user(self) -> User | None:
        return self.hub.store.users.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def _refused(self) -> bool:
        """A token that is none is refused everywhere, as on the real Hub."""
        if self.headers.get("Authorization") and self._user() is None:
            self._error(401, "", "Invalid credentials in Authorization header")
            return True
        return False

    def _repo(self, kind: str, repo_id: str, content: bool = False) -> Repo | None:
        if self._refused():
            return None
        repo, user = self.hub.store.repos.get((kind, repo_id)), self._user()
        is_mine = repo is not None and user is not None and repo_id.split("/")[0] in (user.name, *user.orgs)
        if repo is None or (repo.private and not is_mine):
            self._error(404 if user else 401, "RepoNotFound", "Repository not found")
            return None
        if content and repo.gated and not is_mine and (user is None or user.name not in repo.granted):
            self._error(
                403 if user else 401,
                "GatedRepo",
                f"Access to {kind} {repo_id} is restricted. You must accept its terms.",
            )
            return None
        return repo

    def _writable(self, kind: str, repo_id: str) -> Repo | None:
        repo = self._repo(kind, repo_id)
        if repo is None:
            return None
        user = self._user()
        if user is None or not user.may_write or repo_id.split("/")[0] not in (user.name, *user.orgs):
            self._error(403, "", "Forbidden: you must use a write token")
            return None
        return repo

    # endpoints

    def whoami(self, body: bytes) -> None:
        if self._refused():
            return
        user = self._user()
        if user is None:
            self._error(401, "", "Invalid username or password.")
            return
        self._json({"type": "user", "name": user.name, "orgs": [{"name": org} for org in user.orgs]})

    def create(self, body: bytes) -> None:
        if self._refused():
            return
        asked, user = json.loads(body), self._user()
        if user is None:
            self._error(401, "", "Invalid username or password.")
            return
        owner = asked.get("organization") or user.name
        if not user.may_write or owner not in (user.name, *user.orgs):
            self._error(403, "", f"Forbidden: you may not create in {owner}")
            return
        kind, repo_id = asked.get("type") or "model", f"{owner}/{asked['name']}"
        url = f"{self.hub.endpoint}/{ENDPOINT_PREFIX[kind]}{repo_id}"
        with self.hub.store.lock:
            if (kind, repo_id) in self.hub.store.repos:
                self._json({"error": "You already created this repo", "url": url}, 409)
                return
            self.hub.store.repos[kind, repo_id] = Repo(kind, repo_id, asked.get("visibility") == "private")
        self._json({"url": url, "name": repo_id})

    def validate_yaml(self, body: bytes) -> None:
        import yaml

        text = json.loads(body)["content"]
        try:
            assert text.startswith("---\n")
            found = yaml.safe_load(text.split("\n---", 1)[0])
            assert isinstance(found, dict)
            name = found.get("license_name")
            assert name is None or re.fullmatch(r"[a-z0-9-.]+", name), "license_name"
            assert found.get("license") != "other" or name, "license: other needs license_name"
        except Exception as error:
            self._json({"errors": [{"message": str(error)}], "warnings": []}, 400)
            return
        self._json({"errors": [], "warnings": []})

    def info(self, body: bytes, kind: str, repo: str, revision: str | None = None) -> None:
        found = self._repo(kind, repo)
        if found is None:
            return
        commit = found.find(revision or "main")
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        told = {
            "id": repo, "sha": commit.oid, "private": found.private, "gated": found.gated or False, "tags": [],
            "downloads": 0, "likes": 0, "lastModified": "2026-11-21T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in commit.files],
        }  # fmt: skip
        self._json(told)

    def commits(self, body: bytes, kind: str, repo: str, revision: str) -> None:
        found = self._repo(kind, repo)
        if found is None:
            return
        until = found.find(revision)
        made = []
        for commit in next(commits for commits in found.branches.values() if until in commits):
            made.append(
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": "",
                    "authors": [],
                    "date": "2026-11-21T00:00:00.000Z",
                }
            )
            if commit is until:
                break
        self._json(made[::-1])

    def _found(self, commit: Any, path: str) -> dict[str, Any] | None:
        if path in commit.files:
            entry: Entry = commit.files[path]
            told: dict[str, Any] = {"type": "file", "path": path, "size": entry.length, "oid": entry.oid}
            if entry.data is None:
                told["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": len(entry.pointer)}
            return told
        if any(name.startswith(f"{path}/") for name in commit.files):
            return {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
        return None

    def tree(self, body: bytes, kind: str, repo: str, revision: str, path: str | None = None) -> None:
        found = self._repo(kind, repo)
        if found is None:
            return
        commit = found.find(revision)
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        recursive = parse_qs(self.url.query).get("recursive", ["false"])[0].lower() in ("true", "1")
        prefix = f"{path}/" if path else ""
        names: dict[str, None] = {}
        for name in commit.files:
            if name.startswith(prefix):
                rest = name.removeprefix(prefix).split("/")
                steps = range(1, len(rest) + 1) if recursive else (1,)
                names.update(dict.fromkeys(prefix + "/".join(rest[:step]) for step in steps))
        if path and not names:
            self._error(404, "EntryNotFound", f"{path} does not exist")
            return
        self._json([self._found(commit, name) for name in names])

    def paths_info(self, body: bytes, kind: str, repo: str, revision: str) -> None:
        found = self._repo(kind, repo)
        if found is None:
            return
        commit = found.find(revision)
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        is_json = "json" in self.headers.get("Content-Type", "")
        asked = json.loads(body)["paths"] if is_json else parse_qs(body.decode()).get("paths", [])
        self._json([told for path in asked if (told := self._found(commit, path)) is not None])

    def branch(self, body: bytes, kind: str, repo: str, name: str) -> None:
        found = self._writable(kind, repo)
        if found is None:
            return
        if name in found.branches:
            self._error(409, "", "Reference already exists")
            return
        found.branches[name] = found.branches["main"][:1]
        self._json({})

    def settings(self, body: bytes, kind: str, repo: str) -> None:
        found = self._writable(kind, repo)
        if found is not None:
            asked = json.loads(body)
            found.gated = asked.get("gated") or None
            self._json({})

    def preupload(self, body: bytes, kind: str, repo: str, revision: str) -> None:
        found = self._writable(kind, repo)
        if found is None:
            return
        commit = found.find(revision)
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        told = []
        for file in json.loads(body)["files"]:
            is_large = file["path"].endswith(LARGE) or file["size"] > 10_000_000
            one = {
                "path": file["path"],
                "uploadMode": "lfs" if is_large else "regular",
                "shouldIgnore": False,
            }
            if file["path"] in commit.files:
                one["oid"] = commit.files[file["path"]].etag
            told.append(one)
        self._json({"files": told, "commitOid": commit.oid})

    def batch(self, body: bytes, repo: str, prefix: str | None = None) -> None:
        kind = {None: "model", "datasets/": "dataset", "spaces/": "space"}[prefix]
        if self._writable(kind, repo) is None:
            return
        told = []
        for one in json.loads(body)["objects"]:
            oid, size = one["oid"], one["size"]
            answer: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.hub.store.blobs:
                href, header = f"{self.hub.cdn}/upload/{oid}", {}
                if size > self.hub.part_bytes:
                    count = -(-size // self.hub.part_bytes)
                    header = {str(n + 1): f"{self.hub.cdn}/upload/{oid}/{n + 1}" for n in range(count)}
                    header["chunk_size"] = str(self.hub.part_bytes)
                    href = f"{self.hub.endpoint}/complete/{oid}"
                verify = {"href": f"{self.hub.endpoint}/verify/{oid}"}
                answer["actions"] = {"upload": {"href": href, "header": header}, "verify": verify}
            told.append(answer)
        self._json({"transfer": "basic", "objects": told})

    def _is_cdn_shown_a_token(self) -> None:
        if self.headers.get("Authorization"):
            self.hub.trouble.append(f"a token was shown to the CDN: {self.command} {self.route}")

    def put(self, body: bytes, oid: str, part: str | None = None) -> None:
        import hashlib

        self._is_cdn_shown_a_token()
        if part is not None:
            self.hub.store.parts.setdefault(oid, {})[int(part)] = body
            self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
            return
        if hashlib.sha256(body).hexdigest() != oid:
            self._error(400, "", "content does not match the digest")
            return
        self.hub.store.blobs[oid] = body
        self._answer(200)

    def complete(self, body: bytes, oid: str) -> None:
        import hashlib

        parts = self.hub.store.parts.get(oid, {})
        data = b"".join(parts[part["partNumber"]] for part in json.loads(body)["parts"])
        if hashlib.sha256(data).hexdigest() != oid:
            self._error(400, "", "the parts do not match the digest")
            return
        self.hub.store.blobs[oid] = data
        self._json({})

    def verify(self, body: bytes, oid: str) -> None:
        asked = json.loads(body)
        data = self.hub.store.blobs.get(oid)
        if data is None or len(data) != asked["size"]:
            self._error(404, "", "not there")
            return
        self._json({})

    def commit(self, body: bytes, kind: str, repo: str, revision: str) -> None:
        found = self._writable(kind, repo)
        if found is None:
            return
        try:
            made = self.hub.store.commit(found, revision, [line for line in body.splitlines() if line])
        except Conflict:
            self._error(412, "", "A commit has happened since. Please refresh and try again.")
            return
        except Missing as error:
            self._error(400, "", f"LFS pointer points to a file that does not exist: {error}")
            return
        self._json(
            {
                "commitUrl": f"{self.hub.endpoint}/{repo}/commit/{made.oid}",
                "commitOid": made.oid,
                "success": True,
            }
        )

    def resolve(self, body: bytes, repo: str, revision: str, path: str, prefix: str | None = None) -> None:
        kind = {None: "model", "datasets/": "dataset", "spaces/": "space"}[prefix]
        found = self._repo(kind, repo, content=True)
        if found is None:
            return
        commit = found.find(revision)
        if commit is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        if path not in commit.files:
            self._error(404, "EntryNotFound", f"{path} does not exist on {revision}")
            return
        entry = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if entry.data is None:
            headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
            self._answer(302, b"", {**headers, "Location": f"{self.hub.cdn}/blob/{entry.sha256}"})
            return
        self._content(entry.data, {**headers, "ETag": f'"{entry.oid}"'})

    def blob(self, body: bytes, oid: str) -> None:
        self._is_cdn_shown_a_token()
        self._content(self.hub.store.blobs[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    def _content(self, data: bytes, headers: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, data, headers, len(data))
            return
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        piece = data[first : last + 1]
        if not piece:
            self._answer(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            return
        self._answer(
            206, piece, {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}, len(piece)
        )


_API = r"/api/(?P<kind>model|dataset|space)s/(?P<repo>[^/]+/[^/]+)"
_REPO = r"/(?P<prefix>datasets/|spaces/)?(?P<repo>[^/]+/[^/]+?)"
_ROUTES = (
    (("GET",), r"/api/whoami-v2", _Handler.whoami),
    (("POST",), r"/api/repos/create", _Handler.create),
    (("POST",), r"/api/validate-yaml", _Handler.validate_yaml),
    (("GET",), _API, _Handler.info),
    (("GET",), _API + r"/revision/(?P<revision>.+)", _Handler.info),
    (("GET",), _API + r"/commits/(?P<revision>.+)", _Handler.commits),
    (("GET",), _API + r"/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", _Handler.tree),
    (("POST",), _API + r"/paths-info/(?P<revision>.+)", _Handler.paths_info),
    (("POST",), _API + r"/branch/(?P<name>.+)", _Handler.branch),
    (("PUT",), _API + r"/settings", _Handler.settings),
    (("POST",), _API + r"/preupload/(?P<revision>.+)", _Handler.preupload),
    (("POST",), _API + r"/commit/(?P<revision>.+)", _Handler.commit),
    (("POST",), _REPO + r"\.git/info/lfs/objects/batch", _Handler.batch),
    (("PUT",), r"/upload/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?", _Handler.put),
    (("POST",), r"/complete/(?P<oid>[0-9a-f]{64})", _Handler.complete),
    (("POST",), r"/verify/(?P<oid>[0-9a-f]{64})", _Handler.verify),
    (("GET", "HEAD"), r"/blob/(?P<oid>[0-9a-f]{64})", _Handler.blob),
    (("GET", "HEAD"), _REPO + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
)


@contextlib.contextmanager
def small_hub(**options: Any) -> Iterator[SmallHub]:
    with SmallHub(**options) as hub:
        yield hub
