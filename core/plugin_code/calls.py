"""Run a plugin's code: its exceptions become errors that name it, its output goes to stderr.

Under the command line, standard output is for results, which programs read.
"""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal, Protocol, TextIO

from ..errors import PluginError

_LONGEST = 500
"""Characters of an exception's text that a message shows."""


_HAS_TIMER = hasattr(signal, "setitimer")
"""Whether the system interrupts code after a time; Windows does not."""


class WrongValueError(Exception):
    """A hook gave a value of another kind than its contract says; the message says which."""


class _TimeUpError(BaseException):
    """The time that a plugin's code may take is up; no ``except Exception`` of its own stops it."""


@dataclass
class Limits:
    """What a plugin's code may take within ``limited_calls``.

    Attributes:
        seconds: how long its code may run, all calls together.
        rows: how many rows a loader may yield.
        characters: how many characters the texts of these may have.
        ended: hooks that exceeded a limit, each with what was said; not called again.
    """

    seconds: float = 60.0
    rows: int = 100_000
    characters: int = 200_000_000
    ended: dict[str, str] = field(default_factory=dict)


class Watcher(Protocol):
    """Is notified of each call that has a limit of time, for a process that cannot interrupt it."""

    def begins(self, call: str, where: str, left: float, seconds: float) -> None:
        """A call begins.

        Args:
            call: how a message about it begins.
            where: how it ends.
            left: seconds that it may take.
            seconds: the limit for this and earlier calls.
        """

    def ends(self) -> None:
        """The call has ended."""


@dataclass
class _State:
    """What holds for the calls of all plugins in this process.

    Attributes:
        limits: what their code may take; None without limits.
        left: seconds left of the limit.
        is_timed: whether a timer runs.
        to_stderr: whether what they print goes to standard error.
        interrupts: how often Ctrl-C was pressed; None if nobody counts.
        watcher: what is notified of calls.
        stream: where what they print goes.
    """

    limits: Limits | None = None
    left: float = 0.0
    is_timed: bool = False
    to_stderr: bool = False
    interrupts: int | None = None
    watcher: Watcher | None = None
    stream: TextIO | None = None


_state = _State()


