"""Check a plugin's hooks and schema when it is loaded, before any hook is called.

pluggy returns None for a required hook that is missing, never calls a misspelt one, and passes
arguments with defaults in some versions only. Each of these is an error here.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import hookspecs
from .data import Schema
from .errors import PluginError, SchemaError, did_you_mean, shortened
from .hookspecs import PROJECT, REQUIRED
from .plugin_code.values import plain

_HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(hook).parameters)
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, f"{PROJECT}_spec")
}


_DEEPEST = 128
"""Deepest nesting of a schema: two levels for each of a record."""

_MOST_VALUES = 100_000
"""Most values in a schema, which is compiled for each text."""


@dataclass(frozen=True)
class Implementation:
    """A function marked with ``hookimpl``.

    Attributes:
        hook: the hook that it implements.
        function: the function.
        wraps: it is a wrapper around other plugins' implementations.
        optional: it may name a hook that does not exist, as pluggy's ``optionalhook`` allows.
    """

    hook: str
    function: Callable[..., Any]
    wraps: bool
    optional: bool


def _implementations(module: object) -> Iterator[Implementation]:
    for name, function in inspect.getmembers(module, inspect.isroutine):
        options = getattr(function, f"{PROJECT}_impl", None)
        if isinstance(options, dict):
            wraps = bool(options.get("wrapper") or options.get("hookwrapper"))
            hook, optional = options.get("specname") or name, bool(options.get("optionalhook"))
            yield Implementation(hook, function, wraps, optional)


def is_wrapper(implementations: Sequence[Implementation]) -> bool:
    """Say whether a plugin only wraps hooks of others, so that ``--with`` alone can use it."""
    return bool(implementations) and all(each.wraps for each in implementations)


def checked_hooks(module: object, who: str) -> list[Implementation]:
    """Return a plugin's hooks.

    Args:
        module: the imported plugin.
        who: the plugin with its distribution, for messages.

    Raises:
        PluginError: a hook is misspelt, not marked as one, or takes other arguments.
    """
    implementations = list(_implementations(module))
    for each in implementations:
        if each.hook in _HOOKS:
            _check_signature(each, who)
        elif not each.optional:
            raise _not_a_hook(each.hook, who)
    implemented = {each.hook for each in implementations}
    for name, _ in inspect.getmembers(module, inspect.isfunction):
        meant = _hook_meant_by(name)
        if meant is None or implemented & {name, meant}:
            continue
        if name == meant:
            raise PluginError(f"{who}: {name!r} is not marked with @fieldsmith.hookimpl")
        raise _not_a_hook(name, who)
    return implementations


def _not_a_hook(name: str, who: str) -> PluginError:
    return PluginError(f"{who}: {name!r} is not a fieldsmith hook; {did_you_mean(name, _HOOKS)}")


def _hook_meant_by(name: str) -> str | None:
    """Return the hook that a function is named after, also if it is slightly misspelt."""
    prefix = f"{PROJECT}_"
    if not name.startswith(prefix):
        return None
    # All names begin alike: only the rest says how close two of them are.
    rests = [hook.removeprefix(prefix) for hook in _HOOKS]
    close = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=0.75)
    return prefix + close[0] if close else None


def _check_signature(implementation: Implementation, who: str) -> None:
    hook, known = implementation.hook, _HOOKS[implementation.hook]
    parameters = inspect.signature(implementation.function).parameters
    plain = all(
        each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty and name in known
        for name, each in parameters.items()
    )
    if not plain:
        raise PluginError(
            f"{who} has the wrong arguments: {hook}({', '.join(parameters)}) has to be "
            f"{hook}({', '.join(known)}), without defaults and none keyword-only; "
            f"it need not take all of them"
        )


def check_complete(implementations: Sequence[Implementation], who: str) -> None:
    """Refuse a plugin that lacks a required hook; wrapping a hook does not implement it."""
    if is_wrapper(implementations):
        raise PluginError(f"{who} is a wrapper and not a domain; use it through --with")
    implemented = {each.hook for each in implementations if not each.wraps}
    missing = [hook for hook in REQUIRED if hook not in implemented]
    if missing:
        raise PluginError(f"{who} lacks {', '.join(missing)}; write each with @fieldsmith.hookimpl")


def checked_schema(schema: object, who: str) -> Schema:
    """Return a copy of the schema as parsed from JSON, its objects closed (``schema.closing``).

    The plugin cannot change it. A root that refers to a definition, as the schema of a pydantic
    model that contains itself does, is replaced by it.

    Args:
        schema: what ``extract_schema`` returned.
        who: the plugin with its distribution, for messages.

    Raises:
        PluginError: it is not a JSON Schema (2020-12) of an object.
        SchemaError: decoding cannot enforce it.
    """
    # These imports take a tenth of a second each, and only a plugin in use needs them.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError as InvalidSchema

    from .decoding.grammar import check_schema
    from .schema.annotations import annotation_problem
    from .schema.closing import closed
    from .schema.limits import excess
    from .schema.navigation import resolve

    if not isinstance(schema, dict):
        raise PluginError(
            f"{who}: extract_schema returned {type(schema).__name__} "
            f"{shortened(schema)}; it has to be a dict, the JSON Schema of a record"
        )
    try:
        copy: Schema = plain(schema, _DEEPEST, _MOST_VALUES)
        Draft202012Validator.check_schema(copy)
    except InvalidSchema as error:
        raise PluginError(
            f"{who}: its schema is not valid at {error.json_path}: {error.message}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise PluginError(f"{who}: its schema is not JSON: {error}") from error
    copy = closed(dict(resolve(copy, copy)))
    if copy.get("type") != "object":
        raise PluginError(
            f"{who}: its schema describes {shortened(copy.get('type'))}; "
            'a record is an object, so the root needs "type": "object"'
        )
    problem = annotation_problem(copy) or excess(copy)
    if problem is not None:
        raise PluginError(f"{who}: its schema at {problem}")
    try:
        check_schema(copy)
    except SchemaError as error:
        raise SchemaError(f"{who}: {error}") from error
    return copy
