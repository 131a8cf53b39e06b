"""Made-up annotated documents, and how each format of biomedical corpora writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st


@dataclass(frozen=True)
class Annotated:
    """A document: mentions are (start, end, type, concept), relations (chemical, disease)."""

    id: str
    title: str
    abstract: str
    mentions: tuple[tuple[int, int, str, str], ...]
    relations: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return f"{self.title} {self.abstract}"


def pubtator(documents: Iterable[Annotated], separator: str = "\t") -> str:
    """Write PubTator, with tabs or, as some do, with blanks."""
    blocks = []
    for document in documents:
        lines = [f"{document.id}|t|{document.title}", f"{document.id}|a|{document.abstract}"]
        for start, end, kind, concept in document.mentions:
            columns = [document.id, str(start), str(end), document.text[start:end], kind, concept]
            lines.append(separator.join(columns))
        lines += [separator.join([document.id, "CID", *pair]) for pair in document.relations]
        blocks.append("".join(f"{line}\n" for line in lines))
    return "\n".join(blocks)


def wrapped_pubtator(documents: Iterable[Annotated]) -> str:
    """Write PubTator with a comment, and one word of an abstract a line."""
    lines = ["# made up"]
    for line in pubtator(documents).split("\n"):
        lines += re.split(r"(?<=\S) (?=\S)", line) if "|a|" in line else [line]
    return "\n".join(lines)


def bioc_json(documents: Iterable[Annotated]) -> str:
    return json.dumps({"source": "made up", "documents": _bioc(documents)}, ensure_ascii=False)


def pubtator3_json(documents: Iterable[Annotated]) -> str:
    return json.dumps({"PubTator3": _bioc(documents)})


def bioc_json_lines(documents: Iterable[Annotated]) -> str:
    return "".join(json.dumps(document) + "\n" for document in _bioc(documents))


def bioc_json_of_documents(documents: Iterable[Annotated]) -> str:
    """Write BioC JSON with all annotations at the documents, and nodes as ends of relations."""
    made = _bioc(documents)
    for document in made:
        for passage in document["passages"]:
            document["annotations"] += passage.pop("annotations")
        for relation in document["relations"]:
            infons = relation["infons"]
            ends = (infons.pop("Chemical"), infons.pop("Disease"))
            relation["nodes"] = [
                {"refid": _first_of(document["annotations"], end), "role": ""} for end in ends
            ]
    return json.dumps(made)


def _first_of(annotations: Iterable[Mapping[str, Any]], concept: str) -> str:
    return str(next(each["id"] for each in annotations if each["infons"]["identifier"] == concept))


def _bioc(documents: Iterable[Annotated]) -> list[dict[str, Any]]:
    return [
        {
            "id": document.id,
            "infons": {},
            "passages": [
                {
                    "offset": offset,
                    "infons": {"type": name},
                    "text": text,
                    "annotations": [
                        {
                            "id": str(number),
                            "infons": {"type": kind, "identifier": concept},
                            "text": document.text[start:end],
                            "locations": [{"offset": start, "length": end - start}],
                        }
                        for number, (start, end, kind, concept) in enumerate(document.mentions)
                        if offset <= start <= offset + len(text)
                    ],
                }
                for offset, name, text in [
                    (0, "title", document.title),
                    (len(document.title) + 1, "abstract", document.abstract),
                ]
            ],
            "annotations": [],
            "relations": [
                {
                    "id": f"R{number}",
                    "infons": {"relation": "CID", "Chemical": chemical, "Disease": disease},
                }
                for number, (chemical, disease) in enumerate(document.relations)
            ],
        }
        for document in documents
    ]


def bioc_xml(documents: Iterable[Annotated]) -> str:
    written = "".join(map(_document_element, _bioc(documents)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE collection SYSTEM "BioC.dtd">'
        f"<collection><source/><date/><key/>{written}</collection>"
    )


def _document_element(document: Mapping[str, Any]) -> str:
    passages = "".join(
        f"<passage><offset>{passage['offset']}</offset><text>{escape(passage['text'])}</text>"
        f"{''.join(map(_annotation_element, passage['annotations']))}</passage>"
        for passage in document["passages"]
    )
    relations = "".join(
        f"<relation id={quoteattr(relation['id'])}>{_infons(relation)}</relation>"
        for relation in document["relations"]
    )
    return f"<document><id>{document['id']}</id>{passages}{relations}</document>"


def _annotation_element(annotation: Mapping[str, Any]) -> str:
    places = "".join(
        f'<location offset="{place["offset"]}" length="{place["length"]}"/>'
        for place in annotation["locations"]
    )
    return (
        f'<annotation id="{annotation["id"]}">{_infons(annotation)}{places}'
        f"<text>{escape(annotation['text'])}</text></annotation>"
    )


def _infons(part: Mapping[str, Any]) -> str:
    return "".join(
        f"<infon key={quoteattr(key)}>{escape(value)}</infon>"
        for key, value in part["infons"].items()
    )


def bioc_xml_of_sentences(documents: Iterable[Annotated]) -> str:
    """Write BioC XML whose passages hold a sentence each, and the sentences all the rest."""
    return (
        bioc_xml(documents)
        .replace("<passage><offset>", "<passage><offset>0</offset><sentence><offset>")
        .replace("</passage>", "</sentence></passage>")
    )


def pubannotation(documents: Iterable[Annotated]) -> str:
    return json.dumps(
        [
            {
                "sourcedb": "PubMed",
                "sourceid": document.id,
                "text": document.text,
                "denotations": [
                    {"id": f"T{number}", "span": {"begin": start, "end": end}, "obj": kind}
                    for number, (start, end, kind, _concept) in enumerate(document.mentions)
                ],
                "attributes": [
                    {"id": f"A{number}", "subj": f"T{number}", "pred": "mesh", "obj": concept}
                    for number, (_start, _end, _kind, concept) in enumerate(document.mentions)
                ],
                "relations": [
                    {"id": f"R{n}", "pred": "CID", "subj": chemical, "obj": disease}
                    for n, (chemical, disease) in enumerate(_ends(document, "T"))
                ],
            }
            for document in documents
        ]
    )


def _ends(document: Annotated, letter: str) -> list[tuple[str, str]]:
    """Return the relations as pairs of the first mentions of their concepts."""
    first: dict[str, str] = {}
    for number, (_start, _end, _kind, concept) in enumerate(document.mentions):
        first.setdefault(concept, f"{letter}{number}")
    return [(first[chemical], first[disease]) for chemical, disease in document.relations]


def brat(folder: Path, documents: Iterable[Annotated]) -> Path:
    """Write the pairs of files of brat into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotation.conf").write_text("[entities]\nChemical\nDisease\n")
    for document in documents:
        lines = []
        for number, (start, end, kind, concept) in enumerate(document.mentions):
            lines.append(f"T{number}\t{kind} {start} {end}\t{document.text[start:end]}")
            lines.append(f"N{number}\tReference T{number} MESH:{concept}\t{concept}")
        for number, (chemical, disease) in enumerate(_ends(document, "T")):
            lines.append(f"R{number}\tCID Arg1:{chemical} Arg2:{disease}\t")
        lines.append("#1\tAnnotatorNotes T0\tread twice")
        (folder / f"{document.id}.txt").write_bytes(document.text.encode())
        (folder / f"{document.id}.ann").write_bytes("".join(f"{x}\n" for x in lines).encode())
    return folder


