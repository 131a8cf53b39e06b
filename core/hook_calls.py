"""Run a plugin's code: its exceptions become errors that name it, its output goes to stderr.

Standard output belongs to the command line, whose results programs read. What a plugin prints goes
to standard error.
"""

from __future__ import annotations

import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import ClassVar, Literal

from .errors import PluginError

_LONGEST = 500
"""Characters of an exception's text that a message shows."""


class WrongValueError(Exception):
    """A hook gave a value of another kind than its contract says; the message says which."""


class _TimeUpError(BaseException):
    """The time that a plugin's code may take is up; no ``except Exception`` of its own stops it."""


class PluginCall:
    """A block that runs code of a plugin.

    Whatever that code raises, ``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit`` and
    ``StopIteration`` included, becomes a PluginError. Only a real Ctrl-C is passed on, and so are
    the exceptions that the hook may raise.

    Args:
        who: the plugin with its distribution, as the message begins.
        what: the hook, and "" for code outside of any.
        where: the document or row that the hook was called for.
        failed: what the message says of an exception.
        passed: the exceptions that the hook may raise.
    """

    _seconds: ClassVar[float | None] = None
    _interrupts: ClassVar[int | None] = None
    _timed: ClassVar[bool] = False

    def __init__(
        self,
        who: str,
        what: str,
        where: str = "",
        failed: str = "failed",
        passed: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.what = f"{who}: {what}" if what else who
        self.where = f" {where}" if where else ""
        self.failed = failed
        self.passed = passed

    def __enter__(self) -> PluginCall:
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        self._has_timer = False
        if PluginCall._seconds is not None and not PluginCall._timed and _in_main_thread():
            self._has_timer = PluginCall._timed = True
            # Again each second, for code that catches every exception and goes on.
            signal.setitimer(signal.ITIMER_REAL, PluginCall._seconds, 1.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> Literal[False]:
        if self._has_timer:
            signal.setitimer(signal.ITIMER_REAL, 0)
            PluginCall._timed = False
        sys.stdout = self._stdout
        if error is None or isinstance(error, self.passed) or _is_ctrl_c(error):
            return False
        if isinstance(error, WrongValueError):
            raise PluginError(f"{self.what} {error} ({self.where.strip()})") from None
        if isinstance(error, _TimeUpError):
            text = f"it did not end within {PluginCall._seconds:g} seconds"
            raise PluginError(f"{self.what} {self.failed}{self.where}: {text}") from error
        raise PluginError(
            f"{self.what} {self.failed}{self.where}: {describe_error(error)}"
        ) from error


@contextmanager
def limited_calls(seconds: float) -> Iterator[None]:
    """Let each call of a plugin's code take so many seconds at most, where the system can.

    Timers are of the main thread; elsewhere nothing is limited.
    """
    if not (_in_main_thread() and hasattr(signal, "setitimer")):
        yield
        return
    before, handler = PluginCall._seconds, signal.signal(signal.SIGALRM, _time_up)
    PluginCall._seconds = seconds
    try:
        yield
    finally:
        PluginCall._seconds = before
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def real_interrupts() -> Iterator[None]:
    """Tell a Ctrl-C from a KeyboardInterrupt that a plugin raises itself, within the context."""
    if not _in_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    PluginCall._interrupts = 0
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        PluginCall._interrupts = None
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    PluginCall._interrupts = (PluginCall._interrupts or 0) + 1
    signal.default_int_handler(number, frame)


def _time_up(_number: int, _frame: FrameType | None) -> None:
    if PluginCall._timed:
        raise _TimeUpError


def _is_ctrl_c(error: BaseException) -> bool:
    """Say whether the user pressed Ctrl-C; where nobody counts the signals, it is assumed."""
    return isinstance(error, KeyboardInterrupt) and PluginCall._interrupts != 0


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
        file.is_relative_to(Path(__file__).parent)
        or (file.is_relative_to(python) and "site-packages" not in file.parts)
        or "pluggy" in file.parts
        or frame.filename.startswith("<")
    )
