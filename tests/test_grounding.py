from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.grounding import occurrences


@pytest.mark.parametrize(
    ("text", "value", "starts"),
    [
        ("acid in placid acids, acid", "acid", [0, 22]),
        ("(S)-X and (S)-X", "(S)-X", [0, 10]),
        ("x(S)-X", "(S)-X", [1]),  # its edge is no letter, so anything may stand before it
        ("5 mg, 15 mg, 5 mgs", "5 mg", [0]),
        ("a_b b", "b", [4]),
        ("a b a b a", "a b a", [0, 4]),  # they may overlap
        ("Aspirin aspirin", "aspirin", [8]),
        ("naïve na naï", "naï", [9]),
        ("α-blocker β-blocker", "β-blocker", [10]),
        ("a.b axb", "a.b", [0]),
        ("anything", "", []),
        ("short", "much longer", []),
        ("我在东京工作", "东京", [2]),  # no spaces between words
        ("東京タワーに行く", "タワー", [2]),
        ("ผมรักกรุงเทพ", "กรุงเทพ", [5]),
        ("ВИЧ-инфекция и ВИЧ", "ВИЧ", [0, 15]),
        ("IL6は高い", "IL6", [0]),  # where two scripts meet, a word ends
        ("xIL6は", "IL6", []),
    ],
)
def test_whole_words_are_found(text: str, value: str, starts: list[int]) -> None:
    assert list(occurrences(text, value)) == [(start, start + len(value)) for start in starts]


@given(st.text("ab ._-é東", max_size=30), st.text("ab ._-é東", min_size=1, max_size=4))
def test_what_is_found_is_the_value_and_nothing_is_missed(text: str, value: str) -> None:
    found = list(occurrences(text, value))
    assert all(text[start:end] == value for start, end in found)
    word = set("abé_")
    everywhere = [at for at in range(len(text)) if text.startswith(value, at)]
    whole = [
        at
        for at in everywhere
        if not (at and text[at - 1] in word and value[0] in word)
        and not (text[at + len(value) :][:1] in word and value[-1] in word)
    ]
    assert [start for start, _end in found] == whole
