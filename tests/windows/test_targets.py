"""Targets: records cut with the windows, and what no window can teach."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_plugins import NAMES, example
from object_schemas import DRUGS, MAYBE, NAME, TEXT, a_list, an_object, windows_at

from fieldsmith import Example, Record, Schema
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem
from fieldsmith.text.grounding import occurrences
from fieldsmith.windows.merging import WindowRecord, merge
from fieldsmith.windows.targets import Targets, targets


def ask(gold: Example, schema: Schema, *parts: str) -> Targets:
    text = gold.document.text
    found = targets(gold, windows_at(text, *(parts or (text,))), schema)
    for record in found.records:
        assert record is None or first_problem(record, schema) is None
    return found


def lost(found: Targets) -> dict[str, str]:
    return {gold.pointer: gold.reason for gold in found.gold if not gold.windows}


def homes(found: Targets) -> dict[str, set[int]]:
    return {gold.pointer: set(gold.windows) for gold in found.gold if gold.windows}


def test_a_leaf_goes_to_every_window_that_it_is_in() -> None:
    found = ask(
        example("Ada met Bob. Bob left. Cy met Ada.", {"names": ["Bob", "Ada", "Cy"]}),
        NAMES,
        "Ada met Bob.",
        "Bob left.",
        "Cy met Ada.",
    )
    assert found.records == [
        {"names": ["Ada", "Bob"]},
        {"names": ["Bob"]},
        {"names": ["Cy", "Ada"]},
    ]
    assert homes(found) == {"/names/0": {0, 1}, "/names/1": {0, 2}, "/names/2": {2}}
    assert lost(found) == {}


def test_a_leaf_reads_as_its_first_mention_in_the_window() -> None:
    text = "Acetylsalicylic acid (ASA) helps. ASA is old."
    mentions = {"/names/0": [(34, 37), (22, 25), (0, 20)]}
    found = ask(
        example(text, {"names": ["aspirin"]}, mentions),
        NAMES,
        "Acetylsalicylic acid (ASA) helps.",
        "ASA is old.",
    )
    assert found.records == [{"names": ["Acetylsalicylic acid"]}, {"names": ["ASA"]}]


def test_mentions_of_a_list_as_a_whole_are_none_of_a_leaf() -> None:
    found = ask(example("Ada.", {"names": ["Ada"]}, {"/names": []}), NAMES)
    assert found.records == [{"names": ["Ada"]}]


@pytest.mark.parametrize(
    ("span", "written"), [((4, 9), "acid"), ((3, 8), "acid"), ((0, 13), "the acid rain")]
)
def test_a_mention_loses_the_space_at_its_ends(span: tuple[int, int], written: str) -> None:
    found = ask(example("the acid rain", {"names": ["X"]}, {"/names/0": [span]}), NAMES)
    assert found.records == [{"names": [written]}]


def test_a_mention_of_half_a_word_is_left_out() -> None:
    text = "placid acid acids"
    mentions = {"/names/0": [(2, 6), (12, 17)], "/names/1": [(12, 16)], "/names/2": [(2, 6)]}
    found = ask(example(text, {"names": ["acid", "acid", "cid"]}, mentions), NAMES)
    assert found.records == [{"names": ["acid", "acids"]}]  # the first is where it can stand
    assert lost(found) == {"/names/2": "not on word borders"}


def test_half_a_word_is_distinguished_from_what_is_not_there() -> None:
    found = ask(example("placid", {"names": ["acid", "rain", "", " "]}), NAMES)
    assert found.records == [{"names": []}]
    assert lost(found) == {
        "/names/0": "not on word borders",
        **dict.fromkeys(("/names/1", "/names/2", "/names/3"), "not in the text"),
    }


@pytest.mark.parametrize(
    ("text", "gold", "written"),
    [
        ("folic acid", "Folic Acid", "folic acid"),
        ("folic\n  acid", "folic acid", "folic\n  acid"),
        ("infor-\nmation", "information", "infor-\nmation"),
        ("folic acid", " folic acid ", "folic acid"),
        ("A title.\nSee A\ntitle.", "A Title", "A title"),  # one reading, set twice
        ("A Title.\nSee a title.", "A  Title", "A Title"),  # the other is in other case
    ],
)
def test_a_leaf_reads_as_the_text_does(text: str, gold: str, written: str) -> None:
    found = ask(example(text, {"names": [gold]}), NAMES)
    assert found.records == [{"names": [written]}]
    assert [leaf.aligned for leaf in found.gold] == [True]


def test_a_leaf_with_several_readings_is_listed_with_them() -> None:
    found = ask(example("Folic acid, folic acid", {"names": ["FOLIC ACID", "folic acid"]}), NAMES)
    assert found.records == [{"names": ["folic acid"]}]
    assert lost(found) == {
        "/names/0": "several readings in the text: 'Folic acid', 'folic acid'",
    }
    assert not any(leaf.aligned for leaf in found.gold)


def test_only_what_is_taught_is_aligned() -> None:
    found = ask(example("Cut here", {"names": ["CUT HERE", "HERE"]}), NAMES, "Cut", "here")
    assert found.records == [{"names": []}, {"names": ["here"]}]
    assert {leaf.pointer: leaf.aligned for leaf in found.gold} == {
        "/names/0": False,
        "/names/1": True,
    }


def test_what_reads_the_same_is_once_where_it_is_first() -> None:
    text = "aspirin, then Morphine, then Aspirin"
    record = {"drugs": ["Aspirin", "Morphine", "aspirin"]}
    found = ask(example(text, record), DRUGS)
    assert found.records == [{"drugs": ["aspirin", "Morphine"]}]
    assert lost(found) == {}


def test_a_leaf_that_no_window_holds_is_listed_with_its_reason() -> None:
    text = "New York is big."
    found = ask(example(text, {"names": ["New York", "York is", "Paris"]}), NAMES, "New", "York is")
    assert found.records == [{"names": []}, {"names": ["York is"]}]
    assert lost(found) == {
        "/names/0": "cut by a window's border",
        "/names/2": "not in the text",
    }


def test_an_object_goes_to_every_window_with_all_its_parts_and_to_no_other() -> None:
    text = "D harms H. D is old. H is bad. So H by D."
    record = {"drugs": ["D"], "harms": [{"drug": "D", "harm": "H"}]}
    parts = ("D harms H.", "D is old.", "H is bad.", "So H by D.")
    found = ask(example(text, record), DRUGS, *parts)
    whole = [{"drug": "D", "harm": "H"}]
    assert found.records == [
        {"drugs": ["D"], "harms": whole},
        {"drugs": ["D"], "harms": []},
        {"drugs": [], "harms": []},
        {"drugs": ["D"], "harms": whole},
    ]
    assert homes(found)["/harms/0"] == {0, 3}


def test_an_object_that_is_torn_apart_is_dropped_and_listed() -> None:
    text = "D is old. H is bad. D harms me."
    record = {"harms": [{"drug": "D", "harm": "H"}, {"drug": "D", "harm": "X"}]}
    found = ask(example(text, record), DRUGS, "D is old.", "H is bad.")
    assert found.records == [{"harms": []}, {"harms": []}]
    assert lost(found) == {
        "/harms/0": "its parts share no window",
        "/harms/1": "its harm: not in the text",
    }
    text = "New York harms H."
    cut_off = ask(
        example(text, {"harms": [{"drug": "New York", "harm": "H"}]}), DRUGS, "York harms H."
    )
    assert lost(cut_off) == {"/harms/0": "its drug: cut by a window's border"}


PEOPLE: Schema = an_object(
    {"people": a_list(an_object({"name": NAME, "town": MAYBE, "mood": TEXT}, "name", "town"))}
)


def test_of_an_object_that_is_torn_apart_stays_what_may() -> None:
    text = "Ada slept. Bonn is a town. Ada woke."
    record = {"people": [{"name": "Ada", "town": "Bonn", "mood": "calm"}]}
    found = ask(example(text, record), PEOPLE, "Ada slept.", "Bonn is a town.", "Ada woke.")
    assert found.records == [
        {"people": [{"name": "Ada", "town": None, "mood": "calm"}]},
        {"people": []},
        {"people": []},
    ]
    assert homes(found) == {"/people/0": {0}, "/people/0/name": {0}, "/people/0/mood": {0}}
    assert lost(found) == {"/people/0/town": "the object that it belongs to is whole in no window"}


def test_an_object_goes_nowhere_in_part_that_some_window_holds_whole() -> None:
    record = {"people": [{"name": "Ada", "town": "Bonn"}]}
    found = ask(example("Ada slept. Ada of Bonn.", record), PEOPLE, "Ada slept.", "Ada of Bonn.")
    assert found.records == [{"people": []}, record]


def test_an_object_goes_where_it_is_valid_and_not_where_it_is_largest() -> None:
    person = an_object({"name": NAME, "town": NAME, "job": NAME}, "name")
    schema = an_object({"people": a_list(person)})
    text = "Bonn has a smith. Ada slept."
    record = {"people": [{"name": "Ada", "town": "Bonn", "job": "smith"}]}
    found = ask(example(text, record), schema, "Bonn has a smith.", "Ada slept.")
    assert found.records == [{"people": []}, {"people": [{"name": "Ada"}]}]
    assert set(lost(found)) == {"/people/0/town", "/people/0/job"}


def test_a_part_that_is_nowhere_is_null_and_listed() -> None:
    record = {"people": [{"name": "Ada", "town": "Rome"}]}
    found = ask(example("Ada slept. Ada woke.", record), PEOPLE, "Ada slept.", "Ada woke.")
    assert found.records == [{"people": [{"name": "Ada", "town": None}]}] * 2
    assert lost(found) == {"/people/0/town": "not in the text"}


def test_an_object_that_is_nowhere_goes_to_the_first_window_if_it_may() -> None:
    person = an_object({"name": MAYBE, "mood": TEXT}, "name")
    schema = an_object({"people": a_list(person)})
    text = "Nobody. Nothing."
    found = ask(
        example(text, {"people": [{"name": "Ada", "mood": "calm"}]}), schema, "Nobody.", "No"
    )
    assert found.records == [{"people": [{"name": None, "mood": "calm"}]}, {"people": []}]
    assert lost(found) == {"/people/0/name": "not in the text"}


def test_objects_that_read_the_same_are_once() -> None:
    mentions = {"/harms/1/drug": [(0, 1)]}
    record = {"harms": [{"drug": "D", "harm": "H"}, {"drug": "d2", "harm": "H"}]}
    found = ask(example("D harms H.", record, mentions), DRUGS)
    assert found.records == [{"harms": [{"drug": "D", "harm": "H"}]}]
    assert lost(found) == {}


def test_an_object_that_its_mentions_spoil_is_listed() -> None:
    short = an_object({"name": {**NAME, "maxLength": 3}}, "name")
    schema = an_object({"people": a_list(short)})
    gold = example("Ada Lovelace", {"people": [{"name": "Ada"}]}, {"/people/0/name": [(0, 12)]})
    found = ask(gold, schema)
    assert found.records == [{"people": []}]
    assert lost(found) == {"/people/0": "breaks the schema as its mentions read"}


ARTICLE: Schema = an_object(
    {
        "title": MAYBE,
        "kind": {"enum": ["news", "opinion", None]},
        "tags": a_list(TEXT),
        "year": {"type": ["integer", "null"]},
        "venue": {**an_object({"name": NAME, "size": TEXT}, "name"), "type": ["object", "null"]},
        "place": an_object({"town": NAME, "land": MAYBE}, "town"),
    }
)


def test_what_need_not_be_in_the_text_goes_to_the_first_window() -> None:
    record = {"title": "B", "kind": "news", "tags": ["x", "y"], "year": 1999}
    found = ask(example("A. B. B.", record), ARTICLE, "A.", "B.")
    assert found.records == [
        {"title": None, "kind": "news", "tags": ["x", "y"], "year": 1999},
        {"title": "B", "kind": None, "tags": [], "year": None},
    ]
    assert homes(found) == {p: {0} for p in ("/kind", "/tags/0", "/tags/1", "/year")} | {
        "/title": {1}
    }


def test_what_need_not_be_in_the_text_goes_with_its_object() -> None:
    record = {"venue": {"name": "Hall", "size": "large"}}
    found = ask(example("Here. The Hall.", record), ARTICLE, "Here.", "The Hall.")
    assert found.records == [{"venue": None}, {"venue": {"name": "Hall", "size": "large"}}]
    assert lost(found) == {}


def test_an_object_that_need_not_be_in_the_text_goes_where_most_of_it_does() -> None:
    schema = an_object(
        {"sets": a_list(an_object({"title": TEXT, "year": TEXT, "tags": a_list(TEXT)}))}
    )
    text = "We read. The Fox corpus is of 2019 on tails. In 2019 hens. The hen set on tails."
    sets = [
        {"title": "Hens of old", "year": "none", "tags": []},
        {"title": "The Fox corpus", "year": "2019", "tags": ["tails", "ears"]},
        {"title": "Hen set", "year": "1999", "tags": ["tails"]},
    ]
    parts = (
        "We read.",
        "The Fox corpus is of 2019 on tails.",
        "In 2019 hens.",
        "The hen set on tails.",
    )
    found = ask(example(text, {"sets": sets}), schema, *parts)
    assert [record["sets"] for record in found.records if record] == [
        sets[:1],
        sets[1:2],
        [],
        sets[2:],
    ]
    assert lost(found) == {}


def test_a_nested_object_that_is_torn_is_null_or_absent() -> None:
    record = {
        "venue": {"name": "Nowhere", "size": "large"},
        "place": {"town": "Bonn", "land": "Rhineland"},
    }
    found = ask(example("Rhineland. Bonn.", record), ARTICLE, "Rhineland.", "Bonn.")
    assert found.records == [
        {"venue": None},
        {"venue": None, "place": {"town": "Bonn", "land": None}},
    ]
    assert lost(found) == {
        "/venue/name": "not in the text",
        "/venue/size": "the object that it belongs to is whole in no window",
        "/place/land": "the object that it belongs to is whole in no window",
    }


def test_a_nested_object_that_holds_nothing_is_null() -> None:
    venue = {**an_object({"name": NAME}), "type": ["object", "null"]}
    schema = an_object({"venue": venue})
    found = ask(example("Here. Hall.", {"venue": {"name": "Hall"}}), schema, "Here.", "Hall.")
    assert found.records == [{"venue": None}, {"venue": {"name": "Hall"}}]
    assert ask(example("Here.", {"venue": {}}), schema).records == [{"venue": {}}]


def test_absent_keys_stay_absent_and_null_stays_null() -> None:
    found = ask(example("A. B.", {"title": None, "tags": []}), ARTICLE, "A.", "B.")
    assert found.records == [{"title": None, "tags": []}] * 2
    assert found.gold == []
    anything = ask(example("A. B.", {"x": None}), an_object({"x": {}}), "A.", "B.")
    assert anything.records == [{"x": None}] * 2


def test_keys_come_in_the_order_of_the_schema() -> None:
    found = ask(example("H by D.", {"harms": [{"harm": "H", "drug": "D"}], "drugs": ["D"]}), DRUGS)
    (record,) = found.records
    assert record is not None
    assert list(record) == ["drugs", "harms"]
    assert list(record["harms"][0]) == ["drug", "harm"]


def test_lists_of_lists_are_cut_like_lists() -> None:
    schema = an_object({"rows": a_list(a_list(NAME))})
    found = ask(example("A B. C A.", {"rows": [["A", "B"], ["C"], ["X"]]}), schema, "A B.", "C A.")
    assert found.records == [{"rows": [["A", "B"]]}, {"rows": [["C"], ["A"]]}]
    assert lost(found) == {"/rows/2/0": "not in the text"}


def test_a_window_whose_record_would_be_invalid_has_none() -> None:
    schema = an_object({"title": NAME, "names": a_list(NAME)}, "title")
    record = {"title": "T", "names": ["Ada", "Bob"]}
    found = ask(example("T by Ada. And Bob.", record), schema, "T by Ada.", "And Bob.")
    assert found.records == [{"title": "T", "names": ["Ada"]}, None]
    assert homes(found) == {"/title": {0}, "/names/0": {0}, "/names/1": {1}}


def test_references_and_branches_are_cut_like_what_they_refer_to() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {
            "names": {"anyOf": [a_list({"$ref": "#/$defs/name"}), {"type": "null"}]},
            "pairs": a_list({"$ref": "#/$defs/pair"}),
        },
        "$defs": {"name": NAME, "pair": an_object({"a": {"$ref": "#/$defs/name"}}, "a")},
    }
    record = {"names": ["Ada", "Bob"], "pairs": [{"a": "Bob"}, {"a": "Cy"}]}
    found = ask(example("Ada. Bob.", record), schema, "Ada.", "Bob.")
    assert found.records == [
        {"names": ["Ada"], "pairs": []},
        {"names": ["Bob"], "pairs": [{"a": "Bob"}]},
    ]
    assert lost(found) == {"/pairs/1": "its a: not in the text"}


def test_of_several_branches_the_one_that_fits_says_what_is_verbatim() -> None:
    person = an_object({"name": NAME, "mood": TEXT}, "name")
    place = an_object({"town": NAME, "land": MAYBE}, "town")
    schema = an_object({"things": a_list({"anyOf": [person, place]}), "one": {"anyOf": [place]}})
    record = {
        "things": [{"mood": "calm", "name": "Ada"}, {"land": "X", "town": "Bonn"}, {"town": "Y"}],
        "one": {"town": "BONN"},
    }
    found = ask(example("Ada of Bonn.", record), schema)
    assert found.records == [
        {
            "things": [{"name": "Ada", "mood": "calm"}, {"town": "Bonn", "land": None}],
            "one": {"town": "Bonn"},
        }
    ]
    assert [list(thing) for thing in (found.records[0] or {})["things"]] == [
        ["name", "mood"],
        ["town", "land"],
    ]
    assert lost(found) == {
        "/things/1/land": "not in the text",
        "/things/2": "its town: not in the text",
    }


def test_what_no_answer_can_hold_is_left_out_and_listed() -> None:
    named = {"type": "object", "properties": {"name": NAME}}
    schema = {
        "type": "object",
        "properties": {
            "people": a_list(named),
            "free": {"type": "object"},
            "open": {"type": "object", "additionalProperties": TEXT, "properties": {"a": TEXT}},
        },
    }
    record = {
        "people": [{"name": "Ada", "age": 3, "none": None}],
        "free": {"x": "y"},
        "open": {"a": "b", "c": "d"},
        "more": {"x": ["y"]},
        "empty": {},
    }
    found = ask(example("Ada", record), schema)
    assert found.records == [
        {"people": [{"name": "Ada"}], "free": {"x": "y"}, "open": {"a": "b", "c": "d"}}
    ]
    assert lost(found) == dict.fromkeys(("/people/0/age", "/more"), "the schema does not name it")
    assert {leaf.pointer for leaf in found.gold if leaf.counted} >= {"/more", "/people/0"}


def test_objects_in_objects_are_accounted_for() -> None:
    team = an_object({"name": NAME, "people": a_list(an_object({"name": NAME}, "name"))}, "name")
    schema = an_object({"teams": a_list(team)})
    record = {"teams": [{"name": "Reds", "people": [{"name": "Ada"}, {"name": "Bob"}]}]}
    found = ask(example("Reds: Ada. Bob.", record), schema, "Reds: Ada.", "Bob.")
    assert found.records == [
        {"teams": [{"name": "Reds", "people": [{"name": "Ada"}]}]},
        {"teams": []},
    ]
    assert [gold.pointer for gold in found.gold if gold.counted] == ["/teams/0"]
    assert lost(found) == {
        "/teams/0/people/1": "the object that it belongs to is whole in no window"
    }


# Any example

WORDS = ("ada", "Bob", "New York", "(S)-X", "x", "naïve", "β", "Ada")

people = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(WORDS), "town": st.none() | st.sampled_from(WORDS)},
        optional={"mood": st.sampled_from(["calm", "wild"])},
    ),
    max_size=4,
)
any_record = st.fixed_dictionaries(
    {},
    optional={
        "people": people,
        "names": st.lists(st.sampled_from(WORDS), max_size=5),
        "title": st.none() | st.sampled_from(WORDS),
        "kind": st.sampled_from(["news", "opinion", None]),
        "tags": st.lists(st.sampled_from(["x", "y"]), unique=True),
        "place": st.fixed_dictionaries({"town": st.sampled_from(WORDS)}),
        "venue": st.none() | st.fixed_dictionaries({"name": st.sampled_from(WORDS)}),
    },
)
EVERYTHING: Schema = an_object(
    {**PEOPLE["properties"], **NAMES["properties"], **ARTICLE["properties"]}
)
sentences = st.lists(
    st.lists(st.sampled_from((*WORDS, "and", "1")), min_size=1, max_size=5), max_size=5
)


def as_sets(value: Any) -> Any:
    """Return a record with the order and the repeats of its lists left out."""
    if isinstance(value, dict):
        return frozenset((key, as_sets(item)) for key, item in value.items())
    if isinstance(value, list):
        return frozenset(as_sets(item) for item in value)
    return value.casefold() if isinstance(value, str) else value


@given(any_record)
def test_a_document_that_is_read_as_a_whole_teaches_its_record(record: Record) -> None:
    spoken = [leaf for _pointer, leaf in leaves(record) if isinstance(leaf, str)]
    found = ask(example(" and ".join(spoken), record), EVERYTHING)
    assert as_sets(found.records[0]) == as_sets(record)
    assert lost(found) == {}


@given(any_record, sentences)
def test_whatever_is_not_taught_is_listed(record: Record, spoken: list[list[str]]) -> None:
    parts = [" ".join(sentence) + "." for sentence in spoken] or ["."]
    text = " ".join(parts)
    found = ask(example(text, record), EVERYTHING, *parts)
    counted = {gold.pointer for gold in found.gold if gold.counted}
    listed = {gold.pointer for gold in found.gold if gold.reason}
    assert len({gold.pointer for gold in found.gold}) == len(found.gold)
    assert counted == {
        "/".join(pointer.split("/")[:3]) if pointer.startswith("/people/") else pointer
        for pointer, leaf in leaves(record)
        if leaf is not None or pointer.startswith("/people/")
    }
    for gold in found.gold:
        assert bool(gold.windows) != bool(gold.reason)
    for pointer, leaf in leaves(record):
        if leaf is None:
            continue
        learned = any(gold.pointer == pointer and gold.windows for gold in found.gold)
        above = {pointer[:at] for at in range(len(pointer) + 1)}
        assert learned != bool(above & listed)
    for gold in found.gold:
        if gold.reason == "not in the text":
            value = dict(leaves(record))[gold.pointer]
            assert next(occurrences(text, str(value)), None) is None
        for number in gold.windows:
            assert found.records[number] is not None


@given(any_record, sentences)
def test_every_taught_name_is_in_its_window(record: Record, spoken: list[list[str]]) -> None:
    parts = [" ".join(sentence) + "." for sentence in spoken] or ["."]
    found = ask(example(" ".join(parts), record), EVERYTHING, *parts)
    for part, taught in zip(parts, found.records, strict=True):
        assert taught is not None
        for pointer, leaf in leaves(taught):
            if isinstance(leaf, str) and not pointer.startswith(("/kind", "/tags")):
                assert leaf in part or pointer.endswith("/mood")


@given(any_record, sentences)
def test_what_the_windows_teach_merges_to_what_was_learned(
    record: Record, spoken: list[list[str]]
) -> None:
    parts = [" ".join(sentence) + "." for sentence in spoken] or ["."]
    text = " ".join(parts)
    gold = example(text, record)
    windows = windows_at(text, *parts)
    found = targets(gold, windows, EVERYTHING)
    answers = [
        WindowRecord(w, r) for w, r in zip(windows, found.records, strict=True) if r is not None
    ]
    merged = merge(answers, EVERYTHING)
    assert first_problem(merged.record, EVERYTHING) is None
    learned = {
        record["names"][int(gold.pointer.rsplit("/", 1)[1])].casefold()
        for gold in found.gold
        if gold.pointer.startswith("/names/") and gold.windows
    }
    assert sorted(name.casefold() for name in merged.record.get("names", [])) == sorted(learned)
    for pointer, (start, end) in merged.spans.items():
        assert text[start:end] == dict(leaves(merged.record))[pointer]