class PluginCall:
    """A block that runs code of a plugin.

    Whatever that code raises, ``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit`` and
    ``StopIteration`` included, becomes a PluginError. Only a real Ctrl-C is passed on, and so are
    the exceptions that the hook may raise.
    """

    def __init__(
        self,
        who: str,
        hook: str,
        where: str = "",
        failed: str = "failed",
        passed: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Describe a call.

        Args:
            who: the plugin with its distribution, as the message begins.
            hook: the hook that is called; "" for code outside of any.
            where: the document or row that it is called for.
            failed: what the message says of an exception.
            passed: the exceptions that the hook may raise.
        """
        self.what = f"{who}: {hook}" if hook else who
        self.where = where
        self.failed = failed
        self.passed = passed
        self._output: _Output | None = None
        self._began: float | None = None

    def __enter__(self) -> PluginCall:
        """Begin the call.

        Raises:
            PluginError: an earlier call of the hook exceeded the limits.
        """
        limits = _state.limits
        if limits is not None and self.what in limits.ended:
            raise PluginError(f"{self.what} {limits.ended[self.what]}")
        self._output = _Output() if _state.to_stderr else None
        if limits is not None and not _state.is_timed and _in_main_thread():
            self._began = time.monotonic()
            _state.is_timed = True
            left = max(_state.left, 0.001)
            if _state.watcher:
                call = f"{self.what} {self.failed}"
                _state.watcher.begins(call, self._ending, left, limits.seconds)
            if _HAS_TIMER:
                # Again each second, for code that catches every exception and goes on.
                signal.setitimer(signal.ITIMER_REAL, left, 1.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> Literal[False]:
        if self._began is not None:
            if _HAS_TIMER:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if _state.watcher:
                _state.watcher.ends()
            _state.is_timed = False
            _state.left -= time.monotonic() - self._began
        if self._output:
            self._output.restore()
        if error is None or isinstance(error, self.passed) or _is_ctrl_c(error):
            return False
        if isinstance(error, WrongValueError):
            raise PluginError(f"{self.what} {error}{self._ending}") from None
        if isinstance(error, _TimeUpError):
            raise self.exceeded() from error
        failed = f"{self.failed} {self.where}" if self.where else self.failed
        raise PluginError(f"{self.what} {failed}: {describe_error(error)}") from error

    def exceeded(self, amount: str = "") -> PluginError:
        """Return the error for code that exceeds the limits, and do not call it again.

        Args:
            amount: how much it gave without an end; "" where its time is up.
        """
        assert _state.limits is not None
        amount = amount or f"{_state.limits.seconds:g} seconds"
        what = f"{self.failed}: {endless(amount)}"
        _state.limits.ended[self.what] = what
        return PluginError(f"{self.what} {what}{self._ending}")

    @property
    def _ending(self) -> str:
        """How a message ends: what the hook was called for."""
        return f" ({self.where})" if self.where else ""


def endless(amount: str) -> str:
    """Return what is said of code that was stopped after an amount of time or rows."""
    return f"it does not end, and was stopped after {amount}"


def current_limits() -> Limits | None:
    """Return the limits that plugins' code has now."""
    return _state.limits


@contextmanager
def limited_calls(limits: Limits) -> Iterator[None]:
    """Limit what the code of plugins may take within the context.

    Timers are of the main thread, and of systems that have them: elsewhere only rows are limited.
    """
    before, left = _state.limits, _state.left
    _state.limits, _state.left = limits, limits.seconds
    has_timer = _HAS_TIMER and _in_main_thread()
    handler = signal.signal(signal.SIGALRM, _time_up) if has_timer else None
    try:
        yield
    finally:
        _state.limits, _state.left = before, left
        if has_timer:
            signal.signal(signal.SIGALRM, handler)


@contextmanager
def watched_calls(watcher: Watcher) -> Iterator[None]:
    """Notify a watcher of the calls within the context."""
    _state.watcher = watcher
    try:
        yield
    finally:
        _state.watcher = None


@contextmanager
def limited_memory(size: int = 8 << 30) -> Iterator[None]:
    """Let this process, and those that it starts, allocate so many bytes at most, where it can."""
    try:
        import resource
    except ImportError:  # not on Windows
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or soft > size:
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def plugins_on_a_terminal() -> Iterator[None]:
    """Keep plugins from the command line's standard output and from its Ctrl-C.

    Within the context what they print goes to standard error, and a KeyboardInterrupt that they
    raise themselves is distinguished from a real one.
    """
    handler = signal.getsignal(signal.SIGINT)
    counts = _in_main_thread() and handler is signal.default_int_handler
    is_known = counts or handler is signal.SIG_IGN  # in the background no Ctrl-C comes
    _state.to_stderr, _state.interrupts = True, 0 if is_known else None
    if counts:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        _state.to_stderr, _state.interrupts = False, None
        if _state.stream is not None:
            with suppress(OSError, ValueError):
                _state.stream.close()
            _state.stream = None
        if counts:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Output:
    """Standard output led to standard error: of Python, and of libraries and child processes."""

    def __init__(self) -> None:
        self._streams, self._descriptor = (sys.stdout, sys.stderr), -1
        with suppress(OSError, ValueError):  # one of the two is closed
            sys.stdout.flush()
            self._descriptor = os.dup(1)
            os.dup2(2, 1)
        sys.stdout = sys.stderr = _stream_of_plugins()

    def restore(self) -> None:
        with suppress(OSError, ValueError):
            self._streams[0].flush()  # what a plugin wrote to sys.__stdout__
        sys.stdout, sys.stderr = self._streams
        if self._descriptor >= 0:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)


def _stream_of_plugins() -> TextIO:
    """Return a stream to standard error of plugins' own: they may close it."""
    if _state.stream is None or _state.stream.closed:
        try:
            descriptor = os.dup(2)
        except OSError:  # there is no standard error
            return sys.stderr
        _state.stream = os.fdopen(
            descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace"
        )
    return _state.stream


def _interrupt(number: int, frame: FrameType | None) -> None:
    _state.interrupts = (_state.interrupts or 0) + 1
    signal.default_int_handler(number, frame)


def _time_up(_number: int, _frame: FrameType | None) -> None:
    if _state.is_timed:
        raise _TimeUpError


def _is_ctrl_c(error: BaseException) -> bool:
    """Say whether the user pressed Ctrl-C; where nobody counts the signals, it is assumed."""
    return isinstance(error, KeyboardInterrupt) and _state.interrupts != 0


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def describe_error(error: BaseException) -> str:
    """Return an error's type and text and, if a plugin's own line raised it, that line."""
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # an exception's own __str__ is code of the plugin, too
        text = "(its text cannot be read)"
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    line = author_line(error)
    return (f"{name}: {text}" if text else name) + (f" ({line})" if line else "")


def author_line(error: BaseException) -> str:
    """Return "file:line" where a plugin's code raised an error; "" if it was none of that code.

    Lines of this package, of Python's standard library and of pluggy do not count: they only call
    the plugin.
    """
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_authors(each)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _is_authors(frame: traceback.FrameSummary) -> bool:
    file = Path(frame.filename)
    python = Path(sysconfig.get_path("stdlib"))
    return not (
        file.is_relative_to(Path(__file__).parents[1])
        or (file.is_relative_to(python) and "site-packages" not in file.parts)
        or "pluggy" in file.parts
        or frame.filename.startswith("<")
    )
