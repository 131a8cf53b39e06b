"""Normal forms of a text, and of a record by its schema."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldsmith
from fieldsmith.errors import PluginError
from fieldsmith.schema.annotations import STEPS
from fieldsmith.text.normalization import STEP_FUNCTIONS, fold, normalise, normalised


@pytest.mark.parametrize(
    ("text", "step", "wanted"),
    [
        ("anticoag-\nulants", "dehyphenate", "anticoagulants"),
        ("anticoag- \r\n  ulants", "dehyphenate", "anticoagulants"),
        ("anti\u00adcoagu\u00ad\nlants", "dehyphenate", "anticoagulants"),
        ("COVID-\n19", "dehyphenate", "COVID-19"),
        ("Levi-\nCivita", "dehyphenate", "Levi-Civita"),
        ("IL-6 - a review", "dehyphenate", "IL-6 - a review"),
        ("- one\n- two", "dehyphenate", "- one\n- two"),
        ("pages 3 -\n5", "dehyphenate", "pages 3 -\n5"),
        (" a \n\t b\u00a0c ", "spaces", "a b c"),
        ("Straße", "casefold", "strasse"),
        ("ﬁne ²", "nfkc", "fine 2"),
        ("O'Neil, J. (1999)", "punctuation", "ONeilJ1999"),
        ("नमस्ते!", "punctuation", "नमस्ते"),
    ],
)
def test_a_step(text: str, step: str, wanted: str) -> None:
    assert normalise(text, [step]) == wanted


def test_steps_are_applied_in_their_order() -> None:
    assert normalise("co-\noperate", ["dehyphenate", "spaces"]) == "cooperate"
    assert normalise("co-\noperate", ["spaces", "dehyphenate"]) == "co- operate"


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(PluginError, match="no step 'dehyphen'; did you mean dehyphenate"):
        normalise("a", ["dehyphen"])


@given(st.text(), st.sampled_from([step for step in STEPS if step != "casefold"]))
def test_a_normal_form_stays_as_it_is(text: str, step: str) -> None:
    once = normalise(text, [step])
    if step == "dehyphenate" and "\n" in once:  # what is joined may come before another break
        return
    assert normalise(once, [step]) == once


def test_each_string_of_a_record_as_its_field_says() -> None:
    schema = {
        "type": "object",
        "$defs": {"name": {"type": "string", "x-normalise": ["spaces"]}},
        "properties": {
            "title": {"type": ["string", "null"], "x-normalise": ["dehyphenate", "spaces"]},
            "names": {"type": "array", "items": {"$ref": "#/$defs/name"}},
            "kept": {"type": "string"},
            "inner": {
                "anyOf": [
                    {"type": "object", "properties": {"name": {"$ref": "#/$defs/name"}}},
                    {"type": "null"},
                ]
            },
        },
    }
    record = {
        "title": "Anti-\nbodies of\nfoxes",
        "names": ["Ann \n Oke", "Bo"],
        "kept": " as  it is ",
        "inner": {"name": "a  b"},
        "unknown": "a  b",
    }
    assert fieldsmith.normalised(record, schema) == {
        "title": "Antibodies of foxes",
        "names": ["Ann Oke", "Bo"],
        "kept": " as  it is ",
        "inner": {"name": "a b"},
        "unknown": "a  b",
    }
    assert normalised({"title": None, "names": []}, schema) == {"title": None, "names": []}


def test_each_step_of_the_vocabulary_is_implemented_and_no_other() -> None:
    assert tuple(STEP_FUNCTIONS) == STEPS


@given(st.text())
def test_folding_is_the_steps_spaces_and_casefold(text: str) -> None:
    assert fold(text) == normalise(text, ["spaces", "casefold"])
