"""The same documents give the same examples, whatever the format that they are written in."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from medical_corpora import FILES, Annotated, annotated_documents, bio_tags, brat, pubtator

import fieldsmith_medical_ner as medical_ner
from fieldsmith import Document, Example, InputError, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.plugins import load

MADE_UP = [
    Annotated(
        "70",
        "Velmol-induced tarvitis & gronia",
        "β-Velmol (VML) <caused> acute tarvitis, not gronia; VELMOL helped.",
        (
            (0, 6, "Chemical", "C1"),
            (15, 23, "Disease", "D1"),
            (26, 32, "Disease", "D2"),
            (33, 41, "Chemical", "C2"),
            (43, 46, "Chemical", "C1"),
            (57, 71, "Disease", "D1"),
            (77, 83, "Disease", "D2"),
            (85, 91, "Chemical", "C1"),
        ),
        (("C1", "D1"), ("C2", "D1")),
    ),
    Annotated("71", "Nothing", "to be seen here.", (), ()),
    Annotated("72", "Gronia", "was cured.", ((0, 6, "Disease", "D2"),), ()),
]
ANSWERS = [
    {
        "chemicals": ["Velmol", "β-Velmol", "VML"],
        "diseases": ["tarvitis", "gronia", "acute tarvitis"],
        "relations": [
            {"chemical": "Velmol", "disease": "tarvitis"},
            {"chemical": "β-Velmol", "disease": "tarvitis"},
        ],
    },
    {"chemicals": [], "diseases": [], "relations": []},
    {"chemicals": [], "diseases": ["Gronia"], "relations": []},
]


def contents(source: Path) -> list[tuple[object, ...]]:
    found = list(medical_ner.extract_load(source, {}))
    assert all(isinstance(row, Example) for row in found), found
    return [
        (row.document, row.record, dict(row.mentions)) for row in found if isinstance(row, Example)
    ]


def written(folder: Path, name: str, documents: Sequence[Annotated]) -> Path:
    if name == "brat":
        return brat(folder / "brat", documents)
    path = folder / "corpus.txt"
    path.write_text(FILES[name](documents), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("name", [*FILES, "brat"])
def test_made_up_documents_give_the_same_examples(tmp_path: Path, name: str) -> None:
    found = contents(written(tmp_path, name, MADE_UP))
    assert [record for _document, record, _mentions in found] == ANSWERS
    assert [document for document, _record, _mentions in found] == [
        Document(each.id, each.text) for each in MADE_UP
    ]
    assert found == contents(written(tmp_path, "PubTator", MADE_UP))


@pytest.mark.parametrize("name", [*FILES, "brat"])
@given(documents=annotated_documents())
@settings(max_examples=10)
def test_what_is_written_is_read_back(name: str, documents: list[Annotated]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = contents(written(Path(folder), name, documents))
        assert found == contents(written(Path(folder), "PubTator", documents))
    for written_as, (document, record, mentions) in zip(documents, found, strict=True):
        assert document == Document(written_as.id, written_as.text)
        check_record(written_as, record, mentions)


def check_record(written_as: Annotated, record: object, mentions: object) -> None:
    """Check a record and its mentions against what was annotated."""
    assert isinstance(mentions, dict)
    if record is None:
        assert not written_as.mentions
        return
    assert isinstance(record, dict)
    for field, kind in (("chemicals", "Chemical"), ("diseases", "Disease")):
        spans = [(start, end) for start, end, each, _concept in written_as.mentions if each == kind]
        names = {written_as.text[start:end].casefold() for start, end in spans}
        assert {name.casefold() for name in record.get(field, [])} == names
        pointers = [pointer for pointer in mentions if pointer.startswith(f"/{field}/")]
        assert sorted(span for pointer in pointers for span in mentions[pointer]) == spans
    relations = record.get("relations", [])
    assert bool(relations) == bool(written_as.relations)
    assert len(relations) <= len(written_as.relations)  # fewer if two concepts have one first name


@given(documents=annotated_documents())
@settings(max_examples=25)
def test_tags_hold_all_but_the_relations(documents: list[Annotated]) -> None:
    with tempfile.TemporaryDirectory() as name:
        tagged, whole = Path(name, "tags.txt"), Path(name, "corpus.txt")
        tagged.write_text(bio_tags(documents), encoding="utf-8")
        whole.write_text(pubtator(documents), encoding="utf-8")
        for found, wanted in zip(contents(tagged), contents(whole), strict=True):
            assert found[0] == wanted[0]
            record = wanted[1]
            assert isinstance(record, dict | None)
            kept = {key: record[key] for key in record if key != "relations"} if record else None
            assert found[1] == kept


DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=6)), min_size=1, max_size=3
)


def damaged(data: bytes, damage: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, new in damage:
        at = int(where * len(data))
        data = data[:at] + new + data[at + length :]
    return data


@pytest.mark.parametrize("name", [*FILES, "brat", "tags"])
@given(damage=DAMAGE)
@example(damage=[(0.5, 0, b"\xff")])
@example(damage=[(0.5, 10_000, b"")])
@example(damage=[(0.0, 0, b"above\n\n")])
@settings(max_examples=25)
def test_damaged_files_give_lines_and_no_crash(
    name: str, damage: list[tuple[float, int, bytes]]
) -> None:
    plugin = load("medical_ner")
    with tempfile.TemporaryDirectory() as folder:
        if name == "tags":
            path = Path(folder, "corpus.txt")
            path.write_text(bio_tags(MADE_UP), encoding="utf-8")
        else:
            path = written(Path(folder), name, MADE_UP)
        for file in sorted(path.glob("70.*")) if name == "brat" else [path]:
            file.write_bytes(damaged(file.read_bytes(), damage))
        for read in (lambda: read_examples(plugin, path), lambda: read_inputs(plugin, [str(path)])):
            reasons = []
            try:
                reasons += [row.reason for row in read() if isinstance(row, Reject)]
            except InputError as error:
                reasons.append(str(error))
            assert not any("\n" in reason for reason in reasons)
