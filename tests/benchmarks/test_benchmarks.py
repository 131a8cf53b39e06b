"""The benchmarks of quality: their run folders, their plugin, their tables."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT
from tiny_model import SETTINGS, Trained, Workplace, embedded_recipe

from benchmarks import (
    base_models,
    baseline_unseen_schema,
    copy_length,
    quality,
    seen_names,
    unseen_schema,
)
from benchmarks.__main__ import main
from benchmarks.cached_training import Training, table
from benchmarks.published_scores import PUBLISHED
from benchmarks.temporary_plugin import installed
from fieldsmith import Example, Reject
from fieldsmith.authoring.checks import CHECKS, check_plugin
from fieldsmith.dataset.loading import read_splits
from fieldsmith.errors import InputError, PluginError, RunError, SettingsError
from fieldsmith.evaluation.evaluate import evaluate_run
from fieldsmith.evaluation.sample import sampled
from fieldsmith.plugins import load
from fieldsmith.runs.folder import Run
from fieldsmith.tagging.gazetteer import Counted, FieldNames, Gazetteer

PAGE = """<tei><text><front>
  <docTitle><titlePart>Foxes and hens<lb/></titlePart></docTitle>
  <byline><docAuthor>Ann Oke 1<lb/></docAuthor></byline>
  <byline><affiliation>1 Hen House,<lb/> University of Okeby,</affiliation></byline>
  <address>12 Fox Lane, Okeby<lb/></address>
  <email>a.oke@okeby.example<lb/></email>
  <div type="abstract">Foxes bleed.<lb/></div>
  Keywords: <keyword>foxes, NUMBER<lb/></keyword>
