"""The formats that medical_ner reads, recognised by content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from fieldsmith import Example, Format, Reject, SourceFile, read_formats

from . import bioc_json, bioc_xml, brat, conll, corpus, instruct, pubannotation, pubtator
from .types import Types


def read(source: Path, names: Mapping[str, str]) -> Iterator[Example | Reject]:
    """Return the examples of a file or folder; see ``fieldsmith.read_formats``.

    Args:
        source: the file or folder.
        names: the field of each type of mentions or relations that the user names.

    Raises:
        InputError: there is nothing at ``source``, or it is a file that cannot be read.
        UnknownFormatError: ``source`` is a file, and in no known format.
    """
    corpora = corpus.Corpora(Types(names))
    prompts: list[SourceFile] = []

    def postpone(file: SourceFile) -> Iterable[Example]:
        prompts.append(file)
        return ()

    def annotated(
        name: str, matches: Callable[[SourceFile], bool], reader: corpus.Reader
    ) -> Format:
        return Format(name, matches, lambda file: corpora.examples(reader, file, matches))

    formats = (
        annotated("brat", _is_brat, brat.documents),
        # In a folder the text beside the annotations is the document.
        Format("brat annotations", brat.is_annotations, brat.nothing),
        annotated("PubTator", pubtator.is_pubtator, pubtator.documents),
        annotated("BioC XML", _is_bioc_xml, bioc_xml.documents),
        annotated("BioC JSON", _is_bioc_json, bioc_json.documents),
        annotated("PubAnnotation JSON", _is_pubannotation, pubannotation.documents),
        Format("annotations of PubTator", pubtator.is_annotations, pubtator.no_text),
        # The three prompts of an abstract may be in three files, so these are read together.
        Format("instruct JSONL", _is_instruct, postpone),
        annotated("BIO tags", conll.is_tagged, conll.documents),
    )
    return chain(read_formats(source, formats), instruct.examples(prompts))


def _is_brat(file: SourceFile) -> bool:
    has_text = file.path.with_suffix(brat.TEXT).is_file()
    return brat.is_text(file) or (brat.is_annotations(file) and (file.is_alone or not has_text))


def _is_bioc_xml(file: SourceFile) -> bool:
    return file.head.startswith(b"<") and re.search(rb"<collection[\s>]", file.head) is not None


def _is_bioc_json(file: SourceFile) -> bool:
    return _is_json(file) and re.search(rb'"(?:passages|PubTator3)"\s*:', file.head) is not None


def _is_pubannotation(file: SourceFile) -> bool:
    keys = rb'"(?:denotations|tracks|sourcedb)"\s*:'
    return _is_json(file) and re.search(keys, file.head) is not None


def _is_instruct(file: SourceFile) -> bool:
    return file.head.startswith(b"{") and b'"prompt"' in file.first_line


def _is_json(file: SourceFile) -> bool:
    return file.head.startswith((b"{", b"["))
