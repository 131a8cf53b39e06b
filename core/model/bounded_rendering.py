"""Render a chat template within bounds of time and size: one of a stranger is a program."""

from __future__ import annotations

import gc
import os
import selectors
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jinja2

MOST_CHARACTERS = 1_000_000
"""Characters of a template, and of what it writes around the contents of messages."""

_SECONDS = 10.0
_MEMORY = 1 << 30


class TemplateFaultError(Exception):
    """A template fails, or does not end within the bounds; the message says what it does."""


def bounded(render: Callable[[], str]) -> str:
    """Return what a function returns that renders a template.

    It runs in a fork of this process, which can be ended: no signal and no thread interrupts code
    in C, such as a power of large numbers, and what a template allocates is gone with the fork.
    Where a process cannot fork (Windows, or too little memory is left) it runs here, without
    bounds. A fork that ends without an outcome is repeated once: besides too large a template,
    threads of this process, which it lacks, can be the cause.

    Raises:
        TemplateFaultError: the function raised an exception, takes too long, or writes too much.
    """
    outcome = _in_fork(render) or _in_fork(render)
    text = outcome[1:].decode(errors="surrogatepass")
    if not outcome.startswith(b"+"):
        raise TemplateFaultError(text or "takes more memory than there is")
    return text


def _in_fork(render: Callable[[], str]) -> bytes:
    """Return the outcome in a fork of this process, or in this one; nothing if the fork died.

    Raises:
        TemplateFaultError: it takes too long.
    """
    reading, writing = os.pipe()
    try:
        process = _forked()
    except (OSError, AttributeError):
        os.close(reading)
        os.close(writing)
        return _outcome(render)
    if process == 0:
        try:
            os.close(reading)
            gc.disable()  # garbage is the parent's, with threads that this process does not have
            _limit_memory()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(_outcome(render))
        finally:
            os._exit(0)  # without what the parent has registered for its own exit
    os.close(writing)
    try:
        return _read(reading)
    finally:
        os.close(reading)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _forked() -> int:
    with warnings.catch_warnings():
        # Python warns where there are other threads, whose locks a fork may wait for without end:
        # rendering takes none of them, and would be ended.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _limit_memory() -> None:
    """Let this process allocate little more than it has."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        size = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (ImportError, OSError, ValueError):
        pass  # not on Linux, or the limit is lower


def _outcome(render: Callable[[], str]) -> bytes:
    """Return a text after "+", or after "-" why there is none."""
    try:
        text = render()
    except jinja2.TemplateError as error:
        return _fault(f"refuses: {error}")
    except Exception as error:  # a template divides by zero, adds a number to a text, …
        return _fault(f"fails: {type(error).__name__}: {error}")
    if len(text) > MOST_CHARACTERS:
        return _fault(f"writes more than {MOST_CHARACTERS:,} characters")
    return b"+" + text.encode(errors="surrogatepass")


def _fault(what: str) -> bytes:
    return f"-{' '.join(what[:500].split())}".encode(errors="replace")


def _read(pipe: int) -> bytes:
    """Return all that is written to a pipe in time."""
    until = time.monotonic() + _SECONDS
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            part = os.read(pipe, 1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)
    raise TemplateFaultError(f"does not end, and was stopped after {_SECONDS:g} seconds")
