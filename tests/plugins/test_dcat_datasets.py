"""dcat_datasets: its hooks, its metric by hand, and the sample that it ships."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from paths import ROOT

import fieldsmith_dcat_datasets as dcat_datasets
from fieldsmith import Document, Example, Message, Prediction, Record, field_list
from fieldsmith_dcat_datasets.mending import KEYS, LISTS
from fieldsmith_dcat_datasets.titles import THRESHOLD, forms, similarity

SAMPLE = ROOT / "plugins" / "dcat_datasets" / "sample"
SCHEMA = dcat_datasets.extract_schema()


def dataset(title: str | None, **given: Any) -> dict[str, Any]:
    """Return a dataset of which all is annotated; keywords are the keys' local names."""
    local = {key.partition(":")[2]: key for key in KEYS}
    empty: dict[str, Any] = {
        key: [] if key in LISTS else None for key in KEYS if key != "dcterms:description"
    }
    return {**empty, "dcterms:title": title, **{local[k]: v for k, v in given.items()}}


def record(*datasets: dict[str, Any]) -> Record:
    return {"datasets": list(datasets)}


def counts(gold: Record, predicted: Record | None) -> dict[str, Any]:
    document = Document("1", "A text.")
    prediction = Prediction(document, record=predicted)
    return dict(dcat_datasets.extract_metric(Example(document, gold), prediction, SCHEMA))


# --- Hooks ----------------------------------------------------------------------------------------


def test_the_schema_is_one_and_nobody_shares_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    items = SCHEMA["properties"]["datasets"]["items"]
    assert tuple(items["properties"]) == KEYS
    assert items["x-key"] == ["dcterms:title"]
    dcat_datasets.extract_schema().clear()
    assert dcat_datasets.extract_schema() == SCHEMA


@pytest.mark.parametrize(
    ("given", "valid"),
    [
        ({}, True),
        ({"datasets": []}, True),
        ({"datasets": [{}]}, False),
        ({"datasets": [{"dcterms:title": "Velmar"}]}, True),
        (record(dataset("Velmar", creator=["A. Tov"], issued="2016")), True),
        (record(dataset(None)), True),
        (record(dataset("")), False),
        (record(dataset("Velmar", creator="A. Tov")), False),
        (record(dataset("Velmar", language=["English"])), False),
        (record({**dataset("Velmar"), "dcterms:landingPage": None}), False),
        ({"datasets": None}, False),
    ],
)
def test_records_that_the_schema_allows(given: Record, valid: bool) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(given) == valid


def test_the_brief_prompt_names_the_fields() -> None:
    messages = dcat_datasets.extract_brief_prompt(Document("1", "Some text."), SCHEMA)
    fields = field_list(SCHEMA)
    assert fields.startswith("datasets[]{dcterms:title, dcterms:creator[], ")
    system = Message("system", f"Extract as JSON: {fields}")
    assert messages == [system, Message("user", "Some text.")]


@pytest.mark.parametrize(("preset", "window"), [("embedded", "tokens"), ("other", "document")])
def test_settings(preset: str, window: str) -> None:
    settings = dcat_datasets.extract_settings(preset)
    assert settings["window"] == window
    assert settings["score"] == ["datasets", "values"]


def test_the_example_in_the_docstring_is_read(tmp_path: Path) -> None:
    _head, answer, expected = (dcat_datasets.__doc__ or "").split("::")
    source = tmp_path / "paper_7.json"
    source.write_text(answer.partition("beside")[0], encoding="utf-8")
    (example,) = dcat_datasets.extract_load(source)
    assert isinstance(example, Example)
    assert example.record == json.loads(expected)


# --- Titles ---------------------------------------------------------------------------------------

SAME = [
    ("Velmar", "VELMAR"),
    ("Velmar", "the Velmar dataset"),
    ("Velmar-QA", "VelmarQA corpus"),
    ("Orlan Speech Archive (OSA)", "OSA"),
    ("Orlan Speech Archive (OSA)", "Orlan speech archive"),
    ("OSA (Orlan Speech Archive)", "orlan speech archive dataset"),
    ("Velmar 2.0", "Velmar 2.0 benchmark"),
    ("Penn Velmar Treebank 2.0", "Penn Velmar Treebank"),
    ("Caesar’s Velmar", "Caesars Velmar"),
    ("ヴェルマール", "ヴェルマール dataset"),
]
OTHER = [
    ("Velmar-10", "Velmar-100"),
    ("Velmar (train)", "Orlan (train)"),
    ("Velmar (2010)", "Orlan (2010)"),
    ("English PropBank", "Hindi PropBank"),
    ("Velmar", "VelmarSpeech"),
    ("", ""),
    ("Velmar", ""),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_spellings_of_one_title(a: str, b: str) -> None:
    assert similarity(a, b) >= THRESHOLD
    assert similarity(b, a) >= THRESHOLD


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_titles_of_two_datasets(a: str, b: str) -> None:
    assert similarity(a, b) < THRESHOLD
    assert similarity(b, a) < THRESHOLD


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_of_itself_full(a: str, b: str) -> None:
    assert similarity(a, b) == pytest.approx(similarity(b, a))
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, a) == (1 if forms(a) else 0)


