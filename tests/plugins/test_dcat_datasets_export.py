"""Records of dcat_datasets as RDF: valid whatever they hold, and always the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import ROOT

import fieldsmith_dcat_datasets as dcat_datasets
from fieldsmith import Example, InputError, Record, UnknownFormatError
from fieldsmith_dcat_datasets.languages import codes
from fieldsmith_dcat_datasets.mending import KEYS, LISTS

rdflib = pytest.importorskip("rdflib")

SHAPES = ROOT / "plugins" / "dcat_datasets" / "shapes.ttl"
DCAT, DCTERMS, XSD = (
    rdflib.Namespace(iri)
    for iri in (
        "http://www.w3.org/ns/dcat#",
        "http://purl.org/dc/terms/",
        "http://www.w3.org/2001/XMLSchema#",
    )
)
LOC = "http://id.loc.gov/vocabulary/iso639-1/"

FULL = {
    "dcterms:title": "Velmar (VM)",
    "dcterms:creator": ["Ilka Tov"],
    "dcterms:issued": "2016",
    "dcterms:language": "English and Klingon",
    "dcterms:identifier": "arXiv:1234.5678",
    "dcterms:hasVersion": "1.0",
    "dcterms:format": "Text",
    "dcat:landingPage": "https://velmar.example/?q=ä#top",
    "dcat:theme": ["Computer Vision"],
    "dcat:keyword": ["road signs"],
    "mls:task": ["object detection"],
    "dcterms:description": "Road signs.",
}
HOSTILE = [
    '"quoted" and \'single\' and """three"""',
    "<script>alert('x')</script> & <http://x>",
    "line\nbreak\r\nand\ttab \\n \\",
    "javascript:alert(1)",
    "http://velmar.example/with space",
    "https://velmar.example/<a>{b}|c^`",
    "http://[::1",
    "http://velmar.example:port/",
    "http://velmar.example/%zz",
    "http:///nothing",
    "http://velmar.example/\u202eelpmaxe",
    "\u202eשלום\u202c مرحبا",
    "nul \0, bell \a, half \ud800, end \uffff",
    "@prefix x: <y> . # comment",
    " ",
    "2016-13",
    "٢٠١٦",
]


def export(*datasets: dict[str, Any], name: str = "turtle", document: str = "paper_1") -> str:
    return dcat_datasets.extract_export({document: {"datasets": list(datasets)}}, name)


def graph(text: str, name: str = "turtle") -> Any:
    return rdflib.Graph().parse(data=text, format={"jsonld": "json-ld"}.get(name, name))


def only(given: dict[str, Any]) -> Any:
    """Return the graph of a single dataset, and the IRI of that."""
    read = graph(export(given))
    return read, read.value(None, rdflib.RDF.type, DCAT.Dataset)


def check_valid(read: Any) -> None:
    pyshacl = pytest.importorskip("pyshacl")
    conforms, _graph, report = pyshacl.validate(read, shacl_graph=str(SHAPES))
    assert conforms, report


def test_a_full_dataset_says_all_in_terms_of_dcat() -> None:
    read, iri = only(FULL)
    said = {(p, str(o)) for p, o in read.predicate_objects(iri) if isinstance(o, rdflib.Literal)}
    assert said == {
        (DCTERMS.title, "Velmar (VM)"),
        (DCTERMS.issued, "2016"),
        (DCTERMS.language, "Klingon"),
        (DCTERMS.identifier, "arXiv:1234.5678"),
        (rdflib.URIRef(f"{DCAT}version"), "1.0"),
        (DCAT.keyword, "road signs"),
        (DCTERMS.description, "Road signs."),
    }
    assert (iri, DCTERMS.language, rdflib.URIRef(LOC + "en")) in read
    assert (iri, DCAT.landingPage, rdflib.URIRef("https://velmar.example/?q=ä#top")) in read
    theme = read.value(iri, DCAT.theme)
    assert str(read.value(theme, rdflib.SKOS.prefLabel)) == "Computer Vision"
    assert str(read.value(read.value(iri, DCTERMS.creator), rdflib.FOAF.name)) == "Ilka Tov"
    assert str(read.value(read.value(iri, DCTERMS["format"]), rdflib.RDFS.label)) == "Text"
    task = read.value(iri, rdflib.URIRef("http://www.w3.org/ns/mls#task"))
    assert str(read.value(task, rdflib.RDFS.label)) == "object detection"
    paper = read.value(iri, DCTERMS.isReferencedBy)
    assert str(read.value(paper, DCTERMS.identifier)) == "paper_1"
    check_valid(read)


def test_both_formats_say_the_same() -> None:
    turtle, jsonld = (export(FULL, {}, name=name) for name in ("turtle", "jsonld"))
    assert set(graph(turtle)) == set(graph(jsonld, "jsonld"))


@pytest.mark.parametrize(
    ("issued", "datatype"),
    [
        ("2016", XSD.gYear),
        ("2016-02", XSD.gYearMonth),
        ("2016-02-29", XSD.date),
        ("2015-02-29", XSD.string),
        ("2016-13", XSD.string),
        ("0000", XSD.string),
        ("May 2016", XSD.string),
        ("2011-2020", XSD.string),
        ("٢٠١٦", XSD.string),
    ],
)
def test_a_date_has_the_type_of_its_form(issued: str, datatype: Any) -> None:
    read, iri = only({**FULL, "dcterms:issued": issued})
    literal = read.value(iri, DCTERMS.issued)
    assert str(literal) == issued
    assert (literal.datatype or XSD.string) == datatype


@pytest.mark.parametrize("page", [page for page in HOSTILE if page.strip()])
def test_what_is_no_address_is_no_iri_and_kept(page: str) -> None:
    read, iri = only({**FULL, "dcat:landingPage": page})
    assert read.value(iri, DCAT.landingPage) is None
    assert str(read.value(iri, rdflib.RDFS.comment)).startswith("Landing page as given: ")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["turtle", "jsonld"])
def test_hostile_values_give_valid_rdf(value: str, name: str) -> None:
    item = {key: [value] if key in LISTS else value for key in KEYS}
    read = graph(export(item, item, name=name, document=value), name)
    assert len(list(read.subjects(rdflib.RDF.type, DCAT.Dataset))) == 2
    check_valid(read)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(), st.text(), st.text())
def test_whatever_text_comes_back(title: str, page: str, word: str) -> None:
    item = {**FULL, "dcterms:title": title, "dcat:landingPage": page, "dcat:keyword": [word]}
    turtle, jsonld = (export(item, name=name, document=page) for name in ("turtle", "jsonld"))
    assert set(graph(turtle)) == set(graph(jsonld, "jsonld"))


def test_a_dataset_without_title_has_a_supplied_one() -> None:
    read, iri = only({"dcterms:issued": "2016"})
    assert str(read.value(iri, DCTERMS.title)) == "[untitled]"
    check_valid(read)


def test_iris_depend_on_document_and_title_alone() -> None:
    def iri(given: dict[str, Any], document: str = "paper_1") -> Any:
        read = graph(export(given, document=document))
        return read.value(None, rdflib.RDF.type, DCAT.Dataset)

    first = iri(FULL)
    assert iri({"dcterms:title": "velmar-(vm) dataset"}) == first
    assert iri({"dcterms:title": "Velmar 2"}) != first
    assert iri(FULL, "paper_2") != first
    read = graph(export(FULL, FULL))
    assert len(set(read.subjects(rdflib.RDF.type, DCAT.Dataset))) == 2


def test_the_bytes_are_the_same_in_every_process() -> None:
    program = (
        "import fieldsmith_dcat_datasets as d\n"
        "rows = {e.document.id: e.record for e in list(d.extract_load(None))[:8]}\n"
        "print(d.extract_export(rows, 'turtle') + d.extract_export(rows, 'jsonld'))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(written) == 1


def test_the_sample_is_valid_and_whole() -> None:
    records: dict[str, Record] = {}
    for row in dcat_datasets.extract_load(None):
        if isinstance(row, Example) and row.record is not None:
            records[row.document.id] = row.record
    read = graph(dcat_datasets.extract_export(records, "turtle"))
    found = len(list(read.subjects(rdflib.RDF.type, DCAT.Dataset)))
    assert found == sum(len(record["datasets"]) for record in records.values())
    check_valid(read)


def test_the_shapes_refuse_what_they_should() -> None:
    pyshacl = pytest.importorskip("pyshacl")
    good = export(FULL)
    for wrong in (
        good.replace('dcterms:title "Velmar (VM)" ;', ""),
        good.replace('"2016"^^xsd:gYear', "2016"),
        good.replace("<https://velmar.example/?q=ä#top>", "<javascript:alert>"),
        good.replace("a foaf:Agent", "a foaf:Document"),
    ):
        assert wrong != good
        assert not pyshacl.validate(graph(wrong), shacl_graph=str(SHAPES))[0]


def test_no_records_are_an_empty_catalogue() -> None:
    read = graph(dcat_datasets.extract_export({"paper_1": {}}, "turtle"))
    assert read.value(None, rdflib.RDF.type, DCAT.Catalog) is not None
    check_valid(read)


def test_another_format_is_refused() -> None:
    with pytest.raises(UnknownFormatError, match="turtle, jsonld"):
        export(FULL, name="xml")


def test_without_rdflib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(InputError, match=r"fieldsmith\[rdf\]"):
        export(FULL)


def test_languages_by_name_or_code() -> None:
    given = "English, German/zh; Farsi & Middle Low German and x"
    assert [code for code, _name in codes(given)] == ["en", "de", "zh", "fa", "", ""]
    assert list(codes("")) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://publications.europa.eu/resource/authority/language/ENG", ["en"]),
        ("http://publications.europa.eu/resource/authority/language/DEU/", ["de"]),
        ("http://id.loc.gov/vocabulary/iso639-1/fr", ["fr"]),
        ("https://id.loc.gov/vocabulary/iso639-2/ger", ["de"]),
        ("http://lexvo.org/id/iso639-3/jpn", ["ja"]),
        ("HTTP://LEXVO.org/id/iso639-3/JPN", ["ja"]),
        ("<http://lexvo.org/id/iso639-3/jpn>, English", ["ja", "en"]),
        ("http://a.example/language/ENG; http://a.example/language/ZHO", ["en", "zh"]),
        ("http://a.example/en http://a.example/de", ["en", "de"]),
        ("urn:iso:639:eng", ["en"]),
        ("en_GB, zh-Hans", ["en", "zh"]),
        ("pt-BR/es-419", ["pt", "es"]),
        ("EN-us; zh-Hant-TW", ["en", "zh"]),
        ("eng, deu, ger, cze", ["en", "de", "de", "cs"]),
        ("English (US), Chinese (Simplified)", ["en", "zh"]),
        ("Deutsch | Español", ["de", "es"]),
        ("tlh-Latn, multilingual, http://a.example/language/MUL", ["", "", ""]),
    ],
)
def test_languages_in_every_form(given: str, expected: list[str]) -> None:
    assert [code for code, _name in codes(given)] == expected
    read, iri = only({**FULL, "dcterms:language": given})
    terms = {str(term) for term in read.objects(iri, DCTERMS.language)}
    assert {term for term in terms if term.startswith(LOC)} == {
        LOC + code for code in expected if code
    }
    check_valid(read)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("HTTP://EX.org/A", "http://ex.org/A"),
        (" Https://Ex.Example:8080/B?C=D#E ", "https://ex.example:8080/B?C=D#E"),
        ("FTP://User@HOST.example", "ftp://User@host.example"),
        ("http://EX.example?Q", "http://ex.example?Q"),
    ],
)
def test_an_address_has_its_scheme_in_lower_case(given: str, expected: str) -> None:
    read, iri = only({**FULL, "dcat:landingPage": given})
    assert str(read.value(iri, DCAT.landingPage)) == expected
    check_valid(read)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dcterms:creator": "Ilka Tov"},
        {"dcterms:creator": ["", " ", None, 7]},
        {"dcterms:issued": 2016},
        {"dcterms:language": ["en", "de"]},
        {"dcat:keyword": "one"},
        {"dcterms:title": 7},
        {"unknown": {"a": []}},
    ],
)
def test_records_of_others_are_exported_too(wrong: dict[str, Any]) -> None:
    check_valid(only({**FULL, **wrong})[0])
    records: dict[str, Record] = {"one": {"datasets": None}, "two": {"datasets": [7, "x", None]}}
    check_valid(graph(dcat_datasets.extract_export(records, "turtle")))


VALUE = st.one_of(
    st.sampled_from([*HOSTILE, "en_GB", "HTTP://A.b", "2016", "http://a/ENG", "\u3164", "\u0301"]),
    st.text(max_size=12),
)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        key: st.lists(VALUE, max_size=3) if key in LISTS else st.none() | VALUE for key in KEYS
    },
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(VALUE, st.lists(ITEM, max_size=3), max_size=3))
def test_whatever_is_exported_has_the_shapes(given: dict[str, list[dict[str, Any]]]) -> None:
    records: dict[str, Record] = {name: {"datasets": items} for name, items in given.items()}
    for name in ("turtle", "jsonld"):
        check_valid(graph(dcat_datasets.extract_export(records, name), name))
