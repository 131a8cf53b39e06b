"""A text with the values of a prediction marked in it."""

from __future__ import annotations

import re

from fieldsmith import Document, Prediction, marked_html


def predicted(text: str, record: dict[str, object], **more: object) -> Prediction:
    return Prediction(Document("a", text), record=record, **more)  # type: ignore[arg-type]


def marks(html: str) -> list[tuple[str, str]]:
    """Return each marked value with what stands below it."""
    return re.findall(r"<mark[^>]*>(.*?)<sub>(.*?)</sub></mark>", html)


def test_values_are_marked_where_they_stand_and_others_follow() -> None:
    html = marked_html(
        predicted(
            "Velmol caused tarvitis.",
            {"chemicals": ["Velmol"], "relations": [{"chemical": "Velmol"}], "language": "English"},
            spans={"/relations/0/chemical": (0, 6), "/chemicals/0": (0, 6)},
            confidence={"/chemicals/0": 0.9, "/relations/0/chemical": 0.5, "/language": 0.25},
        )
    )
    assert marks(html) == [
        ("Velmol", "relations/chemical 0.50"),
        ("Velmol", "chemicals 0.90"),
        ("English", "language 0.25"),
    ]
    assert " caused tarvitis.</div>" in html


def test_the_longest_of_overlapping_values_is_marked_in_the_text() -> None:
    html = marked_html(
        predicted(
            "acute tarvitis",
            {"diseases": ["tarvitis", "acute tarvitis"]},
            spans={"/diseases/0": (6, 14), "/diseases/1": (0, 14)},
            confidence={"/diseases/0": 0.5, "/diseases/1": 0.5},
        )
    )
    assert [value for value, _label in marks(html)] == ["acute tarvitis", "tarvitis"]


def test_a_text_is_no_markup() -> None:
    script = "<script>alert(1)</script>"
    record: dict[str, object] = {"a": script, 'x"><b>': script}
    html = marked_html(
        predicted(
            f"{script} & more",
            record,
            spans={"/a": (0, len(script))},
            confidence={"/a": 1.0, '/x"><b>': 1.0},
        )
    )
    assert "<script" not in html
    assert "<b>" not in html
    assert " &amp; more" in html


def test_the_error_of_a_document_without_a_record_is_shown() -> None:
    html = marked_html(Prediction(Document("a", "text"), error="length: <too long>"))
    assert html == "<p>length: &lt;too long&gt;</p>"
