"""Confidence: where each value is in the answer, and how sure the model is of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import values

from fieldsmith.extraction.confidence import leaf_confidence, leaf_spans
from fieldsmith.schema.pointers import leaves

forms = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", "\t: ")]),
    }
)


def read(text: str, span: tuple[int, int], leaf: object) -> Any:
    piece = text[slice(*span)]
    return json.loads(f'"{piece}"' if isinstance(leaf, str) else piece)


@given(values, forms)
def test_the_slice_of_each_leaf_is_the_leaf(value: Any, form: dict[str, Any]) -> None:
    text = f" {json.dumps(value, **form)}\n"
    spans = leaf_spans(text)
    wanted = dict(leaves(value))
    assert list(spans) == list(wanted)
    for pointer, leaf in wanted.items():
        assert read(text, spans[pointer], leaf) == leaf


def test_escapes_in_keys_and_values_are_passed_over() -> None:
    text = r'{"a\"b/c": ["x\\", "\u00e9\"]"], "n": -1.5e+3}'
    spans = leaf_spans(text)
    assert {pointer: text[slice(*span)] for pointer, span in spans.items()} == {
        '/a"b~1c/0': "x\\\\",
        '/a"b~1c/1': r"\u00e9\"]",
        "/n": "-1.5e+3",
    }


@pytest.mark.parametrize("text", ["", "{", '{"a": }', "[1, 2", "nul", '"open'])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 1 column"):
        leaf_spans(text)


def confidence(*tokens: tuple[str, float]) -> dict[str, float]:
    text, ends = "", []
    for token, _probability in tokens:
        text += token
        ends.append(len(text))
    return leaf_confidence(text, ends, [math.log(probability) for _token, probability in tokens])


def test_a_leaf_is_as_sure_as_its_tokens_and_its_end_together() -> None:
    sure = confidence(
        ('{"', 0.1), ("a", 0.1), ('":["', 0.1), ("as", 0.5), ("pirin", 0.8), ('"]}', 0.9)
    )
    assert sure == {"/a/0": pytest.approx(0.5 * 0.8 * 0.9)}


def test_a_token_that_begins_a_leaf_before_its_quote_counts() -> None:
    assert confidence(('{"a":"as', 0.5), ('pirin"}', 0.5)) == {"/a": 0.25}


def test_a_token_between_two_leaves_ends_the_first() -> None:
    sure = confidence(('["', 1.0), ("a", 0.5), ('","', 0.5), ("b", 0.25), ('"]', 1.0))
    assert sure == {"/0": 0.25, "/1": 0.25}


def test_where_a_number_ends_is_part_of_it() -> None:
    sure = confidence(
        ('{"a":', 0.1), ("1", 0.5), ("2", 0.5), (',"b":', 0.8), ("null", 0.5), ("}", 1)
    )
    assert sure == {"/a": pytest.approx(0.2), "/b": pytest.approx(0.5)}


def test_an_empty_text_is_as_sure_as_its_quotes() -> None:
    assert confidence(('{"a":', 0.1), ('"', 0.5), ('"', 0.5), ("}", 0.1)) == {"/a": 0.5}


def test_an_empty_list_has_no_leaf() -> None:
    assert confidence(('{"a":[]}', 0.5)) == {}


def test_the_most_unlikely_leaf_is_above_zero_and_the_surest_is_one() -> None:
    text = '{"a":"b"}'
    assert leaf_confidence(text, [len(text)], [-2000.0]) == {"/a": 1e-6}
    assert leaf_confidence(text, [len(text)], [1e-9]) == {"/a": 1.0}  # rounding above certainty


def test_each_token_counts_for_each_leaf_that_it_overlaps() -> None:
    text = '{"a":["b","c"],"d":null}'
    for size in range(1, len(text) + 1):
        ends = [min(at, len(text)) for at in range(size, len(text) + size, size)]
        ends = sorted([*ends, *ends[::3]])  # some tokens write nothing
        logprobs = [-0.01 * (number + 1) for number in range(len(ends))]
        wanted = {
            pointer: sum(
                logprob
                for token_start, token_end, logprob in zip(
                    [0, *ends[:-1]], ends, logprobs, strict=True
                )
                if token_end > start and token_start <= end
            )
            for pointer, (start, end) in leaf_spans(text).items()
        }
        found = leaf_confidence(text, ends, logprobs)
        assert {p: math.log(value) for p, value in found.items()} == pytest.approx(wanted, abs=1e-4)
