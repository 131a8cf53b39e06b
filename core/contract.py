"""Whether a plugin keeps to the hooks: checked when it is loaded, before any hook is called.

pluggy answers None for a required hook that is missing, never calls a misspelt one, and passes
arguments with defaults in some versions and not in others. Each is an error here.
"""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import hookspecs
from .data import Schema
from .errors import PluginError, SchemaError, did_you_mean, shortened
from .hookspecs import PROJECT, REQUIRED

_HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(hook).parameters)
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, f"{PROJECT}_spec")
}


@dataclass(frozen=True)
class Implementation:
    """A function marked with ``hookimpl``, and the hook that it is for."""

    hook: str
    function: Callable[..., Any]
    wraps: bool
    optional: bool


def _implementations(module: object) -> list[Implementation]:
    found = []
    for name, function in inspect.getmembers(module, inspect.isroutine):
        options = getattr(function, f"{PROJECT}_impl", None)
        if isinstance(options, dict):
            wraps = bool(options.get("wrapper") or options.get("hookwrapper"))
            optional = bool(options.get("optionalhook"))
            found.append(Implementation(options.get("specname") or name, function, wraps, optional))
    return found


def is_wrapper(implementations: Sequence[Implementation]) -> bool:
    """Say whether a plugin has hooks but only wrappers, so that it is of use to others alone."""
    return bool(implementations) and all(each.wraps for each in implementations)


def checked_hooks(module: object, who: str) -> list[Implementation]:
    """Return a plugin's hooks.

    who: the plugin with its distribution, for messages.

    Raises:
        PluginError: a hook is misspelt, not marked as one, or takes other arguments.
    """
    implementations = _implementations(module)
    for each in implementations:
        if each.hook in _HOOKS:
            _check_signature(each, who)
        elif not each.optional:
            raise PluginError(
                f"{who} marks {each.hook!r} as a hook, but there is none so called; "
                f"{did_you_mean(each.hook, _HOOKS)}"
            )
    _check_unmarked(module, {each.hook for each in implementations}, who)
    return implementations


def _check_unmarked(module: object, implemented: set[str], who: str) -> None:
    """Refuse a function that is named like a hook which the plugin lacks."""
    for name, _ in inspect.getmembers(module, inspect.isfunction):
        meant = _meant(name)
        if meant and name not in implemented and meant not in implemented:
            fault = "is not marked with @fieldsmith.hookimpl"
            if name != meant:
                fault = f"is no hook; {did_you_mean(name, _HOOKS)}"
            raise PluginError(f"{who}: its function {name!r} {fault}")


def _meant(name: str) -> str | None:
    """Return the hook that a function's name stands for, also if it is misspelt slightly."""
    if not name.startswith(f"{PROJECT}_"):
        return None
    # All names begin alike: only what comes after says how near two of them are.
    ends = {hook.removeprefix(f"{PROJECT}_"): hook for hook in _HOOKS}
    near = difflib.get_close_matches(name.removeprefix(f"{PROJECT}_"), ends, n=1, cutoff=0.75)
    return ends[near[0]] if near else None


def _check_signature(implementation: Implementation, who: str) -> None:
    hook = implementation.hook
    signature = inspect.signature(implementation.function)
    plain = all(
        parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is inspect.Parameter.empty
        and parameter.name in _HOOKS[hook]
        for parameter in signature.parameters.values()
    )
    if not plain:
        raise PluginError(
            f"{who} has the wrong arguments: {hook}({', '.join(signature.parameters)}) "
            f"has to be {hook}({', '.join(_HOOKS[hook])}), without defaults and none keyword-only"
        )


def check_complete(implementations: Sequence[Implementation], who: str) -> None:
    """Refuse a plugin that lacks a required hook; a wrapper around a hook is no answer to it."""
    if is_wrapper(implementations):
        raise PluginError(f"{who} is a wrapper and no domain; use it through --with")
    answered = {each.hook for each in implementations if not each.wraps}
    missing = [hook for hook in REQUIRED if hook not in answered]
    if missing:
        raise PluginError(f"{who} lacks {', '.join(missing)}; write each with @fieldsmith.hookimpl")


def checked_schema(schema: object, who: str) -> Schema:
    """Return a copy of the schema as JSON has it, so that nobody else can change it.

    Raises:
        PluginError: it is not a JSON Schema (2020-12) of an object.
        SchemaError: it is one that answers cannot be held to.
    """
    # They take a tenth of a second each to import, and only a plugin in use needs them.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError as InvalidSchema

    from .decoding.grammar import check_schema
    from .schema.annotations import annotation_problem

    if not isinstance(schema, dict):
        raise PluginError(
            f"{who}: extract_schema returned {type(schema).__name__} "
            f"{shortened(schema)}; it has to be a dict, the JSON Schema of a record"
        )
    try:
        copy: Schema = json.loads(json.dumps(schema, allow_nan=False))
        Draft202012Validator.check_schema(copy)
    except InvalidSchema as error:
        raise PluginError(
            f"{who}: its schema is not valid at {error.json_path}: {error.message}"
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise PluginError(f"{who}: its schema is not JSON: {error}") from error
    if copy.get("type") != "object":
        raise PluginError(
            f"{who}: its schema describes {shortened(copy.get('type'))}; "
            'a record is an object, so the root needs "type": "object"'
        )
    problem = annotation_problem(copy)
    if problem is not None:
        raise PluginError(f"{who}: its schema at {problem}")
    try:
        check_schema(copy)
    except SchemaError as error:
        raise SchemaError(f"{who}: {error}") from error
    return copy
