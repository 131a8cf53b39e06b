"""Filters on a predicted record: repeated items, values of low confidence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import texts, values
from schema_strategies import Domain, domains, schema_of

from fieldsmith.extraction.filtering import without_repeats, without_unsure
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import canonical, first_problem


def check_pointers(before: Any, after: Any, pointers: dict[str, str]) -> None:
    """Each pointer leads from a leaf to the same one, in the same order; none is left out."""
    was, now = dict(leaves(before)), dict(leaves(after))
    assert all(canonical(was[old]) == canonical(now[new]) for old, new in pointers.items())
    places = {pointer: number for number, pointer in enumerate(was)}
    assert [places[old] for old in pointers] == sorted(places[old] for old in pointers)
    kept = set(pointers.values())
    assert len(kept) == len(pointers)
    assert {now[pointer] for pointer in set(now) - kept} <= {None}


def test_an_item_that_repeats_one_before_it_is_left_out() -> None:
    record = {
        "names": ["a", "b", "a", "A", "a "],
        "pairs": [{"x": 1, "y": ["p", "p"]}, {"y": ["p"], "x": 1}, {"x": 1.0, "y": ["p"]}],
        "mixed": [1, True, 1, None, None, "1"],
    }
    before = json.dumps(record)
    reduced = without_repeats(record)
    assert reduced.record == {
        "names": ["a", "b", "A", "a "],
        "pairs": [{"x": 1, "y": ["p"]}, {"x": 1.0, "y": ["p"]}],
        "mixed": [1, True, None, "1"],
    }
    assert reduced.left_out == 1 + 2 + 2
    assert reduced.pointers["/names/3"] == "/names/2"
    assert reduced.pointers["/pairs/2/y/0"] == "/pairs/1/y/0"
    assert "/names/2" not in reduced.pointers
    assert json.dumps(record) == before


@given(st.dictionaries(texts, values, max_size=4))
def test_without_repeats_all_items_differ_and_the_rest_stays(record: dict[str, Any]) -> None:
    reduced = without_repeats(record)
    check_pointers(record, reduced.record, reduced.pointers)
    assert len(reduced.pointers) == len(list(leaves(reduced.record)))
    again = without_repeats(reduced.record)
    assert (again.record, again.left_out) == (reduced.record, 0)
    assert (reduced.left_out == 0) == (canonical(reduced.record) == canonical(record))


UNSURE: dict[str, Any] = {
    "type": "object",
    "required": ["title", "year"],
    "properties": {
        "title": {"type": "string"},
        "year": {"type": ["integer", "null"]},
        "place": {"type": "string"},
        "names": {"type": "array", "items": {"type": "string"}},
        "some": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}},
            },
        },
        "inner": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
    },
}


@pytest.mark.parametrize(
    ("unsure", "change", "left_out"),
    [
        ([], {}, 0),
        (["/title"], {}, 0),  # it has to be there
        (["/year"], {"year": None}, 1),
        (["/place"], {"place": ...}, 1),
        (["/names/0"], {"names": ["q"]}, 1),
        (["/names/0", "/names/1"], {"names": []}, 2),
        (["/some/0"], {}, 0),  # two have to be there
        (["/pairs/0/a"], {"pairs": [{"a": "r", "b": "s"}]}, 1),  # the object goes
        (["/pairs/0/b"], {"pairs": [{"a": "p", "b": None}, {"a": "r", "b": "s"}]}, 1),
        (["/inner/x"], {"inner": ...}, 1),
    ],
)
def test_what_is_unsure_is_left_out_where_the_schema_allows(
    unsure: list[str], change: dict[str, Any], left_out: int
) -> None:
    record = {
        "title": "t",
        "year": 1,
        "place": "p",
        "names": ["n", "q"],
        "some": ["u", "v"],
        "pairs": [{"a": "p", "b": "q"}, {"a": "r", "b": "s"}],
        "inner": {"x": "i"},
    }
    confidence = {pointer: 0.4 if pointer in unsure else 0.5 for pointer, _ in leaves(record)}
    reduced = without_unsure(record, confidence, 0.5, UNSURE)
    wanted = {key: item for key, item in (record | change).items() if item is not ...}
    assert (reduced.record, reduced.left_out) == (wanted, left_out)
    check_pointers(record, reduced.record, reduced.pointers)


def test_an_object_of_which_nothing_is_sure_leaves_its_list() -> None:
    part = {"type": ["string", "null"]}
    item = {"type": "object", "required": ["a", "b"], "properties": {"a": part, "b": part}}
    schema = schema_of({"type": "array", "items": item})
    record = {"a": [{"a": "x", "b": None}, {"a": None, "b": None}, {"a": "y", "b": "z"}]}
    reduced = without_unsure(record, {"/a/0/a": 0.1, "/a/2/b": 0.1}, 0.5, schema)
    assert reduced.record == {"a": [{"a": None, "b": None}, {"a": "y", "b": None}]}
    assert reduced.pointers["/a/2/a"] == "/a/1/a"
    assert reduced.left_out == 2


@given(domains(closable=False), st.data())
def test_a_record_without_what_is_unsure_is_valid(domain: Domain, data: st.DataObject) -> None:
    schema, record = domain
    pointers = [pointer for pointer, _value in leaves(record)]
    confidence = {pointer: data.draw(st.sampled_from([0.2, 0.5, 0.8])) for pointer in pointers}
    assert without_unsure(record, confidence, 0.2, schema).record == record
    reduced = without_unsure(record, confidence, 0.5, schema)
    assert first_problem(reduced.record, schema) is None
    check_pointers(record, reduced.record, reduced.pointers)
    assert (reduced.left_out == 0) == (canonical(reduced.record) == canonical(record))


@given(domains(closable=True), st.data())
def test_where_all_may_be_left_out_what_is_unsure_is(domain: Domain, data: st.DataObject) -> None:
    schema, record = domain
    said = {pointer: value for pointer, value in leaves(record) if value is not None}
    confidence = {pointer: data.draw(st.sampled_from([0.2, 0.8])) for pointer in said}
    reduced = without_unsure(record, confidence, 0.5, schema)
    sure = {pointer for pointer in said if confidence[pointer] == 0.8}
    assert {pointer for pointer in reduced.pointers if pointer in said} == sure
    assert reduced.left_out == len(said) - len(sure)
