"""Write the project of a new plugin from the files of ``template/``."""

from __future__ import annotations

import importlib.util
import json
import keyword
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from .. import __version__
from ..data import Example, Schema
from ..errors import OutputError, PluginError
from ..plugins import find
from ..progress import say
from ..schema.navigation import resolve, types_of
from .example_cases import cases_of
from .labelled_rows import labelled_examples
from .model_source import ModelSource, read_model
from .sample_records import made_up_rows
from .schema_inference import infer_schema

_FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "ci.yml": ".github/workflows/tests.yml",
    "plugin.py": "__MODULE__/__init__.py",
    "model.py": "__MODULE__/model.py",
    "schema.json": "__MODULE__/schema.json",
    "sample.jsonl": "__MODULE__/sample.jsonl",
    "cases.yaml": "__MODULE__/cases.yaml",
    "test_plugin.py": "tests/test___NAME__.py",
}
"""Each file of the template, and ``model.py`` of the user, with its path in the project."""

_SAMPLE = 200
"""How many of the records that the schema is inferred from become the sample."""

_SPLITS = ("train", "train", "train", "validation", "test")


_VALUES: Mapping[str, str] = {
    "__MODEL_IMPORT__": "",
    "__SCHEMA__": "fieldsmith.read_schema(__file__)",
    "__SCHEMA_FILE__": "schema.json",
    "__REQUIREMENTS__": "",
    "__SETTINGS__": "",
    "__SAMPLE__": "put your own documents here, in the same form.",
}
"""Placeholders of the template, and what they stand for unless a project says otherwise."""


_WHOLE_DOCUMENTS = '''

@hookimpl
def extract_settings(preset: str) -> dict[str, object]:
    """Return the domain's own defaults under a preset, by setting name. Optional.

    Fields are required, which a part of a document seldom has all of: documents are read whole.
    """
    lengths = {"max_length": 2048, "max_new_tokens": 1024} if preset == "embedded" else {}
    return {"window": "document", **lengths}
'''


@dataclass(frozen=True)
class _Contents:
    """What a new project has in place of the template's own.

    Attributes:
        schema: its schema; None for the template's.
        files: contents of files, by their names in ``_FILES``; None for one that it lacks.
        values: what placeholders stand for.
    """

    schema: Schema | None = None
    files: Mapping[str, str | None] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def create(name: str, records: Path | None = None, model: str | None = None) -> Path:
    """Write a new plugin's project into a folder of its name, whole or not at all; return it.

    Args:
        name: name of the plugin; its module is ``fieldsmith_NAME``.
        records: labelled rows (``labelled_examples``), from which the schema is inferred and which
            become the sample.
        model: a class whose schema the plugin has, as ``read_model`` takes it; its sample is made
            up.

    Raises:
        PluginError: the name is not a Python identifier, or is taken.
        OutputError: the folder exists, or cannot be written.
        InputError: the records or the class cannot be read.
    """
    check_name(name)
    folder = Path(name)
    if folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder}: exists already; choose another name, or move it away")
    contents = _Contents()
    if records is not None:
        contents = _of_records(name, records)
    elif model is not None:
        contents = _of_model(read_model(model))
    _write(folder, _project(name, contents))
    return folder


def _of_records(name: str, records: Path) -> _Contents:
    examples = list(labelled_examples(records))
    schema, rows = infer_schema(examples, f"Records of {name}"), list(_sample(examples))
    return _Contents(
        schema,
        {
            "schema.json": _as_json(schema),
            "sample.jsonl": _as_jsonl(rows),
            "cases.yaml": cases_of(rows, schema),
        },
        {"__SAMPLE__": "these are rows of your records; make sure that they may be published."},
    )


def _of_model(model: ModelSource) -> _Contents:
    """Return a copy of the class's module, or its schema where a copy would not give it."""
    rows = list(made_up_rows(model.schema))
    own = {"sample.jsonl": _as_jsonl(rows), "cases.yaml": cases_of(rows, model.schema)}
    values = {"__SAMPLE__": "these documents are made up; put your own in their place."}
    if model.schema.get("required"):
        values["__SETTINGS__"] = _WHOLE_DOCUMENTS
    if model.code is None:
        say(
            f"{model.target}: its schema is written to schema.json, because its file gives it only "
            f"together with what is beside it; later changes of the class do not reach the plugin"
        )
        return _Contents(model.schema, {"schema.json": _as_json(model.schema), **own}, values)
    values |= {
        "__MODEL_IMPORT__": "\nfrom . import model\n",
        "__SCHEMA__": f"fieldsmith.schema_of(model.{model.name})",
        "__SCHEMA_FILE__": "model.py",
        "__REQUIREMENTS__": "".join(f', "{each}"' for each in model.requirements),
    }
    copied = {"model.py": model.code, "schema.json": None, **own}
    return _Contents(model.schema, copied, values)


def _as_json(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _as_jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


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


def _project(name: str, contents: _Contents) -> dict[str, str]:
    """Return each file of a project with its content."""
    template = resources.files(__package__) / "template"
    own = {"model.py": None, **contents.files}
    texts = {
        file: own[file] if file in own else (template / f"{file}.template").read_text("utf-8")
        for file in _FILES
    }
    schema = contents.schema or json.loads(texts["schema.json"] or "{}")
    values = {
        **_VALUES,
        **contents.values,
        "__NAME__": name,
        "__MODULE__": _module(name),
        "__DISTRIBUTION__": _module(name).replace("_", "-"),
        "__VERSION__": __version__,
        "__FIELDS__": "\n".join(_field_rows(schema)),
    }
    return {
        _filled(_FILES[file], values): text if file in own else _filled(text, values)
        for file, text in texts.items()
        if text is not None
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _field_rows(schema: Schema) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield f"| `{name}` | {part.get('description') or _description(part, schema)} |"


def _description(part: Any, root: Schema) -> str:
    here = resolve(part, root)
    types = list(dict.fromkeys(name for name in types_of(here) if name != "null"))
    if types == ["array"] and "items" in here:
        return f"a list: {_description(here['items'], root)}"
    if types == ["object"] and "properties" in here:
        return f"an object of {', '.join(here['properties'])}"
    if "enum" in here:
        return "one of " + ", ".join(str(value) for value in here["enum"] if value is not None)
    return f"{here.get('x-source', 'inferred')}, {' or '.join(types) or 'one of several objects'}"


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
