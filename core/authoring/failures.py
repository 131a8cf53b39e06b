"""How a check fails, or is skipped, because of what a hook does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import FieldsmithError, PluginError
from ..hook_calls import describe_error


class SkippedError(Exception):
    """A check cannot run, because of what another one found."""


@contextmanager
def explained(what: str, advice: str) -> Iterator[None]:
    """Turn an exception of a hook into a ``PluginError``: what failed, the error, the advice."""
    try:
        yield
    except (FieldsmithError, SkippedError):
        raise
    except Exception as error:
        raise PluginError(f"{what}: {describe_error(error)}; {advice}") from error
