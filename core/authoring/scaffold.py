"""Write the project of a new plugin from the files of ``template/``."""

from __future__ import annotations

import importlib.util
import json
import keyword
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
from ..schema.navigation import resolve, types_of
from .schema_inference import infer_schema

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
"""Each file of the template, and its path in the project."""

_SAMPLE = 200
"""How many of the records that the schema is inferred from become the sample."""

_NOT_RECORD = ("id", "text", "url", "path", "split", "mentions")
_SPLITS = ("train", "train", "train", "validation", "test")


def create(name: str, records: Path | None = None) -> Path:
    """Write a new plugin's project into a folder of its name, whole or not at all; return it.

    Args:
        name: name of the plugin; its module is ``fieldsmith_NAME``.
        records: JSONL of ``id, text, record`` (or of the record's keys beside ``text``), from
            which the schema is inferred and which become the sample.

    Raises:
        PluginError: the name is not a Python identifier, or is taken.
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
        schema = infer_schema(examples, f"Records of {name}")
        rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in _sample(examples))
        own["schema.json"] = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        own["sample.jsonl"] = "".join(rows)
    _write(folder, _project(name, own))
    return folder


def check_name(name: str) -> None:
    """Refuse a name that a new plugin cannot have.

    Raises:
        PluginError: it is not a Python identifier in ASCII letters, or is taken.
    """
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise PluginError(
            f"a plugin cannot be called {name!r}; choose a Python identifier, like job_adverts"
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
    values = {
        "__NAME__": name,
        "__MODULE__": _module(name),
        "__DISTRIBUTION__": _module(name).replace("_", "-"),
        "__VERSION__": __version__,
        "__FIELDS__": "\n".join(_field_rows(json.loads(texts["schema.json"]))),
        "__SAMPLE__": "these are rows of your records; make sure that they may be published."
        if own
        else "put your own documents here, in the same form.",
    }
    return {
        _filled(path, values): text if file in own else _filled(text, values)
        for (file, path), text in zip(_FILES.items(), texts.values(), strict=True)
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _field_rows(schema: Schema) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {field.get('description') or _description(field, schema)} |"


def _description(field: Any, root: Schema) -> str:
    here = resolve(field, root)
    types = [name for name in types_of(here) if name != "null"]
    if "array" in types:
        return f"a list: {_description(here.get('items', {}), root)}"
    if "object" in types:
        return f"an object of {', '.join(here.get('properties', {}))}"
    if "enum" in here:
        return "one of " + ", ".join(str(value) for value in here["enum"] if value is not None)
    return f"{here.get('x-source', 'inferred')}, {' or '.join(types)}"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files under a temporary name beside their folder, then rename it."""
    try:
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as temporary:
            project = Path(temporary, "project")
            for name, text in files.items():
                path = project / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            project.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error


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
