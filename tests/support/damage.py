"""Damage of every kind: to the bytes of a file, to values of JSON, to a path."""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence
from pathlib import Path
from random import Random
from typing import Any

Container = MutableMapping[Any, Any] | MutableSequence[Any]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _without_a_part(data: bytes, random: Random) -> bytes:
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    return data[:start] + data[end:]


def _with_a_part_twice(data: bytes, random: Random) -> bytes:
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    return data[:end] + data[start:]


def _with_bytes_changed(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 10, 200))):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


INSERTED = (
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\x1b[2J", b"\xe2\x80\xa8",
    b"<|eot_id|>", b"<|start_header_id|>system<|end_header_id|>", b"{{ 7 * 7 }}", b"]]>",
    b"<!--", b"<![CDATA[", b"&undefined;", b'"', b"\\u", b"\\ud800", b"|t|", b"\t\t\t", b"}]" * 9,
    b"<script>alert(1)</script>", b"[" * 100_000, b"<a>" * 30_000, b"9" * 10_000, b"1e999",
    b"-1", b"NaN", b" " * 100_000, b"x" * 100_000, b"\n" * 10_000, b"../../../etc/passwd",
)  # fmt: skip


def _with_something_inserted(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(INSERTED) + data[at:]


def _in_another_encoding(data: bytes, random: Random) -> bytes:
    name = random.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7"))
    return data.decode(errors="replace").encode(name, errors="replace")


def _with_lines_mixed(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    random.shuffle(lines)
    return b"".join(lines)


_BOMB = b"".join(b'<!ENTITY e%d "%s">' % (n + 1, b"&e%d;" % n * 10) for n in range(12))


def _as_an_entity_bomb(data: bytes, _random: Random) -> bytes:
    return b'<!DOCTYPE x [<!ENTITY e0 "lol">' + _BOMB + b"]>" + data + b"<x>&e12;</x>"


def _with_an_outer_entity(data: bytes, _random: Random) -> bytes:
    return b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + data + b"<x>&e;</x>"


def _packed(data: bytes, random: Random) -> bytes:
    return _cut(gzip.compress(data), random) if random.random() < 0.5 else gzip.compress(data)


def _nothing(_data: bytes, _random: Random) -> bytes:
    return b""


def _noise(_data: bytes, random: Random) -> bytes:
    return random.randbytes(random.choice((1, 100, 10_000)))


BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _cut, _without_a_part, _with_a_part_twice, _with_bytes_changed, _with_something_inserted,
    _in_another_encoding, _with_lines_mixed, _as_an_entity_bomb, _with_an_outer_entity, _packed,
    _nothing, _noise,
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, 1e308, "", "x", "\0", "\ud800", "x" * 100_000, "../../x", "/",
    "https://example.org/\n", [], {}, [[]], [None], {"a": None}, {"": ""}, "2024-02-31", " ",
)  # fmt: skip


def _places(value: Any) -> Iterator[tuple[Container, Any]]:
    """Yield each place in a value: what holds it, and its key or position."""
    keys: Any = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def with_a_value_changed(document: Any, random: Random) -> Any:
    """Return a copy of JSON in which one value is another, gone, or nested too deeply."""
    changed = copy.deepcopy(document)
    places = list(_places(changed)) if isinstance(changed, dict | list) else []
    if not places:
        return random.choice(VALUES)
    holder, key = random.choice(places)
    way = random.randrange(8)
    if way == 0:
        del holder[key]
    elif way == 1:
        inner = holder[key]
        for _ in range(random.choice((1, 70, 300))):
            inner = [inner]
        holder[key] = inner
    elif way == 2 and isinstance(holder, dict):
        holder[random.choice(("x", "__class__", "id", "text", "record", ""))] = holder.pop(key)
    else:
        holder[key] = random.choice(VALUES)
    return changed


def damaged_json(data: bytes, random: Random) -> bytes:
    """Return a JSON or JSONL file in which a value is changed."""
    try:
        return json.dumps(with_a_value_changed(json.loads(data), random)).encode()
    except ValueError:
        documents = [json.loads(line) for line in data.splitlines() if line.strip()] or [None]
    number = random.randrange(len(documents))
    documents[number] = with_a_value_changed(documents[number], random)
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _device(path: Path) -> None:
    path.symlink_to("/dev/null")


def _none(_path: Path) -> None:
    pass


INSTEAD: Mapping[str, Callable[[Path], None]] = {
    "missing": _none, "a folder": _folder, "a pipe": _pipe, "a link to itself": _circle,
    "a link to nothing": _link_to_nothing, "a device": _device,
}  # fmt: skip
"""What may be where a file is expected."""


def replace(path: Path, name: str) -> None:
    """Put something else where a file is."""
    path.unlink(missing_ok=True)
    INSTEAD[name](path)
