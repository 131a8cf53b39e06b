"""Merging: the records of the windows become one."""

from __future__ import annotations

import pytest
from invented_plugins import NAMES
from object_schemas import DRUGS, MAYBE, NAME, TEXT, a_list, an_object, windows_at

from fieldsmith import Record, Schema
from fieldsmith.schema.navigation import empty_record
from fieldsmith.windows.merging import WindowRecord, merge

# Records of windows, merged


def answers_of(text: str, *answers: tuple[str, Record, dict[str, float]]) -> list[WindowRecord]:
    windows = windows_at(text, *(part for part, _record, _sure in answers))
    return [
        WindowRecord(window, record, sure)
        for window, (_part, record, sure) in zip(windows, answers, strict=True)
    ]


def test_names_come_in_the_order_of_the_text_and_once() -> None:
    text = "Bob met Ada. Cy saw ADA."
    merged = merge(
        answers_of(
            text,
            ("Bob met Ada.", {"names": ["Ada", "Bob"]}, {"/names/0": 0.5, "/names/1": 0.6}),
            ("Cy saw ADA.", {"names": ["ADA", "Cy"]}, {"/names/0": 0.9, "/names/1": 0.7}),
        ),
        NAMES,
    )
    assert merged.record == {"names": ["Bob", "Ada", "Cy"]}
    assert merged.spans == {"/names/0": (0, 3), "/names/1": (8, 11), "/names/2": (13, 15)}
    assert merged.confidence == {"/names/0": 0.6, "/names/1": 0.9, "/names/2": 0.7}


def test_overlapping_windows_find_a_thing_once_and_in_its_place() -> None:
    text = "Ada, Bob, Cy, Dan"
    merged = merge(
        answers_of(
            text,
            ("Ada, Bob, Cy", {"names": ["Ada", "Cy"]}, {}),
            ("Bob, Cy, Dan", {"names": ["Bob", "Cy", "Dan"]}, {}),
        ),
        NAMES,
    )
    assert merged.record == {"names": ["Ada", "Bob", "Cy", "Dan"]}
    assert {text[slice(*span)] for span in merged.spans.values()} == {"Ada", "Bob", "Cy", "Dan"}


def test_a_name_broken_over_lines_is_the_same_name() -> None:
    text = "New York or New\nYork"
    merged = merge(
        answers_of(
            text,
            ("New York", {"names": ["New York"]}, {}),
            ("New\nYork", {"names": ["New\nYork"]}, {}),
        ),
        NAMES,
    )
    assert merged.record == {"names": ["New York"]}


KEYED: Schema = an_object(
    {
        "title": MAYBE,
        "year": {"type": ["integer", "null"]},
        "people": a_list(
            an_object({"name": MAYBE, "town": MAYBE, "jobs": a_list(NAME)}, **{"x-key": ["name"]})
        ),
        "topics": a_list(TEXT),
    }
)


def test_objects_with_the_same_key_are_one_thing() -> None:
    text = "Ada of Bonn. ADA is a smith and a judge. Bob."
    merged = merge(
        answers_of(
            text,
            ("Ada of Bonn.", {"people": [{"name": "Ada", "town": "Bonn", "jobs": []}]}, {}),
            (
                "ADA is a smith and a judge.",
                {"people": [{"name": "ADA", "town": None, "jobs": ["smith", "judge"]}]},
                {"/people/0/name": 0.5},
            ),
            ("Bob.", {"people": [{"name": "Bob"}]}, {}),
        ),
        KEYED,
    )
    assert merged.record == {
        "people": [{"name": "ADA", "town": "Bonn", "jobs": ["smith", "judge"]}, {"name": "Bob"}]
    }
    assert {pointer: text[slice(*span)] for pointer, span in merged.spans.items()} == {
        "/people/0/name": "ADA",
        "/people/0/town": "Bonn",
        "/people/0/jobs/0": "smith",
        "/people/0/jobs/1": "judge",
        "/people/1/name": "Bob",
    }


@pytest.mark.parametrize(
    ("first", "second", "people"),
    [
        ("The TL;DR Corpus", "the TLDR corpus", 1),
        ("ImageNet-1k", "ImageNet 1K", 1),
        ("Ｃｏｒｐｕｓ Ａ", "Corpus A", 1),
        ("C", "C++", 1),  # too alike for letters and digits to tell apart
        ("ImageNet-1k", "ImageNet-21k", 2),
        ("!", "?", 2),
        ("東京", "京都", 2),
    ],
)
def test_spellings_of_one_key_are_one_thing(first: str, second: str, people: int) -> None:
    rows: list[tuple[str, Record, dict[str, float]]]
    rows = [(name, {"people": [{"name": name, "town": None}]}, {}) for name in (first, second)]
    merged = merge(answers_of(f"{first} {second}", *rows), KEYED)
    assert len(merged.record["people"]) == people
    assert merged.record["people"][0]["name"] == first


def test_objects_without_a_key_are_different_things() -> None:
    text = "A man of Bonn. A man of Rome. A man of Bonn."
    rows = [("A man of Bonn.", "Bonn"), ("A man of Rome.", "Rome"), ("A man of Bonn.", "Bonn")]
    merged = merge(
        answers_of(
            text,
            *((part, {"people": [{"name": None, "town": town}]}, {}) for part, town in rows),
        ),
        KEYED,
    )
    assert merged.record == {
        "people": [{"name": None, "town": "Bonn"}, {"name": None, "town": "Rome"}]
    }


