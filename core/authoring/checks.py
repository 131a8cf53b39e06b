"""Whether a plugin keeps to its contract: a list of plain functions, each named for a promise.

A ``check_…`` takes a ``Subject`` and returns what it found; it raises ``PluginError``, whose
message tells the author what to do. ``extract check`` and ``fieldsmith.testing`` run the same
list. No model is loaded; prompts and answers are written by the tokenizer of the embedded one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import (
    FieldsmithError,
    PluginError,
    SchemaError,
    did_you_mean,
)
from ..plugins import author_line, describe_error
from ..settings import EMBEDDED, preset_names
from .plugin_under_test import (
    SkippedError,
    Subject,
    settings_under,
)

HEAVY = frozenset(
    "accelerate bitsandbytes bs4 datasets fitz jax llguidance lxml matplotlib nltk pandas "
    "pdfplumber peft PIL polars pyarrow pypdf pypdfium2 rdflib requests scipy sklearn spacy "
    "tensorflow tokenizers torch trafilatura transformers trl".split()
)
"""Libraries that take a tenth of a second or more to import, or that not everybody has."""


@dataclass(frozen=True)
class Check:
    """A promise of the contract, whether the plugin keeps it, and what was found.

    state: "expected" is a failure that was announced; "skip" had nothing to go by.
    what: the name of the check.
    """

    state: Literal["ok", "fail", "expected", "skip"]
    what: str
    detail: str


# The module


def check_loads(subject: Subject) -> str:
    """It is installed, imports, and has the four hooks with their arguments."""
    plugin = subject.loading
    if isinstance(plugin, SchemaError):
        return "it does; its schema cannot be used"
    if isinstance(plugin, PluginError):
        raise plugin
    wrapped = "".join(f", wrapped by {name}" for name in plugin.wrappers)
    return f"{plugin.name} ({plugin.distribution} {plugin.version}){wrapped}"


def check_import_is_light(subject: Subject) -> str:
    """Importing it imports no large or optional library."""
    _ = subject.plugin
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in subject.elsewhere.modules})
    if heavy:
        raise PluginError(
            f"importing {subject.module} imports {', '.join(heavy)}, and every command waits for "
            f"that; import it inside the function that uses it"
        )
    return f"{subject.module} imports none of the {len(HEAVY)} that are slow"


def check_imports_fieldsmith_alone(subject: Subject) -> str:
    """Its files import the package fieldsmith, and none of the modules in it."""
    files = subject.source_files
    for file in files:
        for name, line in _imports(file):
            if name.startswith("fieldsmith."):
                raise PluginError(
                    f"{file.name}:{line} imports {name}, which may change with any version; "
                    f"import what you need from fieldsmith (see fieldsmith.__all__)"
                )
    return f"{len(files)} files"


def check_settings_are_known(subject: Subject) -> str:
    """extract_settings names settings that exist, with values that fit, under every preset."""
    for preset in preset_names():
        settings_under(preset, subject.plugin)
    settings = settings_under(EMBEDDED, subject.plugin)
    own = subject.plugin.settings(EMBEDDED)
    told = ", ".join(f"{name}={getattr(settings, name)}" for name in own)
    return f"under the preset {EMBEDDED}: {told or 'none of its own'}"


# The schema


# The loader


# The prompt


# The metric


# The formats


CHECKS: tuple[Callable[[Subject], str], ...] = tuple(
    value for name, value in list(globals().items()) if name.startswith("check_")
)
"""Every check, in the order in which they stand here and run."""


def name_of(check: Callable[[Subject], str]) -> str:
    """Return the name that a check goes by in listings and in ``expected_failures``."""
    return check.__name__.removeprefix("check_")


def promise_of(check: Callable[[Subject], str]) -> str:
    """Return what a check makes sure of, in a line."""
    return (check.__doc__ or "").strip().partition("\n")[0]


def check_plugin(
    name: str,
    with_names: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Run every check on a plugin.

    expected_failures: names of checks that the plugin cannot meet, each with the reason.

    Raises:
        PluginError: there is no check of that name.
    """
    reasons = known_reasons(expected_failures or {})
    subject = Subject(name, tuple(with_names))
    return [run_check(check, subject, reasons.get(name_of(check))) for check in CHECKS]


def known_reasons(expected_failures: Mapping[str, str]) -> Mapping[str, str]:
    """Return failures that are expected; refuse a name that no check has.

    Raises:
        PluginError: there is no check of that name, or no reason is given.
    """
    names = list(map(name_of, CHECKS))
    for name, reason in expected_failures.items():
        if name not in names:
            raise PluginError(
                f"expected_failures: no check is called {name!r}; " + did_you_mean(name, names)
            )
        if not reason or not isinstance(reason, str):
            raise PluginError(f"expected_failures: say why {name} is expected to fail")
    return expected_failures


def run_check(
    check: Callable[[Subject], str], subject: Subject, reason: str | None = None
) -> Check:
    """Run one check. Whatever is raised in a line of the plugin's is a failure of it.

    reason: why it is expected to fail, where it is.
    """
    what = name_of(check)
    try:
        detail = check(subject)
    except SkippedError as error:
        return Check("skip", what, str(error))
    except FieldsmithError as error:
        return _failed(what, str(error), reason)
    except (Exception, SystemExit) as error:
        if not author_line(error):
            raise  # a bug of ours
        return _failed(
            what, f"{describe_error(error)}; mend that line, or tell what is wrong there", reason
        )
    if reason is not None:
        detail = f"it was expected to fail ({reason}) and passes: expect that no longer"
        return Check("fail", what, detail)
    return Check("ok", what, detail)


def _failed(what: str, detail: str, reason: str | None) -> Check:
    if reason is not None:
        return Check("expected", what, f"{reason} ({detail})")
    return Check("fail", what, detail)


# What the checks of the module read


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports absolutely, with their lines."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno


# What the checks of the schema read


# What the checks of the loader read


# What the checks of the prompt read


# What the checks of the metric read
