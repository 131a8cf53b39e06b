"""A plugin's project of its own, written from the files of ``template/``."""

from __future__ import annotations

import importlib.util
import json
import keyword
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .. import __version__
from ..data import Example, Schema
from ..dataset.loading import example_of_row
from ..dataset.splits import fingerprint
from ..errors import InputError, OutputError, PluginError
from ..files import files_in, read_jsonl
from ..plugins import find
from ..schema.navigation import kinds_of, resolve
from .schema_inference import draft_schema

_FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "ci.yml": ".github/workflows/tests.yml",
    "plugin.py": "__MODULE__/__init__.py",
    "schema.json": "__MODULE__/schema.json",
    "sample.jsonl": "__MODULE__/sample.jsonl",
    "test_plugin.py": "tests/test___NAME__.py",
}
"""Each file of the template, and where it stands in the project."""

_SAMPLE = 200
"""How many of the records that a schema is drafted from become the sample."""

_NOT_RECORD = ("id", "text", "url", "path", "split", "mentions")
_SPLITS = ("train", "train", "train", "validation", "test")


def create(name: str, records: Path | None = None) -> Path:
    """Write a new plugin's project into a folder of its name, whole or not at all; return it.

    name: what the plugin will be called; its module is ``fieldsmith_NAME``.
    records: JSONL of ``id, text, record`` (or of the record's keys beside ``text``), from which
        the schema is drafted and which become the sample.

    Raises:
        PluginError: the name is no Python identifier, or taken.
        OutputError: the folder exists, or cannot be written.
        InputError: the records cannot be read.
    """
    check_name(name)
    folder = Path(name)
    if folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder}: exists already; choose another name, or move it away")
    own: dict[str, str] = {}
    if records is not None:
        examples = list(_examples(records))
        schema = draft_schema(examples, f"Records of {name}")
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _sample(examples))
        own = {"schema.json": json.dumps(schema, ensure_ascii=False, indent=2) + "\n"}
        own["sample.jsonl"] = rows
    _write(folder, _project(name, own))
    return folder


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a new plugin.

    Raises:
        PluginError: it is no Python identifier in plain letters, or is taken.
    """
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise PluginError(
            f"a plugin cannot be called {name!r}; a Python identifier is wanted, like job_adverts"
        )
    if name.startswith("_") or name.endswith("_"):
        raise PluginError(f"a plugin cannot be called {name!r}; begin and end with a letter")
    for entry in find():
        if entry.name == name:
            raise PluginError(
                f"a plugin is called {name!r} already ({entry.origin}); choose another"
            )
    if importlib.util.find_spec(_module(name)) is not None:
        raise PluginError(f"there is a module {_module(name)!r} already; choose another name")


def _module(name: str) -> str:
    return f"fieldsmith_{name}"


def _project(name: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return each file of a project with its content."""
    template = resources.files(__package__) / "template"
    texts = {file: (template / f"{file}.template").read_text(encoding="utf-8") for file in _FILES}
    texts |= own
    words = {
        "__NAME__": name,
        "__MODULE__": _module(name),
        "__DISTRIBUTION__": _module(name).replace("_", "-"),
        "__VERSION__": __version__,
        "__FIELDS__": "\n".join(_field_rows(json.loads(texts["schema.json"]))),
        "__SAMPLE__": "these are rows of your records; see that they may be published."
        if own
        else "put documents of yours here, in the same form.",
    }
    return {
        _filled(place, words): text if file in own else _filled(text, words)
        for (file, place), text in zip(_FILES.items(), texts.values(), strict=True)
    }


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _field_rows(schema: Schema) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        told = field.get("description") or _described(field, schema)
        yield f"| `{name}` | {told} |"


def _described(field: Any, root: Schema) -> str:
    here = resolve(field, root)
    kinds = [kind for kind in kinds_of(here) if kind != "null"]
    if "array" in kinds:
        return f"a list: {_described(here.get('items', {}), root)}"
    if "object" in kinds:
        return f"an object of {', '.join(here.get('properties', {}))}"
    if "enum" in here:
        return "one of " + ", ".join(str(value) for value in here["enum"] if value is not None)
    return f"{here.get('x-source', 'inferred')}, {' or '.join(kinds)}"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files under a temporary name beside their folder, then rename it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        for place, text in files.items():
            path = temporary / "project" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (temporary / "project").rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _examples(records: Path) -> Iterator[Example]:
    """Yield the labelled rows of a file or folder, each text and id once.

    Raises:
        InputError: a row has no text or a broken record, or none has a record.
    """
    texts, ids = set[str](), set[str]()
    for file in files_in(records):
        for number, row in read_jsonl(file):
            if "record" not in row:
                row["record"] = {key: row[key] for key in row if key not in _NOT_RECORD} or None
            example = example_of_row(row, f"{file}:{number}")
            if not isinstance(example, Example):
                raise InputError(f"{example.place}: {example.reason}")
            mark = fingerprint(example.document.text)
            if example.record and mark not in texts and example.document.id not in ids:
                texts.add(mark)
                ids.add(example.document.id)
                yield example
    if not texts:
        raise InputError(
            f"{records}: no row has a record; write one a line, "
            f'{{"id": "1", "text": "…", "record": {{"field": "value"}}}}'
        )


def _sample(examples: Iterable[Example]) -> Iterator[dict[str, Any]]:
    """Yield rows of the core's JSONL, in the splits that they name or, if none does, in turn."""
    examples = list(examples)[:_SAMPLE]
    official = any(example.split for example in examples)
    for number, example in enumerate(examples):
        split = example.split if official else _SPLITS[number % len(_SPLITS)]
        yield {
            "id": example.document.id,
            "text": example.document.text,
            **example.document.meta,
            "record": example.record,
            **({"mentions": example.mentions} if example.mentions else {}),
            **({"split": split} if split else {}),
        }
