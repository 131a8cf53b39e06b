"""Start vLLM's server for as long as it is needed, from an environment of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import EngineError, SettingsError
from ..progress import say
from .server import Server

SILENT = 900.0
"""Seconds in which a server that starts may say nothing."""

_GUARD = Path(__file__).with_name("guard.py")
_MODULE = "vllm.entrypoints.openai.api_server"
_SAFE = {"PYTHONSAFEPATH": "1"}
"""What is in the current folder is no module of Python."""

_PAUSE = 0.5
_LEAVING = 10.0
"""Seconds that a server needs to end of itself once its model has failed."""

_WAIT = 60.0
"""Seconds in which vLLM is found, or has ended."""

_ASKED = """
from importlib.util import find_spec
found = find_spec("vllm") is not None
gpu = False
if found:
    import torch
    gpu = torch.cuda.is_available()
import json
print(json.dumps([found, gpu]))
"""

_CAUSE = re.compile(r"(?:\w+(?:Error|Exception)|\berror): .+")
"""What is wrong, in a line of a log."""

_HARMLESS = re.compile(r"\b(?:DEBUG|INFO|WARNING)\b")
"""A line of a log that says nothing of it, even if it names an error."""


@dataclass(frozen=True)
class VllmPython:
    """A Python with vLLM.

    Attributes:
        path: of the interpreter.
        has_gpu: whether it sees a GPU.
    """

    path: Path
    has_gpu: bool

    @staticmethod
    def find(path: Path) -> VllmPython:
        """Ask an interpreter what it has; takes some seconds.

        Raises:
            SettingsError: it cannot be run, or has no vLLM.
        """
        try:
            done = subprocess.run(
                [path, "-c", _ASKED],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env={**os.environ, **_SAFE},
                timeout=_WAIT,
                check=True,
            )
            found, has_gpu = json.loads(done.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, LookupError, TypeError, ValueError) as error:
            raise SettingsError(
                f"--engine-python {path}: is no Python that runs ({_said(error)})"
            ) from error
        if not found:
            raise SettingsError(
                f"--engine-python {path}: has no vLLM; name the Python of an environment where it "
                f"is installed, such as ~/vllm/bin/python"
            )
        return VllmPython(path, has_gpu)


def _said(error: Exception) -> str:
    text = str(error)
    if isinstance(error, subprocess.CalledProcessError):
        text = cause_of(error.stderr)
    elif isinstance(error, OSError):
        text = error.strerror or text
    return " ".join(text.split())[:300]


@contextmanager
def vllm_server(
    python: VllmPython, folder: Path, dtype: str, options: Sequence[str] = ()
) -> Iterator[Server]:
    """Provide a server of vLLM with a model; it has ended when the context has.

    It listens on this machine alone, asks for a key that nobody else knows, and reaches no network.

    Args:
        python: runs it.
        folder: the model.
        dtype: of the weights in memory, as torch calls it.
        options: further options of vLLM's command line, each with its value.

    Raises:
        EngineError: it does not start, or has ended where a request has failed; says why.
    """
    key, port = secrets.token_hex(16), _free_port()
    command: list[str | Path] = [python.path, "-m", _MODULE, "--model", folder]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", dtype]
    # As many tokens as the model and the memory take.
    command += ["--max-model-len", "-1", "--structured-outputs-config.backend", "guidance"]
    command += [] if python.has_gpu else ["--enforce-eager"]
    command += [part for option in options for part in shlex.split(option)]
    environment = {"VLLM_API_KEY": key, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = Server(f"http://127.0.0.1:{port}", key)
    handle, name = tempfile.mkstemp(prefix="fieldsmith-vllm-", suffix=".log")
    log = Path(name)
    with open(handle, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _GUARD, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_SAFE, **environment},
            start_new_session=True,
        )
    keep = False
    try:
        say(f"vLLM: starting with {folder}, which takes a minute or more; its log is {log}")
        began = time.monotonic()
        _wait_for(server, process, log)
        say(f"vLLM: answers after {time.monotonic() - began:.0f} s")
        yield server
    except (EngineError, SettingsError) as error:  # of a request that failed, or of the first one
        keep = True
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVING)
        if process.poll() is None or str(log) in str(error):
            raise
        raise EngineError(f"vLLM has ended: {_cause_in(log)}; its log is {log}") from error
    finally:
        _end(process)
        if not keep:
            log.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers.

    Raises:
        EngineError: its process ends, or says nothing for too long.
    """
    size, last = 0, time.monotonic()
    asked = Server(server.address, server.key, timeout=10)
    while True:
        if process.poll() is not None:
            raise EngineError(f"vLLM does not start: {_cause_in(log)}; its log is {log}")
        with suppress(OSError, ValueError):
            asked.ask("/v1/models")
            return
        if (now := log.stat().st_size) != size:
            size, last = now, time.monotonic()
        if time.monotonic() - last > SILENT:
            raise EngineError(
                f"vLLM does not start: it has said nothing for {SILENT / 60:.0f} minutes; its log "
                f"is {log}"
            )
        time.sleep(_PAUSE)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all its processes, and wait until they have."""
    assert process.stdin
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_WAIT)


def _cause_in(log: Path) -> str:
    return cause_of(log.read_text(encoding="utf-8", errors="replace"))


def cause_of(log: str) -> str:
    """Return what a log says is wrong: its first error, or else its last line.

    >>> cause_of("WARNING OSError: few\\nERROR [core.py:9] ValueError: long\\nRuntimeError: see")
    'ValueError: long'
    """
    lines = [line for line in log.splitlines() if line.strip()]
    text = lines[-1] if lines else "it says nothing"
    for line, following in pairwise([*lines, ""]):
        if not _HARMLESS.search(line) and (found := _CAUSE.search(line)):
            text = found[0]
            if " validation error" in text:  # of pydantic, which says which on the next line
                text = f"{text}: {following}"
            break
    return " ".join(text.split())[:300]
