"""Catalogues as gold for dcat_datasets: RDF in terms of DCAT, and CKAN's packages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import fieldsmith_dcat_datasets as dcat_datasets
from fieldsmith import Example, InputError, Record, Reject
from fieldsmith_dcat_datasets.mending import LISTS

rdflib = pytest.importorskip("rdflib")

SCHEMA = Draft202012Validator(dcat_datasets.extract_schema())
TURTLE = """@prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<https://velmar.example/catalogue> a dcat:Catalog ; dcat:dataset <https://velmar.example/1> .
<https://velmar.example/1> a dcat:Dataset ;
    dcterms:title "Velmar"@en, "Velmar (deutsch)"@de ;
    dcterms:description "Road signs of Velmar." ;
    dcterms:creator [ a foaf:Agent ; foaf:name "Ilka Tov" ], [ foaf:name "Bo Li" ] ;
    dcterms:issued "2016-02-29"^^<http://www.w3.org/2001/XMLSchema#date> ;
    dcterms:language <http://publications.europa.eu/resource/authority/language/ENG>, "de-AT" ;
    dcterms:identifier "10.5555/velmar" ;
    dcat:version "1.0" ;
    dcat:landingPage <https://velmar.example/> ;
    dcat:theme [ skos:prefLabel "Traffic" ], <http://eu.example/data-theme/TRAN> ;
    dcat:keyword "signs"@en, "Schilder"@de, "roads"@en ;
    dcat:distribution [ dcterms:format <http://eu.example/file-type/CSV> ],
        [ dcat:mediaType <https://iana.example/assignments/media-types/application/json> ] .
"""
RECORD: Record = {
    "datasets": [
        {
            "dcterms:title": "Velmar",
            "dcterms:creator": ["Bo Li", "Ilka Tov"],
            "dcterms:issued": "2016-02-29",
            "dcterms:language": "English, German",
            "dcterms:identifier": "10.5555/velmar",
            "dcterms:hasVersion": "1.0",
            "dcterms:format": "CSV, json",
            "dcat:landingPage": "https://velmar.example/",
            "dcat:theme": ["Traffic"],
            "dcat:keyword": ["roads", "signs"],
            "dcterms:description": "Road signs of Velmar.",
        }
    ]
}


def rows(source: Path) -> list[Example | Reject]:
    return list(dcat_datasets.extract_load(source))


def written(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def only(source: Path) -> Example:
    (found,) = rows(source)
    assert isinstance(found, Example), found
    assert SCHEMA.is_valid(found.record)
    return found


def without_description(record: Record) -> Record:
    (dataset,) = record["datasets"]
    return {"datasets": [{k: v for k, v in dataset.items() if k != "dcterms:description"}]}


# --- RDF ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("turtle", "velmar.ttl"),
        ("turtle", "velmar.data"),
        ("nt", "velmar.nt"),
        ("xml", "velmar.rdf"),
        ("pretty-xml", "velmar.xml"),
        ("json-ld", "velmar.jsonld"),
    ],
)
def test_a_catalogue_is_gold_in_every_format(tmp_path: Path, form: str, name: str) -> None:
    content = rdflib.Graph().parse(data=TURTLE, format="turtle").serialize(format=form)
    path = written(tmp_path, name, content)
    found = only(path)
    assert found.document.id == "https://velmar.example/1"
    assert found.document.text == "Velmar\nRoad signs of Velmar."
    assert found.record == without_description(RECORD)
    assert rows(path) == rows(path)


def test_json_ld_with_prefixes_is_told_by_its_context(tmp_path: Path) -> None:
    graph = rdflib.Graph().parse(data=TURTLE, format="turtle")
    context = {prefix: str(iri) for prefix, iri in graph.namespaces()}
    content = graph.serialize(format="json-ld", context=context)
    assert '"@context"' in content
    assert only(written(tmp_path, "a.json", content)).record == without_description(RECORD)


@pytest.mark.parametrize("ending", [".txt", "_thinking.txt"])
def test_the_text_beside_a_catalogue_is_its_document(tmp_path: Path, ending: str) -> None:
    written(tmp_path, "paper_7.ttl", TURTLE)
    written(tmp_path, f"paper_7{ending}", "We use Velmar.")
    found = only(tmp_path)
    assert (found.document.id, found.document.text) == ("paper_7", "We use Velmar.")
    assert found.record == RECORD


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.ttl", TURTLE[:-40], "broken RDF (turtle)"),
        ("a.ttl", "@prefix x: <y> . x:a x:b", "broken RDF (turtle)"),
        ("a.rdf", "<rdf:RDF xmlns:rdf='http://a.example/'>", "broken RDF"),
        ("a.jsonld", '{"@context": {}', "broken JSON"),
        ("a.jsonld", '{"@id": "a", "@id": "b"}', "the key '@id' is given twice"),
        ("a.jsonld", '{"@context": "https://velmar.example/context"}', "not fetched"),
        ("a.jsonld", '{"@context": ["/etc/hostname"]}', "not fetched"),
        ("a.jsonld", '[{"x": {"@context": {"@import": "a.jsonld"}}}]', "not fetched"),
        ("a.jsonld", "[" * 100_000, "broken JSON"),
        ("a.ttl", "@prefix a: <b> .\n" + "[] a:c [" * 5_000, "broken RDF"),
    ],
)  # fmt: skip
def test_broken_rdf_is_one_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(InputError) as error:
        rows(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    written(tmp_path, "b.ttl", TURTLE)
    bad, good = rows(tmp_path)
    assert isinstance(bad, Reject)
    assert isinstance(good, Example)


def test_rdf_without_a_dataset_is_set_aside(tmp_path: Path) -> None:
    (found,) = rows(written(tmp_path, "a.ttl", "@prefix a: <urn:a:> . a:b a:c a:d ."))
    assert isinstance(found, Reject)
    assert "no dcat:Dataset" in found.reason


def test_without_rdflib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(InputError, match=r"pip install 'fieldsmith\[rdf\]'"):
        rows(written(tmp_path, "a.ttl", TURTLE))


WORD = st.text(st.sampled_from("abÄ ξ李.-'\"\\<>&"), min_size=1, max_size=12).map(
    lambda text: " ".join(text.split())
)
FILLED = WORD.filter(bool)
DATASET = st.fixed_dictionaries(
    {"dcterms:title": FILLED},
    optional={
        "dcterms:creator": st.lists(FILLED, max_size=3, unique_by=str.casefold),
        "dcterms:issued": st.sampled_from(["2016", "2016-02", "2016-02-29", "May 2016"]),
        "dcterms:language": st.sampled_from(["English", "English, German", "Chinese"]),
        "dcterms:identifier": FILLED,
        "dcterms:hasVersion": FILLED,
        "dcat:landingPage": st.sampled_from(["https://velmar.example/a?b=c", "ftp://velmar.example"]),
        "dcat:keyword": st.lists(FILLED, max_size=3, unique=True),
        "dcterms:description": FILLED,
    },
)  # fmt: skip


def filled(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return what a dataset says, without what it says that there is none of; lists sorted."""
    values = ((key, sorted(v) if key in LISTS else v) for key, v in dataset.items())
    return {key: value for key, value in values if value}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    papers=st.dictionaries(
        st.sampled_from(["paper_1", "a/b.txt", "10.5555/x"]),
        st.lists(DATASET, min_size=1, max_size=3),
        min_size=1,
    ),
    form=st.sampled_from(["turtle", "jsonld"]),
)
def test_what_we_export_is_read_back(
    tmp_path: Path, papers: dict[str, list[dict[str, Any]]], form: str
) -> None:
    records = {name: {"datasets": datasets} for name, datasets in papers.items()}
    exported = dcat_datasets.extract_export(records, form)
    found = rows(written(tmp_path, f"x.{'ttl' if form == 'turtle' else 'jsonld'}", exported))
    read = {row.document.id: row.record or {} for row in found if isinstance(row, Example)}
    assert set(read) == set(papers)
    for name, datasets in papers.items():
        wanted, got = (
            sorted((filled(one) for one in side), key=lambda one: json.dumps(one, sort_keys=True))
            for side in (datasets, read[name]["datasets"])
        )
        assert got == wanted


# --- CKAN -----------------------------------------------------------------------------------------

PACKAGE: dict[str, Any] = {
    "id": "9f0c",
    "name": "velmar",
    "title": "Velmar",
    "author": "Ilka Tov",
    "author_email": "",
    "notes": "Road signs of Velmar.",
    "url": "https://velmar.example/",
    "version": "1.0",
    "metadata_created": "2026-01-01T00:00:00",
    "license_id": "cc-by",
    "tags": [{"name": "roads", "display_name": "roads"}, {"name": "signs"}],
    "groups": [{"name": "traffic", "title": "Traffic"}],
    "resources": [{"format": "CSV", "url": "x"}, {"format": "JSON"}, {"format": "CSV"}, {}],
    "extras": [
        {"key": "language", "value": '["http://a.example/language/ENG", "de"]'},
        {"key": "issued", "value": "2016"},
        {"key": "identifier", "value": "10.5555/velmar"},
    ],
}
FROM_CKAN: Record = {
    "datasets": [
        {
            "dcterms:title": "Velmar",
            "dcterms:creator": ["Ilka Tov"],
            "dcterms:issued": "2016",
            "dcterms:language": "English, German",
            "dcterms:identifier": "10.5555/velmar",
            "dcterms:hasVersion": "1.0",
            "dcterms:format": "CSV, JSON",
            "dcat:landingPage": "https://velmar.example/",
            "dcat:theme": ["Traffic"],
            "dcat:keyword": ["roads", "signs"],
            "dcterms:description": "Road signs of Velmar.",
        }
    ]
}


@pytest.mark.parametrize("name", ["velmar.json", "dump.jsonl", "x.data"])
@pytest.mark.parametrize(
    "form",
    [
        PACKAGE,
        [PACKAGE],
        {"help": "package_show", "success": True, "result": PACKAGE},
        {"success": True, "result": {"count": 1, "results": [PACKAGE]}},
        {"count": 1, "results": [PACKAGE]},
    ],
)
def test_packages_are_gold_however_they_are_wrapped(
    tmp_path: Path, form: object, name: str
) -> None:
    found = only(written(tmp_path, name, json.dumps(form)))
    assert (found.document.id, found.document.text) == ("velmar", "Velmar\nRoad signs of Velmar.")
    assert found.record == without_description(FROM_CKAN)


def test_packages_line_by_line(tmp_path: Path) -> None:
    other = {**PACKAGE, "name": "other"}
    broken = '{"name": "a", "name": "b"}'
    nameless = json.dumps({**PACKAGE, "title": ""})
    lines = [json.dumps(PACKAGE), broken, nameless, json.dumps(other)]
    first, twice, untitled, second = rows(written(tmp_path, "dump.jsonl", "\n".join(lines) + "\n"))
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert (first.document.id, second.document.id) == ("velmar", "other")
    assert isinstance(twice, Reject)
    assert "the key 'name' is given twice" in twice.reason
    assert isinstance(untitled, Reject)
    assert untitled.field == "title"


def test_the_text_beside_a_package_is_its_document(tmp_path: Path) -> None:
    written(tmp_path, "paper_7.json", json.dumps(PACKAGE))
    written(tmp_path, "paper_7.txt", "We use Velmar.")
    found = only(tmp_path)
    assert (found.document.id, found.document.text) == ("paper_7", "We use Velmar.")
    assert found.record == FROM_CKAN


@pytest.mark.parametrize(
    "key", [key for key in PACKAGE if key not in ("title", "resources", "notes")]
)
def test_what_a_package_does_not_say_is_not_annotated(tmp_path: Path, key: str) -> None:
    empties: list[dict[str, Any]] = [{}, {key: None}, {key: ""}, {key: []}]
    for empty in empties:
        package = {name: value for name, value in PACKAGE.items() if name != key} | empty
        (dataset,) = (only(written(tmp_path, "a.json", json.dumps(package))).record or {})[
            "datasets"
        ]
        assert all(value for value in dataset.values())
        assert set(dataset) <= set(FROM_CKAN["datasets"][0])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from([*PACKAGE, "language", "issued"]), VALUES, max_size=6))
def test_whatever_a_package_holds(tmp_path: Path, changes: dict[str, Any]) -> None:
    content = json.dumps([{**PACKAGE, **changes}, PACKAGE])
    for row in rows(written(tmp_path, "a.json", content)):
        assert isinstance(row, Reject) or SCHEMA.is_valid(row.record)


def test_broken_ckan_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", json.dumps(PACKAGE)[:-20])
    with pytest.raises(InputError, match="unreadable") as error:
        rows(path)
    assert str(error.value).startswith(f"{path}: ")
