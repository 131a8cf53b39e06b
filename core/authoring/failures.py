"""How a check fails, or is skipped, because of what a hook does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import PluginError


class SkippedError(Exception):
    """A check cannot run, because of what another one found."""


@contextmanager
def explained(what: str, advice: str) -> Iterator[None]:
    """Add to a ``PluginError`` of a hook what failed, and the advice."""
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{what}: {error}; {advice}") from error
