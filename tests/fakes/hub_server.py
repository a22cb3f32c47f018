"""As much of the Hugging Face Hub as huggingface_hub 2.4 calls to push and pull."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".onnx", ".npz", ".safetensors")
Files = dict[str, bytes]


@dataclass
class Repository:
    """Branches, each with its commits; a commit is its number and all of its files."""

    private: bool = False
    branches: dict[str, list[tuple[str, Files]]] = field(default_factory=lambda: {"main": []})

    def find(self, revision: str) -> tuple[str, Files] | None:
        if revision in self.branches:
            commits = self.branches[revision]
            return commits[-1] if commits else ("0" * 40, {})
        every = (commit for commits in self.branches.values() for commit in commits)
        return next((commit for commit in every if commit[0] == revision), None)


@dataclass
class Hub:
    """What the server holds, and how it misbehaves.

    Attributes:
        endpoint: its address.
        token: the only one that it accepts.
        refusals: status codes for requests whose "METHOD path" holds a text.
        answers: the same, with a status and what it answers in place of its own.
        cut: a file of which downloads end after so many bytes, once.
        asked: every request, "METHOD path".
    """

    endpoint: str = ""
    token: str = "hf_ofTheFakeHubOnThisMachine"
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: Files = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def files(self, name: str, revision: str = "main") -> Files:
        found = self.repositories[name].find(revision)
        assert found is not None
        return found[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.read_body()
        asked = f"{self.command} {path}"
        self.hub.asked.append(asked)
        refused = next((code for text, code in self.hub.refusals.items() if text in asked), None)
        if refused is not None:
            self.reply(refused, {"error": f"refused with {refused}"})
            return
        for text, (status, content) in self.hub.answers.items():
            if text in asked:
                self.send_bytes(status, content, {})
                return
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {self.hub.token}"):
            self.reply(401, {"error": "Invalid credentials in Authorization header"})
            return
        for pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, asked)
            if found:
                answer(self, body, *found.groups())
                return
        self.reply(404, {"error": f"the fake knows no {asked}"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(
        self, status: int, content: object = None, headers: dict[str, str] | None = None
    ) -> None:
        self.send_bytes(status, json.dumps(content).encode(), headers or {})

    def send_bytes(
        self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True

    def missing(self, kind: str) -> None:
        self.reply(404, {"error": f"{kind} not found"}, {"X-Error-Code": f"{kind}NotFound"})

    def find(self, name: str, revision: str) -> tuple[str, Files] | None:
        """A commit, or an answer that there is none."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self.headers.get("Authorization")):
            status = 404 if self.headers.get("Authorization") else 401
            self.reply(status, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        found = repository.find(revision)
        if found is None:
            self.missing("Revision")
        return found

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self.reply(409, {"error": "You already created this model repo"})
            return
        self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        self.reply(200, {"url": f"{self.hub.endpoint}/{name}", "id": name})

    def describe(self, body: bytes, name: str, revision: str | None = None) -> None:
        found = self.find(name, revision or "main")
        if found:
            self.reply(
                200,
                {
                    "id": name,
                    "sha": found[0],
                    "private": self.hub.repositories[name].private,
                    "siblings": [{"rfilename": file} for file in sorted(found[1])],
                },
            )

    def validate(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        errors = [] if content.startswith("---\n") else [{"message": "no metadata"}]
        self.reply(400 if errors else 200, {"errors": errors, "warnings": []})

    def branch(self, body: bytes, name: str, branch: str) -> None:
        branches = self.hub.repositories[name].branches
        if branch in branches:
            self.reply(409, {"error": "Reference already exists"})
            return
        branches[branch] = list(branches["main"])
        self.reply(200, {})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self.find(name, revision) is None:
            return
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(body)["files"]
        ]
        self.reply(200, {"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = []
        for one in json.loads(body)["objects"]:
            oid, about = one["oid"], {"oid": one["oid"], "size": one["size"]}
            if oid not in self.hub.objects:
                place = f"{self.hub.endpoint}/objects/{oid}"
                about["actions"] = {
                    "upload": {"href": place},
                    "verify": {"href": f"{place}/verify"},
                }
            objects.append(about)
        self.reply(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self.reply(200, {})

    def verify(self, body: bytes, oid: str) -> None:
        known = len(self.hub.objects.get(oid, b"")) == json.loads(body)["size"]
        self.reply(200 if known else 404, {})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        found = self.find(name, revision)
        if found is None:
            return
        files = dict(found[1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commits = self.hub.repositories[name].branches[revision]
        oid = hashlib.sha1(f"{revision} {len(commits)}".encode()).hexdigest()
        commits.append((oid, files))
        self.reply(200, {"commitUrl": f"{self.hub.endpoint}/{name}/commit/{oid}", "commitOid": oid})

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        found = self.find(name, revision)
        if found is None:
            return
        commit, files = found
        if file not in files:
            self.missing("Entry")
            return
        content = files[file]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if start and self.command == "GET":
            begin = int(start[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self.send_bytes(206, content[begin:], headers)
            return
        cut = self.hub.cut.pop(file, None) if self.command == "GET" else None
        self.send_bytes(200, content, headers, cut)


_REPO = r"([\w.-]+/[\w.-]+)"
_ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    ("POST /api/repos/create", _Handler.create),
    ("POST /api/validate-yaml", _Handler.validate),
    (rf"GET /api/models/{_REPO}", _Handler.describe),
    (rf"GET /api/models/{_REPO}/revision/(.+)", _Handler.describe),
    (rf"POST /api/models/{_REPO}/branch/(.+)", _Handler.branch),
    (rf"POST /api/models/{_REPO}/preupload/(.+)", _Handler.preupload),
    (rf"POST /api/models/{_REPO}/commit/(.+)", _Handler.commit),
    (rf"POST /{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /objects/(\w+)", _Handler.upload),
    (r"POST /objects/(\w+)/verify", _Handler.verify),
    (rf"(?:GET|HEAD) /{_REPO}/resolve/([^/]+)/(.+)", _Handler.resolve),
)


@contextmanager
def started_hub() -> Iterator[Hub]:
    """A Hub without repositories, that runs while the block does."""
    hub = Hub()
    handler: Any = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
