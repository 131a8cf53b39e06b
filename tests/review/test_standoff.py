"""Documents go to brat and to PubTator, and come back as they were, by any schema."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from command import Command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented_plugins import plugin_of
from paths import REAL_DATA

from fieldsmith.data import Document, Example, Reject
from fieldsmith.dataset.loading import read_examples
from fieldsmith.errors import InputError, OutputError
from fieldsmith.plugins import Plugin, load
from fieldsmith.review.exchange import export

VERBATIM = {"type": "string", "x-source": "verbatim"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "Opening Text": {"type": ["string", "null"], "x-source": "verbatim"},
        "drugs": {"type": "array", "items": VERBATIM},
        "authors": {
            "type": "array",
            "items": {"type": "object", "required": ["name"], "properties": {"name": VERBATIM}},
        },
        "doses": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["drug", "amount"],
                "properties": {"drug": VERBATIM, "amount": VERBATIM},
            },
        },
        "language": {"type": ["string", "null"], "x-source": "inferred"},
        "year": {"type": ["integer", "null"]},
        "journal": {"type": "object", "properties": {"name": VERBATIM}},
    },
}
PLUGIN = plugin_of(SCHEMA)
MARKED = ("Opening Text", "drugs", "authors", "doses")
ENDINGS = {"brat": "", "pubtator": ".pubtator"}
WORDS = ("Aspirin", "5 mg", "rash", "👩‍🔬 Ada", "Köln", "אבג", "a\tb", "x|y", "R1")


def row(document: str, text: str, record: dict[str, Any], **mentions: Any) -> Example:
    return Example(Document(document, text), record, mentions)


def there_and_back(
    examples: list[Example], tool: str, folder: Path, plugin: Plugin = PLUGIN
) -> list[Example]:
    output = folder / f"out{ENDINGS[tool]}"
    export(examples, plugin.schema, tool, output)
    found = list(read_examples(plugin, output))
    assert not [each for each in found if isinstance(each, Reject)], found
    return [each for each in found if isinstance(each, Example)]


@st.composite
def documents(draw: st.DrawFn) -> list[Example]:
    """Documents that hold words once each, some of which are values."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        words = draw(st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
        gaps = draw(st.lists(st.sampled_from([" ", ". ", "; "]), min_size=len(words)))
        text = "".join(f"{word}{gap}" for word, gap in zip(words, gaps, strict=False)) + "end"
        some = st.lists(st.sampled_from(words), unique=True, max_size=3)
        pairs = st.tuples(st.sampled_from(words), st.sampled_from(words))
        record = {
            "Opening Text": draw(st.none() | st.sampled_from(words)),
            "drugs": sorted(draw(some), key=text.index),
            "authors": [{"name": word} for word in sorted(draw(some), key=text.index)],
            "doses": [
                {"drug": drug, "amount": amount}
                for drug, amount in draw(st.lists(pairs, unique=True, max_size=3))
            ],
        }
        found.append(Example(Document(f"{number}/é 1", text), record))
    return found


@pytest.mark.parametrize("tool", ENDINGS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_what_can_be_marked_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tool: str, examples: list[Example]
) -> None:
    found = there_and_back(examples, tool, tmp_path_factory.mktemp(tool))
    expected = [each.record or {} for each in examples]
    if tool == "pubtator":  # it has no list of types: what no document marks is not annotated
        kept = {name for record in expected for name, value in record.items() if value}
        expected = [{n: v for n, v in record.items() if n in kept} for record in expected]
    assert [each.record for each in found] == expected
    assert [each.document for each in found] == [each.document for each in examples]
    for example in found:
        for pointer, spans in example.mentions.items():
            assert spans, pointer


NAMES = {"95%fa": "95%fa", "50%": "50%", "a%2fb": "a%2fb", "a b": "a b", "a%2F1%20b": "a/1 b"}


@pytest.mark.parametrize(("name", "identifier"), NAMES.items())
def test_a_name_is_an_id_but_for_what_the_export_writes(
    name: str, identifier: str, tmp_path: Path
) -> None:
    (tmp_path / f"{name}.txt").write_text("Aspirin.")
    (tmp_path / f"{name}.ann").write_text("T1\tdrugs 0 7\tAspirin\n")
    (found,) = read_examples(PLUGIN, tmp_path)
    assert isinstance(found, Example)
    assert found.document.id == identifier