def bio_tags(documents: Iterable[Annotated]) -> str:
    """Write the words of each document with BIO tags; relations have no room there."""
    lines = []
    for document in documents:
        lines += [f"# newdoc id = {document.id}"]
        at = 0
        for word in document.text.split(" "):
            tag = "O"
            for start, end, kind, _concept in document.mentions:
                if start <= at < end:
                    tag = f"{'B' if at == start else 'I'}-{kind}"
            lines.append(f"{word}\t{tag}")
            at += len(word) + 1
    return "\n".join(lines) + "\n"


FILES: Mapping[str, Callable[[Sequence[Annotated]], str]] = {
    "PubTator": pubtator,
    "PubTator with blanks": lambda documents: pubtator(documents, " "),
    "PubTator, wrapped": wrapped_pubtator,
    "BioC XML": bioc_xml,
    "BioC XML of sentences": bioc_xml_of_sentences,
    "BioC JSON": bioc_json,
    "BioC JSON, annotations of documents": bioc_json_of_documents,
    "BioC JSON lines": bioc_json_lines,
    "PubTator 3 JSON": pubtator3_json,
    "PubAnnotation": pubannotation,
}
"""Formats of one file that hold all that is annotated -> how they write documents."""


_WORDS = st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Sm"]), min_size=1, max_size=5)
_PIECES = st.lists(
    st.tuples(_WORDS, st.sampled_from([None, ("Chemical", "C1"), ("Chemical", "C2")]), _WORDS)
    | st.tuples(_WORDS, st.sampled_from([None, ("Disease", "D1"), ("Disease", "D2")]), _WORDS),
    min_size=1,
    max_size=6,
)


@st.composite
def annotated_documents(draw: st.DrawFn) -> list[Annotated]:
    """Documents of made-up words, some pairs of which are mentions; with relations of these."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        parts, mentions, at = [], [], 0
        for pieces in (draw(_PIECES), draw(_PIECES)):
            texts = []
            for first, concept, second in pieces:
                text = f"{first} {second}"
                if concept:
                    mentions.append((at, at + len(text), *concept))
                texts.append(text)
                at += len(text) + 1
            parts.append(" ".join(texts))
        ids = {concept for _start, _end, _kind, concept in mentions}
        pairs = [(c, d) for c in ("C1", "C2") for d in ("D1", "D2") if {c, d} <= ids]
        chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        title, abstract = parts
        found.append(Annotated(f"{70 + number}", title, abstract, tuple(mentions), tuple(chosen)))
    return found
