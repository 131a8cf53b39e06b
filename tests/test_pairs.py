"""Relations between windows: what one window cannot hold is trained on and asked for, not lost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from invented import NAMES, example, plugin_of, shipped_prompts
from running import Answer as Said
from tiny import info

from fieldsmith import Document, Example, Schema
from fieldsmith.merging import Answer, merge
from fieldsmith.pairs import BETWEEN, Apart, Relation, joined, nearest, relations
from fieldsmith.plugins import load
from fieldsmith.rows import DocumentRows, build_rows, stream_rows
from fieldsmith.settings import Settings
from fieldsmith.targets import joints
from fieldsmith.windows import Window, cut, share_read

SENTENCES = Settings(window="sentences", window_size=64, max_new_tokens=128)
SECOND = dataclasses.replace(SENTENCES, second_pass=True)

MEDICAL = load("medical_ner")
TEXT = "Aspirin was given. It was late. Rash came. Nausea came. Lidocaine helped."
RECORD = {
    "chemicals": ["Aspirin", "Lidocaine"],
    "diseases": ["Rash", "Nausea"],
    "relations": [{"chemical": "Aspirin", "disease": "Rash"}],
}


def made_of(gold: Example, settings: Settings) -> DocumentRows:
    (made,) = stream_rows([gold], MEDICAL, shipped_prompts(), settings)
    return made


def sentences_of(text: str) -> list[Window]:
    return cut(Document("d", text, {"url": "u"}), SENTENCES, shipped_prompts())


# Which fields are relations


def test_a_relation_joins_the_lists_that_its_key_names() -> None:
    ends = {"chemical": "chemicals", "disease": "diseases"}
    assert relations(MEDICAL.schema) == [Relation("relations", ends)]


def test_objects_that_join_no_lists_are_no_relations() -> None:
    name = {"type": "string", "x-source": "verbatim"}
    named = {"type": "array", "items": name}

    def schema(key: list[str], **properties: Any) -> Schema:
        item = {"type": "object", "properties": {"a": name, "b": name}, "x-key": key}
        return {"properties": {**properties, "pairs": {"type": "array", "items": item}}}

    assert relations(NAMES) == []
    assert relations(load("dcat_datasets").schema) == []
    assert relations(schema(["a", "b"], **{"as": named})) == []
    assert relations(schema(["a"], **{"as": named, "bs": named})) == []
    free = {"type": "array", "items": {"type": "string"}}
    assert relations(schema(["a", "b"], **{"as": named, "bs": free})) == []
    found = relations(schema(["a", "b"], **{"as": named, "bs": named}))
    assert found == [Relation("pairs", {"a": "as", "b": "bs"})]


numbers = st.sets(st.integers(0, 20), max_size=6)


@given(numbers, numbers)
def test_the_nearest_windows_are_those_of_least_distance(one: set[int], other: set[int]) -> None:
    found = nearest(one, other)
    if not one or not other or one & other:
        assert found is None
        return
    assert found is not None
    distances = {abs(a - b) for a in one for b in other}
    assert found[1] - found[0] == min(distances)
    assert (found[0] in one and found[1] in other) or (found[0] in other and found[1] in one)


# Windows that are joined


def test_joined_windows_are_read_one_after_the_other() -> None:
    windows = sentences_of(TEXT)
    document = Document("d", TEXT, {"url": "u"})
    apart = joined(document, windows, (0, 2))
    assert apart.document == Document("d", f"Aspirin was given.{BETWEEN}Rash came.", {"url": "u"})
    beside = joined(document, windows, (0, 1))
    assert beside.document.text == "Aspirin was given. It was late."
    assert [(part.start, part.end) for part in apart.parts] == [(0, 18), (32, 42)]
    seen = sum(map(len, "Aspirin was given. Rash came.".split()))
    assert share_read(TEXT, [apart, apart]) == seen / sum(map(len, TEXT.split()))


def test_what_a_joined_window_says_stands_where_the_document_has_it() -> None:
    text = "Rash is old. Aspirin was given. It was late. Rash came."
    windows = sentences_of(text)
    both = joined(Document("d", text), windows, (1, 3))
    record = {"relations": [{"chemical": "Aspirin", "disease": "Rash"}]}
    merged = merge([Answer(both, record)], MEDICAL.schema)
    assert {p: text[slice(*span)] for p, span in merged.spans.items()} == {
        "/relations/0/chemical": "Aspirin",
        "/relations/0/disease": "Rash",
    }
    assert merged.spans["/relations/0/disease"] == (text.rindex("Rash"), text.rindex("Rash") + 4)


def test_of_an_answer_remains_what_no_window_holds_together() -> None:
    text = "Aspirin caused rash. Nausea came."
    record: dict[str, Any] = {"chemicals": ["Aspirin"], "diseases": ["rash", "Nausea"]}
    windows = sentences_of(text)
    apart = Apart.of(Document("d", text), windows, record, MEDICAL.schema)
    assert apart.joints(len(windows)) == [(0, 1)]
    items = [
        {"chemical": "Aspirin", "disease": "rash"},  # was asked for in the first pass
        {"chemical": "ASPIRIN", "disease": "Nausea"},
        {"chemical": "Aspirin", "disease": "came"},  # is no disease of the record
    ]
    kept, moved = apart.among({**record, "relations": items}, MEDICAL.schema)
    assert kept == {"relations": [items[1]]}
    assert moved == {
        f"/relations/1/{key}": f"/relations/0/{key}" for key in ("chemical", "disease")
    }


def test_the_joined_windows_of_a_long_document_are_few() -> None:
    drugs, harms = ([f"{kind}{n}" for n in range(30)] for kind in ("drug", "harm"))
    text = " ".join(f"The {name} is here." for name in (*drugs, *harms))
    windows = sentences_of(text)
    record = {"chemicals": drugs, "diseases": harms}
    apart = Apart.of(Document("d", text), windows, record, MEDICAL.schema)
    assert len(apart.pairs) == 900
    found = apart.joints(len(windows))
    distances = [last - first for first, last in found]
    assert len(found) == 4 * len(windows)
    assert distances == sorted(distances)


# What is trained


def test_a_relation_between_windows_is_learned_in_a_joined_one() -> None:
    gold = example(TEXT, RECORD)
    for settings, learned in ((SENTENCES, False), (SECOND, True)):
        made = made_of(gold, settings)
        (relation,) = [leaf for leaf in made.gold if leaf.pointer == "/relations/0"]
        assert bool(made.learned_in(relation)) is learned
        if not learned:
            assert made.why_lost(relation) == "its parts share no window"
            continue
        (number,) = made.learned_in(relation)
        reading = made.readings[number]
        assert reading.window.document.text == f"Aspirin was given.{BETWEEN}Rash came."
        assert json.loads(reading.text) == {
            "chemicals": ["Aspirin"],
            "diseases": ["Rash"],
            "relations": [{"chemical": "Aspirin", "disease": "Rash"}],
        }


def test_as_many_joined_windows_hold_no_relation() -> None:
    gold = example(TEXT, RECORD)
    windows = sentences_of(TEXT)
    found = joints(gold, windows, MEDICAL.schema)
    assert len(found) == 2
    assert (0, 2) in found
    made = made_of(gold, SECOND)
    answers = [json.loads(reading.text) for reading in made.readings[len(windows) :]]
    assert sorted(len(answer["relations"]) for answer in answers) == [0, 1]
    assert all(answer["chemicals"] and answer["diseases"] for answer in answers)


def test_the_books_count_joined_windows() -> None:
    with_none = example("Aspirin helped. It was late.", {**RECORD, "relations": []})
    books = build_rows([example(TEXT, RECORD), with_none], MEDICAL, shipped_prompts(), SECOND)
    assert books.windows == len(books.rows) + len(books.set_aside) == 5 + 2 + 2
    assert (books.gold["relations"], books.learned["relations"]) == (1, 1)
    one_window = dataclasses.replace(SECOND, window="document")
    books = build_rows([example(TEXT, RECORD)], MEDICAL, shipped_prompts(), one_window)
    assert books.windows == 1


def test_a_schema_without_relations_has_no_second_pass() -> None:
    gold = example("Ada met Bob. It rained.", {"names": ["Ada", "Bob"]})
    books = build_rows([gold], plugin_of(NAMES), shipped_prompts(), SECOND)
    assert books.windows == 2


# What is asked


def test_what_shares_no_window_is_asked_for(
    run: Path, tmp_path: Path, command: Callable[..., Said]
) -> None:
    text = "aspirin was given to 12 patients. fever came after 3 days. Case 7. rash came."
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "text": text}) + "\n")
    found = []
    for second_pass in (False, True):
        stored = info(run)
        stored["settings"]["second_pass"] = {"value": second_pass, "from": "user"}
        (run / "run.json").write_text(json.dumps(stored))
        answer = command("predict", run, tmp_path / "a.jsonl")
        assert answer.code == 0, answer.errors
        found.append(json.loads(answer.output))
    first, second = found
    assert first["record"]["chemicals"]
    assert first["record"]["diseases"]
    assert first["windows"][1] < second["windows"][1]
    assert second["read"] == 1.0
    for name in ("chemicals", "diseases"):
        assert second["record"][name] == first["record"][name]
    assert all(item in second["record"]["relations"] for item in first["record"]["relations"])
    for pointer, (start, end) in second["spans"].items():
        value: Any = second["record"]
        for part in pointer.split("/")[1:]:
            value = value[int(part) if isinstance(value, list) else part]
        assert text[start:end] == value
    assert set(second["confidence"]) == set(second["status"])