# --- The metric -----------------------------------------------------------------------------------

GOLD = record(
    dataset(
        "Velmar (VM)",
        creator=["Ilka Tov", "A. B. Orlan"],
        issued="2016",
        language="English, German",
        identifier="arXiv:1234.5678",
        landingPage="https://www.velmar.example/",
        hasVersion="v1.0",
        keyword=["road signs"],
        task=["object detection"],
    ),
    dataset("Velmar-10", issued="2017", format="Image"),
)


def test_the_gold_is_right_in_all() -> None:
    scored = counts(GOLD, GOLD)
    assert all(matched == predicted == gold for matched, predicted, gold in scored.values())
    assert scored["datasets"] == (2, 2, 2)
    assert scored["values"] == (13, 13, 13)
    assert scored["hasVersion"] == (1, 1, 1)
    assert scored["theme"] == (0, 0, 0)


def test_the_counts_by_hand() -> None:
    predicted = record(
        dataset("velmar 100", issued="2017"),  # another one: it has another number
        dataset(
            "The VM corpus",
            creator=["ilka tov", "Someone Else"],
            issued="2015",
            language="german and English",
            identifier="https://arxiv.org/abs/1234.5678",
            landingPage="http://velmar.example",
            hasVersion="1.0",
            format="Text",
            keyword=["Road-signs", "road signs"],
        ),
    )
    scored = counts(GOLD, predicted)
    assert scored["datasets"] == (1, 2, 2)
    assert scored["title"] == (0, 1, 1)
    assert scored["creator"] == (1, 2, 2)
    assert scored["issued"] == (0, 1, 1)
    assert scored["language"] == (1, 1, 1)
    assert scored["identifier"] == (1, 1, 1)
    assert scored["landingPage"] == (1, 1, 1)
    assert scored["hasVersion"] == (1, 1, 1)
    assert scored["format"] == (0, 1, 0)
    assert scored["keyword"] == (1, 1, 1)
    assert scored["task"] == (0, 0, 1)
    assert scored["format_agreed"] == (0, 1, 1)
    assert scored["values"] == (6, 12, 13)


def test_a_field_that_both_leave_empty_agrees_and_counts_nothing() -> None:
    scored = counts(record(dataset("Velmar")), record(dataset("Velmar")))
    assert scored["hasVersion"] == (0, 0, 0)
    assert scored["hasVersion_agreed"] == (1, 1, 1)


def test_the_pairs_are_the_best_ones_as_a_whole() -> None:
    gold = record(dataset("Velmar Speech A"), dataset("Velmar Speech B"))
    predicted = record(dataset("Velmar Speech B"), dataset("Velmar Speech AB"))
    scored = counts(gold, predicted)
    assert scored["datasets"] == (2, 2, 2)
    assert scored["title"] == (1, 2, 2)


def test_what_is_not_annotated_is_not_counted() -> None:
    gold = record({"dcterms:title": "Velmar", "dcterms:issued": None})
    scored = counts(gold, GOLD)
    assert set(scored) == {"datasets", "title", "issued", "issued_agreed", "values"}
    assert scored["values"] == (0, 4, 1)  # two titles and two years, of which none is right
    assert counts({}, GOLD) == {}


@pytest.mark.parametrize("predicted", [None, {}, {"datasets": []}])
def test_no_answer_finds_nothing(predicted: Record | None) -> None:
    scored = counts(GOLD, predicted)
    assert scored["datasets"] == (0, 0, 2)
    assert scored["values"] == (0, 0, 13)
    assert set(scored) == set(counts(GOLD, GOLD))


def test_datasets_where_there_are_none() -> None:
    scored = counts(record(), record(dataset("Velmar", issued="2016")))
    assert scored["datasets"] == (0, 1, 0)
    assert scored["values"] == (0, 2, 0)