LINES = "Aspirin\r\ncaused acute\n\n  renal\ffailure. Not 5 mg\u2028Aspirin."
OVER_LINES = row(
    "lines",
    LINES,
    {"drugs": ["Aspirin"], "authors": [{"name": "acute renal failure"}]},
)


def test_brat_divides_what_goes_over_a_line_break(tmp_path: Path) -> None:
    (found,) = there_and_back([OVER_LINES], "brat", tmp_path)
    assert (tmp_path / "out" / "lines.txt").read_bytes() == LINES.encode()
    lines = (tmp_path / "out" / "lines.ann").read_text("utf-8").splitlines()
    assert lines[1] == "T2\tauthors 16 21;25 30;31 38\tacute renal failure"
    assert found.document.text == LINES
    assert found.record == {
        "Opening Text": None,
        "drugs": ["Aspirin"],
        "authors": [{"name": "acute\n\n  renal\ffailure"}],
        "doses": [],
    }
    assert found.mentions["/authors/0/name"] == [(16, 38)]


def test_pubtator_has_blanks_for_line_breaks(tmp_path: Path) -> None:
    (found,) = there_and_back([OVER_LINES], "pubtator", tmp_path)
    assert found.document.text == "Aspirin  caused acute    renal failure. Not 5 mg Aspirin."
    assert found.record == {
        "drugs": ["Aspirin"],
        "authors": [{"name": "acute    renal failure"}],
    }
    assert found.mentions["/drugs/0"] == [(0, 7), (49, 56)]


@pytest.mark.parametrize("text", ["one", "one two", "One. ", "\nOne", "One\n", "\n", "A. B.\nC"])
def test_a_text_is_what_it_was_but_for_its_line_breaks(tmp_path: Path, text: str) -> None:
    examples = [row("a", text, {"drugs": []}), row("b", "Aspirin", {"drugs": ["Aspirin"]})]
    found = there_and_back(examples, "pubtator", tmp_path)
    assert found[0].document.text == text.replace("\n", " ")
    assert there_and_back(examples, "brat", tmp_path)[0].document.text == text


@pytest.mark.parametrize(
    "text", ["Aspirin", "Aspirin.", "Aspirin ", "Rash. Aspirin", "😀 x|t|y Aspirin. "]
)
def test_medical_ner_reads_a_text_of_pubtator_byte_for_byte(
    medical: Plugin, tmp_path: Path, text: str
) -> None:
    start = text.index("Aspirin")
    example = row("a", text, {"chemicals": ["Aspirin"], "diseases": []})
    for name in ("out.pubtator", "out.txt"):  # by the core, and by the plugin's own reader
        output = tmp_path / name
        export([example], medical.schema, "pubtator", output)
        (found,) = read_examples(medical, output)
        assert isinstance(found, Example)
        assert found.document.text.encode() == text.encode()
        assert (found.record or {})["chemicals"] == ["Aspirin"]
        assert found.mentions["/chemicals/0"] == [(start, start + 7)]


def test_what_cannot_be_marked_is_counted_by_field(tmp_path: Path) -> None:
    record = {
        "Opening Text": "ASPIRIN",
        "drugs": ["Aspirin", "morphine", "rash"],
        "doses": [{"drug": "Aspirin", "amount": None}],
        "language": "en",
        "year": 5,
        "journal": {"name": "Ada"},
    }
    example = Example(
        Document("a", "Aspirin, 5 mg. Ada, en: Rash"), record, {"/drugs/0": [(0, 7), (9, 10)]}
    )
    count, notes = export([example], SCHEMA, "brat", tmp_path / "out")
    otherwise = "written otherwise in the document: what comes back is what it writes"
    assert count == 1
    assert notes == {
        ("Opening Text", otherwise): 1,
        ("drugs", otherwise): 2,
        ("drugs", "left out: not in the document"): 1,
        ("doses/drug", "left out: in an object that lacks its other value, to link it with"): 1,
        ("language", "left out: not copied from the document"): 1,
        ("year", "left out: not copied from the document"): 1,
        ("journal/name", "left out: inside objects, where nothing can be marked"): 1,
    }


