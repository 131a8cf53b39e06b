"""medical_ner: its hooks, its metric by hand, and the sample that it ships."""

from __future__ import annotations

import importlib.util
import json
import re
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

import fieldsmith_medical_ner as medical_ner
from fieldsmith import Document, Example, Message, Prediction, Record, field_list
from fieldsmith_medical_ner.occurrences import longest_occurrences, occurrences

SAMPLE = ROOT / "plugins" / "medical_ner" / "sample"
SCHEMA = medical_ner.extract_schema()

TEXT = "Velmol (VML) caused tarvitis; VELMOL, not zinc, caused portal tarvitis. Fever came."
RECORD: Record = {
    "chemicals": ["Velmol", "VML", "zinc"],
    "diseases": ["tarvitis", "portal tarvitis", "Fever"],
    "relations": [
        {"chemical": "Velmol", "disease": "tarvitis"},
        {"chemical": "Velmol", "disease": "portal tarvitis"},
    ],
}
VELMOL = [(0, 6), (8, 11), (30, 36)]
GOLD = Example(
    Document("1", TEXT),
    RECORD,
    {
        "/chemicals/0": [(0, 6), (30, 36)],
        "/chemicals/1": [(8, 11)],
        "/chemicals/2": [(42, 46)],
        "/diseases/0": [(20, 28)],
        "/diseases/1": [(55, 70)],
        "/diseases/2": [(72, 77)],
        "/relations/0/chemical": VELMOL,
        "/relations/0/disease": [(20, 28)],
        "/relations/1/chemical": VELMOL,
        "/relations/1/disease": [(55, 70)],
    },
)
UNPLACED = Example(GOLD.document, RECORD)


def counts(record: Record | None, example: Example = GOLD) -> dict[str, tuple[float, ...]]:
    prediction = Prediction(example.document, record=record)
    return dict(medical_ner.extract_metric(example, prediction, SCHEMA))


def relations(*pairs: tuple[str, str]) -> Record:
    return {"relations": [{"chemical": c, "disease": d} for c, d in pairs]}


# --- Hooks ----------------------------------------------------------------------------------------


def test_the_schema_is_one_and_nobody_shares_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == ["chemicals", "diseases", "relations"]
    medical_ner.extract_schema().clear()
    assert medical_ner.extract_schema() == SCHEMA


@pytest.mark.parametrize(
    ("record", "valid"),
    [
        (RECORD, True),
        ({}, True),
        ({"diseases": []}, True),
        ({"chemicals": [""]}, False),
        ({"chemicals": None}, False),
        ({"genes": []}, False),
        ({"relations": [{"chemical": "x"}]}, False),
        ({"relations": [{"chemical": "x", "disease": "y", "score": 1}]}, False),
    ],
)
def test_records_that_the_schema_allows(record: Record, valid: bool) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(record) == valid


def test_the_brief_prompt_names_the_fields() -> None:
    assert field_list(SCHEMA) == "chemicals[], diseases[], relations[]{chemical, disease}"
    assert medical_ner.extract_brief_prompt(GOLD.document, SCHEMA) == [
        Message(
            "system", "Extract as JSON: chemicals[], diseases[], relations[]{chemical, disease}"
        ),
        Message("user", TEXT),
    ]


def test_settings() -> None:
    small, large = map(medical_ner.extract_settings, ("embedded", "llama-3.2-3b"))
    score = {"score": ["chemicals", "diseases", "relations"]}
    assert large == {"window": "document", **score}
    assert small == {"window": "sentences", "augment_copies": 2, "epochs": 2, **score}


def test_the_example_in_the_docstring_is_read(tmp_path: Path) -> None:
    lines = (medical_ner.__doc__ or "").split("\n")
    data = [re.sub(r" {2,}", "\t", line.strip()) for line in lines if "8701013" in line]
    source = tmp_path / "famotidine.txt"
    source.write_text("\n".join(data) + "\n", encoding="utf-8")
    (example,) = medical_ner.extract_load(source, {})
    assert isinstance(example, Example)
    record = json.loads((medical_ner.__doc__ or "").split("::")[-1])
    assert example.record == record


# --- Metric ---------------------------------------------------------------------------------------


def test_the_gold_record_is_perfect_but_for_nothing() -> None:
    assert counts(RECORD) == {
        "chemicals": (3, 3, 3),
        "chemicals_mentions": (4, 4, 4),
        "diseases": (3, 3, 3),
        "diseases_mentions": (3, 3, 3),
        "relations": (2, 2, 2),
    }


