"""Functions for plugin authors: read the schema, ask for its fields, read files by their format.

`fieldsmith` exports them beside those that count and compare (`scoring`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from .data import Document, Example, Message, Reject, Schema
from .errors import InputError, UnknownFormatError
from .files import broken_promise, files_in, read_text, readable, split_of
from .progress import say
from .schema.navigation import field_list, resolve, types_of

_HEAD_BYTES = 1 << 16
_SHOWN = 5
"""So many of the files that are passed over are named in the message."""

_ABOUT_THE_DATA = re.compile(
    r"(?i)readme.*|(licen[cs]e|copying|notice)([._-].*)?|source\.txt"
    r"|.*\.(md|rst|ya?ml|toml|lock|conf)"
)


def read_schema(module_file: str) -> Schema:
    """Read the file `schema.json` beside a module.

    Args:
        module_file: the module's `__file__`.
    """
    schema: Schema = json.loads(read_text(Path(module_file).with_name("schema.json")))
    return schema


def schema_of(model: Any) -> Schema:
    """Return the schema of a pydantic model, or of a dataclass or TypedDict that pydantic reads.

    Objects are closed: no keys but those that the model names. Annotations of a field go into its
    `json_schema_extra`: `Field(json_schema_extra={"x-source": "verbatim"})`.

    Raises:
        ImportError: pydantic is not installed.
        TypeError: it is no such class.
    """
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    from .schema.closing import closed

    try:
        schema = TypeAdapter(model).json_schema()
        # That of a class which contains itself refers to a definition.
        return closed(dict(resolve(schema, schema)))
    except PydanticUserError as error:
        raise TypeError(f"{model!r} has no schema: {error}") from error


def ask_for_fields(document: Document, schema: Schema) -> list[Message]:
    """Return a short prompt: the schema's fields in one line, then the document's text.

    It suits models of a few million parameters, which learn the fields from examples.

    >>> schema = {"properties": {"title": {"type": "string"}, "names": {"type": "array"}}}
    >>> [message.content for message in ask_for_fields(Document("1", "A text."), schema)]
    ['Extract as JSON: title, names[]', 'A text.']
    """
    return [
        Message("system", f"Extract as JSON: {field_list(schema)}"),
        Message("user", document.text),
    ]


def describe_fields(schema: Schema) -> str:
    """List the fields for a prompt, one a line: its name, and what its `description` says.

    >>> names = {"type": "array", "description": "Who is named."}
    >>> print(describe_fields({"properties": {"title": {"type": "string"}, "names": names}}))
    - title
    - names (list): Who is named.
    """
    return "\n".join(_field_lines(schema, schema, ()))


def _field_lines(
    part: Mapping[str, Any], schema: Schema, above: tuple[object, ...]
) -> Iterator[str]:
    properties = resolve(part, schema).get("properties", {})
    if any(properties is outer for outer in above):
        return  # an object that holds objects like itself
    for key, value in properties.items():
        field = resolve(value, schema)
        is_list = "array" in types_of(field)
        said = f": {field['description']}" if "description" in field else ""
        yield f"{'  ' * len(above)}- {key}{' (list)' if is_list else ''}{said}"
        inside = field.get("items", {}) if is_list else field
        yield from _field_lines(inside, schema, (*above, properties))


def renamed(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of a source with its keys renamed, lists for one field joined.

    Args:
        row: an object of JSON, or a row of a table.
        names: what `extract_load` is given: field, by the name that the source has for it.

    >>> renamed({"headline": "Storm", "tags": ["a"], "topics": ["b"]}, {"headline": "title",
    ...     "topics": "tags"})
    {'title': 'Storm', 'tags': ['a', 'b']}
    """
    found: dict[str, Any] = {}
    for key, value in sorted(row.items(), key=lambda item: item[0] in names):
        field = names.get(key, key)
        before = found.get(field)
        if isinstance(before, list) and isinstance(value, list):
            value = [*before, *value]
        found[field] = value
    return {names.get(key, key): found[names.get(key, key)] for key in row}


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: the file.
        source: what the user named: the file itself, or a folder above it.
    """

    path: Path
    source: Path

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB, without a byte order mark and white space at the beginning.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as stream:
                return stream.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error

    @property
    def first_line(self) -> bytes:
        """The first line of ``head``."""
        return self.head.split(b"\n", 1)[0]

    @property
    def name(self) -> str:
        """The path below the source: an id for the document, if the file holds one."""
        inside = Path(self.path.name) if self.is_alone else self.path.relative_to(self.source)
        return inside.as_posix()

    @property
    def split(self) -> str | None:
        """The official split, if the name of the file or its folder says so."""
        return split_of(self.path, self.source)

    @property
    def split_of_folder(self) -> str | None:
        """The official split by the folder's name alone, if the file holds one document."""
        return split_of(self.path, self.source, folder_alone=True)

    @property
    def is_about_data(self) -> bool:
        """Whether the name says that the file describes the data: a readme, a licence, `*.md`."""
        return bool(_ABOUT_THE_DATA.fullmatch(self.path.name))

    @property
    def is_alone(self) -> bool:
        """Whether the user named this file and no folder."""
        return self.path == self.source


