"""Locks between processes: one at a time writes a file or a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError


def lock_file(path: Path) -> Path:
    """Return the file, beside ``path``, that is locked for as long as ``path`` is written."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: Path, refusal: str, *, wait: float = 0) -> Iterator[None]:
    """Hold the lock of a file; the system releases it when the process ends, however it ends.

    Args:
        path: the file, whose folder has to be there.
        refusal: says what to do where another process holds the lock.
        wait: seconds to wait for another process.

    Raises:
        OutputError: another process holds the lock, or there can be none.
    """
    from filelock import FileLock, Timeout

    file = lock_file(path)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=wait, poll_interval=0.05)
    except Timeout:
        raise OutputError(f"{path}: {refusal}") from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{file}: cannot be locked ({reason})") from error
    try:
        yield
    finally:
        # While it is held: afterwards another process may hold it. What has content is not ours.
        with suppress(OSError):
            if not file.stat().st_size:
                file.unlink()
        lock.release()


def remove_lock(path: Path) -> None:
    """Delete the lock file that a killed process has left; one that is held stays."""
    if lock_file(path).exists():
        with suppress(OutputError), locked(path, ""):
            pass
