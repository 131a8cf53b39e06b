"""A package ``vllm`` whose server is another one, to test how a server is started and ended."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

PROCESSES = """
import os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers["Authorization"] == "Bearer " + os.environ["VLLM_API_KEY"]
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b"{}")

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", STUBBORN])
with open(os.environ["PIDS"], "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
port = int(sys.argv[sys.argv.index("--port") + 1])
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
"""A server that has a process which does not end when it is asked to."""

LLAMA_CPP = """
import os, sys, time
import xllamacpp

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert os.path.isfile(os.path.join(given["--model"], "export.json"))
params = xllamacpp.CommonParams()
params.model.path = os.environ["GGUF"]
params.hostnames, params.port = [given["--host"]], int(given["--port"])
params.api_keys = [os.environ["VLLM_API_KEY"]]
params.n_ctx, params.n_parallel = 1024, 2
params.verbosity = -1
running = xllamacpp.Server(params)
time.sleep(600)
"""
"""llama.cpp's server with the file that the environment names."""


def write_package(folder: Path, server: str) -> None:
    """Write the package into a folder that is then put on Python's path."""
    package = folder / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for path in (package.parent.parent, package.parent, package):
        (path / "__init__.py").write_text("", encoding="utf-8")
    (package / "api_server.py").write_text(server, encoding="utf-8")


def have_ended(pids: list[int], within: float = 20.0) -> bool:
    """Say whether some processes end within so many seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    """Say whether a process is there that was not only left to be reaped."""
    try:
        return pid != os.getpid() and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