@pytest.mark.parametrize("nothing", [None, {}, {"chemicals": [], "diseases": [], "relations": []}])
def test_no_answer_predicts_nothing(nothing: Record | None) -> None:
    assert counts(nothing) == {
        "chemicals": (0, 0, 3),
        "chemicals_mentions": (0, 0, 4),
        "diseases": (0, 0, 3),
        "diseases_mentions": (0, 0, 3),
        "relations": (0, 0, 2),
    }


def test_names_are_sets_of_folded_strings() -> None:
    record: Record = {"chemicals": ["VELMOL", "velmol", "gold"], "diseases": ["FEVER"]}
    assert counts(record)["chemicals"] == (1, 2, 3)
    assert counts(record)["diseases"] == (1, 1, 3)


def test_each_occurrence_of_a_string_is_a_mention() -> None:
    assert counts({"chemicals": ["velmol"]})["chemicals_mentions"] == (2, 2, 4)
    # Alone, "tarvitis" also claims the end of "portal tarvitis", which is another mention.
    assert counts({"diseases": ["tarvitis"]})["diseases_mentions"] == (1, 2, 3)
    assert counts({"diseases": ["tarvitis", "portal tarvitis"]})["diseases_mentions"] == (2, 2, 3)
    assert counts({"diseases": ["portal"]})["diseases_mentions"] == (0, 1, 3)
    assert counts({"diseases": ["ever", "gout"]})["diseases_mentions"] == (0, 0, 3)


def test_without_offsets_no_mentions_are_counted() -> None:
    assert set(counts(RECORD, UNPLACED)) == {"chemicals", "diseases", "relations"}


def test_a_wrong_mention_counts_where_none_is_annotated() -> None:
    example = Example(GOLD.document, {"chemicals": []}, {"/chemicals": []})
    assert counts({"chemicals": ["velmol"]}, example) == {
        "chemicals": (0, 1, 0),
        "chemicals_mentions": (0, 2, 0),
    }


def test_a_key_that_is_not_annotated_is_not_counted() -> None:
    example = Example(GOLD.document, {"diseases": []}, {"/diseases/0": [(20, 28)]})
    assert set(counts(RECORD, example)) == {"diseases", "diseases_mentions"}


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([("Velmol", "tarvitis")], (1, 1, 2)),
        ([("VELMOL", "Tarvitis")], (1, 1, 2)),
        ([("vml", "tarvitis")], (1, 1, 2)),
        # Two names of one relation are one prediction; a wrong one counts for itself.
        ([("VML", "tarvitis"), ("Velmol", "tarvitis"), ("zinc", "tarvitis")], (1, 2, 2)),
        ([("zinc", "Fever"), ("ZINC", "fever")], (0, 1, 2)),
        ([("tarvitis", "Velmol")], (0, 1, 2)),
        ([("VML", "tarvitis"), ("VML", "portal tarvitis")], (2, 2, 2)),
        ([], (0, 0, 2)),
    ],
)
def test_relations(predicted: list[tuple[str, str]], expected: tuple[int, ...]) -> None:
    assert counts(relations(*predicted))["relations"] == expected


def test_relations_without_offsets_go_by_the_record() -> None:
    assert counts(relations(("velmol", "TARVITIS")), UNPLACED)["relations"] == (1, 1, 2)
    assert counts(relations(("VML", "tarvitis")), UNPLACED)["relations"] == (0, 1, 2)


def test_one_name_may_be_right_for_two_relations() -> None:
    text = "renal and hepatic failure, renal failure, liver failure; x"
    whole = (0, 25)
    example = Example(
        Document("1", text),
        relations(("x", "renal failure"), ("x", "liver failure")),
        {
            "/relations/0/disease": [whole, (27, 40)],
            "/relations/1/disease": [whole, (42, 55)],
        },
    )
    both = relations(("x", "renal and hepatic failure"))
    assert counts(both, example) == {"relations": (2, 2, 2)}


WORDS = st.sampled_from(["a", "A", "b", "ab", "a b", "b-a", "ß", "SS", "İ", "i", "(a)", "β1", "å"])
SPACES = st.sampled_from([" ", "-", ", ", "(", "\n"])
TEXTS = st.lists(st.tuples(WORDS, SPACES)).map(lambda parts: "".join(w + s for w, s in parts))
RECORDS = st.fixed_dictionaries(
    {
        "chemicals": st.lists(WORDS),
        "diseases": st.lists(WORDS),
        "relations": st.lists(st.fixed_dictionaries({"chemical": WORDS, "disease": WORDS})),
    }
)


