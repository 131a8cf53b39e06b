"""Registry of the checks: functions marked with ``@check``, in the order of their modules."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from .plugin_under_test import PluginUnderTest

CheckFunction = Callable[[PluginUnderTest], str]
"""Returns what it found; raises ``PluginError`` with what the plugin's author has to do."""

_REGISTERED: dict[str, list[CheckFunction]] = {}


def check(function: CheckFunction) -> CheckFunction:
    """Register a function ``check_NAME``; users see NAME and the first line of the docstring."""
    _REGISTERED.setdefault(function.__module__, []).append(function)
    return function


def checks_of(*modules: ModuleType) -> tuple[CheckFunction, ...]:
    """Return the checks of some modules, in source order."""
    return tuple(each for module in modules for each in _REGISTERED[module.__name__])
