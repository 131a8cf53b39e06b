"""The state of a JSON answer: where a list repeats itself, and which field is being written."""

from __future__ import annotations

import pytest

from fieldsmith.decoding.json_state import JsonState


@pytest.mark.parametrize(
    ("written", "followed"),
    [
        ('{"a":["x","x"],"b":["x","x"]}', None),
        ('{"a":["x","x","x"]}', '{"a":["x","x"'),
        ('{"a":["x","y","x","y","x"]}', None),
        ('{"a":[1,1,', '{"a":[1,1'),
        ('{"a":[[1],[1],[1]]}', '{"a":[[1],[1]'),
        ('{"a":[[1,2],[1,2]],"b":"x","c":"x"}', None),
        (r'{"a":["x\\","x\\","', r'{"a":["x\\","x\\"'),
        (r'{"a":["x\",\"x\",\"x"]}', None),
    ],
)
def test_the_state_sees_where_a_list_repeats_itself(written: str, followed: str | None) -> None:
    state = JsonState()
    count = state.write(written.encode())
    assert written[:count] == (followed or written)
    assert state.text.decode() == written[:count]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":["x","yz"],"b":["', '{"a":["q"],"b":["'),
        ('{"a":["x","', '{"a":["x","y z","'),
        ('{"a":1,"b":', '{"a":234.5,"b":'),
        ('{"a":{"b":"x"},"c":', '{"a":{"b":"long"},"c":'),
    ],
)
def test_contexts_differ_by_keys_and_not_by_contents(one: str, other: str) -> None:
    assert context_of(one) == context_of(other)


def test_different_contexts_are_different() -> None:
    texts = ["", "{", '{"', '{"a":', '{"a":[', '{"a":["', '{"a":["x","', '{"a":["x"],"b":', '{"b":']
    assert len({context_of(text) for text in [*texts, '{"a":[],"b":']}) == len(texts) + 1


def context_of(text: str) -> bytes:
    state = JsonState()
    state.write(text.encode())
    return state.context
