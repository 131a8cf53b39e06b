"""Load a plugin in a clean process: nothing else imported, and sets in another order."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import islice
from typing import Any

from ..data import Example, Reject
from ..errors import FieldsmithError, PluginError
from ..plugin_code.calls import Limits, PluginCall, limited_calls
from ..plugins import Plugin, load

SCORED = 60
"""Documents of the sample that the metric is tried on, and whose prompts are made."""

_SCRIPT = """
import json, sys
sys.path[:], seconds, *plugin = json.loads(sys.argv[1])
from fieldsmith.authoring.clean_process import report
report(seconds, *plugin)
"""

_OWN_SECONDS = 60
"""How long the process may take beside the plugin's code."""


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


class ProcessEndedError(PluginError):
    """The plugin ends the process that imports it, or never lets it go on."""


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
    found, fault = _run(json.dumps([sys.path, seconds, module, name, list(wrappers)]), seconds)
    if not found:
        raise ProcessEndedError(
            f"importing {module}, or its extract_schema, does not let the process go on: {fault}"
        )
    modules, sample, prompts = [*found, fault, fault][:3]
    if isinstance(modules, str):
        raise PluginError(
            f"in a process of its own it fails: {modules}; do not rely on what another module has "
            f"imported or left behind"
        )
    return CleanProcess(frozenset(modules), sample, prompts)


def _run(arguments: str, seconds: float) -> tuple[list[Any], str]:
    """Return what the process reported, a value for each stage that it reached, and its fault."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, arguments],
            env={**os.environ, "PYTHONHASHSEED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = process.wait(3 * seconds + _OWN_SECONDS)
            fault = f"it ended with exit code {code}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            fault = f"it was stopped after {3 * seconds + _OWN_SECONDS:g} seconds"
        output.seek(0)
        return [json.loads(line) for line in output], fault


def report(seconds: float, module: str, name: str, wrappers: list[str]) -> None:
    """Print what is found of a plugin as JSON, a line each; called in the clean process."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the plugin may print, too

    def tell(value: object) -> None:
        print(json.dumps(value), file=output, flush=True)

    before = set(sys.modules)
    try:
        with limited_calls(Limits(seconds)), PluginCall("it", "", failed="cannot be imported"):
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