@dataclass(frozen=True)
class Format:
    """A file format that a plugin reads.

    Attributes:
        name: what messages call it.
        matches: whether a file is in this format, by its content (``SourceFile.head``).
        read: yields what a file holds; raises InputError where the file breaks the format.
    """

    name: str
    matches: Callable[[SourceFile], bool]
    read: Callable[[SourceFile], Iterable[Example | Reject]]


def read_formats(
    source: Path,
    formats: Sequence[Format],
    *,
    sort_key: Callable[[SourceFile], bool | int | str] = lambda file: 0,
) -> Iterator[Example | Reject]:
    """Read a file or a folder, each file by the first format that matches it.

    Files of a folder are opened one by one, sorted by their paths. Those about the data (a
    readme, a licence, `*.md`) are left out. A file in no known format, or one that cannot be read,
    becomes a Reject.

    Args:
        source: what the user named.
        formats: the formats to try, in this order.
        sort_key: what to sort the files of a folder by before their paths.

    Raises:
        InputError: there is nothing at ``source``, or it is a file that cannot be read.
        UnknownFormatError: ``source`` is a file in none of the formats.
    """
    paths = files_in(source)
    unknown = f"in no format that the plugin reads ({', '.join(each.name for each in formats)})"
    if paths == [source]:
        file = SourceFile(source, source)
        if (found := _format_of(file, formats)) is None:
            raise UnknownFormatError(f"{source}: {broken_promise(source) or unknown}")
        return iter(found.read(file))
    paths = sorted(paths, key=lambda path: sort_key(SourceFile(path, source)))
    # Each is made when it is read, so that the heads of those before are freed.
    files = (SourceFile(path, source) for path in paths)
    return _read_folder(files, formats, unknown)


def _read_folder(
    files: Iterable[SourceFile], formats: Sequence[Format], unknown: str
) -> Iterator[Example | Reject]:
    left_out: list[str] = []
    for file in files:
        if file.is_about_data:
            left_out.append(readable(file.name))
            continue
        try:
            if (found := _format_of(file, formats)) is None:
                why = broken_promise(file.path) or unknown
                yield Reject(str(file.path), "", f"{why}; move it away or convert it")
            else:
                yield from found.read(file)
        except InputError as error:
            reason = str(error).removeprefix(f"{file.path}: ")
            yield Reject(str(file.path), "", reason, file.name)
    if left_out:
        count = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
        more = ", …" if len(left_out) > _SHOWN else ""
        names = ", ".join(left_out[:_SHOWN])
        _say_once(f"{file.source}: {count} about the data passed over: {names}{more}")


@cache
def _say_once(message: str) -> None:
    """Say something once, although a training reads its data several times."""
    say(message)


def _format_of(file: SourceFile, formats: Sequence[Format]) -> Format | None:
    return next((each for each in formats if each.matches(file)), None)
