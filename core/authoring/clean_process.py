"""Load a plugin in a clean process: nothing else imported, and sets in another order."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice

from ..data import Example, Reject
from ..errors import PluginError
from ..hook_calls import describe_error
from ..plugins import Plugin, load

SCORED = 60
"""Documents of the sample that the metric is tried on, and whose prompts are made."""

_SCRIPT = """
import json, sys
from importlib import import_module
sys.path[:], module, *plugin = json.loads(sys.argv[1])
import_module(module)
modules = list(sys.modules)
from fieldsmith.authoring.clean_process import report
report(modules, *plugin)
"""


@dataclass(frozen=True)
class CleanProcess:
    """What a clean process found of a plugin.

    Attributes:
        modules: names of the modules that were imported once the plugin was.
        sample: hash of the rows of the sample.
        prompts: hash of the prompts of its documents.
    """

    modules: frozenset[str]
    sample: str
    prompts: str


def run_clean(module: str, name: str, wrappers: Iterable[str]) -> CleanProcess:
    """Load a plugin in a clean process.

    Raises:
        PluginError: the process could not use the plugin.
    """
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps([sys.path, module, name, list(wrappers)])],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PluginError(
            f"in a process of its own it fails: {last}; do not rely on what another module has "
            f"imported or left behind"
        )
    modules, sample, prompts = json.loads(done.stdout.splitlines()[-1])
    return CleanProcess(frozenset(modules), sample, prompts)


def report(modules: list[str], name: str, wrappers: list[str]) -> None:
    """Print the fields of ``CleanProcess`` as JSON; called in the clean process."""
    plugin = load(name, wrappers)
    rows: list[Example | Reject] = []

    def read() -> str:
        rows.extend(plugin.load(None))
        return hash_rows(rows)

    found = [_hash_or_error(read), _hash_or_error(lambda: hash_prompts(plugin, rows))]
    print(json.dumps([modules, *found]))


def _hash_or_error(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:  # other checks report it
        return describe_error(error)


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
