"""Texts of all that is hard to copy into a JSON string, and their spans."""

from __future__ import annotations

from hypothesis import strategies as st

from fieldsmith.text.grounding import segments

# What a document may hold: ends of JSON strings, escapes, control characters, white space of every
# kind, marks that join with what is before them, scripts without spaces, names of control tokens.
PIECES = (
    *("aspirin", "Zürich", "x", "_9", "5", " ", "  ", ",", ".", "(", "-", '"', '""', "\\", "\\n"),
    *("/", "{", "}", "[", "]", ":", "null", "\\u0041", "'", "`"),
    *map(chr, range(0x21)),
    *("\r\n", "\x7f", "\x85", "\xa0", "\xad", "\u2028", "\u2029", "\u200b", "\u3000", "\ufeff"),
    *("e\u0301", "\u0301", " \u0301", "👩\u200d🔬", "👍🏽", "🇩🇪", "\u200d", "\ufe0f", "😀"),
    *("阿司匹林", "引", "ยา", "دواء", "أسبرين ", "한국어", "が", "𝒳"),
    *("<|eot_id|>", "<|begin_of_text|>", "<|pad|>", "</s>", "<think>"),
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map("".join)


def spans_of(text: str) -> list[str]:
    """Return every run of at most six chunks that has no white space at its ends."""
    cut = segments(text)
    runs = (
        "".join(cut[start:end])
        for start in range(len(cut))
        for end in range(start + 1, min(start + 6, len(cut)) + 1)
    )
    return [run for run in runs if run == run.strip()]
