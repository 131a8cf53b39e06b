"""Fault injection: a command is killed before, in the middle of, or after any write that it makes.

A command runs in a process that is forked from this one, in which all libraries are loaded. There
whatever changes a file below one folder is counted, and at a chosen act the process is killed by
SIGKILL: nothing is flushed, closed or cleaned up. Writing is caught where Python asks the system
for it. Libraries that write from C or Rust are caught where they are called; killed in the middle,
they leave half of the file.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from command import Answer
from forked_command import run_forked

_TWO_PATHS = ("rename", "replace", "link", "symlink")
_ONE_PATH = ("mkdir", "rmdir", "unlink", "remove", "truncate", "fsync", "ftruncate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Act:
    """Something that changes a file: the kind of it, and the path below the folder.

    changes: whether others read something else afterwards; not so where it failed.
    """

    kind: str
    path: str
    changes: bool = True

    @property
    def has_middle(self) -> bool:
        """Whether half of it can be done."""
        return self.kind in ("write", "library")


@dataclass(frozen=True)
class Kill:
    """When a process is killed: "before", in the "middle" or "after" the n-th act, from 0."""

    number: int
    when: str


def kills_of(acts: Sequence[Act]) -> list[Kill]:
    """Return all kills that leave different files.

    After an act all is as before the next one, so "after" is of use at the last alone, and
    "before" only where the act before has changed something.
    """
    kills = []
    for number, act in enumerate(acts):
        if number == 0 or acts[number - 1].changes:
            kills.append(Kill(number, "before"))
        if act.has_middle:
            kills.append(Kill(number, "middle"))
    return [*kills, Kill(len(acts) - 1, "after")]


def spread(kills: Sequence[Kill], count: int) -> list[Kill]:
    """Return so many of some kills, evenly spread, the last one among them."""
    if count >= len(kills):
        return list(kills)
    return [kills[(number + 1) * len(kills) // count - 1] for number in range(count)]


def run_to_kill(
    arguments: Sequence[object],
    cwd: Path,
    *,
    below: Path,
    kill: Kill | None = None,
    trace: Path | None = None,
) -> Answer:
    """Run a command in a forked process in which what it writes is counted.

    Args:
        arguments: of the command line.
        cwd: the working directory.
        below: acts upon files below this folder count.
        kill: when it is killed; None for never.
        trace: a file to list the acts in.
    """
    tracer = partial(_Tracer, Path(os.path.realpath(below)), kill, trace)
    return run_forked(arguments, cwd, prepare=lambda: tracer().install())


def read_trace(trace: Path) -> list[Act]:
    """Return the acts that ``run_to_kill`` has listed."""
    lines = (line.split("\t") for line in trace.read_text(encoding="utf-8").splitlines())
    return [Act(kind, path, changes == "True") for kind, path, changes in lines]


class _Tracer:
    """Counts the acts upon files below a folder, and kills the process at one of them."""

    def __init__(self, below: Path, kill: Kill | None, trace: Path | None) -> None:
        self.below, self.kill = str(below), kill
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if trace else None
        self.count = 0
        self.os_write = os.write
        self.os_truncate = os.truncate

    def own(self, path: Any, folder: int | None = None) -> str | None:
        """Return the absolute path of a path or an open file, if it is below the folder."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if folder is not None and not os.path.isabs(path):
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        path = os.path.abspath(path)
        return path if f"{path}/".startswith(f"{self.below}/") else None

    def act(
        self, kind: str, path: str, do: Callable[[], Any], half: Callable[[], Any] | None = None
    ) -> Any:
        """Do something to a file, unless the process is killed before that."""
        number, self.count = self.count, self.count + 1
        when = self.kill.when if self.kill and self.kill.number == number else ""
        if when == "middle" and half is not None:
            half()
        if when in ("before", "middle"):
            os.kill(os.getpid(), signal.SIGKILL)
        changes = False
        try:
            result = do()
            changes = kind != "fsync"
        finally:
            if self.trace is not None:
                line = f"{kind}\t{os.path.relpath(path, self.below)}\t{changes}\n"
                self.os_write(self.trace, line.encode())
            if when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    def install(self) -> None:
        """Patch what writes to files."""
        for name in _ONE_PATH:
            setattr(os, name, self._one_path(name, getattr(os, name)))
        for name in _TWO_PATHS:
            setattr(os, name, self._two_paths(name, getattr(os, name)))
        self._patch_descriptors()
        opened = self._open(io.open)
        io.open = builtins.open = opened
        self._patch_libraries()

    def _one_path(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def patched(path: Any, *arguments: Any, **options: Any) -> Any:
            own = self.own(path, options.get("dir_fd"))

            def do() -> Any:
                return real(path, *arguments, **options)

            return do() if own is None else self.act(kind, own, do)

        return patched

    def _two_paths(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def patched(source: Any, target: Any, *arguments: Any, **options: Any) -> Any:
            own = self.own(target, options.get("dst_dir_fd")) or self.own(
                source, options.get("src_dir_fd")
            )

            def do() -> Any:
                return real(source, target, *arguments, **options)

            return do() if own is None else self.act(kind, own, do)

        return patched

    def _patch_descriptors(self) -> None:
        real_open, real_write, real_send = os.open, os.write, os.sendfile

        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            own = self.own(path, options.get("dir_fd")) if flags & _WRITING else None

            def do() -> int:
                return real_open(path, flags, *arguments, **options)

            return do() if own is None else self.act("open", own, do)

        def write(descriptor: int, data: Any) -> int:
            own = self.own(descriptor)
            if own is None:
                return real_write(descriptor, data)
            half = memoryview(data)[: len(data) // 2]
            return self.act(  # type: ignore[no-any-return]
                "write",
                own,
                lambda: real_write(descriptor, data),
                lambda: real_write(descriptor, half),
            )

        def send(target: int, source: int, offset: int | None, count: int) -> int:
            own = self.own(target)
            if own is None:
                return real_send(target, source, offset, count)
            size = os.fstat(source).st_size
            return self.act(  # type: ignore[no-any-return]
                "write",
                own,
                lambda: real_send(target, source, offset, count),
                lambda: real_send(target, source, offset, size // 2),
            )

        os.open, os.write, os.sendfile = opened, write, send  # type: ignore[assignment]

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        tracer = self

        class Raw(io.FileIO):
            """An open file, each of whose writes to the system is an act."""

            path = ""

            def write(self, data: Any) -> int:
                whole = memoryview(data).cast("B")
                return tracer.act(  # type: ignore[no-any-return]
                    "write",
                    self.path,
                    lambda: io.FileIO.write(self, data),
                    lambda: io.FileIO.write(self, whole[: len(whole) // 2]),
                )

        def opened(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            is_writing = bool({*"wxa+"} & {*mode})
            own = self.own(file) if is_writing else None
            if own is None:
                return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
            bare = "".join(letter for letter in mode if letter not in "bt")
            if isinstance(file, int):  # it is open already, which was counted
                raw = Raw(file, bare, closefd, opener)
            else:
                raw = self.act("open", own, lambda: Raw(file, bare, closefd, opener))
            raw.path = own
            if buffering == 0:
                return raw
            buffer: Any = io.BufferedRandom(raw) if "+" in bare else io.BufferedWriter(raw)
            if "b" in mode:
                return buffer
            return io.TextIOWrapper(buffer, encoding, errors, newline)

        return opened

    def _patch_libraries(self) -> None:
        """Patch the functions that write a file without Python."""
        import safetensors.torch as tensors
        import torch
        from transformers import PreTrainedTokenizerFast

        def library(real: Callable[..., Any], path_of: Callable[..., Any]) -> Callable[..., Any]:
            def patched(*arguments: Any, **options: Any) -> Any:
                path = path_of(*arguments, **options)
                own = self.own(path) if isinstance(path, str | os.PathLike) else None

                def do() -> Any:
                    return real(*arguments, **options)

                def half() -> None:
                    do()
                    self.os_truncate(str(own), os.path.getsize(str(own)) // 2)

                return do() if own is None else self.act("library", own, do, half)

            return patched

        torch.save = library(torch.save, lambda _held, file, *_, **__: file)
        rust: Any = tensors
        rust.serialize_file = library(rust.serialize_file, lambda _held, file, *_, **__: file)
        fast: Any = PreTrainedTokenizerFast
        fast._save_pretrained = library(
            fast._save_pretrained,
            lambda _self, save_directory, *_, **__: os.path.join(save_directory, "tokenizer.json"),
        )
