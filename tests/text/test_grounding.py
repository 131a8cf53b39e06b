"""Grounding: find the values of a record in the text."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldsmith.data import Grounding
from fieldsmith.text.equivalents import equivalents
from fieldsmith.text.grounding import (
    align,
    ground,
    is_word_boundary,
    is_word_span,
    normalised_occurrences,
    occurrences,
    segments,
)

FAMILY = "👩\u200d👩\u200d👧"  # one emoji of five code points
GERMANY, FRANCE = "🇩🇪", "🇫🇷"

# What is hard: marks, joiners, flags, scripts without spaces, line ends, folding that changes
# lengths, and characters that other code gives a meaning.
LETTERS, PLAIN, UNSPACED = "ab1_é", " .-('’™", "東京ก"
JOINED = "\u0301\u200d\u200c\ufe0f🏽ำ"  # to what is before them
HARD = LETTERS + PLAIN + UNSPACED + JOINED + "ꦏ\u00ad\u0600👩🇩🇪\r\n\0ßİﬁ½"
hard = st.text(HARD, max_size=24)


@pytest.mark.parametrize(
    ("text", "value", "starts"),
    [
        ("acid in placid acids, acid", "acid", [0, 22]),
        ("(S)-X and (S)-X", "(S)-X", [0, 10]),
        ("x(S)-X", "(S)-X", [1]),  # its edge is no letter, so anything may come before it
        ("5 mg, 15 mg, 5 mgs", "5 mg", [0]),
        ("a_b b", "b", [4]),
        ("a b a b a", "a b a", [0]),  # none over another
        ("Aspirin aspirin", "aspirin", [8]),
        ("naïve na naï", "naï", [9]),
        ("α-blocker β-blocker", "β-blocker", [10]),
        ("a.b axb", "a.b", [0]),
        ("anything", "", []),
        ("any thing", " thing", []),  # white space at its end
        ("short", "much longer", []),
        ("我在东京工作", "东京", [2]),  # no spaces between words
        ("東京タワーに行く", "タワー", [2]),
        ("ผมรักกรุงเทพ", "กรุงเทพ", [5]),
        ("ВИЧ-инфекция и ВИЧ", "ВИЧ", [0, 15]),
        ("IL6は高い", "IL6", [0]),  # where two scripts meet, a word ends
        ("xIL6は", "IL6", []),
        ("والدواء الدواء", "الدواء", [8]),
        ("rose\u0301 rose", "rose", [6]),  # another word with its accent
        (f"{GERMANY}{FRANCE}", GERMANY, [0]),
        (f"{GERMANY}{FRANCE}", "🇪🇫", []),
        (f"{FAMILY} 👩", "👩", [6]),
    ],
)
def test_whole_words_are_found(text: str, value: str, starts: list[int]) -> None:
    assert list(occurrences(text, value)) == [(start, start + len(value)) for start in starts]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5 mg/ml, IL-6_a", "5| |mg|/|ml|,| |IL|-|6_a"),
        ("e\u0301te\u0301 na\u0308ive", "e\u0301te\u0301| |na\u0308ive"),
        ("हिन्दी में", "हिन्दी| |में"),  # signs of vowels are no letters
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner that separates
        ("infor\u00admation", "infor\u00admation"),  # a soft hyphen
        ("한국어 말", "한국어| |말"),
        ("東京は", "東|京|は"),
        ("ま\u3099行", "ま\u3099|行"),
        ("ｶﾞス", "ｶﾞ|ス"),
        ("กำไร ๑๒", "กำ|ไ|ร| |๑๒"),
        ("က\u102bမ", "က\u102b|မ"),
        ("ꦲꦏ", "ꦲ|ꦏ"),
        (f"{GERMANY}{FRANCE}🇩", f"{GERMANY}|{FRANCE}|🇩"),
        (f"{FAMILY}👩🏽❤\ufe0fa", f"{FAMILY}|👩🏽|❤\ufe0f|a"),
        ("1\ufe0f\u20e3 (\u0301a", "1\ufe0f\u20e3| |(\u0301|a"),
        ("\u0600123 x", "\u0600123| |x"),  # a sign that goes before a number
        ("\n\u0301a", "\n\u0301|a"),
        ("a\0b", "a|\0|b"),
        ("", ""),
    ],
)
def test_a_text_is_cut_at_words_and_whole_characters(text: str, wanted: str) -> None:
    assert "|".join(segments(text)) == wanted


@given(hard)
def test_the_chunks_are_the_text_and_their_ends_are_its_borders(text: str) -> None:
    pieces = segments(text)
    assert "".join(pieces) == text
    assert all(pieces)
    ends = {len("".join(pieces[:number])) for number in range(len(pieces) + 1)}
    assert ends == {at for at in range(-2, len(text) + 3) if is_word_boundary(text, at)}


@given(hard)
def test_no_border_lies_within_a_character(text: str) -> None:
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        flags = len(text[:at]) - len(text[:at].rstrip("🇩🇪"))
        half_a_flag = after in "🇩🇪" and flags % 2 == 1
        half_an_emoji = text[:at].endswith("👩\u200d") and after == "👩"
        within_word = before in LETTERS and after in LETTERS
        if after in JOINED or half_a_flag or half_an_emoji or within_word:
            assert not is_word_boundary(text, at)
        elif {before, after} <= set(LETTERS + PLAIN + UNSPACED):
            assert is_word_boundary(text, at)


@given(st.text("ab1_é .,-(é東京", max_size=30))
def test_a_plain_text_is_cut_as_any_other_is(text: str) -> None:
    assert segments(text) == segments(text + " é")[: len(segments(text))]


def naive(text: str, same: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Return the word spans of a text that are the same, the first of those that overlap."""
    found: list[tuple[int, int]] = []
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            behind = not found or start >= found[-1][1]
            if behind and same(text[start:end]) and is_word_span(text, (start, end)):
                found.append((start, end))
    return found