@pytest.mark.parametrize("tool", ENDINGS)
def test_a_mention_of_two_things_is_one_of_both(tmp_path: Path, tool: str) -> None:
    doses = [{"drug": "Aspirin", "amount": "5 mg"}, {"drug": "ASA", "amount": "5 mg"}]
    mentions = {
        "/doses/0/drug": [(0, 7)],
        "/doses/0/amount": [(8, 12)],
        "/doses/1/drug": [(26, 29)],
        "/doses/1/amount": [(8, 12), (20, 25)],
    }
    example = Example(Document("a", "Aspirin 5 mg, twice 10 mg ASA"), {"doses": doses}, mentions)
    (found,) = there_and_back([example], tool, tmp_path)
    assert (found.record or {})["doses"] == doses
    assert found.mentions == mentions


ANNOTATIONS = "T1\tdrugs 0 7\tAspirin\n"
FAULTY = {
    "drugs": "no annotation of brat",
    "T1\tdrugs 0 99\tAspirin": "no span of the text, which has 15 characters",
    "T1\tdrugs 0 7\tMorphine": "the annotation is of 'Morphine', but at 0 7 stands 'Aspirin'",
    ANNOTATIONS + "R1\tdoses Arg1:T1 Arg2:T9": "joins T9, which is not in the file",
}


@pytest.mark.parametrize("lines", FAULTY)
def test_faulty_annotations_of_brat_set_their_document_aside(tmp_path: Path, lines: str) -> None:
    for name, written in {"a": lines, "b": ANNOTATIONS}.items():
        (tmp_path / f"{name}.txt").write_text("Aspirin, 5 mg.\n", "utf-8")
        (tmp_path / f"{name}.ann").write_text(written, "utf-8")
    reject, example = read_examples(PLUGIN, tmp_path)
    assert isinstance(reject, Reject)
    assert FAULTY[lines] in reject.reason
    assert reject.place == f"{tmp_path / 'a.ann'}:{lines.count(chr(10)) + 1}"
    assert isinstance(example, Example)
    assert example.record == {"drugs": ["Aspirin"]}


HEAD = "7|t|Aspirin\n7|a|5 mg.\n"
FAULTY_PUBTATOR = {
    "7|t|Aspirin\n": "document '7' has no abstract line, 7|a|ABSTRACT",
    "# made up\n" + HEAD: "above the first document",
    HEAD + "7\t0\t7": "neither a mention",
    HEAD + "8\t0\t7\tAspirin\tdrugs": "a line of '8' is below document 7",
    HEAD + "7\t0\t7\tMorphine\tdrugs": "the annotation is of 'Morphine'",
    HEAD + "7\tdoses\tD1\tD2": "the relation joins 'D1', which no mention",
}


