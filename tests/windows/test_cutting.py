"""Windows: how a text is cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_plugins import shipped_prompts

from fieldsmith import Document
from fieldsmith.settings import Settings
from fieldsmith.windows.cutting import Window, cut


def reading(
    window: Literal["document", "sentences", "tokens"], size: int = 8, overlap: int = 0
) -> Settings:
    return Settings(window=window, window_size=size, window_overlap=overlap)


def windows_of(text: str, settings: Settings) -> list[Window]:
    document = Document("d", text, {"url": "u"})
    windows = cut(document, settings, shipped_prompts())
    assert windows
    for window in windows:
        assert window.document == Document("d", text[window.start : window.end], {"url": "u"})
    assert_covered(text, windows)
    return windows


def assert_covered(text: str, windows: Sequence[Window]) -> None:
    covered = {at for window in windows for at in range(window.start, window.end)}
    assert [text[at] for at in range(len(text)) if at not in covered and text[at].strip()] == []


def texts_of(text: str, settings: Settings) -> list[str]:
    return [window.document.text for window in windows_of(text, settings)]


any_text = st.text(st.characters(codec="utf-8"), max_size=60)
words = st.lists(
    st.sampled_from(
        "acid 5 mg. Dr. Smith (S)-naproxen α-blocker 😀 e.g. No. ?! … 我在东京工作。".split()
    )
    | st.sampled_from(["immunodeficiency", "\n\n", "\t", "  ", "\r\n", "\u2028", "\u3000"]),
    max_size=40,
).map(" ".join)
unbroken = st.integers(0, 300).map(lambda count: "abcdefgh😀" * count)
any_document = any_text | words | unbroken


def test_a_document_may_be_read_as_a_whole() -> None:
    assert texts_of(" all of it. ", reading("document")) == [" all of it. "]


def test_sentences_are_alone_without_the_space_around_them() -> None:
    text = "  Famotidine was given.\n\nDelirium occurred (see Dr. Smith et al.).  It passed. "
    assert texts_of(text, reading("sentences", 64)) == [
        "Famotidine was given.",
        "Delirium occurred (see Dr. Smith et al.).",
        "It passed.",
    ]


def test_a_long_sentence_is_cut_like_a_document() -> None:
    text = "A short one. " + "word " * 50 + "end. Last."
    first, *parts, last = texts_of(text, reading("sentences", 16))
    assert (first, last) == ("A short one.", "Last.")
    assert len(parts) > 2
    assert " ".join(parts) == "word " * 50 + "end."


def test_runs_of_tokens_share_whole_words() -> None:
    text = " ".join(f"word{number}" for number in range(40))
    windows = windows_of(text, reading("tokens", 30, 12))
    assert len(windows) > 3
    for one, other in itertools.pairwise(windows):
        shared = text[other.start : one.end]
        assert len(shared.split()) >= 2
        assert one.start < other.start < one.end < other.end


def test_a_text_that_fits_is_left_as_it_is() -> None:
    assert texts_of(" a b\n", reading("tokens", 64, 8)) == [" a b\n"]


@pytest.mark.parametrize("text", ["", " \n", "\u2028" * 100])
def test_a_blank_document_is_one_window(text: str) -> None:
    for chosen in (reading("document"), reading("sentences"), reading("tokens")):
        assert texts_of(text, chosen) == [text]


def test_text_without_white_space_is_cut_anywhere() -> None:
    text = "ab" * 3000
    windows = windows_of(text, reading("tokens", 16, 4))
    assert "".join(text[w.start : w.end] for w in windows[:1]) == text[: windows[0].end]
    assert len(windows) < len(text)


@given(any_document, st.booleans(), st.data())
def test_nothing_is_left_out_and_no_window_is_too_long(
    text: str, by_sentence: bool, data: st.DataObject
) -> None:
    size = data.draw(st.integers(4, 24))  # a character takes four tokens at most
    overlap = data.draw(st.integers(0, size - 1))
    windows = windows_of(text, reading("sentences" if by_sentence else "tokens", size, overlap))
    prompts = shipped_prompts()
    if text.strip():
        assert all(prompts.count(window.document.text) <= size for window in windows)
    for one, other in itertools.pairwise(windows):
        assert one.start < other.start
        assert one.end < other.end


@given(words, st.integers(24, 40), st.data())
def test_windows_begin_and_end_between_words(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    for window in windows_of(text, reading("tokens", size, overlap)):
        before, after = text[: window.start][-1:], text[window.end :][:1]
        assert not before.strip()
        assert not after.strip()


@given(any_document, st.integers(1, 3))
def test_the_smallest_windows_come_to_an_end(text: str, size: int) -> None:
    windows_of(text, reading("tokens", size, size - 1))


def test_an_overlap_next_to_the_size_comes_to_an_end() -> None:
    text = "immunodeficiency syndrome " * 20
    windows = windows_of(text, reading("tokens", 12, 11))
    assert len(windows) <= 40


@pytest.mark.parametrize("window", ["document", "sentences", "tokens"])
def test_only_the_beginning_of_a_document_is_read(
    window: Literal["document", "sentences", "tokens"],
) -> None:
    text = "Ann Oke came. Bob left. Cy stayed for long."
    for characters, end in ((0, len(text)), (100, len(text)), (23, 23), (25, 23), (26, 26)):
        settings = replace(reading(window), read_characters=characters)
        windows = cut(Document("d", text), settings, shipped_prompts())
        assert_covered(text[:end], windows)
        assert max(each.end for each in windows) == end