# --- The sample -----------------------------------------------------------------------------------


def imported(path: Path) -> ModuleType:
    """Import a file that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


EXAMPLES = [row for row in dcat_datasets.extract_load(None) if isinstance(row, Example)]


def test_the_sample_is_what_its_tool_writes() -> None:
    written = imported(ROOT / "tools" / "samples" / "dcat_datasets.py").files()
    assert set(written) == {path.name for path in SAMPLE.iterdir()}
    for name, content in written.items():
        assert (SAMPLE / name).read_bytes() == content.encode()


def test_the_sample_has_its_splits_and_says_what_it_says() -> None:
    splits = [example.split for example in EXAMPLES]
    assert {split: splits.count(split) for split in splits} == {
        "train": 120,
        "validation": 20,
        "test": 20,
    }
    numbers = [len((example.record or {})["datasets"]) for example in EXAMPLES]
    assert set(numbers) == {0, 1, 2, 3}
    assert numbers.count(0) >= 10
    listed = 0
    for example in EXAMPLES:
        for each in (example.record or {})["datasets"]:
            text = example.document.text.casefold()
            assert each["dcterms:title"].casefold() in text
            for key in ("dcterms:issued", "dcat:landingPage", "dcterms:identifier"):
                assert each[key] is None or each[key] in text
            for key in LISTS:
                assert all(value.casefold() in text for value in each[key])
                listed += len(each[key])
    assert listed > len(EXAMPLES)


def test_no_dataset_of_the_sample_is_in_two_passages() -> None:
    titles = [each["dcterms:title"] for e in EXAMPLES for each in (e.record or {})["datasets"]]
    assert len(set(titles)) == len(titles)


def test_no_rule_by_place_finds_the_titles_of_the_sample() -> None:
    some = [example for example in EXAMPLES if (example.record or {})["datasets"]]
    first_line = [e.document.text.split("\n")[0] for e in some]
    firsts = [(e.record or {})["datasets"][0]["dcterms:title"] for e in some]
    share = sum(title in line for title, line in zip(firsts, first_line, strict=True)) / len(some)
    assert 0.05 < share < 0.5


def test_titles_come_back_in_other_spellings_before_and_after() -> None:
    before = after = 0
    for example in EXAMPLES:
        text = example.document.text
        for each in (example.record or {})["datasets"]:
            title = each["dcterms:title"]
            others = {title.upper(), title.lower(), *re.findall(r"\((\w+)\)", title)} - {title}
            places = [
                m.start() for o in others for m in re.finditer(rf"(?<!\(){re.escape(o)}", text)
            ]
            before += any(place < text.find(title) for place in places)
            after += any(place > text.find(title) for place in places)
    assert before >= 5
    assert after >= 5


# --- The baseline ---------------------------------------------------------------------------------


def test_the_baseline_finds_plain_mentions() -> None:
    predict = imported(ROOT / "benchmarks" / "baseline_datasets.py").predict
    text = (
        "We train on the Orlan Speech Archive (OSA), made in 2016 from Finnish and Dutch calls, "
        "see https://orlan.example/osa. The OSA corpus is small; the “Velmar 2” dataset is not."
    )
    first, second = predict(text)["datasets"]
    assert first["dcterms:title"] == "Orlan Speech Archive (OSA)"
    assert first["dcterms:issued"] == "2016"
    assert first["dcterms:language"] == "Finnish, Dutch"
    assert first["dcat:landingPage"] == "https://orlan.example/osa"
    assert second["dcterms:title"] == "Velmar 2"
    assert Draft202012Validator(SCHEMA).is_valid({"datasets": [first, second]})
    assert predict("") == {"datasets": []}


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("English", "http://publications.europa.eu/resource/authority/language/ENG", True),
        ("English, Chinese", "zh-Hans; en_GB", True),
        ("German", "http://id.loc.gov/vocabulary/iso639-1/de", True),
        ("German", "http://id.loc.gov/vocabulary/iso639-1/en", False),
        ("Klingon", "klingon", True),
        ("Klingon", "Sindarin", False),
    ],
)
def test_a_language_is_the_same_however_it_is_written(wanted: str, found: str, same: bool) -> None:
    gold, predicted = (record(dataset("Velmar", language=each)) for each in (wanted, found))
    scored = counts(gold, predicted)
    assert scored["language"] == (float(same), 1, 1)
