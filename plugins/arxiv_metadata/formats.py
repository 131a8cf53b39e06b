"""Which format a file is in, told by its content, and the way from a source to examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fieldsmith import Example, InputError, Reject, UnknownFormatError, files_in, split_of

from . import pages, rows, snapshot, tei

_SNIFFED_BYTES = 1 << 16
_TEXT = {".txt", ".text"}
_UNKNOWN = (
    "in no format that arxiv_metadata reads (JSON with article_text, arXiv snapshot, GROBID header "
    "TEI, .txt, PDF)"
)
_ABOUT_THE_DATA = re.compile(r"(?i)(readme|licen[cs]e|copying|notice|source)(\..*)?|.*\.md")


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; files are read one by one, in sorted order.

    A file of a folder that is in no known format, or that cannot be read, becomes a Reject; files
    that speak about the data (readme, licence, ``.md``) are passed over. Snapshots of arXiv in a
    folder label the text files and PDFs there by their ids.

    Raises:
        InputError: there is nothing at ``source``, it is a file that breaks the rules of its
            format, or a snapshot without texts.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    files = files_in(source)
    if files == [source]:
        found = _format_of(source)
        if found is None:
            raise UnknownFormatError(f"{source}: {_UNKNOWN}")
        if found == "snapshot":
            raise snapshot.refuse(source)
        return _examples_of(source, source, found, {})
    return _folder(files, source)


def _folder(files: list[Path], source: Path) -> Iterator[Example | Reject]:
    data = [path for path in files if not _ABOUT_THE_DATA.fullmatch(path.name)]
    formats = {path: _format_of(path) for path in data}
    snapshots = [path for path, found in formats.items() if found == "snapshot"]
    papers = [path for path, found in formats.items() if found == "page"]
    if snapshots and not papers:
        raise snapshot.refuse(snapshots[0])
    wanted = {identifier for path in papers if (identifier := snapshot.id_of(path))}
    known = snapshot.labels(snapshots, wanted) if snapshots else {}
    for path, found in formats.items():
        if found is None:
            yield Reject(str(path), "", f"{_UNKNOWN}; move it away or convert it")
        elif found != "snapshot":
            try:
                yield from _examples_of(path, source, found, known)
            except InputError as error:
                name = _name(path, source)
                yield Reject(str(path), "", str(error).removeprefix(f"{path}: "), name)


def _examples_of(
    path: Path, source: Path, found: str, known: snapshot.Labels
) -> Iterator[Example | Reject]:
    if found == "rows":
        return rows.examples(path, split_of(path, source))
    # GROBID calls each of its files NAME.training.header.tei.xml, which tells no split.
    split = split_of(path, source, folder_alone=True)
    if found == "tei":
        return tei.examples(path, split, _name(path, source))
    return snapshot.examples(path, _name(path, source), split, known)


def _name(path: Path, source: Path) -> str:
    """Return a document's id: a file's path below the folder that was named."""
    return path.name if path == source else path.relative_to(source).as_posix()


def _format_of(path: Path) -> str | None:
    """Return "rows", "snapshot", "tei" or "page", or None where the content is none of these."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_SNIFFED_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if head.startswith(b"<") and re.search(rb"<(?:\w+:)?(?:tei|TEI)[\s>]", head):
        return "tei"
    if pages.is_pdf(path):
        return "page"
    if path.suffix.lower() in _TEXT:
        return "page"
    first_line = head.split(b"\n", 1)[0]
    if head.startswith(b"[") and path.suffix.lower() == ".json":
        return "rows"
    if head.startswith(b"{") and b'"article_text"' in first_line:
        return "rows"
    if head.startswith(b"{") and b'"abstract"' in first_line and b'"authors' in first_line:
        return "snapshot"
    return None
