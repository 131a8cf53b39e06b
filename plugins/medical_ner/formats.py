"""The formats that medical_ner reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, read_formats

from . import bioc, corpus, instruct, pubtator


def read(source: Path) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    Raises:
        InputError: there is nothing at ``source``, or a file breaks the rules of its format.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    prompts: list[SourceFile] = []

    def postpone(file: SourceFile) -> Iterable[Example]:
        prompts.append(file)
        return ()

    formats = (
        Format("PubTator", _is_pubtator, _corpus(pubtator.documents)),
        Format("BioC XML", _is_bioc, _corpus(bioc.documents)),
        # The three prompts of an abstract may be in three files, so these are read together.
        Format("instruct JSONL", _is_instruct, postpone),
    )
    return chain(read_formats(source, formats, stop_at_errors=True), instruct.examples(prompts))


def _corpus(
    documents: Callable[[Path], Iterator[corpus.Annotated]],
) -> Callable[[SourceFile], Iterator[Example]]:
    return lambda file: corpus.examples(documents, file.path, file.split)


def _is_pubtator(file: SourceFile) -> bool:
    return re.match(rb"[^\s|]+\|[ta]\|", file.head) is not None


def _is_bioc(file: SourceFile) -> bool:
    return file.head.startswith(b"<") and re.search(rb"<collection[\s>]", file.head) is not None


def _is_instruct(file: SourceFile) -> bool:
    return file.head.startswith(b"{") and b'"prompt"' in file.first_line
