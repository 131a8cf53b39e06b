"""Types and kinds of other names (``--map``) in each format, and annotations without texts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from medical_corpora import FILES, Annotated, bio_tags, brat

from fieldsmith import Document, Example, InputError, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.plugins import Plugin, load

TITLE = "Velmol induced tarvitis & gronia"
DOCUMENTS = [
    Annotated(
        "70",
        TITLE,
        "Velmol helped.",
        ((0, 6, "Drug", "C1"), (15, 23, "Disorder", "D1"), (26, 32, "Sign", "D2")),
        (("C1", "D1"),),
    ),
    Annotated("71", "Nothing", "to be seen here.", (), ()),
]
NAMES = {"Drug": "chemicals", "Disorder": "diseases", "Sign": "diseases", "INDUCES": "relations"}
RECORDS: list[dict[str, Any]] = [
    {
        "chemicals": ["Velmol"],
        "diseases": ["tarvitis", "gronia"],
        "relations": [{"chemical": "Velmol", "disease": "tarvitis"}],
    },
    {"chemicals": [], "diseases": [], "relations": []},
]
EVERY = [*FILES, "brat", "BIO tags"]


def written(folder: Path, name: str, documents: Sequence[Annotated] = DOCUMENTS) -> Path:
    """Write documents in a format, their relations of the kind INDUCES."""
    if name == "brat":
        path = brat(folder / "brat", documents)
        for file in path.glob("*.ann"):
            file.write_text(file.read_text("utf-8").replace("CID", "INDUCES"), "utf-8")
        return path
    path = folder / "corpus.txt"
    made = bio_tags(documents) if name == "BIO tags" else FILES[name](documents)
    path.write_text(made.replace("CID", "INDUCES"), encoding="utf-8", newline="")
    return path


def named(names: Mapping[str, str]) -> Plugin:
    return load("medical_ner", names=names)


def records(names: Mapping[str, str], source: Path) -> list[object]:
    found = list(read_examples(named(names), source))
    assert all(isinstance(row, Example) for row in found), found
    return [row.record for row in found if isinstance(row, Example)]


@pytest.mark.parametrize("name", EVERY)
def test_types_and_kinds_are_mapped(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = written(tmp_path, name)
    wanted = [dict(each) for each in RECORDS]
    names = dict(NAMES)
    if name == "BIO tags":  # which have no relations
        names.pop("INDUCES")
        wanted = [{key: each[key] for key in each if key != "relations"} for each in wanted]
    with caplog.at_level(logging.INFO):
        assert records(names, source) == wanted
    assert "--map" not in caplog.text
    assert records({}, source) == [None, None]  # the types are of no field


@pytest.mark.parametrize("name", EVERY)
def test_a_type_that_is_nowhere_is_told_with_those_that_are(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = written(tmp_path, name)
    with caplog.at_level(logging.INFO):
        records({"Drug": "chemicals", "Disordr": "diseases"}, source)
    assert "nothing in it is called Disordr (--map); did you mean Disorder?" in caplog.text
    assert "Sign" in caplog.text


@pytest.mark.parametrize("name", EVERY)
def test_a_known_type_is_joined_or_given_to_another_field(tmp_path: Path, name: str) -> None:
    kinds = {"Drug": "Chemical", "Disorder": "Disease", "Sign": "Sign"}
    known = [
        replace(each, mentions=tuple((s, e, kinds[kind], c) for s, e, kind, c in each.mentions))
        for each in DOCUMENTS
    ]
    source = written(tmp_path, name, [replace(each, relations=()) for each in known])
    joined, _empty = records({"Sign": "diseases"}, source)
    assert joined == {"chemicals": ["Velmol"], "diseases": ["tarvitis", "gronia"]}
    moved, _empty = records({"Disease": "chemicals"}, source)
    assert moved == {"chemicals": ["Velmol", "tarvitis"]}


@pytest.mark.parametrize("name", [*FILES, "brat"])
def test_of_a_kind_that_is_named_relations_of_other_types_are_passed_over(
    tmp_path: Path, name: str
) -> None:
    first, second = DOCUMENTS
    wider = replace(first, relations=(("C1", "D1"), ("D1", "D2"), ("C1", "D2")))
    source = written(tmp_path, name, [wider, second])
    names = {key: field for key, field in NAMES.items() if key != "Sign"}
    found, _empty = read_examples(named(names), source)
    assert isinstance(found, Example)
    assert found.record == {**RECORDS[0], "diseases": ["tarvitis"]}
    assert found.passed_over.count("relation INDUCES of other types") == 2


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({**NAMES, "Drug": "relations"}, "names 'Drug' as relations; here chemicals or diseases"),
        ({**NAMES, "Drug": "text"}, "names 'Drug' as text; here chemicals or diseases"),
        ({**NAMES, "INDUCES": "diseases"}, "names 'INDUCES' as diseases; here relations"),
    ],
)
@pytest.mark.parametrize("name", [*FILES, "brat"])
def test_a_type_that_is_named_for_another_kind_of_field_sets_documents_aside(
    tmp_path: Path, name: str, names: Mapping[str, str], reason: str
) -> None:
    source = written(tmp_path, name)
    reject, _other = read_examples(named(names), source)
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(f"--map {reason}")
    first, _second = read_inputs(named(names), [str(source)])
    assert isinstance(first, Document)
    assert first.text == DOCUMENTS[0].text


BARE = {
    "a.ann": ("T1\tChemical 0 6\tVelmol\n", "brat without their text, which is wanted beside"),
    "a.txt": (
        "70\t0\t6\tVelmol\tChemical\tC1\n70\tCID\tC1\tD1\n",
        r"PubTator without their texts, which .*70\|t\|TITLE and 70\|a\|ABSTRACT",
    ),
    "a.xml": (
        "<collection><document><id>70</id><passage><offset>0</offset><annotation id='0'>"
        "<infon key='type'>Chemical</infon><location offset='0' length='6'/><text>Velmol</text>"
        "</annotation></passage></document></collection>",
        "BioC without their text; export them with the texts",
    ),
    "a.json": (
        '{"documents": [{"id": "70", "passages": [{"offset": 0, "sentences": [{"annotations": '
        '[{"infons": {"type": "Chemical"}, "text": "Velmol", "locations": '
        '[{"offset": 0, "length": 6}]}]}]}]}]}',
        "BioC without their text; export them with the texts",
    ),
    "b.json": (
        '{"sourceid": "70", "denotations": [{"span": {"begin": 0, "end": 6}, "obj": "Chemical"}]}',
        "PubAnnotation without their text, which is wanted as the key text",
    ),
}


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("name", BARE)
def test_annotations_without_texts_say_where_these_are_wanted(
    tmp_path: Path, name: str, is_folder: bool
) -> None:
    content, message = BARE[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    source = tmp_path if is_folder else tmp_path / name
    plugin = load("medical_ner")
    for read in (lambda: read_examples(plugin, source), lambda: read_inputs(plugin, [str(source)])):
        with pytest.raises(InputError, match=f"annotations of {message}"):  # noqa: PT012
            (row,) = read()
            assert isinstance(row, Reject)
            raise InputError(row.reason)


IDS = {"95%fa": "95%fa", "50%": "50%", "a%2fb": "a%2fb", "a%2F1%20b": "a/1 b"}


@pytest.mark.parametrize(("name", "identifier"), IDS.items())
@pytest.mark.parametrize("is_brat", [True, False])
def test_an_id_is_as_it_stands_but_for_what_the_export_writes(
    is_brat: bool, name: str, identifier: str, tmp_path: Path
) -> None:
    if is_brat:
        (tmp_path / "50%20").mkdir()
        (tmp_path / "50%20" / f"{name}.txt").write_text("Velmol.")
        (tmp_path / "50%20" / f"{name}.ann").write_text("T1\tChemical 0 6\tVelmol\n")
        identifier = f"50%20/{identifier}"
    else:
        (tmp_path / "corpus.txt").write_text(f"{name}|t|Velmol.\n{name}|a|\n")
    (found,) = read_examples(named({}), tmp_path)
    assert isinstance(found, Example)
    assert found.document.id == identifier
