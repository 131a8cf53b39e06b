"""Read files as strict UTF-8 and strict JSON, and list folders."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from ..errors import InputError

_SPLIT_WORDS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "devel": "validation", "develop": "validation",
    "development": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip

_DEEPEST = 64
"""Deepest nesting that is read: no record needs more, and code that recurses needs a limit."""


MOST_CHARACTERS = 20_000_000
"""Most characters of a document, whatever its format."""

TOO_LONG = f"has more than {MOST_CHARACTERS:,} characters of text; split it"

_MOST_BYTES = 4
"""Of a character."""

_LONGEST_LINE = 256 << 20
"""Bytes of a line of JSONL, as of a file that is one document; more than its longest text takes."""

_BLOCK = 1 << 20

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32-LE",  # which begins with that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32-BE",
    codecs.BOM_UTF16_LE: "UTF-16-LE",
    codecs.BOM_UTF16_BE: "UTF-16-BE",
}
"""Byte order marks, each with its encoding."""


def read_text(path: Path, *, as_is: bool = False) -> str:
    """Read a text file as strict UTF-8; a byte order mark is dropped, CRLF becomes LF.

    UTF-16 and UTF-32 are read where a byte order mark says so.

    Args:
        path: the file.
        as_is: the file is one document: keep both, for offsets that count the characters of the
            file itself, and refuse a longer text than a document may have.

    Raises:
        InputError: the file is missing, too long, in another encoding, or contains NUL bytes
            (binary data).
    """
    try:
        if as_is and path.stat().st_size > _MOST_BYTES * (MOST_CHARACTERS + 1):
            raise InputError(f"{path}: {TOO_LONG}")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    text = decode(_as_utf8(data, str(path)), str(path), as_is=as_is)
    return require_short(text, str(path)) if as_is else text


def read_text_stream(stream: IO[bytes], name: str) -> str:
    """Read a document from a stream, as ``read_text`` reads one from a file as it is."""
    data = stream.read(_MOST_BYTES * (MOST_CHARACTERS + 1) + 1)
    return require_short(decode(_as_utf8(data, name), name, as_is=True), name)


def require_short(text: str, name: str) -> str:
    """Return the text of a document.

    Raises:
        InputError: it is too long; says so with the name.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{name}: {TOO_LONG}")
    return text


def _encoding_of(data: bytes) -> str:
    """Return the encoding that a byte order mark says, but for UTF-8; "" if there is none."""
    return next((_MARKS[mark] for mark in _MARKS if data.startswith(mark)), "")


def _as_utf8(data: bytes, name: str) -> bytes:
    """Return text in UTF-8, its byte order mark included.

    Raises:
        InputError: it is not in the encoding that its mark says.
    """
    encoding = _encoding_of(data)
    if not encoding:
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        fault = f"byte {error.start} is not {encoding}, as the byte order mark says"
        raise InputError(f"{name}: {fault}; give it as UTF-8") from error