@given(text=TEXTS, gold=RECORDS, predicted=RECORDS)
def test_counts_keep_their_bounds(text: str, gold: Record, predicted: Record) -> None:
    spans = {
        f"/{field}/{number}": found
        for field in ("chemicals", "diseases")
        for number, found in enumerate(longest_occurrences(gold[field], text).values())
        if found
    }
    example = Example(Document("1", text), gold, spans)
    for matched, found, wanted in counts(predicted, example).values():
        assert 0 <= matched <= min(found, wanted)
    for matched, found, wanted in counts(gold, example).values():
        assert matched == found == wanted


@given(name=WORDS, text=TEXTS)
def test_occurrences_are_whole_words_at_true_offsets(name: str, text: str) -> None:
    for start, end in occurrences(name, text):
        assert re.fullmatch(re.escape(name), text[start:end], re.IGNORECASE)
        for border in (start, end):
            assert not re.fullmatch(r"\w\w", text[max(0, border - 1) : border + 1])


@given(names=st.lists(WORDS), text=TEXTS)
def test_longest_occurrences_do_not_overlap(names: list[str], text: str) -> None:
    spans = [span for found in longest_occurrences(names, text).values() for span in found]
    taken = Counter(at for start, end in spans for at in range(start, end))
    assert all(number == 1 for number in taken.values())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("straße", "İ STRAẞE straße", [(2, 8), (9, 15)]),
        ("[3H]-naloxone", "x[3H]-naloxone", [(1, 14)]),
        ("Ca(2+)", "Ca(2+)-free Ca(2+)s", [(0, 6), (12, 18)]),
        ("ras", "kras ras3 Ras", [(10, 13)]),
        ("", "x", []),
        (" ", "x y", []),
    ],
)
def test_occurrences_of_names(name: str, text: str, expected: list[tuple[int, int]]) -> None:
    assert list(occurrences(name, text)) == expected


# --- Sample ---------------------------------------------------------------------------------------


@cache
def generator() -> ModuleType:
    path = ROOT / "tools" / "samples" / "medical_ner.py"
    spec = importlib.util.spec_from_file_location("medical_ner_sample", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@cache
def sample() -> dict[str, list[Example]]:
    by_split: dict[str, list[Example]] = {}
    for row in medical_ner.extract_load(None, {}):
        assert isinstance(row, Example), row
        by_split.setdefault(str(row.split), []).append(row)
    return by_split


def names_in(example: Example) -> list[str]:
    record: dict[str, Any] = example.record or {}
    return [*record["chemicals"], *record["diseases"]]


def test_the_sample_is_what_its_tool_makes() -> None:
    made = generator().files()
    assert sorted(path.name for path in SAMPLE.iterdir()) == sorted(made)
    for name, content in made.items():
        assert (SAMPLE / name).read_bytes() == content.encode(), f"run the tool: {name} differs"


def test_the_sample_is_valid_and_its_gold_scores_full_marks() -> None:
    assert {split: len(found) for split, found in sample().items()} == {
        "train": 200,
        "validation": 40,
        "test": 60,
    }
    validator = Draft202012Validator(SCHEMA)
    for example in (example for found in sample().values() for example in found):
        assert validator.is_valid(example.record)
        scored = counts(example.record, example)
        assert len(scored) == 5
        assert all(matched == found == gold for matched, found, gold in scored.values()), example


def test_no_name_of_a_test_document_is_in_another_document() -> None:
    documents = [example for found in sample().values() for example in found]
    names = Counter(name.casefold() for example in documents for name in names_in(example))
    assert max(names.values()) == 1
    words_seen = {
        word
        for split in ("train", "validation")
        for example in sample()[split]
        for word in re.findall(r"\w+", example.document.text.casefold())
    }
    real = generator().COMMON_WORDS | set(re.findall(r"\w+", " ".join(generator().LOCANTS)))
    for example in sample()["test"]:
        for name in names_in(example):
            # At least one word of each name is new, so that no name as a whole was seen.
            assert set(re.findall(r"\w+", name.casefold())) - words_seen - real, name


def test_the_sample_is_varied() -> None:
    templates: dict[str, list[str]] = {}
    sizes: set[int] = set()
    without_relation = across = 0
    for split, _, draft in generator().drafts():
        templates.setdefault(split, []).extend(draft.templates)
        sizes.add(sum(template.count("|") + 1 for template in draft.templates) - 1)
        without_relation += not draft.harms
        across += any("|" in template for template in draft.templates)
    assert sizes == {4, 5, 6, 7}
    assert len(set(templates["train"])) >= 70
    seen = set(templates["train"]) | set(templates["validation"])
    new = [template for template in templates["test"] if template not in seen]
    assert len(new) / len(templates["test"]) > 0.5
    assert 30 < without_relation < 60
    assert across > 20
