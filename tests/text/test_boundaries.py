"""Where documents are cut: at the largest boundary in sight, in any language, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_plugins import shipped_prompts

from fieldsmith import Document
from fieldsmith.settings import Settings
from fieldsmith.text.boundaries import Boundaries, sentences
from fieldsmith.windows.cutting import cut


def windows_of(text: str, size: int, overlap: int = 0) -> list[str]:
    settings = Settings(window="tokens", window_size=size, window_overlap=overlap)
    windows = cut(Document("d", text), settings, shipped_prompts())
    return [window.document.text for window in windows]


def count(text: str) -> int:
    return shipped_prompts().count(text)


WORDS = "alpha beta gamma delta"
SENTENCE = f"{WORDS} {WORDS}."
PARAGRAPH = f"{SENTENCE} {SENTENCE}"


@pytest.mark.parametrize("heading", ["## Methods", "2 Methods", "2.1. Data", "METHODS", "方法"])
def test_a_window_ends_where_a_section_does(heading: str) -> None:
    first = f"Introduction\n\n{PARAGRAPH}\n\n{PARAGRAPH}"
    second = f"{heading}\n\n{PARAGRAPH}\n\n{PARAGRAPH}"
    size = count(f"{first}\n\n{heading}\n\n{PARAGRAPH}") + 2
    assert windows_of(f"{first}\n\n{second}", size) == [first, second]


def test_a_numbered_heading_needs_no_blank_line() -> None:
    first, second = f"1 Aims\n{PARAGRAPH}", f"2 Means\n{PARAGRAPH}"
    assert windows_of(f"{first}\n{second}", count(first) + 12) == [first, second]


def test_without_a_section_in_sight_it_ends_with_a_paragraph() -> None:
    whole = "\n \n".join([PARAGRAPH] * 5)
    text = "\n \n".join([PARAGRAPH] * 10)
    assert windows_of(text, count(whole) + count(SENTENCE)) == [whole, whole]


def test_a_heading_stays_with_what_follows_it() -> None:
    parts = [f"Part {number}\n\n{SENTENCE} {SENTENCE}" for number in "ABCDEFGHIJKL"]
    size = count(parts[0])
    for more in range(5 * size, 6 * size):
        for window in windows_of("\n\n".join(parts), more):
            assert window.startswith("Part")
            assert window.endswith(".")


def test_without_a_paragraph_it_ends_with_a_sentence() -> None:
    whole = " ".join([SENTENCE] * 4)
    assert windows_of(f"{whole} {whole}", 4 * count(SENTENCE) + 5) == [whole, whole]


def test_a_boundary_that_leaves_too_little_is_passed_over() -> None:
    text = f"Short.\n\n{' '.join([WORDS] * 12)}"
    first, *_ = windows_of(text, count(text) // 2)
    assert len(first) > len(text) // 3


def test_windows_that_share_text_begin_with_a_sentence_if_one_is_near() -> None:
    text = " ".join([SENTENCE] * 9)
    overlap = count(PARAGRAPH) - count(SENTENCE) + 3
    windows = windows_of(text, count(" ".join([SENTENCE] * 4)) + 2, overlap)
    assert len(windows) > 2
    assert all(window.startswith("alpha") and window.endswith(".") for window in windows)
    assert sum(map(len, windows)) > len(text)


@pytest.mark.parametrize(
    "first",
    [
        "我在东京工作。",
        "「本です。」",
        "यह एक वाक्य है।",
        "هل أنت هنا؟",
        "یہ ایک جملہ ہے۔",
        "Սա նախադասություն է։",
        "ይህ ነው።",
        "នេះជាប្រយោគ។",
        "Он живёт на ул. Ленина.",
        "Τι κάνεις;",
        "She met Dr. Smith et al. there.",
    ],
)
def test_sentences_end_in_any_language(first: str) -> None:
    text = f"{first} {first} {first}"
    boundaries = Boundaries.find(text, (0, len(text)))
    ends = [len(first) * number + number - 1 for number in (1, 2)]
    assert [end for end in boundaries.ends[-1] if 0 < end < len(text)] == ends
    assert boundaries.starts == [0, ends[0] + 1, ends[1] + 1]


def test_the_script_decides_whose_abbreviations_count() -> None:
    assert len(sentences("Он живёт на ул. Ленина. Она тоже.")) == 2
    assert len(sentences("She met Dr. Smith. He left.")) == 2


def test_a_word_in_a_text_without_spaces_stays_whole() -> None:
    text = "模型" * 9 + "Transformers" + "模型" * 9
    for size in range(count("Transformers") + 4, count(text), 3):
        windows = windows_of(text, size)
        assert "".join(windows) == text
        assert any("Transformers" in window for window in windows)


def test_what_is_tokenised_grows_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = shipped_prompts()
    settings = Settings(window="tokens", window_size=64, window_overlap=16)
    read = 0

    for name in ("offsets", "count"):
        real = getattr(type(prompts), name)

        def counted(text: str, real: object = real) -> object:
            nonlocal read
            read += len(text)
            return real(prompts, text)  # type: ignore[operator]

        monkeypatch.setattr(prompts, name, counted)
    work = []
    for times in (20, 80):
        text = "\n\n".join([f"Part\n\n{PARAGRAPH}"] * times)
        read = 0
        cut(Document("d", text), settings, prompts)
        work.append(read / len(text))
    assert work[1] <= work[0] * 1.2
    assert work[1] < 8


parts = st.lists(
    st.sampled_from(
        ["# A", "1 B", "One. Two.", "三。", "x\ny", "...", "\f", " ", "\u2029", "No. 5"]
    ),
    max_size=12,
)


@given(parts, st.sampled_from(["\n\n", "\n", " ", "\r\n\r\n", ""]))
def test_boundaries_ascend_and_lie_in_the_text(found: list[str], between: str) -> None:
    text = between.join(found)
    start = min(2, len(text))
    boundaries = Boundaries.find(text, (start, len(text)))
    for level in (*boundaries.ends, boundaries.starts):
        assert list(level) == sorted(level)
        assert all(start <= at <= len(text) for at in level)
    for ends in boundaries.ends:
        assert all(at == start or not text[at - 1].isspace() for at in ends)
