"""A hub of models on this machine, which serves one repository as Hugging Face's does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Hub:
    """A repository with one branch.

    Attributes:
        repository: its name.
        commits: each commit's folder of files, by its id.
        head: the commit that the branch is at.
        asked: path of each file request so far.
        address: the URL of the hub.
    """

    repository: str
    commits: dict[str, Path]
    head: str
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request."""
        path = path.partition("?")[0]
        self.asked.append(path)
        if path.startswith(f"/{self.repository}/resolve/"):
            revision, _, name = path.split("/resolve/")[1].partition("/")
            commit = self.head if revision == "main" else revision
            file = self.commits.get(commit, Path("nowhere")) / name
            if not file.is_file():
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
            body = file.read_bytes()
            etag = hashlib.sha256(body).hexdigest()
            return 200, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}, body
        if path.startswith(f"/api/models/{self.repository}/tree/"):
            listed = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40}
                for file in sorted(self.commits[self.head].iterdir())
                if "additional_chat_templates" not in path
            ]
            return 200, {}, json.dumps(listed).encode()
        if path.startswith(f"/api/models/{self.repository}"):
            return 200, {}, json.dumps({"id": self.repository, "sha": self.head}).encode()
        return 404, {"X-Error-Code": "RepoNotFound"}, b""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = hub.respond(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with answering(Handler) as hub.address:
        yield hub


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests by a handler for as long as the context lasts; provide the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
