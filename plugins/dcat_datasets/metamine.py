"""MetaMine's pairs: ``paper_7.json`` and the text beside it, in folders or in a .tar.gz.

The text is ``paper_7.txt`` or else ``paper_7_thinking.txt``; without one, as in a folder of a
system's outputs, it is empty. A text without JSON is a document without a record.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fieldsmith import Document, Example, InputError, Reject, read_text, split_of

from .mending import UnreadableError, datasets, told

SUFFIXES = (".json", ".txt")

_TEXTS = (".txt", "_thinking.txt")  # the paper itself, where it is there, or what is said of it
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)
_LARGEST = 16 << 20
"""Bytes of an archive's member that are read: a text of a paper has some 100,000."""


def example(
    paper: str, answer: str | None, text: str, place: str, split: str | None
) -> Example | Reject:
    """Make an example of a paper's JSON and text; a Reject where the JSON cannot be read.

    What was mended is told in the document's ``meta``, as counts: ``{"mended": "a wrong key 1"}``.
    """
    if answer is None:
        return Example(Document(paper, text), None, {}, split, place)
    try:
        items, mended = datasets(answer)
    except UnreadableError as error:
        return Reject(place, "", f"unreadable: {error}", paper)
    meta = {"mended": told(mended)} if mended else {}
    return Example(Document(paper, text, meta), {"datasets": items}, {}, split, place)


def examples(paths: list[Path], source: Path) -> Iterator[Example | Reject]:
    """Yield the papers of a folder's files, or of one JSON file and what lies beside it."""
    names = {(path.parent, path.name) for path in paths}
    for path in paths:
        paper = _paper(path.name)
        answer = path.with_name(f"{paper}.json")
        if path != answer and (answer.parent, answer.name) in names:
            continue  # read with its JSON
        try:
            beside = (path.with_name(paper + ending) for ending in _TEXTS)
            found = next((text for text in beside if text.is_file()), None)
            text = "" if found is None else read_text(found)
            written = read_text(answer) if path == answer else None
        except InputError as error:
            yield Reject(str(path), "", f"unreadable: {error}", paper)
            continue
        yield example(paper, written, text, str(path), split_of(path, source))


def archived(path: Path) -> Iterator[Example | Reject]:
    """Yield the papers of a .tar.gz, read member by member in its order; nothing is extracted.

    Raises:
        InputError: it is no such archive, or broken.
    """
    halves: dict[str, dict[str, str]] = {}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.suffix not in SUFFIXES or name.name[0] == ".":
                    continue
                place, paper = f"{path}:{member.name}", _paper(name.name)
                text = _text(archive, member)
                if text is None:
                    yield Reject(place, "", "unreadable: too large, or no UTF-8 text", member.name)
                    continue
                halves.setdefault(str(name.with_name(paper)), {})[name.suffix] = text
                if len(halves[str(name.with_name(paper))]) == len(SUFFIXES):
                    pair = halves.pop(str(name.with_name(paper)))
                    yield example(paper, pair[".json"], pair[".txt"], place, None)
    except _BROKEN as error:
        raise InputError(f"{path}: no .tar.gz, or a broken one ({error})") from error
    for stem, half in halves.items():
        paper = PurePosixPath(stem).name
        yield example(paper, half.get(".json"), half.get(".txt", ""), f"{path}:{stem}", None)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    stream = archive.extractfile(member)
    if stream is None or member.size > _LARGEST:
        return None
    try:
        text = stream.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _paper(name: str) -> str:
    """Return the paper's name, which its files share."""
    stem = name.rpartition(".")[0]
    return stem.removesuffix("_thinking") if name.endswith(".txt") else stem