@given(hard, st.data())
def test_what_is_in_a_text_is_found_and_nothing_else(text: str, data: st.DataObject) -> None:
    part = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    value = data.draw(part.map(lambda span: text[min(span) : max(span)]) | hard)
    assert list(occurrences(text, value)) == naive(text, lambda piece: piece == value)


@given(st.text("ab ", max_size=40), st.text("ab ", min_size=1, max_size=7))
def test_it_is_found_in_a_text_that_repeats_itself(text: str, value: str) -> None:
    assert list(occurrences(text, value)) == naive(text, lambda piece: piece == value)


def test_a_text_that_holds_every_mark_is_searched_all_the_same() -> None:
    text = "".join(map(chr, range(0x250))) + " a\0b"
    assert list(occurrences(text, "a\0b")) == [(len(text) - 3, len(text))]
    assert list(occurrences("a b", "a\0b")) == []


@pytest.mark.parametrize(
    ("text", "span", "wanted"),
    [
        ("folic acid", (0, 10), True),
        ("folic acid", (0, 0), False),
        ("folic acid", (5, 10), False),
        ("folic acid", (0, 6), False),
        ("folic acid", (0, 4), False),
        ("folic acid", (6, 11), False),
        ("folic\u00a0acid", (0, 6), False),
    ],
)
def test_a_span_is_on_borders(text: str, span: tuple[int, int], wanted: bool) -> None:
    assert is_word_span(text, span) is wanted


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("Aspirin and ASPIRIN", "aspirin", ["Aspirin", "ASPIRIN"]),
        ("Aspirin-induced", "aspirin", ["Aspirin"]),
        ("Aspirin™ and placidol", "aspirin", ["Aspirin"]),
        ("folic\n   acid", "Folic acid", ["folic\n   acid"]),
        ("folic\u00a0acid", " folic acid\n", ["folic\u00a0acid"]),
        ("folic\u200b acid", "folic acid", ["folic\u200b acid"]),
        ("infor-\nmation", "information", ["infor-\nmation"]),
        ("infor- mation", "Information", ["infor- mation"]),
        ("infor\u00admation", "information", ["infor\u00admation"]),
        ("information", "infor-\nmation", ["information"]),
        ("β‐\n blocker", "β-blocker", ["β‐\n blocker"]),
        ("Beta-\nblocker: infor-\nmation", "beta-blocker: information", None),
        ("IL–\n6 of 10−20", "IL-6", ["IL–\n6"]),
        ("IL–\n6 of 10−20", "10-20", ["10−20"]),
        ("1-2", "12", []),  # the hyphen has a meaning
        ("x - y", "x-y", []),
        ("pre- and postnatal", "Pre- and postnatal", ["pre- and postnatal"]),
        ("cafe\u0301 CAFÉ", "café", ["cafe\u0301", "CAFÉ"]),
        ("5 \u00b5g", "5 \u03bcg", ["5 \u00b5g"]),
        ("ﬁbrosis in H₂O", "fibrosis", ["ﬁbrosis"]),
        ("ﬁbrosis in H₂O", "H2O", ["H₂O"]),
        ("ﬁ", "f", []),  # half a character
        ("½ mg", "1", []),
        ("STRASSE", "Straße", ["STRASSE"]),
        ("İstanbul", "i̇stanbul", ["İstanbul"]),
        ("ΌΣΟΣ", "όσος", ["ΌΣΟΣ"]),
        ("ＡＢＣ東京", "abc", ["ＡＢＣ"]),
        ("Alzheimer’s “x”", "alzheimer's", ["Alzheimer’s"]),
        ("anything", "", []),
        ("anything", "\u00ad", []),
        ("any \u0301b", "\u00b4b", []),  # it would begin with a space
        ("Abstract—We read", "AbstractWe", []),
        ("Abstract—We an-\nswer", "We answer", ["We an-\nswer"]),
    ],
)
def test_what_differs_in_its_form_alone_is_read(
    text: str, value: str, wanted: list[str] | None
) -> None:
    found = [text[start:end] for start, end in normalised_occurrences(text, value)]
    assert found == ([text] if wanted is None else wanted)