def test_objects_of_no_key_are_compared_as_a_whole() -> None:
    text = "D harms H. d harms H. D harms K."
    merged = merge(
        answers_of(
            text,
            ("D harms H.", {"harms": [{"drug": "D", "harm": "H"}]}, {}),
            ("d harms H.", {"harms": [{"drug": "d", "harm": "H"}]}, {}),
            ("D harms K.", {"harms": [{"drug": "D", "harm": "K"}]}, {}),
        ),
        DRUGS,
    )
    assert merged.record == {"harms": [{"drug": "D", "harm": "H"}, {"drug": "D", "harm": "K"}]}


def test_a_scalar_is_the_surest_that_is_not_null() -> None:
    text = "A or B or B"
    merged = merge(
        answers_of(
            text,
            ("A", {"title": "A", "year": None}, {"/title": 0.4, "/year": 0.99}),
            ("B", {"title": "B", "year": 1999}, {"/title": 0.8, "/year": 0.1}),
            ("B", {"title": None, "year": None}, {"/title": 0.9}),
        ),
        KEYED,
    )
    assert merged.record == {"title": "B", "year": 1999}
    assert merged.spans == {"/title": (5, 6)}
    assert merged.confidence == {"/title": 0.8, "/year": 0.1}


def test_a_leaf_is_where_it_is_first() -> None:
    text = "T here. T there."
    merged = merge(
        answers_of(
            text,
            ("T here.", {"title": "T"}, {"/title": 0.1}),
            ("T there.", {"title": "T"}, {"/title": 0.9}),
        ),
        KEYED,
    )
    assert merged.spans == {"/title": (0, 1)}
    assert merged.confidence == {"/title": 0.9}


def test_what_need_not_be_in_the_text_keeps_the_order_of_the_answers() -> None:
    text = "b a. c."
    merged = merge(
        answers_of(
            text, ("b a.", {"topics": ["z", "a", "b"]}, {}), ("c.", {"topics": ["c", "z"]}, {})
        ),
        KEYED,
    )
    assert merged.record == {"topics": ["z", "a", "b", "c"]}


def test_equal_things_of_different_kinds_stay_apart() -> None:
    schema = an_object({"things": a_list({})})
    things = [1, True, 1.5, None, "1", [1], [1], None]
    merged = merge(answers_of("x", ("x", {"things": things}, {})), schema)
    assert [repr(thing) for thing in merged.record["things"]] == [
        "1", "True", "1.5", "None", "'1'", "[1]"
    ]  # fmt: skip


def test_keys_that_no_window_names_stay_absent() -> None:
    assert merge(answers_of("x y", ("x", {}, {}), ("y", {"title": None}, {})), KEYED).record == {
        "title": None
    }


def test_of_no_answer_remains_the_empty_record() -> None:
    assert merge([], KEYED).record == empty_record(KEYED)


def test_one_answer_is_the_record() -> None:
    text = "Ada of Bonn"
    record = {"title": None, "year": 3, "people": [{"name": "Ada", "town": "Bonn", "jobs": []}]}
    sure = {"/title": 0.1, "/year": 0.2, "/people/0/name": 0.3, "/people/0/town": 0.4}
    merged = merge(answers_of(text, (text, record, sure)), KEYED)
    assert merged.record == record
    assert merged.confidence == {key: value for key, value in sure.items() if key != "/title"}
    assert merged.spans == {"/people/0/name": (0, 3), "/people/0/town": (7, 11)}


def test_keys_with_slashes_keep_their_pointers() -> None:
    schema = an_object({"a/b~c": an_object({"x": NAME})})
    merged = merge(answers_of("Ada", ("Ada", {"a/b~c": {"x": "Ada"}}, {"/a~1b~0c/x": 0.5})), schema)
    assert merged.spans == {"/a~1b~0c/x": (0, 3)}
    assert merged.confidence == {"/a~1b~0c/x": 0.5}


def test_a_number_has_the_offsets_of_the_window_that_it_was_read_in() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {
            "total": {"type": ["number", "null"]},
            "days": {"type": "array", "items": {"type": "string", "format": "date"}},
            "paid": {"type": ["boolean", "null"]},
        },
    }
    text = "Item 3 of 7. Total: 3,00 on 5 January 2024. Paid 2024-01-06."
    merged = merge(
        answers_of(
            text,
            ("Item 3 of 7.", {"total": None, "days": [], "paid": None}, {}),
            (
                "Total: 3,00 on 5 January 2024.",
                {"total": 3.0, "days": ["2024-01-05"], "paid": True},
                {"/total": 0.5},
            ),
            ("Paid 2024-01-06.", {"total": None, "days": ["2024-01-06", "2024-01-05"]}, {}),
        ),
        schema,
    )
    assert {pointer: text[slice(*span)] for pointer, span in merged.equivalents.items()} == {
        "/total": "3,00",
        "/days/0": "5 January 2024",
    }
    assert {pointer: text[slice(*span)] for pointer, span in merged.spans.items()} == {
        "/days/1": "2024-01-06"
    }


def test_equal_numbers_of_windows_are_one_item() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {"n": {"type": "array", "items": {"type": ["number", "boolean"]}}},
    }
    text = "one two"
    merged = merge(
        answers_of(text, ("one", {"n": [1, True]}, {}), ("two", {"n": [1.0, 2, False]}, {})),
        schema,
    )
    assert merged.record == {"n": [1, True, 2, False]}
