"""Exports of today's services and tools, in their own shapes, with made-up content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fieldsmith_medical_ner as medical_ner
from fieldsmith import Document, Example, InputError, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.plugins import load

TITLE = "Velmol-induced tarvitis in two patients."
ABSTRACT = "Velmol was given for gronia. Tarvitis followed on day 3."
TEXT = f"{TITLE} {ABSTRACT}"
NAMES = {"chemicals": ["Velmol"], "diseases": ["tarvitis", "gronia"]}
RELATED = {**NAMES, "relations": [{"chemical": "Velmol", "disease": "tarvitis"}]}
SPANS = {
    "/chemicals/0": ((0, 6), (41, 47)),
    "/diseases/0": ((15, 23), (70, 78)),
    "/diseases/1": ((62, 68),),
}


def rows(folder: Path, content: str, name: str = "corpus.txt") -> list[Example | Reject]:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    found = list(medical_ner.extract_load(path, {}))
    predicted = list(read_inputs(load("medical_ner"), [str(path)]))
    assert predicted == [
        row.document if isinstance(row, Example) else row.document or row for row in found
    ]
    return found


def only(folder: Path, content: str, name: str = "corpus.txt") -> Example:
    (row,) = rows(folder, content, name)
    assert isinstance(row, Example), row
    return row


# PubTator 3 and BioRED


def pubtator(chemical: str, disease: str, *lines: str) -> str:
    mentions = [
        f"1\t0\t6\tVelmol\t{chemical}\tMESH:D1",
        f"1\t15\t23\ttarvitis\t{disease}\tMESH:D2",
        "1\t31\t39\tpatients\tSpecies\t9606",
        f"1\t41\t47\tVelmol\t{chemical}\tMESH:D1",
        f"1\t62\t68\tgronia\t{disease}\tOMIM:3",
        f"1\t70\t78\tTarvitis\t{disease}\tMESH:D2",
    ]
    return "\n".join([f"1|t|{TITLE}", f"1|a|{ABSTRACT}", *mentions, *lines]) + "\n"


@pytest.mark.parametrize(
    ("chemical", "disease"),
    [
        ("Chemical", "Disease"),
        ("ChemicalEntity", "DiseaseOrPhenotypicFeature"),
        ("CHEMICAL", "disease"),
        ("Chemical_Entity", "Disease or phenotypic feature"),
        ("chemicals", "diseases"),
    ],
)
@pytest.mark.parametrize(
    ("line", "passed_over"),
    [
        ("1\tPositive_Correlation\tMESH:D1\tMESH:D2", "relation Positive_Correlation"),
        ("1\tNegative_Correlation\tD1\tD2\tNovel", "relation Negative_Correlation"),
        ("1\tassociate\tChemical|MESH:D1\tGene|1956", "relation associate"),
        ("1\t0\t6\tVelmol\tGeneOrGeneProduct\t1956,1957", "mention of GeneOrGeneProduct"),
        ("1\t0\t6\tVelmol\tSequenceVariant\tc|DEL|12|A", "mention of SequenceVariant"),
        ("1\t24\t26\tin\tOrganismTaxon\t9606\tVelmol", "mention of OrganismTaxon"),
    ],
)
def test_what_the_domain_does_not_ask_for_is_passed_over(
    tmp_path: Path, chemical: str, disease: str, line: str, passed_over: str
) -> None:
    example = only(tmp_path, pubtator(chemical, disease, line))
    assert (example.record, example.mentions) == (NAMES, SPANS)  # no relation of its kind: absent
    assert example.passed_over == ("mention of Species", passed_over)
    for kind in ("CID", "cid", "Chemical-Induced Disease", "chemical_induced_disease"):
        both = only(tmp_path, pubtator(chemical, disease, line, f"1\t{kind}\tD1\tD2"))
        assert both.record == RELATED


def annotation(number: int, kind: str, surface: str, start: int, identifier: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "infons": {
            "identifier": identifier,
            "type": kind,
            "valid": True,
            "normalized": [identifier],
            "database": None,
            "normalized_id": 12,
            "biotype": kind.lower(),
        },
        "text": surface,
        "locations": [{"offset": start, "length": len(surface)}],
    }


def pubtator3(*relations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    ends = {"type": "Chemical", "identifier": "MESH:D1"}, {"type": "Disease"}
    return {
        "_id": "1|None",
        "id": "1",
        "infons": {},
        "passages": [
            {
                "infons": {"journal": "Made Up", "year": "2031", "type": "title", "authors": "A"},
                "offset": 0,
                "text": TITLE,
                "sentences": [],
                "annotations": [
                    annotation(0, "Chemical", "Velmol", 0, "MESH:D1"),
                    annotation(1, "Disease", "tarvitis", 15, "MESH:D2"),
                    annotation(2, "Species", "patients", 31, "9606"),
                ],
                "relations": [],
            },
            {
                "infons": {"type": "abstract"},
                "offset": 41,
                "text": ABSTRACT,
                "sentences": [],
                "annotations": [
                    annotation(3, "Chemical", "Velmol", 41, "MESH:D1"),
                    annotation(4, "Disease", "gronia", 62, "-"),
                    annotation(5, "Disease", "Tarvitis", 70, "MESH:D2"),
                ],
                "relations": [],
            },
        ],
        "relations": [
            {
                "id": "R1",
                "infons": {"score": 0.9, "role1": ends[0], "role2": ends[1], "type": "Association"},
                "nodes": [{"refid": "0", "role": "0,1"}, {"refid": "1", "role": "1,0"}],
            },
            *relations,
        ],
        "pmid": 1,
        "pmcid": None,
        "meta": {},
        "relations_display": [{"name": "associate|@CHEMICAL_Velmol|@DISEASE_tarvitis"}],
        **changes,
    }


def of_nodes(*ends: str) -> dict[str, Any]:
    nodes = [{"refid": end, "role": ""} for end in ends]
    return {"id": "R2", "infons": {"type": "CID"}, "nodes": nodes}


def of_entities(chemical: str, disease: str) -> dict[str, Any]:
    infons = {"type": "CID", "entity1": chemical, "entity2": disease, "novel": "Novel"}
    return {"id": "R2", "infons": infons, "nodes": []}


SHAPES: dict[str, Callable[[dict[str, Any]], str]] = {
    "PubTator3": lambda document: json.dumps({"PubTator3": [document]}),
    "indented": lambda document: json.dumps({"PubTator3": [document]}, indent=2),
    "collection": lambda document: json.dumps({"source": "", "documents": [document]}),
    "document": json.dumps,
    "list": lambda document: json.dumps([document]),
    "list of collections": lambda document: json.dumps([{"documents": [document]}]),
    "lines": lambda document: json.dumps(document) + "\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_pubtator_3_in_json(tmp_path: Path, shape: str) -> None:
    example = only(tmp_path, SHAPES[shape](pubtator3()))
    assert example.document == Document("1", TEXT)
    assert (example.record, example.mentions) == (NAMES, SPANS)
    assert example.passed_over == ("mention of Species", "relation Association")


@pytest.mark.parametrize(
    "relation",
    [
        of_nodes("0", "1"),
        of_nodes("5", "3"),  # whichever mention, whichever order
        of_entities("MESH:D1", "MESH:D2"),
        of_entities("D2", "D1"),
    ],
)
@pytest.mark.parametrize("level", ["document", "passage"])
def test_relations_of_bioc_by_nodes_or_entities(
    tmp_path: Path, relation: dict[str, Any], level: str
) -> None:
    document = pubtator3() if level == "passage" else pubtator3(relation)
    if level == "passage":
        document["passages"][0]["relations"].append(relation)
    example = only(tmp_path, json.dumps([document]))
    assert example.record == RELATED
    assert example.mentions["/relations/0/disease"] == SPANS["/diseases/0"]


def test_a_relation_of_nodes_without_concepts_goes_by_the_name(tmp_path: Path) -> None:
    example = only(tmp_path, json.dumps([pubtator3(of_nodes("0", "4"))]))
    assert (example.record or {})["relations"] == [{"chemical": "Velmol", "disease": "gronia"}]
    assert example.mentions["/relations/0/disease"] == SPANS["/diseases/1"]


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"id": ""}, "", "a document without id"),
        ({"passages": []}, "", "a document without a passage"),
        ({"passages": {}}, "", "without a passage"),
        ({"passages": "x"}, "", "passages is no list"),
        ({"passages": [1]}, "/passages/0", "an object is wanted for a passage, not int"),
        ({"infons": [1]}, "", "infons is no object"),
        ({"relations": [of_nodes("0")]}, "/relations/0", "joins one chemical and one disease"),
        ({"relations": [of_nodes("0", "2")]}, "/relations/0", "joins one chemical and one"),
        ({"relations": [of_nodes("0", "3")]}, "/relations/0", "joins one chemical and one"),
        (
            {"relations": [of_nodes("0", "77")]},
            "/relations/0",
            "the relation names annotation '77', which",
        ),
        (
            {"relations": [of_entities("D1", "D9")]},
            "/relations/0",
            "the relation names disease 'D9', which",
        ),
        ({"relations": [{"nodes": []}]}, "/relations/0", "a relation without a kind"),
        ({"annotations": [{"text": "x"}]}, "/annotations/0", "an annotation without a"),
        (
            {"annotations": [annotation(9, "Disease", "gronia", 61, "")]},
            "/annotations/0",
            "the mention is 'gronia', but the text at 61-67 is ' groni'",
        ),
        (
            {"annotations": [annotation(9, "Disease", "gronia", 10**400, "")]},
            "/annotations/0/locations/0",
            "is no offset or length",
        ),
        (
            {"annotations": [annotation(9, "Disease", "gronia", 990, "")]},
            "/annotations/0",
            "990-996 is no span of the text",
        ),
    ],
)
def test_a_document_of_bioc_json_that_cannot_be_used_is_set_aside(
    tmp_path: Path, changes: dict[str, Any], place: str, says: str
) -> None:
    content = json.dumps({"documents": [pubtator3(id="0"), pubtator3(**changes), pubtator3()]})
    first, reject, last = rows(tmp_path, content)
    assert isinstance(first, Example)
    assert isinstance(last, Example)
    # Relations are annotated, although it is the broken document that has one.
    wanted = {**NAMES, "relations": []} if "joins" in says or "the relation" in says else NAMES
    assert first.record == last.record == wanted
    assert isinstance(reject, Reject)
    assert reject.place == f"{tmp_path / 'corpus.txt'}: /documents/1{place}"
    assert says in reject.reason
    assert reject.id == changes.get("id", "1") or "without id" in says
    assert (reject.document is None) == ("passages" in changes or "infons" in changes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"passages": [', "not JSON"),
        ('{"passages": [], "passages": []}', "a key twice"),
        ('{"passages": ' + "[" * 100_000, "not JSON"),
        ('{"passages": NaN', "not JSON"),
    ],
)
def test_json_that_is_none_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refusal:
        rows(tmp_path, content)
    assert "\n" not in str(refusal.value)


def test_a_broken_line_among_json_lines_is_set_aside(tmp_path: Path) -> None:
    lines = [json.dumps(pubtator3()), '{"passages": [', json.dumps(pubtator3(id="2"))]
    first, reject, last = rows(tmp_path, "\n".join(lines))
    assert isinstance(first, Example)
    assert isinstance(last, Example)
    assert isinstance(reject, Reject)
    assert reject.place.endswith("corpus.txt:2")


# PubAnnotation


def pubannotation(**changes: Any) -> dict[str, Any]:
    found = [("T1", 0, 6, "Chemical:D1"), ("T2", 15, 23, "Disease"), ("T3", 31, 39, "Species")]
    found += [("T4", 41, 47, "Chemical:MESH:D1"), ("T5", 62, 68, "Disease")]
    found += [("T6", 70, 78, "Disease")]
    return {
        "target": "http://pubannotation.org/docs/sourcedb/PubMed/sourceid/1",
        "sourcedb": "PubMed",
        "sourceid": "1",
        "text": TEXT,
        "denotations": [
            {"id": name, "span": {"begin": start, "end": end}, "obj": kind}
            for name, start, end, kind in found
        ],
        "relations": [{"id": "R1", "pred": "CID", "subj": "T1", "obj": "T2"}],
        **changes,
    }


@pytest.mark.parametrize("name", ["corpus.json", "corpus.jsonl"])
def test_pubannotation(tmp_path: Path, name: str) -> None:
    example = only(tmp_path, json.dumps(pubannotation()), name)
    assert example.document == Document("1", TEXT)
    assert example.record == RELATED
    assert example.passed_over == ("mention of Species",)


def test_tracks_of_pubannotation(tmp_path: Path) -> None:
    whole = pubannotation()
    track = {"project": "made-up", **{key: whole.pop(key) for key in ("denotations", "relations")}}
    other = {"project": "other", "denotations": [{"span": {"begin": 0, "end": 6}, "obj": "Gene"}]}
    example = only(tmp_path, json.dumps({**whole, "divid": 2, "tracks": [track, other]}))
    assert example.document.id == "1-2"
    assert example.record == RELATED
    assert sorted(example.passed_over) == ["mention of Gene", "mention of Species"]


def test_a_text_without_denotations_is_not_annotated(tmp_path: Path) -> None:
    bare = {"sourcedb": "PubMed", "sourceid": "2", "text": "Nothing here."}
    empty = {**bare, "sourceid": "3", "denotations": []}
    first, second, third = rows(tmp_path, json.dumps([pubannotation(), bare, empty]))
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert isinstance(third, Example)
    assert second.record is None
    assert third.record == {"chemicals": [], "diseases": [], "relations": []}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"denotations": [{"obj": "Disease"}]}, "a span"),
        ({"denotations": [{"span": {"begin": 1}, "obj": "Disease"}]}, "no offset"),
        ({"denotations": [{"span": {"begin": 1.5, "end": 2}, "obj": "Disease"}]}, "no offset"),
        ({"denotations": [{"span": {"begin": 0, "end": 6}}]}, "without a type"),
        ({"denotations": [{"span": {"begin": 0, "end": 999}, "obj": "Disease"}]}, "no span"),
        ({"denotations": "T1"}, "no list of objects"),
        ({"relations": [{"pred": "CID", "subj": "T1", "obj": "T9"}]}, "annotation 'T9'"),
    ],
)
def test_pubannotation_that_cannot_be_used_is_set_aside(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    reject, good = rows(tmp_path, json.dumps([pubannotation(**changes), pubannotation()]))
    assert isinstance(reject, Reject)
    assert says in reject.reason
    assert reject.document == Document("1", TEXT)
    assert isinstance(good, Example)
    assert good.record == RELATED


# BIO tags

TAGGED = [
    ("Velmol", "B-Chemical"),
    ("caused", "O"),
    ("acute", "B-Disease"),
    ("tarvitis", "I-Disease"),
    (",", "O"),
    ("gronia", "B-Disease"),
    ("gout", "B-Disease"),
]


def lines(tags: list[tuple[str, str]], separator: str = "\t") -> str:
    return "".join(f"{token}{separator}{tag}\n" for token, tag in tags)


@pytest.mark.parametrize(
    "content",
    [
        lines(TAGGED),
        lines(TAGGED, " "),
        lines(TAGGED, " NN B-NP "),
        lines(TAGGED).replace("\n", "\r\n"),
        "# text = Velmol caused acute tarvitis\n" + lines(TAGGED),
        "-DOCSTART- -X- -X- O\n\n" + lines(TAGGED),
        "-DOCSTART-\n\n" + lines(TAGGED[:2]) + "\n" + lines(TAGGED[2:]),
        lines([(token, tag.replace("-", "_")) for token, tag in TAGGED]),
        lines(TAGGED).replace("B-Chemical", "S-Chemical").replace("\tI-", "\tE-"),
        lines(TAGGED).replace("B-Chemical", "U-Chemical").replace("\tI-", "\tL-"),
        lines(TAGGED).replace("acute\tB-", "acute\tI-"),  # IOB1
    ],
)
def test_bio_tags(tmp_path: Path, content: str) -> None:
    example = only(tmp_path, content)
    assert example.document.text == "Velmol caused acute tarvitis , gronia gout"
    assert example.record == {
        "chemicals": ["Velmol"],
        "diseases": ["acute tarvitis", "gronia", "gout"],
    }
    assert example.mentions["/diseases/0"] == ((14, 28),)


def test_a_sentence_or_what_is_marked_is_a_document(tmp_path: Path) -> None:
    two = lines(TAGGED) + "\n" + lines([("Nothing", "O"), ("here", "O")])
    found = rows(tmp_path, two)
    assert [row.record for row in found if isinstance(row, Example)] == [
        {"chemicals": ["Velmol"], "diseases": ["acute tarvitis", "gronia", "gout"]},
        {"chemicals": [], "diseases": []},
    ]
    marked = "".join(f"# newdoc id = {name}\n{lines(TAGGED)}\n{lines(TAGGED)}" for name in "ab")
    assert [row.document.id for row in rows(tmp_path, marked) if isinstance(row, Example)] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    ("tag", "says"), [("B", "the tag 'B' names no type; write B-Chemical"), ("I", "names no type")]
)
def test_tags_without_a_type_set_a_document_aside(tmp_path: Path, tag: str, says: str) -> None:
    tagged = lines([("gout", tag), ("came", "O"), ("here", "O")])
    reject, good = rows(tmp_path, tagged + "\n" + lines(TAGGED))
    assert isinstance(reject, Reject)
    assert says in reject.reason
    assert reject.document is not None
    assert reject.document.text == "gout came here"
    assert isinstance(good, Example)


@pytest.mark.parametrize(
    "text", ["Hepatitis B\n", "Take vitamin B-12\nand vitamin B\n", "a O\nb O\n", "O\nO\nO\n"]
)
def test_a_text_is_not_taken_for_tags(tmp_path: Path, text: str) -> None:
    path = tmp_path / "note.txt"
    path.write_text(text)
    assert list(read_inputs(load("medical_ner"), [str(path)])) == [
        Document("note.txt", text, {"path": "note.txt"})
    ]
