"""news_json: its hooks, its metric by hand, its export, and the sample that it ships."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from paths import ROOT

import fieldsmith_news_json as news_json
from fieldsmith import (
    Document,
    Example,
    Message,
    Prediction,
    Record,
    UnknownFormatError,
    field_list,
)
from fieldsmith_news_json import names

PLUGIN = ROOT / "plugins" / "news_json"
SAMPLE = PLUGIN / "sample"
SCHEMA = news_json.extract_schema()
KEYS = [
    "Country", "Headline", "Hit Sentence", "Influencer",
    "Language", "Opening Text", "Source", "URL",
]  # fmt: skip
SPANS = ["Headline", "Hit Sentence", "Influencer", "Opening Text", "Source", "URL"]

TEXT = "URL: https://a.example/1\nPost\nStorm over Vellin\nBy Jane Roe\nA storm came. Roofs fell."
RECORD: Record = {
    "Country": "Ireland",
    "Headline": "Storm over Vellin",
    "Hit Sentence": "Roofs fell.",
    "Influencer": "Jane Roe",
    "Language": "English",
    "Opening Text": "A storm came. Roofs fell.",
    "Source": "Post",
    "URL": "https://a.example/1",
}
GOLD = Example(Document("1", TEXT), RECORD)


def counts(record: Record | None, gold: Record = RECORD) -> dict[str, tuple[float, ...]]:
    example = Example(GOLD.document, gold)
    prediction = Prediction(example.document, record=record)
    return dict(news_json.extract_metric(example, prediction, SCHEMA))


# --- Hooks ----------------------------------------------------------------------------------------


def test_the_schema_has_the_keys_in_their_order_and_nobody_shares_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == KEYS
    sources = {key: field["x-source"] for key, field in SCHEMA["properties"].items()}
    assert [key for key in KEYS if sources[key] == "verbatim"] == SPANS
    news_json.extract_schema().clear()
    assert news_json.extract_schema() == SCHEMA


@pytest.mark.parametrize(
    ("record", "valid"),
    [
        (RECORD, True),
        ({}, True),
        (dict.fromkeys(KEYS), True),
        ({"Country": "Atlantis"}, False),
        ({"Country": "DE"}, False),
        ({"Language": "Klingon"}, False),
        ({"Headline": ""}, False),
        ({"Headline": ["Storm"]}, False),
        ({"Date": "today"}, False),
    ],
)
def test_records_that_the_schema_allows(record: Record, valid: bool) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(record) == valid


def test_the_brief_prompt_names_the_fields() -> None:
    assert field_list(SCHEMA) == ", ".join(KEYS)
    system, user = news_json.extract_brief_prompt(GOLD.document, SCHEMA)
    assert system == Message("system", f"Extract as JSON: {', '.join(KEYS)}")
    assert user == Message("user", TEXT)


@pytest.mark.parametrize(("preset", "size"), [("embedded", 1200), ("llama-3.1-8b", 3072)])
def test_settings(preset: str, size: int) -> None:
    settings = news_json.extract_settings(preset)
    assert (settings["window"], settings["window_size"]) == ("tokens", size)
    assert "headline_levenshtein" in settings["score"]  # type: ignore[operator]


def test_the_example_in_the_docstring_is_read(tmp_path: Path) -> None:
    row, record = (
        json.loads(block.split("\n\n")[1]) for block in (news_json.__doc__ or "").split("::")[1:]
    )
    source = tmp_path / "storm.jsonl"
    source.write_text(json.dumps(row) + "\n", encoding="utf-8")
    (example,) = news_json.extract_load(source, {})
    assert isinstance(example, Example)
    assert example.record == record
    assert list(example.record or {}) == KEYS
    assert all(record[key] in example.document.text for key in SPANS)


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("de", "Germany"), ("DEU", "Germany"), ("Deutschland", "Germany"), (" germany ", "Germany"),
        ("us", "United States"), ("U.S.A.", "United States"),
        ("The United States of America", "United States"),
        ("United States of America (the)", "United States"), ("UK", "United Kingdom"),
        ("Czech Republic", "Czechia"), ("Turkey", "Türkiye"), ("Turkiye", "Türkiye"),
        ("Cote d’Ivoire", "Côte d'Ivoire"), ("日本", "Japan"), ("Viet Nam", "Vietnam"),
        ("NA", "Namibia"), ("", None), ("Europe", None), ("en", None),
    ],
)  # fmt: skip
def test_countries(given: str, name: str | None) -> None:
    assert names.country(given) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("de", "German"), ("en-US", "English"), ("en_gb", "English"), ("zh-Hant-TW", "Chinese"),
        ("nb-NO", "Norwegian"), ("nn", "Norwegian"), ("iw", "Hebrew"), ("deu", "German"),
        ("Deutsch", "German"), ("日本語", "Japanese"), ("", None), ("xx", None), ("und", None),
    ],
)  # fmt: skip
def test_languages(given: str, name: str | None) -> None:
    assert names.language(given) == name


@pytest.mark.parametrize(
    ("kind", "key", "size"), [("countries", "Country", 250), ("languages", "Language", 181)]
)
def test_the_table_of_names_is_the_closed_list(kind: str, key: str, size: int) -> None:
    table: dict[str, list[str]] = json.loads((PLUGIN / "names.json").read_text("utf-8"))[kind]
    assert SCHEMA["properties"][key]["enum"] == [None, *table]
    assert len(table) == size
    named = names.country if kind == "countries" else names.language
    for name, others in table.items():
        assert {named(spelling) for spelling in (name, *others)} == {name}
        assert others[0] == (others[0].upper() if kind == "countries" else others[0].lower())
        assert len(others[0]) == 2


@given(st.text())
def test_any_text_is_a_name_or_none(text: str) -> None:
    assert names.country(text) in SCHEMA["properties"]["Country"]["enum"]
    assert names.language(text) in SCHEMA["properties"]["Language"]["enum"]


# --- Metric ---------------------------------------------------------------------------------------


def test_the_gold_record_is_perfect() -> None:
    scored = counts(RECORD)
    assert set(scored) == {
        "country_exact", "language_exact", "url_exact", "complete", "valid",
        *(f"{name}_{how}" for name in
          ("headline", "hit_sentence", "influencer", "opening_text", "source")
          for how in ("exact", "levenshtein")),
    }  # fmt: skip
    assert scored.pop("complete") == (8, 8, 8)
    assert all(value == (1, 1, 1) for value in scored.values())
    assert set(news_json.extract_settings("embedded")["score"]) <= set(scored)  # type: ignore[call-overload]


@pytest.mark.parametrize(("nothing", "valid"), [(None, 0), ({}, 1), (dict.fromkeys(KEYS), 1)])
def test_no_answer_predicts_nothing(nothing: Record | None, valid: int) -> None:
    scored = counts(nothing)
    assert scored.pop("valid") == (valid, valid, 1)
    assert scored.pop("complete") == (0, 0, 8)
    assert all(value == (0, 0, 1) for value in scored.values())


@pytest.mark.parametrize(
    ("headline", "exact", "alike"),
    [
        ("Storm  over\nVellin", 1, 1),
        ("STORM OVER VELLIN", 0, 1),
        ("Storm over Velli", 0, 1),
        ("Storm over", 0, 0),
        ("Post", 0, 0),
    ],
)
def test_spans_are_equal_or_alike(headline: str, exact: int, alike: int) -> None:
    scored = counts({"Headline": headline})
    names_of_headline = ("headline_exact", "headline_levenshtein", "complete")
    found = [scored[name] for name in names_of_headline]
    assert found == [(exact, 1, 1), (alike, 1, 1), (1, 1, 8)]


def test_nearly_the_right_country_is_wrong() -> None:
    assert counts({"Country": "Iceland"})["country_exact"] == (0, 1, 1)


def test_what_is_not_there_must_not_be_answered() -> None:
    gold = RECORD | {"Influencer": None, "URL": None}
    scored = counts({"Influencer": "Jane Roe", "URL": None}, gold)
    found = [scored[name] for name in ("influencer_exact", "url_exact", "complete")]
    assert found == [(0, 1, 0), (0, 0, 0), (0, 1, 6)]


def test_a_key_that_is_not_annotated_is_not_counted() -> None:
    scored = counts(RECORD, {"Headline": "Storm over Vellin"})
    assert set(scored) == {"headline_exact", "headline_levenshtein", "complete", "valid"}
    assert scored["complete"] == (1, 1, 1)


RECORDS = st.dictionaries(
    st.sampled_from(KEYS), st.sampled_from([None, "a", "A", "ab c", "İ", "\ud800", "Ireland"])
)


@given(gold=RECORDS, predicted=st.none() | RECORDS)
def test_counts_keep_their_bounds(gold: Record, predicted: Record | None) -> None:
    for matched, found, wanted in counts(predicted, gold).values():
        assert 0 <= matched <= min(found, wanted)
    for matched, found, wanted in counts(gold, gold).values():
        assert matched == found == wanted


# --- Export ---------------------------------------------------------------------------------------


def exported(record: Record) -> dict[str, Any]:
    text = news_json.extract_export({"x": record}, "original")
    row: dict[str, Any] = json.loads(text)
    return row


def test_export_has_all_keys_and_real_json() -> None:
    assert list(exported(RECORD)) == ["id", *KEYS]
    assert exported({}) == {"id": "x", **dict.fromkeys(KEYS)}
    assert news_json.extract_export({"a": {}, "b": {}}, "original").count("\n") == 2


@pytest.mark.parametrize(
    ("record", "hit", "opening"),
    [
        ({"Hit Sentence": "State. She won, after"}, "... State. She won, after ...", None),
        ({"Hit Sentence": "Roofs fell."}, "... Roofs fell.", None),
        ({"Hit Sentence": "A storm", "Opening Text": "A storm ."}, "A storm ...", "A storm ."),
        ({"Opening Text": "“It came.”"}, None, "“It came.”"),
        ({"Opening Text": "嵐が来た。"}, None, "嵐が来た。"),
        ({"Opening Text": "Ky. (WBKO) -"}, None, "Ky. (WBKO) - ..."),
        ({"Opening Text": "word " * 40 + "end."}, None, ("word " * 28).strip() + " ..."),
        ({"Opening Text": "あ" * 150 + "。"}, None, "あ" * 140 + " ..."),
    ],
)  # fmt: skip
def test_export_marks_where_snippets_are_cut(
    record: Record, hit: str | None, opening: str | None
) -> None:
    row = exported(record)
    assert (row["Hit Sentence"], row["Opening Text"]) == (hit, opening)


def test_an_unknown_format_names_the_known_one() -> None:
    with pytest.raises(UnknownFormatError, match="original"):
        news_json.extract_export({}, "turtle")


def test_what_is_exported_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text(news_json.extract_export({"7": RECORD}, "original"), encoding="utf-8")
    (example,) = news_json.extract_load(file, {})
    assert isinstance(example, Example)
    assert (example.document.id, example.document.text, example.record) == ("7", "", RECORD)


# --- Sample ---------------------------------------------------------------------------------------


@cache
def generator() -> ModuleType:
    path = ROOT / "tools" / "samples" / "news_json.py"
    spec = importlib.util.spec_from_file_location("news_json_sample", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@cache
def sample() -> dict[str, list[Example]]:
    by_split: dict[str, list[Example]] = {}
    for row in news_json.extract_load(None, {}):
        assert isinstance(row, Example), row
        by_split.setdefault(str(row.split), []).append(row)
    return by_split


def test_the_sample_is_what_its_tool_makes() -> None:
    made = generator().files()
    assert sorted(path.name for path in SAMPLE.iterdir()) == sorted(made)
    for name, content in made.items():
        assert (SAMPLE / name).read_bytes() == content.encode(), f"run the tool: {name} differs"


def test_the_sample_is_valid_and_every_span_is_in_its_text() -> None:
    sizes = {split: len(found) for split, found in sample().items()}
    assert sizes == {"train": 240, "validation": 30, "test": 50}
    validator = Draft202012Validator(SCHEMA)
    for example in (example for found in sample().values() for example in found):
        record = example.record or {}
        assert validator.is_valid(record)
        for key in SPANS:
            assert (record.get(key) or "") in example.document.text
        assert "None" not in example.document.text


def test_the_sample_is_varied() -> None:
    documents = [example for found in sample().values() for example in found]
    records = [example.record or {} for example in documents]
    languages = Counter(record.get("Language") for record in records)
    assert len(languages.keys() - {None}) == 8
    assert min(languages.values()) >= 5
    assert len({record.get("Country") for record in records}) > 12
    for key in ("Influencer", "Hit Sentence", "Source", "URL"):
        assert sum(record.get(key, "") is None for record in records) >= 15, key
    for key in ("Country", "Language", "Influencer", "Hit Sentence"):
        assert sum(key not in record for record in records) >= 3, key
    first = [example.document.text.split("\n")[0] for example in documents]
    headlines = [record["Headline"] for record in records]
    assert 0 < sum(a == b for a, b in zip(first, headlines, strict=True)) < len(documents) / 10
    assert sum(len(example.document.text) > 1_200 for example in documents) >= 15


def test_by_lines_are_before_and_after_the_headline_and_at_the_end() -> None:
    places: Counter[str] = Counter()
    for example in (example for found in sample().values() for example in found):
        record = example.record or {}
        text, author = example.document.text, record.get("Influencer")
        if author and text.count(author) == 1:
            at = text.index(author)
            headline = text.rindex(record["Headline"])
            opening = text.index(record["Opening Text"])
            places["before" if at < headline else "between" if at < opening else "after"] += 1
    assert min(places.values()) > 20
    assert len(places) == 3


def test_the_test_documents_have_stories_of_their_own() -> None:
    def stories(split: str) -> set[str]:
        found = (example.record or {} for example in sample()[split])
        return {"".join(c for c in record["Headline"] if not c.isdigit()) for record in found}

    assert not stories("test") & (stories("train") | stories("validation"))


# --- Plain baseline -------------------------------------------------------------------------------


def test_the_plain_baseline_reads_a_plain_page() -> None:
    from benchmarks.baseline_news import LONG, predict

    opening = "A storm tore the roofs off " + "many " * LONG + "homes."
    page = f"Home | News\nStorm over the bay of Vellin\nBy Jane Roe\n{opening}\n© Post"
    text = f"URL: https://post.ie/storm\n{page}"
    assert predict(text) == {
        "Country": "Ireland",
        "Headline": "Storm over the bay of Vellin",
        "Hit Sentence": None,
        "Influencer": "Jane Roe",
        "Language": "English",
        "Opening Text": opening,
        "Source": "Post",
        "URL": "https://post.ie/storm",
    }


@given(st.text())
def test_the_plain_baseline_answers_any_text_with_a_record(text: str) -> None:
    from benchmarks.baseline_news import predict

    validator = Draft202012Validator(SCHEMA)
    record = {key: value or None for key, value in predict(text).items()}
    assert validator.is_valid(record), record