@pytest.mark.parametrize("lines", FAULTY_PUBTATOR)
def test_faulty_documents_of_pubtator_are_set_aside(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "a.pubtator"
    file.write_text(f"{lines}\n\n9|t|Aspirin\n9|a|\n9\t0\t7\tAspirin\tDrug\tMESH:1\n", "utf-8")
    *others, example = read_examples(PLUGIN, file)
    (reason,) = (each.reason for each in others if isinstance(each, Reject))
    assert FAULTY_PUBTATOR[lines] in reason
    assert isinstance(example, Example)
    assert example.record == {"drugs": ["Aspirin"]}


def test_what_the_record_cannot_hold_is_passed_over_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fieldsmith")
    (tmp_path / "a.txt").write_text("Aspirin and morphine", "utf-8")
    lines = [
        "T1\tdrugs 0 7\tAspirin", "T2\tVerb 8 11\tand", "T3\tdrugs 0 3;8 11\tAsp and",
        "R1\tdoses Arg1:T1 Arg2:T3", "#1\tAnnotatorNotes T1\tseen", "E1\tVerb:T2",
    ]  # fmt: skip
    (tmp_path / "a.ann").write_text("\n".join(lines), "utf-8")
    (example,) = read_examples(PLUGIN, tmp_path)
    assert isinstance(example, Example)
    assert example.record == {"drugs": ["Aspirin"]}
    assert (
        "passed over: event (1), link doses of a discontinuous span (1), span Verb (1), span drugs "
        "that is discontinuous (1)"
    ) in caplog.text


def test_what_no_folder_can_have_is_refused(tmp_path: Path) -> None:
    one = row("a", "Aspirin", {"drugs": []})
    output = tmp_path / "out"
    for examples, said in [
        ([one, one], "the id 'a' came before"),
        ([row("a" * 300, "x", {})], "id is too long"),
        ([row("n", "x\0y", {})], "has NUL"),
    ]:
        with pytest.raises(InputError, match=said):
            export(examples, SCHEMA, "brat", output)
        assert not [*tmp_path.iterdir()]
    export([one], SCHEMA, "brat", output)
    with pytest.raises(OutputError, match="is there already; name a new folder"):
        export([one], SCHEMA, "brat", output)


@pytest.mark.parametrize(("tool", "name"), [("brat", "arxiv_metadata"), ("pubtator", "news_json")])
def test_records_of_other_domains_go_there_and_back(tmp_path: Path, tool: str, name: str) -> None:
    plugin = load(name)
    given = [row for row in read_examples(plugin, None) if isinstance(row, Example)][:3]
    found = there_and_back(given, tool, tmp_path, plugin)
    fields = {"arxiv_metadata": ["title", "authors"], "news_json": ["Headline"]}[name]
    for one, other in zip(given, found, strict=True):
        for field in fields:
            text = other.document.text
            value, back = ((each.record or {}).get(field) for each in (one, other))
            if isinstance(value, list):
                assert set(back or ()) >= {each for each in value if each in text}
            elif value and value in text:
                assert back == value


def test_medical_ner_reads_what_the_command_writes(
    medical: Plugin, tmp_path: Path, command: Command
) -> None:
    text = "Aspirin caused rash. 😀 ASA caused a rash and nausea."
    record = {
        "chemicals": ["Aspirin", "ASA"],
        "diseases": ["rash", "nausea"],
        "relations": [{"chemical": "Aspirin", "disease": "rash"}],
    }
    mentions = {
        "/chemicals/0": [[0, 7]], "/chemicals/1": [[23, 26]], "/diseases/0": [[15, 19], [36, 40]],
        "/diseases/1": [[45, 51]], "/relations/0/chemical": [[0, 7], [23, 26]],
        "/relations/0/disease": [[15, 19], [36, 40]],
    }  # fmt: skip
    source = tmp_path / "labels.jsonl"
    row = {"id": "notes.zip/1 a.txt", "text": text, "record": record, "mentions": mentions}
    source.write_text(json.dumps(row))
    for tool, ending in ENDINGS.items():
        output = tmp_path / f"out{ending}"
        answer = command(
            *("review", source, "--plugin", "medical_ner", "--export", tool, "--output", output)
        )
        assert (answer.code, answer.errors) == (0, f"{output}: 1 documents\n")
        (found,) = read_examples(medical, output)
        assert isinstance(found, Example)
        assert found.document.id == "notes.zip/1 a.txt"
        assert found.record == record
        assert {key: [list(each) for each in at] for key, at in found.mentions.items()} == mentions


@pytest.mark.realdata("medical/bc5cdr")
@pytest.mark.parametrize("tool", ENDINGS)
def test_bc5cdr_comes_back_as_it_was_published(medical: Plugin, tmp_path: Path, tool: str) -> None:
    corpus = REAL_DATA / "medical" / "bc5cdr" / "CDR_DevelopmentSet.PubTator.txt"
    given = [row for row in read_examples(medical, corpus) if isinstance(row, Example)]
    found = {each.document.id: each for each in there_and_back(given, tool, tmp_path, medical)}
    assert len(found) == len(given) == 500
    for example in given:
        other = found[example.document.id]
        assert (other.document, other.record) == (example.document, example.record)
        assert dict(other.mentions) == dict(example.mentions)
