"""Which format a file is in, told by its content, and the way from a source to examples."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fieldsmith import Example, InputError, Reject, UnknownFormatError, files_in, split_of

from . import bioc, corpus, instruct, pubtator

Documents = Callable[[Path], Iterator[corpus.Annotated]]

_SNIFFED_BYTES = 1 << 16
_UNKNOWN = "in no format that medical_ner reads (PubTator, BioC XML, instruct JSONL)"
_ABOUT_THE_DATA = re.compile(r"(?i)(readme|licen[cs]e|copying|notice).*|.*\.md")


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; files are read one by one, in sorted order.

    A file of a folder that is in no known format becomes a Reject; files that speak about the
    data (readme, licence, ``.md``) are passed over.

    Raises:
        InputError: there is nothing at ``source``, or a file breaks the rules of its format.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    if source.is_file() and _format_of(source) is None:
        raise UnknownFormatError(f"{source}: {_UNKNOWN}")
    return _examples(files_in(source), source)


def _examples(paths: list[Path], source: Path) -> Iterator[Example | Reject]:
    prompts: list[tuple[Path, str | None]] = []
    for path in paths:
        split = split_of(path, source)
        if path != source and _ABOUT_THE_DATA.fullmatch(path.name):
            continue
        found = _format_of(path)
        if found is None:
            yield Reject(str(path), "", f"{_UNKNOWN}; move it away or convert it")
        elif found == "instruct":
            prompts.append((path, split))
        else:
            yield from corpus.examples(_CORPORA[found], path, split)
    # The three prompts of an abstract may stand in three files, so these are read together.
    if prompts:
        yield from instruct.examples(prompts)


_CORPORA: dict[str, Documents] = {"pubtator": pubtator.documents, "bioc": bioc.documents}


def _format_of(path: Path) -> str | None:
    """Return "pubtator", "bioc" or "instruct", or None where the content is none of these."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_SNIFFED_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    first_line = head.split(b"\n", 1)[0]
    if re.match(rb"[^\s|]+\|[ta]\|", head):
        return "pubtator"
    if head.startswith(b"<") and re.search(rb"<collection[\s>]", head):
        return "bioc"
    if first_line.startswith(b"{") and b'"prompt"' in first_line:
        return "instruct"
    return None
