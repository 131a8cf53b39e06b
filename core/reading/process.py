"""The process that reads files: it does what it is asked to until its connection is closed.

A hostile file can take its time and its memory, or end it, and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import traceback
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..errors import InputError
from .archives import unpack
from .kinds import read
from .limits import Limits
from .pdf import read_pdf
from .pictures import draw_page

_IDLE = 60.0
"""Seconds without a request after which the process ends, so that it takes no memory in vain."""


def serve(handle: int, limits: Limits, idle: float = _IDLE) -> None:
    """Answer requests, until there is none for a while.

    Args:
        handle: number of the open file that is the connection.
        limits: of each request.
        idle: seconds without a request after which this process ends.
    """
    connection = Connection(handle)
    _limit_memory(limits)
    with suppress(EOFError, OSError):  # the process at the other end is gone, or wants no more
        while connection.poll(idle):
            request = json.loads(connection.recv_bytes())
            _limit_time(request.get("seconds", limits.seconds))
            reply = _reply(request, limits)
            connection.send_bytes(json.dumps(reply).encode("ascii"))
            if reply.get("is_last"):
                return
        connection.send_bytes(b'{"is_idle": true}')


def _reply(request: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    try:
        return {"value": answer(request, limits)}
    except InputError as error:
        return {"fault": str(error)}
    except MemoryError:
        fault = f"takes more than {limits.memory >> 20} MiB of memory; split it"
        # What was taken is not all given back.
        return {"fault": fault, "takes_too_much": True, "is_last": True}
    except Exception:  # a bug, which the other process raises
        return {"bug": traceback.format_exc()}


def answer(request: Mapping[str, Any], limits: Limits) -> Any:
    """Do what is asked; what it returns can be written as JSON.

    Args:
        request: ``task``, the ``file``, and what the task wants besides.
        limits: of the request.

    Raises:
        InputError: the file cannot be read; says why without its name.
    """
    file = Path(request["file"])
    if request["task"] == "call":
        return getattr(import_module(request["module"]), request["function"])(file)
    if request["task"] == "unpack":
        return unpack(file, request["kind"], Path(request["folder"]), limits)
    try:
        if file.stat().st_size > limits.file_bytes:
            raise InputError(f"has more than {limits.file_bytes >> 20} MiB; split it")
        data = file.read_bytes()
    except OSError as error:  # such as a file that was moved since it was listed
        raise InputError(f"cannot be read ({error.strerror})") from error
    if request["task"] == "draw":
        picture, size = draw_page(data, request["page"], is_gray=request["is_gray"])
        return [base64.b64encode(picture).decode(), *size]
    if request["task"] == "first pages":
        return read_pdf(data, limits, pages=request["pages"], enough=request["enough"])
    return read(data, request["kind"], limits)


def _limit_memory(limits: Limits) -> None:
    """Limit the memory of this process, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory, limits.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """Let the system end this process if a request takes too long.

    It is the time of computing that counts, so that a busy machine refuses no file.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = sum(os.times()[:2])
        most = int(used + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
