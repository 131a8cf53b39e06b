"""Read the schema of a pydantic model from the user's own file or module.

The module is imported in another process, because the user named it, and only then.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any, is_typeddict

from ..contract import checked_schema
from ..data import Schema
from ..errors import FieldsmithError, InputError, did_you_mean
from ..files import read_text
from ..plugin_code.calls import Limits, PluginCall, limited_calls
from ..plugin_code.other_process import Tell, running
from ..toolkit import schema_of

_ALONE = "model"
"""Name of the module of a file that is in no package, as in the new plugin."""

_KINDS = "a pydantic model, a dataclass or a TypedDict"


@dataclass(frozen=True)
class ModelSource:
    """A class whose fields are those of a record.

    Attributes:
        target: what the user wrote: the file or module, and the class.
        name: the class.
        schema: its JSON Schema, as a plugin's is checked.
        code: the source of its module, if that gives the same schema where nothing is beside it;
            otherwise None.
        requirements: the distributions that its module imports, pydantic first.
    """

    target: str
    name: str
    schema: Schema
    code: str | None
    requirements: tuple[str, ...]


def is_model(source: str) -> bool:
    """Say whether the source of a new plugin is a class, and not a file of records."""
    place, _, name = source.rpartition(":")
    is_file = source.endswith(".py") or place.endswith(".py")
    return is_file or bool(place and name.isidentifier() and not Path(source).exists())


def read_model(target: str) -> ModelSource:
    """Import a class and return its schema.

    Args:
        target: ``model.py:Model`` or ``package.module:Model``.

    Raises:
        FieldsmithError: there is no such file, module or class, it cannot be imported or is of
            another kind, or its schema cannot be used; names the target and says what to do.
    """
    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    found = _found(target, place, name, str(Path.cwd()))
    code = _code(found["file"])
    is_alone = code is not None and _gives_same_schema(code, name, found["schema"])
    return ModelSource(
        target,
        name,
        found["schema"],
        code if is_alone else None,
        tuple(_requirements(code or "")),
    )


def _found(
    target: str, place: str, name: str, folder: str, *, is_quiet: bool = False
) -> dict[str, Any]:
    """Return what another process finds of a class: its schema and the file of its module."""
    arguments = (target, place, name, folder)
    with running(report_model, *arguments, shows_errors=not is_quiet) as reports:
        (found,) = reports
    if isinstance(found, str):
        raise InputError(found)
    return dict(found)


def report_model(tell: Tell, target: str, place: str, name: str, folder: str) -> None:
    """Tell the schema of a class, or in one line why there is none; called in another process.

    Args:
        tell: reports it.
        target: what the user wrote.
        place: its file or module.
        name: the class.
        folder: from where modules are found, too.
    """
    sys.dont_write_bytecode = True  # the folder is the user's
    try:
        with limited_calls(Limits()):
            model = _class(_imported(place, folder), place, name)
            schema = _schema(model, target)
        file = getattr(sys.modules[model.__module__], "__file__", None)
        tell({"schema": schema, "file": file})
    except FieldsmithError as error:
        cause = error.__cause__
        is_missing = isinstance(cause, ImportError) and cause.name == "pydantic"
        advice = "; install it: pip install pydantic" if is_missing else ""
        tell(f"{error}{advice}".replace("\n", " "))


def _imported(place: str, folder: str) -> ModuleType:
    path = Path(place)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise InputError(f"{place}: there is no such file")
    if not is_file and path.exists() and not path.is_dir():
        raise InputError(f"{place}: it is no Python file; records need no class after a colon")
    name, above = _module_of(path.resolve()) if is_file else (place, Path(folder))
    sys.path.insert(0, str(above))
    with PluginCall(place, "", failed="cannot be imported"):
        # A file may have the name of a module that is imported already.
        return import_module(name) if "." in name or not is_file else _executed(path)


def _module_of(path: Path) -> tuple[str, Path]:
    """Return the name of a file's module, and the folder from which it is imported."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _executed(path: Path) -> ModuleType:
    """Return the module of a file that is in no package."""
    spec = importlib.util.spec_from_file_location(_ALONE, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[_ALONE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _class(module: ModuleType, place: str, name: str) -> type:
    known = [
        key
        for key, value in vars(module).items()
        if key.isidentifier() and _is_model(value) and value.__module__ == module.__name__
    ]
    if not name or not hasattr(module, name):
        wrong = f"there is no class {name!r}" if name else "the class is missing"
        advice = f"write {place}:CLASS; {did_you_mean(name, known)}"
        raise InputError(
            f"{place}: {wrong}; {advice if known else f'it defines none that is {_KINDS}'}"
        )
    found: object = getattr(module, name)
    if not _is_model(found):
        raise InputError(f"{place}: {name} is not {_KINDS}; {did_you_mean(name, known)}")
    assert isinstance(found, type)
    return found


def _schema(model: type, target: str) -> Schema:
    with PluginCall(target, "", failed="has no schema", passed=(InputError,)):
        try:
            schema = schema_of(model)
        except TypeError as error:
            reason = str(error.__cause__ or error).partition("\n")[0]
            raise InputError(f"{target} has no schema: {reason}") from error
    checked = checked_schema(schema, target)
    if not checked.get("properties") and not isinstance(checked.get("additionalProperties"), dict):
        raise InputError(f"{target}: it has no field; a record has at least one")
    return checked


def _is_model(value: object) -> bool:
    if not inspect.isclass(value):
        return False
    bases = {f"{base.__module__}.{base.__qualname__}" for base in value.__mro__[1:]}
    return "pydantic.main.BaseModel" in bases or is_dataclass(value) or is_typeddict(value)


def _code(file: str | None) -> str | None:
    """Return the source of a module; None if it is none that can be copied."""
    if file is None or not file.endswith(".py"):
        return None
    try:
        return read_text(Path(file))
    except InputError:
        return None


def _gives_same_schema(code: str, name: str, schema: Schema) -> bool:
    """Say whether a source gives the same schema in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model.py")
        copy.write_text(code, encoding="utf-8")
        try:
            found = _found(f"{copy}:{name}", str(copy), name, folder, is_quiet=True)
            return bool(found["schema"] == schema)
        except FieldsmithError:
            return False


def _requirements(code: str) -> Iterator[str]:
    """Yield the distributions that a source imports, pydantic first; those of Python are none."""
    yield "pydantic>=2"
    distributions = metadata.packages_distributions()
    names = {name for node in ast.walk(ast.parse(code)) for name in _imports(node)}
    found = {each for name in names for each in distributions.get(name, ())}
    yield from sorted(found - {"pydantic", "fieldsmith"})


def _imports(node: ast.AST) -> list[str]:
    """Return the outermost packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [(node.module or "").partition(".")[0]]
    return []
