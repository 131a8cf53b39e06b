"""Read the files of a run folder; a fault is one line that names file and key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ..errors import InputError, RunError, shortened
from ..files import check_json, parse_json, parse_line, read_text


def read_object(file: Path, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        file: the file.
        schema: what the object has to be.

    Raises:
        RunError: it cannot be read, is not JSON, or breaks the schema; names file and key.
    """
    try:
        value = parse_json(read_text(file))
        check_json(value)
    except InputError as error:
        raise RunError(str(error)) from error
    except ValueError as error:
        raise RunError(f"{file}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{file}: a JSON object is wanted, not {shortened(value)}")
    check(value, schema, str(file))
    return value


def read_rows(file: Path, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file; see ``read_object``."""
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, start=1):
        row = read_row(line, f"{file}", number, schema)
        if row is not None:
            yield row


def read_row(
    line: bytes, name: str, number: int, schema: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the object of one line of JSONL, None for a blank one; see ``read_object``."""
    try:
        row = parse_line(line, name, number)
    except InputError as error:
        raise RunError(str(error)) from error
    if row is not None:
        try:
            check_json(row)
        except ValueError as error:
            raise RunError(f"{name}:{number}: not JSON: {error}") from error
        check(row, schema, f"{name}:{number}")
    return row


def check(value: object, schema: Mapping[str, Any], name: str) -> None:
    """Check a value against a schema.

    Args:
        value: the value.
        schema: the schema.
        name: of the file, for the message.

    Raises:
        RunError: names the key that is wrong, and says what is wanted there.
    """
    fault = next(Draft202012Validator(schema).iter_errors(value), None)
    if fault is not None:
        raise RunError(f"{name}: {_described(fault)}")


def _described(fault: ValidationError) -> str:
    key = ".".join(map(str, fault.absolute_path))
    where = f"{key}: " if key else ""
    found, wanted = shortened(fault.instance), cast("Any", fault.validator_value)
    if fault.validator == "required":
        missing = [name for name in wanted if name not in cast("Any", fault.instance)]
        return f"{where}the key {missing[0]!r} is missing"
    if fault.validator == "type":
        names = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{where}{found} is not of type {names}"
    if fault.validator in ("minimum", "maximum"):
        direction = "below" if fault.validator == "minimum" else "above"
        return f"{where}{found} is {direction} {wanted}"
    message = " ".join(fault.message.split())
    return f"{where}{message if len(message) <= 200 else message[:199] + '…'}"


def require_own_files(folder: Path) -> None:
    """Check that a run folder holds files and folders of its own alone.

    A link could lead anywhere, to be read or written over, and a pipe would be waited for.

    Raises:
        RunError: names the entry that is something else.
    """
    inside = Path(os.path.realpath(folder))
    for parent, folders, files in os.walk(inside):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                if not Path(os.path.realpath(path)).is_relative_to(inside):
                    raise RunError(f"{path}: is a link out of the run folder; copy what it names")
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise RunError(f"{path}: is no file; delete it")