def decode(data: bytes, name: str, line: int = 1, *, as_is: bool = False) -> str:
    """Decode bytes as ``read_text`` does.

    Args:
        data: the bytes.
        name: the source, for messages.
        line: the line of the source in which ``data`` begins, for messages.
        as_is: keep a byte order mark and CRLF.
    """
    if encoding := _encoding_of(data):
        advice = f"convert it (iconv -f {encoding[:6].lower()} -t utf-8)"
        raise InputError(f"{name}:{line}: is {encoding}, and has to be UTF-8; {advice}")
    if not as_is:
        data = data.removeprefix(codecs.BOM_UTF8)
    at = data.find(b"\0")
    if at >= 0:
        line += data.count(b"\n", 0, at)
        fault = f"byte {at} is NUL, so this is no text file, or UTF-16; give it as UTF-8"
        raise InputError(f"{name}:{line}: {fault}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        fault = f"byte {error.start} is not UTF-8; convert the file (iconv -f latin1 -t utf-8)"
        raise InputError(f"{name}:{line}: {fault}") from error
    return text if as_is else text.replace("\r\n", "\n")


def parse_json(text: str) -> Any:
    """Parse JSON strictly, as the core reads its own files.

    Raises:
        ValueError: not JSON (``json.JSONDecodeError`` with the line), a key twice in one object,
            or a number that JSON does not have or that is too large for a float.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {_DEEPEST} levels") from None


def check_json(value: object) -> None:
    """Check that a value can be written as JSON in UTF-8 and is not nested too deeply.

    Raises:
        ValueError: it cannot, or it is; says why.
    """
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text contains half a surrogate pair") from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _value in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        where = f" in the object with the id {found['id']!r:.40}" if "id" in found else ""
        raise ValueError(f"the key {twice!r:.40} is given twice{where}; keep one")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def files_in(source: Path) -> list[Path]:
    """Return a file itself, or the visible files below a folder, sorted by path.

    Raises:
        InputError: there is nothing at ``source``, the folder contains no file, or it or a folder
            in it cannot be listed.
    """
    try:
        if source.is_file():
            return [source]
        if not source.exists():
            raise InputError(f"{source}: no such file or folder")
    except OSError as error:  # such as a name that is too long, because it is a text and not a path
        raise InputError(f"{str(source)[:200]}: cannot be read ({error.strerror})") from error
    if not source.is_dir():
        raise InputError(f"{source}: neither a file nor a folder")
    visible: list[Path] = []
    for folder, folders, names in os.walk(source, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = (Path(folder, name) for name in names if not name.startswith("."))
        visible += [file for file in files if file.is_file()]
    if not visible:
        raise InputError(f"{source}: the folder contains no file")
    return sorted(visible)


def _refuse_folder(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be listed, whose files would be missing without a word."""
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def readable(text: str) -> str:
    """Replace what UTF-8 cannot encode: a file's name need not be UTF-8."""
    return text.encode("utf-8", "replace").decode()


def split_of(path: Path, source: Path, *, folder_alone: bool = False) -> str | None:
    """Return the official split in the name of a file of a folder, or else in its folder's name.

    Only names below ``source`` count. Where the user's folder is says nothing about the data, and
    a file that is given alone has no split.

    Args:
        path: the file.
        source: the folder that the user named, or the file itself.
        folder_alone: the file is one document and named after it: only its folder counts.

    >>> split_of(Path("corpus/Names_DevelopmentSet.txt"), Path("corpus"))
    'validation'
    """
    if path == source:
        return None
    inside = path.relative_to(source)
    for name in (inside.parent.name,) if folder_alone else (inside.name, inside.parent.name):
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", " ", name)
        found = {_SPLIT_WORDS[word] for word in spaced.lower().split() if word in _SPLIT_WORDS}
        if len(found) == 1:
            return found.pop()
        glued = re.search(r"(train|devel|test)(?:ing|opment|op)?set", name.lower())
        if glued:
            return _SPLIT_WORDS[glued[1]]
    return None


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of each line that is not blank, reading lazily.

    Raises:
        InputError: a line is not a JSON object; names the file and the line.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        for number, line in enumerate(lines_in(stream), start=1):
            if (row := parse_line(line, str(path), number)) is not None:
                yield number, row


def lines_in(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of JSONL; of one that is too long no more than ``parse_line`` needs."""
    while line := stream.readline(_LONGEST_LINE + 1):
        yield line
        while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
            rest = stream.readline(_BLOCK)
            if not rest or rest.endswith(b"\n"):
                break


def parse_line(data: bytes, name: str, line: int) -> dict[str, Any] | None:
    """Parse one line of JSONL; None for a blank one. Raises InputError naming the line."""
    if len(data) > _LONGEST_LINE:
        raise InputError(f"{name}:{line}: has more than {_LONGEST_LINE >> 20} MiB; split its text")
    text = decode(data, name, line).strip()
    if not text:
        return None
    try:
        row = parse_json(text)
    except ValueError as error:
        raise InputError(f"{name}:{line}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"{name}:{line}: a JSON object is wanted, not {type(row).__name__}")
    return row