@given(hard)
@example("İ ß")
@example("\u0600 1")
def test_a_text_reads_like_itself_in_any_form(text: str) -> None:
    forms = (str, str.swapcase, str.upper, lambda v: v.replace(" ", " \n").replace("-", "‐"))
    pieces = segments(text)
    ends = [len("".join(pieces[:number])) for number in range(len(pieces) + 1)]
    spans = [(a, b) for a in ends for b in ends if is_word_span(text, (a, b))]
    for start, end in spans:
        value = text[start:end]
        nothing = not value.strip("\u00ad\u200c\u200d\ufe0f ")
        spaces_in_pieces = any(p.strip() and any(map(str.isspace, p)) for p in pieces)
        for form in () if nothing or spaces_in_pieces else forms:
            found = normalised_occurrences(text, form(value))
            assert any(a < end and start < b for a, b in found), (value, form(value))
            assert set(found) <= set(spans)


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("Aspirin or aspirin", "aspirin", ((11, 18),)),  # it occurs as it is: no other is meant
        ("Aspirin or Aspirin", "aspirin", ((0, 7), (11, 18))),
        ("Folic acid or folic acid", "FOLIC ACID", None),
        ("folic acid", "water", ()),
    ],
)
def test_a_value_is_aligned_where_there_is_one_reading(
    text: str, value: str, wanted: tuple[tuple[int, int], ...] | None
) -> None:
    assert align(text, value) == wanted


def test_every_leaf_is_grounded() -> None:
    text = "Folic acid 5 (folic\nacid), vitamins: folic acid"
    record = {
        "names": ["Folic acid", "FOLIC ACID", "Folic acid"],
        "dose": 5,
        "wanted": True,
        "kind": "supplement",
        "empty": "",
        "year": None,
        "inner": {"a/b": "vitamins", "none": []},
    }
    once = Grounding("verbatim", ((0, 10),))
    assert ground(record, text) == {
        "/names/0": once,
        "/names/1": Grounding("normalised", ((0, 10), (14, 24), (37, 47))),
        "/names/2": once,
        "/dose": Grounding("equivalent", ((11, 12),)),
        "/wanted": Grounding("inferred"),
        "/kind": Grounding("inferred"),
        "/empty": Grounding("inferred"),
        "/year": Grounding("absent"),
        "/inner/a~1b": Grounding("verbatim", ((27, 35),)),
    }


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("a", ["aaaa", "A" * 1000]),
        ("ab ", ["b ab ab", "B " + "ab " * 2000 + "a"]),  # everywhere, and nowhere whole
        ("a-", ["a-a", "A", "A-" * 2000]),
        (GERMANY, ["🇪🇩", GERMANY * 500]),
        ("東", ["東東", "東" * 5000]),
        ('"', ['"', '"' * 3000]),
        (" ", [" ", "a"]),
        ("\u0301", ["\u0301", "a"]),
        ("1,", ["2024-01-05"]),
        ("1 234 ", ["2024-01-05T10:00:00Z"]),
        ("-1", ["12:00:00Z"]),
        ("Jan 5. 2024 12:00 ", ["2024-01-05", "2024-01-05T12:00:00Z", "2024-01"]),
    ],
)
def test_the_work_grows_with_the_length_of_the_text(unit: str, values: list[str]) -> None:
    """Counted in calls of functions, which no other process can slow down."""

    def work(length: int) -> int:
        text, calls = unit * (length // len(unit)) + ".", 0

        def count(_frame: object, _event: str, _argument: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            for value in values:
                list(occurrences(text, value))
                normalised_occurrences(text, value)
            equivalents(text, [*values, 5, 12.5])
        finally:
            sys.setprofile(None)
        return calls

    # Eight times the text; quadratic would be 64 times the work.
    assert work(80_000) < 10 * work(10_000)
