"""Errors of loading a model, and the messages that users get in their place."""

from __future__ import annotations

from ..errors import SettingsError
from ..settings import Settings

BUILDING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What transformers and torch raise for a config that they cannot make a model of."""


def reason_of(error: BaseException) -> str:
    """Return why transformers cannot make or load a model, in one line.

    Of the errors that Python raises by itself, the name says more than the text.
    """
    text = " ".join(str(error).split())
    named = isinstance(error, (ArithmeticError, AssertionError, AttributeError, LookupError))
    reason = f"{type(error).__name__}: {text}" if named else text
    return reason if len(reason) <= 300 else reason[:299] + "…"


def own_code_error(settings: Settings, error: BaseException) -> SettingsError | None:
    """Return the error for a model whose own code the user has not allowed, if it is that."""
    if settings.trust_remote_code or "trust_remote_code" not in str(error):
        return None
    return SettingsError(
        f"model {settings.model}: runs code of its own, which is in its repository; read it, and "
        f"if you trust it: --set trust_remote_code=true"
    )


def cannot_load(settings: Settings, error: BaseException, *, needs: str = "") -> SettingsError:
    """Return the error for a model that cannot be loaded.

    Args:
        settings: name the model.
        error: what its loading raised.
        needs: what has to be installed; "" where ``error`` says why.
    """
    if runs_code := own_code_error(settings, error):
        return runs_code
    return SettingsError(f"model {settings.model}: cannot be loaded: {needs or reason_of(error)}")
