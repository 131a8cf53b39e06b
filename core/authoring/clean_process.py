"""Load a plugin in a clean process: nothing else imported, and sets in another order."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import islice
from typing import Any

from ..data import Example, Reject
from ..errors import FieldsmithError, PluginError
from ..plugin_code.calls import Limits, PluginCall, limited_calls
from ..plugin_code.other_process import ProcessEndedError, Tell, running
from ..plugins import Plugin, load

SCORED = 60
"""Documents of the sample that the metric is tried on, and whose prompts are made."""


@dataclass(frozen=True)
class CleanProcess:
    """What a clean process found of a plugin.

    Attributes:
        modules: names of the modules that were imported with the plugin.
        sample: hash of the rows of the sample, or why there is none.
        prompts: hash of the prompts of its documents, or why there is none.
    """

    modules: frozenset[str]
    sample: str
    prompts: str


def run_clean(module: str, name: str, wrappers: Iterable[str], seconds: float) -> CleanProcess:
    """Load a plugin in a clean process.

    Args:
        module: the module that its entry point names.
        name: the plugin.
        wrappers: the plugins around its hooks.
        seconds: how long its code may run, for each of the things that are found.

    Raises:
        PluginError: the process could not import or load the plugin.
        ProcessEndedError: its import, or its schema, ended the process.
    """
    found: list[Any] = []
    fault = ""
    arguments = (module, name, list(wrappers), seconds)
    with running(report_plugin, *arguments, environment={"PYTHONHASHSEED": "1"}) as reports:
        try:
            for report in reports:
                found.append(report)  # noqa: PERF402  # those before an error count, too
        except ProcessEndedError as error:
            if not found:
                raise
            fault = str(error)
    modules, sample, prompts = [*found, fault, fault][:3]
    if isinstance(modules, str):
        raise PluginError(
            f"in a process of its own it fails: {modules}; do not rely on what another module has "
            f"imported or left behind"
        )
    return CleanProcess(frozenset(modules), sample, prompts)


def report_plugin(tell: Tell, module: str, name: str, wrappers: list[str], seconds: float) -> None:
    """Tell what is found of a plugin: modules, sample, prompts; called in the clean process."""
    before = set(sys.modules)
    try:
        with limited_calls(Limits(seconds)), PluginCall(f"importing {module}", ""):
            import_module(module)
        modules = sorted(set(sys.modules) - before)
        with limited_calls(Limits(seconds)):
            plugin = load(name, wrappers)
    except PluginError as error:
        tell(str(error))
        return
    tell(modules)
    rows: list[Example | Reject] = []

    def read() -> str:
        rows.extend(plugin.load(None))
        return hash_rows(rows)

    for make in (read, lambda: hash_prompts(plugin, rows)):
        with limited_calls(Limits(seconds)):
            tell(_hash_or_error(make))


def _hash_or_error(make: Callable[[], str]) -> str:
    try:
        return make()
    except FieldsmithError as error:  # other checks report it
        return str(error)


def hash_rows(rows: Iterable[Example | Reject]) -> str:
    """Return a hash of the content of rows."""
    return _hash(repr([asdict(row) for row in rows]))


def hash_prompts(plugin: Plugin, rows: Iterable[Example | Reject]) -> str:
    """Return a hash of the prompts of the first documents of some rows, whatever their order."""
    documents = [row.document for row in rows if isinstance(row, Example)]
    prompts = [
        make(document)
        for make in (plugin.prompt, plugin.brief_prompt)
        for document in islice(documents, SCORED)
    ]
    return _hash(repr(sorted(repr(list(map(asdict, prompt))) for prompt in prompts)))


def require_same(what: str, first: str, second: str, clean: str, advice: str) -> None:
    """Raise ``PluginError`` if a hash differs the second time or in the clean process."""
    for where, again in (("a second time", second), ("in another process", clean)):
        if again != first:
            raise PluginError(f"{what} {where}; {advice}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
