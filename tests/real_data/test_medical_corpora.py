"""The published documents of BC5CDR give the same examples in each format."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from medical_corpora import FILES, Annotated, brat
from paths import REAL_DATA

import fieldsmith_medical_ner as medical_ner
from fieldsmith import Example

pytestmark = pytest.mark.realdata("medical/bc5cdr")

CORPUS = REAL_DATA / "medical" / "bc5cdr"
NAMES = ("Training", "Development")


@cache
def published(name: str) -> list[Example]:
    """Return the examples of a set as it was published, in PubTator."""
    found = list(medical_ner.extract_load(CORPUS / f"CDR_{name}Set.PubTator.txt", {}))
    examples = [row for row in found if isinstance(row, Example)]
    assert len(examples) == len(found) == 500
    return examples


def annotated(name: str) -> list[Annotated]:
    """Return the documents of a set, read by the columns of its lines."""
    blocks = (CORPUS / f"CDR_{name}Set.PubTator.txt").read_text(encoding="utf-8").strip()
    documents = []
    for block in blocks.split("\n\n"):
        (identifier, _, title), (_, _, abstract), *_ = (
            line.split("|", 2) for line in block.split("\n")[:2]
        )
        mentions, relations = [], []
        for line in block.split("\n")[2:]:
            columns = line.split("\t")
            if columns[1] == "CID":
                relations.append((columns[2], columns[3]))
            else:
                mentions.append((int(columns[1]), int(columns[2]), columns[4], columns[5]))
        documents.append(Annotated(identifier, title, abstract, tuple(mentions), tuple(relations)))
    return documents


def content(example: Example) -> tuple[object, ...]:
    return example.document, example.record, dict(example.mentions)


@pytest.mark.parametrize("name", NAMES)
def test_as_published_in_bioc_xml(name: str) -> None:
    found = list(medical_ner.extract_load(CORPUS / f"CDR_{name}Set.BioC.xml", {}))
    assert [content(row) for row in found if isinstance(row, Example)] == [
        content(row) for row in published(name)
    ]


# Nodes name mentions, and one of two concepts does not say which of them is meant.
OF_CONCEPTS = [
    each for each in FILES if each not in ("PubAnnotation", "BioC JSON, annotations of documents")
]


@pytest.mark.parametrize("written_as", OF_CONCEPTS)
def test_written_with_relations_of_concepts(tmp_path: Path, written_as: str) -> None:
    file = tmp_path / "corpus"
    file.write_text(FILES[written_as](annotated("Development")), encoding="utf-8", newline="")
    found = [row for row in medical_ner.extract_load(file, {}) if isinstance(row, Example)]
    assert list(map(content, found)) == list(map(content, published("Development")))


@pytest.mark.parametrize("written_as", ["PubAnnotation", "brat"])
def test_written_with_relations_of_mentions(tmp_path: Path, written_as: str) -> None:
    documents = [
        document
        for document in annotated("Development")
        if {concept for pair in document.relations for concept in pair}
        <= {concept for _start, _end, _kind, concept in document.mentions}
    ]
    assert len(documents) > 450
    if written_as == "brat":
        source = brat(tmp_path / "corpus", documents)
    else:
        source = tmp_path / "corpus.json"
        source.write_text(FILES[written_as](documents), encoding="utf-8")
    known = {example.document.id: content(example) for example in published("Development")}
    found = [row for row in medical_ner.extract_load(source, {}) if isinstance(row, Example)]
    assert len(found) == len(documents)
    for example in found:
        assert content(example) == known[example.document.id]
