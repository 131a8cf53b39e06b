"""A hub on this machine that takes uploads as Hugging Face's does: LFS, commits, trees."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

import yaml
from stand_in_hub import answering

USER, TOKEN = "anna", "hf_" + "s3cret" * 6

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Repository:
    """A repository with one branch; the files of each commit by its id, in order."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return next(reversed(self.commits))

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head]

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit and return its id."""
        number = f"{len(self.commits)}{sorted(files)}".encode()
        name = hashlib.sha1(number, usedforsecurity=False).hexdigest()
        self.commits[name] = files
        return name


@dataclass
class Fault:
    """What the hub does in place of an answer to the first request that fits.

    status: of the answer; 0 breaks the connection off, -1 stores other bytes than were sent.
    """

    method: str
    path: str
    status: int
    message: str = ""


@dataclass
class WritableHub:
    """What the hub has, and what it was asked.

    Attributes:
        repositories: by OWNER/NAME.
        stored: large files by their sha256.
        requests: method and path of each request.
        faults: see ``Fault``; each happens once, the first one first.
        address: the URL of the hub.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    address: str = ""

    def received(self) -> bytes:
        """Return all bytes that any file of any commit has."""
        return b"\0".join(
            content
            for repository in self.repositories.values()
            for files in repository.commits.values()
            for content in files.values()
        )

    def answer(self, method: str, path: str, token: str, body: bytes) -> Answer | None:
        """Return status, headers and body; None to break off."""
        path = unquote(path.partition("?")[0])
        self.requests.append(f"{method} {path}")
        fault = self.faults[0] if self.faults else None
        if fault and fault.method == method and fault.path in path and fault.status >= 0:
            self.faults.pop(0)
            said = {"error": fault.message}
            return _json(fault.status, said) if fault.status else None
        if path.startswith("/lfs/"):  # a signed address, as that of a storage service
            self.stored[path.removeprefix("/lfs/")] = body
            return 200, {}, b""
        if token != f"Bearer {TOKEN}":
            return _json(401, {"error": "Invalid username or password."})
        if path == "/api/whoami-v2":
            return _json(200, {"name": USER, "type": "user"})
        if path == "/api/validate-yaml":
            return self._validated(json.loads(body)["content"])
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        return self._of_repository(method, path, body)

    def _validated(self, content: str) -> Answer:
        metadata = yaml.safe_load(content.split("---")[1])
        ok = isinstance(metadata, dict) and isinstance(metadata.get("tags"), list)
        return _json(200 if ok else 400, {"warnings": [], "errors": []})

    def _create(self, asked: dict[str, Any]) -> Answer:
        owner = asked["organization"] or USER
        name = f"{owner}/{asked['name']}"
        if owner != USER:
            said = {"error": f"You don't have the rights to create a model under {owner}"}
            return _json(403, said)
        if name in self.repositories:
            return _json(409, {"error": "You already created this model repo"})
        made = Repository(private=asked["visibility"] == "private")
        made.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        self.repositories[name] = made
        return _json(200, {"url": f"{self.address}/{name}"})

    def _of_repository(self, method: str, path: str, body: bytes) -> Answer:
        owner, name, *rest = path.removeprefix("/api/models").lstrip("/").split("/")
        full = f"{owner}/{name.removesuffix('.git')}"
        held = self.repositories.get(full)
        if held is None:
            missing = {"X-Error-Code": "RepoNotFound"}
            return 404, missing, b'{"error": "Repository not found"}'
        act, *arguments = rest or ["revision"]
        if act == "revision":
            siblings = [{"rfilename": path} for path in held.files]
            about = {"id": full, "sha": held.head, "private": held.private, "siblings": siblings}
            return _json(200, about)
        if act == "preupload":
            return _json(200, {"files": [self._mode(held, f) for f in json.loads(body)["files"]]})
        if act == "info":
            return _json(200, self._batch(json.loads(body)))
        if act == "commit":
            return self._commit(full, held, body)
        revision = held.head if arguments[0] == "main" else arguments[0]
        if act == "tree":
            below = "/".join(arguments[1:])
            listed = [_listed(p, c) for p, c in held.commits[revision].items() if not below]
            return _json(200, listed)
        content = held.commits[revision].get("/".join(arguments[1:]))
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": revision}, b""
        etag = hashlib.sha256(content).hexdigest()
        return 200, {"X-Repo-Commit": revision, "ETag": f'"{etag}"'}, content

    def _mode(self, held: Repository, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if _is_large(file["path"]) else "regular"
        old = held.files.get(file["path"])
        found = {} if old is None else _listed(file["path"], old)
        oid = found.get("lfs", found).get("oid")
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        def action(each: dict[str, Any]) -> dict[str, Any]:
            upload = {"upload": {"href": f"{self.address}/lfs/{each['oid']}"}}
            return {**each, **({} if each["oid"] in self.stored else {"actions": upload})}

        return {"transfer": "basic", "objects": [action(each) for each in asked["objects"]]}

    def _commit(self, full: str, held: Repository, body: bytes) -> Answer:
        files = dict(held.files)
        for line in body.splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header" and value.get("parentCommit", held.head) != held.head:
                return _json(412, {"error": "A commit has happened since."})
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                content = self.stored[value["oid"]]
                if hashlib.sha256(content).hexdigest() != value["oid"]:
                    return _json(422, {"error": "LFS object is damaged"})
                files[value["path"]] = content
            elif key == "deletedFile":
                del files[value["path"]]
        if self.faults and self.faults[0].status < 0:
            files[self.faults.pop(0).path] = b"other"
        oid = held.commit(files)
        return _json(200, {"commitUrl": f"{self.address}/{full}/commit/{oid}", "commitOid": oid})


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".gguf"))


def _listed(path: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    found = {"type": "file", "path": path, "size": len(content), "oid": blob}
    if not _is_large(path):
        return found
    sha256 = hashlib.sha256(content).hexdigest()
    return {**found, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}}


def _json(status: int, value: object) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def serving(hub: WritableHub) -> Iterator[WritableHub]:
    """Serve a hub for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self._body()
            token = self.headers.get("Authorization", "")
            method = "GET" if self.command == "HEAD" else self.command
            answer = hub.answer(method, self.path, token, body)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_PUT = do_GET

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with answering(Handler) as hub.address:
        yield hub