</front></text></tei>"""


# The plugin of the case that is kept for the end


@pytest.fixture
def unseen() -> Iterator[None]:
    with installed(unseen_schema.NAME, unseen_schema.__name__):
        yield


def test_the_plugin_of_the_unseen_case_keeps_to_the_contract(unseen: None) -> None:
    found = check_plugin(unseen_schema.NAME)
    assert len(found) == len(CHECKS)
    assert {check.what for check in found if check.state == "skip"} <= {"bad_rows_are_told"}
    assert [check for check in found if check.state == "fail"] == []


def test_the_plugin_is_gone_when_the_benchmark_is_over() -> None:
    with pytest.raises(PluginError, match="no plugin is called"):
        load(unseen_schema.NAME)


def test_a_page_loses_what_others_are_asked_for_and_keeps_the_rest() -> None:
    example = unseen_schema.page_of(PAGE, "here", "one")
    assert isinstance(example, Example)
    text = example.document.text
    assert text == (
        "1 Hen House,\nUniversity of Okeby, 12 Fox Lane, Okeby\na.oke@okeby.example\n"
        "Keywords: foxes, NUMBER"
    )
    assert example.record == {
        "affiliations": ["1 Hen House,\nUniversity of Okeby,"],
        "addresses": ["12 Fox Lane, Okeby"],
        "emails": ["a.oke@okeby.example"],
        "keywords": ["foxes, NUMBER"],
        "citations": [],
        "submissions": [],
        "copyrights": [],
    }
    for pointer, spans in example.mentions.items():
        _, field, at = pointer.split("/")
        assert [text[start:end] for start, end in spans] == [example.record[field][int(at)]]


def test_pages_are_split_the_same_way_each_time_and_no_text_is_twice(
    unseen: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen_schema, "TRAINED", 3)
    monkeypatch.setattr(unseen_schema, "CHOOSING", 1)
    for number in (1, 2, 3, 4, 5, 6, 6):
        name = f"{len(list(tmp_path.iterdir()))}.xml"
        (tmp_path / name).write_text(PAGE.replace("NUMBER", str(number)), encoding="utf-8")
    (tmp_path / "broken.xml").write_text("<tei>", encoding="utf-8")
    plugin = load(unseen_schema.NAME)
    splits, sha256 = read_splits(plugin, tmp_path, allow_leaks=False)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [3, 1, 2]
    assert len(splits.set_aside) == 2
    assert read_splits(plugin, tmp_path, allow_leaks=False)[1] == sha256


def test_the_plain_baseline_reads_a_page() -> None:
    example = unseen_schema.page_of(PAGE.replace(",<lb/> Univ", ", Univ"), "here", "one")
    assert not isinstance(example, Reject)
    found = baseline_unseen_schema.predict(example.document.text + "\n© 2007 Okeby Press")
    assert found["affiliations"] == ["1 Hen House, University of Okeby,"]
    assert found["addresses"] == ["12 Fox Lane, Okeby"]
    assert found["emails"] == ["a.oke@okeby.example"]
    assert found["keywords"] == ["foxes, NUMBER"]
    assert found["copyrights"] == ["© 2007 Okeby Press"]


# Trainings


def as_ordered(workplace: Workplace, run: Path, **settings: object) -> Training:
    """The order that the shared training was made by."""
    plugin = load("medical_ner")
    _splits, sha256 = read_splits(plugin, workplace.corpus, allow_leaks=False)
    chosen = {
        **embedded_recipe(), **SETTINGS, "model": workplace.model.resolve(), **settings
    }  # fmt: skip
    assigned = tuple(f"{name}={json.dumps(value, default=str)}" for name, value in chosen.items())
    return Training(plugin, workplace.corpus, sha256, run, assigned)


def test_a_run_that_is_whole_is_not_made_again(workplace: Workplace, run: Path) -> None:
    opened = Run.open(run)
    opened.write_metrics("test", opened.metrics()["validation"])
    as_ordered(workplace, run).make()
    assert not run.with_name("run.log").exists()


@pytest.mark.parametrize(
    ("settings", "message"), [({"epochs": 7}, "epochs 6.0, not 7.0"), ({"seed": 43}, "seed 42")]
)
def test_a_run_made_otherwise_is_refused(
    workplace: Workplace, run: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=f"{message}.*another --output"):
        as_ordered(workplace, run, **settings).make()


def test_a_run_on_other_data_is_refused(workplace: Workplace, run: Path) -> None:
    with pytest.raises(RunError, match="other data"):
        replace(as_ordered(workplace, run), data_hash="0" * 64).make()


@pytest.mark.slow
def test_a_seed_that_was_killed_continues_and_ends_in_the_same_scores(
    workplace: Workplace, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed after the training, while the documents were scored.
    output, data = tmp_path / "out", workplace.corpus.parent
    run = Path(shutil.copytree(trained.run, output / "tiny-42"))
    kept = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    (run / "metrics.json").unlink()
    case = replace(
        quality.CASES["medical_ner"], path=workplace.corpus.name, split="test", about="tiny"
    )
    monkeypatch.setattr(quality, "CASES", {"tiny": case})
    ordered = as_ordered(workplace, run)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    quality.measure("tiny", data, output, [42], ordered.chosen)
    entry = json.loads((output / "quality.json").read_text(encoding="utf-8"))["cases"]["tiny"]
    f1 = {name: value for name, value in entry["seeds"]["42"]["scores"].items() if "/f1" in name}
    found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert found["validation"]["metrics"] == kept["validation"]["metrics"]
    told = found["test"]["metrics"]
    assert f1 == {name: round(told[name]["value"], 4) for name in f1}
    assert entry["documents"] == {"train": 24, "scored": 10, "chose_the_epoch": 0}
    assert entry["seeds"]["42"]["seconds"] is None  # what came before is not known
    assert (
        entry["base_model"]["sha256"]
        == json.loads((run / "run.json").read_text())["base_model"]["sha256"]
    )
    assert entry["baselines"]["null"]["score"] == 0
    assert "interrupted" in (output / "quality.md").read_text(encoding="utf-8")


def test_the_documents_that_a_training_samples_are_those_that_count(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = replace(quality.CASES["medical_ner"], path=workplace.corpus.name)
    monkeypatch.setattr(quality, "CASES", {"tiny": case})

    def prepared(score_documents: int) -> quality.Data:
        chosen = [f"score_documents={score_documents}", "eval_documents=2"]
        return quality.prepared("tiny", workplace.corpus.parent, tmp_path, chosen)[1]

    everything, found = prepared(0), prepared(5)
    kept = sampled(everything.splits.validation, 5)
    chose = everything.splits.validation[:2]
    assert found.scored == [example for example in kept if example not in chose]
    assert found.left_out == 5 - len(found.scored)
    assert everything.left_out == 2


# Books and tables


def entry_of(scores: dict[str, float], **others: object) -> dict[str, Any]:
    seeds = {
        str(42 + at): {"scores": {"score": value}, "seconds": {"training": 60, "scoring": 6}}
        for at, value in enumerate(scores.values())
    }
    return {
        "about": "pages",
        "documents": {"train": 5, "scored": 3, "chose_the_epoch": 2},
        "split": "test",
        "names": ["score", "title"],
        "set": [],
        "seeds": seeds,
        "baselines": {"null": {"score": 0.0}, "plain": {"score": 0.5, "title/f1": 0.25}},
        "base_model": {"name": "embedded", "sha256": "abcdef0123456789"},
        "preset": "embedded",
        "published": [asdict(each) for each in PUBLISHED["arxiv_metadata"]],
        **others,
    }


def test_a_section_has_mean_spread_baselines_time_and_what_is_published() -> None:
    text = quality.section("one", entry_of({"a": 0.2, "b": 0.3, "c": 0.4}))
    assert "| score | 0.300 | 0.100 | 0.200-0.400 | 0.000 | 0.500 |" in text
    assert "| title | – | – | – | – | 0.250 |" in text
    assert "5 documents trained on, 3 scored (test, without 2 that chose the epoch)" in text
    assert "training proper 1.0 minutes, scoring of held-out documents meanwhile 0.1" in text
    assert "(abcdef012345)" in text
    assert "| GROBID 0.8.2 | title_levenshtein 0.981," in text


def test_a_single_seed_has_no_spread() -> None:
    assert quality.summary(entry_of({"a": 0.2}))["score"] == {
        "mean": 0.2, "spread": None, "low": 0.2, "high": 0.2,
    }  # fmt: skip


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |\n"


def test_what_is_published_is_of_names_that_the_tables_have() -> None:
    for name, systems in PUBLISHED.items():
        for each in systems:
            assert set(each.f1) <= set(quality.CASES[name].names), each.system
            assert each.f1
            assert all(0 < value < 1 for value in each.f1.values())
            assert each.source
            assert each.comparable


def test_missing_data_is_reported_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["quality", "--data", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(order) == 1
    told = capsys.readouterr().err
    assert told.startswith("quality: error: there is no ")
    assert "medical/bc5cdr (for medical_ner)" in told
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="fundus/html"):
        quality.require(["news_html"], tmp_path)


def test_the_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "--list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {*quality.CASES}


# Bases and copying


def test_strings_to_copy_have_the_tokens_that_they_are_counted_by(workplace: Workplace) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(workplace.model)
    made = list(copy_length.trials(tokenizer, 1, seed=1))
    assert [each.tokens for each in made] == list(range(1, copy_length.LONGEST + 1))
    assert all(
        len(tokenizer(each.text, add_special_tokens=False)["input_ids"]) == each.tokens
        for each in made
    )
    assert made == list(copy_length.trials(tokenizer, 1, seed=1))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [('{"text":"a1"}', True), ('{"text":"a1 "}', False), ('{"text":"a1"', False), ("[]", False),
     ('{"text":"a1","more":1}', False)],
)  # fmt: skip
def test_a_copy_is_right_only_if_it_is_exact(answer: str, *, expected: bool) -> None:
    assert copy_length.right(answer, "a1") is expected


def test_shares_are_by_ten_lengths() -> None:
    outcomes = [(1, True), (10, False), (11, True)]
    rows = [(tokens, {"free": exact, "held": True}) for tokens, exact in outcomes]
    text = copy_length.shares(rows)
    assert "| 1-10 | 2 | 0.500 | 1.000 |\n| 11-20 | 1 | 1.000 | 1.000 |" in text
    assert "| all | 3 | 0.667 | 1.000 |" in text


def test_the_copying_test_asks_the_model(workplace: Workplace) -> None:
    text = copy_length.copying_test(str(workplace.model), 1, seed=1, longest=2)
    assert text.splitlines()[2].startswith("| 1-10 | 2 | ")


def test_random_weights_are_those_of_the_seed_and_of_the_same_architecture(tmp_path: Path) -> None:
    first = Path(base_models.random_weights(tmp_path / "a" / "random", 1))
    again = Path(base_models.random_weights(tmp_path / "b" / "random", 1))
    other = Path(base_models.random_weights(tmp_path / "b" / "random", 2))
    weights = [(each / "model.safetensors").read_bytes() for each in (first, again, other)]
    assert weights[0] == weights[1] != weights[2]
    assert base_models.same_architecture(first) == str(first.resolve())


def test_a_model_of_another_architecture_is_refused(workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="hidden_size is 64"):
        base_models.same_architecture(workplace.model)
    with pytest.raises(SettingsError, match="no model can be read there"):
        base_models.same_architecture(tmp_path)


def test_bases_are_side_by_side(
    workplace: Workplace, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, data = tmp_path / "out", workplace.corpus.parent
    run = Path(shutil.copytree(trained.run, output / "tiny-shipped-42"))
    told = evaluate_run(Run.open(run))
    case = replace(
        quality.CASES["medical_ner"], path=workplace.corpus.name, split="test", about="tiny"
    )
    for module in (quality, base_models):
        monkeypatch.setattr(module, "CASES", {"tiny": case})
    recipe = {**embedded_recipe(), **SETTINGS}
    chosen = [f"{name}={json.dumps(value)}" for name, value in recipe.items()]
    options = Namespace(data=data, output=output, seed=42, minutes=None, chosen=chosen)
    base_models._measure("tiny", {base_models.SHIPPED: str(workplace.model.resolve())}, options)
    found = json.loads((output / "base.json").read_text(encoding="utf-8"))["cases"]["tiny"]
    score = round(told["score"], 4)
    assert found["bases"]["shipped"]["scores"]["score"] == score
    text = (output / "base.md").read_text(encoding="utf-8")
    assert "| F1 | shipped | null | dictionary of the training set |" in text
    assert f"| score | {score:.3f} | 0.000 | " in text


def test_names_are_scored_apart_by_whether_training_has_them() -> None:
    gold = {"names": ["Zinc Oxide", "iron", "gold"], "other": ["x"]}
    record = {"names": ["zinc  oxide", "lead", "tin", "gold"]}
    seen = {"names": {"zinc oxide", "iron", "tin"}, "absent": {"x"}}
    assert seen_names.counted(gold, record, seen) == {
        "names, seen": (1.0, 2.0, 2.0),
        "names, unseen": (1.0, 2.0, 1.0),
    }
    known = FieldNames({form: Counted(1, 1) for form in seen["names"]} | {"gold": Counted(0, 3)})
    text = seen_names.listed([{"gold": gold, "record": record}], Gazetteer({"names": known}))
    assert "| names, seen | 2 | 0.500 | 0.500 | 0.500 |" in text
    assert "| names, unseen | 1 | 0.500 | 1.000 | 0.667 |" in text
