"""Read MetaMine's pairs: ``paper_7.json`` and the text beside it, in folders or in a .tar.gz.

The text is ``paper_7.txt`` or else ``paper_7_thinking.txt``; without one, as in a folder of a
system's outputs, it is empty. A text without JSON is a document without a record.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from fieldsmith import Document, Example, InputError, Reject, SourceFile, read_text

from . import catalogues
from .mending import UnreadableError, datasets, summary
from .pages import text_beside, with_text

SUFFIXES = (".json", ".txt")

_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)
_LARGEST = 16 << 20
"""Size limit of an archive's member in bytes: the text of a paper has some 100,000."""


def example(
    paper: str, answer: str | None, text: str, place: str, split: str | None
) -> Example | Reject:
    """Return the example of a paper's JSON and text, or a Reject if the JSON cannot be read.

    Repairs are counted in the document's ``meta``: ``{"mended": "a wrong key 1"}``.

    Args:
        paper: the paper's name, which becomes the document's id.
        answer: the JSON; None for a document without a record.
        text: the text, which may be empty.
        place: the file, and the member of an archive, for messages.
        split: the split that the example belongs to, if the source says so.
    """
    if answer is None:
        return Example(Document(paper, text), None, {}, split, place)
    try:
        items, repairs = datasets(answer)
    except UnreadableError as error:
        document = Document(paper, text) if text else None
        return Reject(place, "", f"unreadable: {error}", paper, document)
    meta = {"mended": summary(repairs)} if repairs else {}
    found = with_text(paper, text, items, place, split)
    return replace(found, document=Document(paper, text, meta))


def is_half(file: SourceFile) -> bool:
    """Return whether a file is half of a pair; a single text file is left to the core."""
    return file.path.suffix == ".json" or (file.path.suffix == ".txt" and not file.is_alone)


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the paper of a JSON file and the text beside it, or of a text without JSON.

    Raises:
        InputError: the user named this file, and it cannot be read.
    """
    paper = _paper(file.path.name)
    answer = file.path.with_name(f"{paper}.json")
    records = (answer.with_suffix(suffix) for suffix in (".json", *catalogues.SUFFIXES))
    if file.path != answer and any(record.is_file() for record in records):
        return  # read with its record
    try:
        text = text_beside(answer, paper) or ""
        written = read_text(answer) if file.path == answer else None
        row = example(paper, written, text, str(file.path), file.split)
    except InputError as error:
        row = Reject(str(file.path), "", f"unreadable: {error}", paper)
    if file.is_alone and isinstance(row, Reject) and row.document is None:
        raise InputError(f"{row.place}: {row.reason}")
    yield row


def archived(path: Path) -> Iterator[Example | Reject]:
    """Yield the papers of a .tar.gz, read member by member; nothing is extracted to disk.

    Raises:
        InputError: the file is not such an archive, or it is broken.
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
                    yield Reject(place, "", "unreadable: too large, or not UTF-8 text", member.name)
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
