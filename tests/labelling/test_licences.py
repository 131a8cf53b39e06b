"""What the licence of a teacher says about training on its labels, and where that is kept to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command
from paths import ROOT
from tiny_model import CHEMICALS, DISEASES, Workplace, info

from fieldsmith import Document, Example
from fieldsmith.data import Teacher
from fieldsmith.dataset.issues import licence_issues
from fieldsmith.dataset.row_examples import example_of_row
from fieldsmith.dataset.teacher_licences import LICENCES, known_licence, licence_id, licence_named
from fieldsmith.dataset.teacher_names import expected_licences
from fieldsmith.dataset.teachers import LabelledBy, accepted_licence
from fieldsmith.errors import RunError, SettingsError
from fieldsmith.exporting.hub_files import collect
from fieldsmith.runs.folder import Run


def examples(*licences: str) -> list[Example]:
    return [
        Example(Document(str(n), "A text."), {}, teacher=Teacher(f"m-{licence}", licence))
        for n, licence in enumerate(licences)
    ]


def test_each_licence_says_where_what_stands_and_what_is_left_to_check() -> None:
    page = (ROOT / "docs" / "label.md").read_text(encoding="utf-8")
    assert len({licence.id for licence in LICENCES}) == len(LICENCES) > 10
    for licence in LICENCES:
        assert f"| `{licence.id}` |" in page
        assert licence.check
        if licence.id in ("own", "other"):
            continue
        assert licence.url.startswith("https://")
        assert f"]({licence.url})" in page
        assert bool(licence.quote) == (licence.effect != "free")
        assert len(licence.quote) < 300
        assert bool(licence.families) == (licence.effect in ("family", "condition"))


@pytest.mark.parametrize(
    ("licence", "base", "allowed"),
    [
        ("apache-2.0", "anything", True),
        ("llama2", "meta-llama/Llama-2-7b-chat-hf", True),
        ("llama2", "meta-llama/Llama-3.1-8B", False),
        ("llama2", "TinyLlama-2.1B", False),
        ("llama3", "meta-llama/Meta-Llama-3-8B-Instruct", True),
        ("llama3", "meta-llama/Llama-3.2-1B", False),
        ("llama3", "Qwen/Qwen3-4B", False),
        ("llama3.1", "Qwen/Qwen3-4B", False),
        ("llama3.1", "TinyLlama-1.1B", False),
        ("llama3.1", "meta-llama/Meta-Llama-3-8B", False),
        ("llama3.1", "meta-llama/Llama-3.2-1B", True),
        ("llama4", "meta-llama/Llama-3.1-8B", True),
        ("qwen", "Qwen/Qwen3-4B", True),
        ("qwen", "embedded", False),
        ("gemma", "HuggingFaceTB/SmolLM2-135M", False),
        ("tongyi-qianwen", "Qwen/Qwen3-4B", True),
        ("tongyi-qianwen", "embedded", False),
        ("openai", "openai/gpt-oss-20b", False),
        ("made-up", "anything", False),
    ],
)
def test_a_licence_allows_its_own_family_or_all_or_none_without_a_word(
    licence: str, base: str, allowed: bool
) -> None:
    assert licence_named(licence).allows(base) == allowed


def test_an_unknown_licence_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"did you mean apache-2\.0"):
        known_licence("apache2")


@pytest.mark.parametrize(
    ("text", "stored"),
    [("Apache-2.0", "apache-2.0"), ("MIT", "mit"), ("Llama3", "llama3"), ("LLaMA 3.1", "llama3.1"),
     (" llama-2 ", "llama2"), ("Mistral_Research", "mistral-research"), ("ODbL-1.0", "odbl-1.0")],
)  # fmt: skip
def test_an_id_is_stored_in_one_spelling(text: str, stored: str) -> None:
    assert licence_id(text) == stored
    teacher = {"model": "m", "licence": text}
    row = example_of_row({"text": "A.", "record": {}, "teacher": teacher}, "rows.jsonl:1")
    assert isinstance(row, Example)
    assert row.teacher == Teacher("m", stored)
    assert accepted_licence(text) == f"licence:{stored}"


@pytest.mark.parametrize(
    ("model", "licences"),
    [
        ("Meta-Llama-3-70B", "llama3"), ("llama3-70b-8192", "llama3"), ("llama3:70b", "llama3"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama3.1"), ("llama3.1:8b", "llama3.1"),
        ("llama-v3p2-1b", "llama3.2"), ("meta.llama3-1-70b-instruct-v1:0", "llama3.1"),
        ("llama-3.3-70b-versatile", "llama3.3"), ("Llama-2-7b", "llama2"), ("llama-4", "llama4"),
        ("CodeLlama-7b", "llama2"),
        ("DeepSeek-R1-Distill-Llama-70B", "llama2 llama3 llama3.1 llama3.2 llama3.3 llama4"),
        ("deepseek-r1", "mit deepseek"), ("qwen3-32b", "apache-2.0 qwen tongyi-qianwen"),
        ("Qwen2.5-72B-Instruct", "qwen"), ("Qwen/Qwen2-72B", "tongyi-qianwen"),
        ("gemma-7b", "gemma"), ("gemma-2-9b-it", "gemma"), ("gemma3:4b", "gemma"),
        ("Mixtral-8x7B", "apache-2.0 mistral-research"), ("gpt-4o-mini", "openai"),
        ("gpt-3.5-turbo", "openai"), ("o4-mini", "openai"), ("claude-opus-4", "anthropic"),
        ("gemini-2.5-flash", "google-gemini"),
        ("TinyLlama-1.1B", ""), ("open_llama_3b", ""), ("ollama", ""), ("llama.cpp", ""),
        ("gpt-oss-20b", ""), ("gpt2", ""), ("gpt-j-6b", ""), ("gpt4all", ""), ("gemma-4-31b", ""),
        ("SmolLM2-135M-Instruct", ""), ("embedded", ""), ("big", ""),
    ],
)  # fmt: skip
def test_a_name_says_which_licences_a_model_comes_under(model: str, licences: str) -> None:
    family, expected = expected_licences(model)
    assert " ".join(licence.id for licence in expected) == licences
    assert bool(family) == bool(licences)


def test_a_name_that_does_not_go_with_the_licence_needs_a_word() -> None:
    document = Document("1", "A text.")
    rows = [Example(document, {}, teacher=Teacher("Meta-Llama-3-70B", "apache-2.0"))]
    (found,) = licence_issues(rows, "Meta-Llama-3-8B")
    assert found.is_blocking
    assert "Meta-Llama-3-70B is named like Llama 3, which comes under llama3, not" in found.line
    assert "section 1.b.v" in found.line
    assert found.line.endswith("--accept-licence apache-2.0 accepts it")
    (found,) = licence_issues(rows, "embedded", {accepted_licence("Apache-2.0")})
    assert found.line.startswith("accepted (licence)")
    # What needs a word anyway is said once.
    rows = [Example(document, {}, teacher=Teacher("gpt-4o", "other"))]
    assert len(licence_issues(rows, "embedded")) == 1


@pytest.mark.parametrize("licence", ["llama2", "llama3", "llama3.1", "llama3.2", "llama3.3",
                                     "llama4"])  # fmt: skip
@pytest.mark.parametrize("base", ["embedded", "Qwen/Qwen3-4B", "google/gemma-3-1b", "smollm2-135m"])
def test_no_labels_of_a_llama_train_another_family_without_a_word(base: str, licence: str) -> None:
    rows = examples(licence)
    (found,) = licence_issues(rows, base)
    assert found.is_blocking
    assert found.flag == f"--accept-licence {licence}"
    (found,) = licence_issues(rows, base, {accepted_licence(licence)})
    assert not found.is_blocking


def test_issues_name_licence_line_and_flag() -> None:
    rows = examples("mit", "llama3", "llama3", "llama3.1", "openai")
    found = {issue.message.split("licence ")[1].split(")")[0]: issue
             for issue in licence_issues(rows, "/models/Qwen3-4B", {"licence:openai"})}  # fmt: skip
    assert list(found) == ["llama3", "llama3.1", "openai"]
    assert [issue.is_blocking for issue in found.values()] == [True, True, False]
    line = found["llama3"].line
    assert line.startswith("unsound (licence): 2 documents were labelled by m-llama3")
    assert "section 1.b.v" in line
    assert "the base model Qwen3-4B is no such model" in line
    assert line.endswith("--accept-licence llama3 accepts it")
    duty = found["llama3.1"].line
    assert "shall also include “Llama” at the beginning" in duty
    assert "the training is not forbidden, but this duty goes with the model" in duty
    assert "the base model Qwen3-4B is of another family" in duty
    own = licence_issues(examples("llama3.1"), "/models/Llama-3.2-1B")
    assert [issue.line[:14] for issue in own] == ["note (licence)"]
    assert found["openai"].line.startswith("accepted (licence)")
    assert licence_issues(examples("mit"), "embedded") == []
    assert not licence_issues(rows[1:3], "Meta-Llama-3-8B")[0].is_blocking


@pytest.mark.parametrize(
    ("teacher", "found"),
    [
        ({"model": "m", "licence": "mit", "host": "h"}, Teacher("m", "mit")),
        ("Mr. X", None),  # what other data has by this name
        (None, None),
    ],
)
def test_a_row_names_its_teacher(teacher: object, found: Teacher | None) -> None:
    row = example_of_row({"text": "A.", "record": {}, "teacher": teacher}, "rows.jsonl:1")
    assert isinstance(row, Example)
    assert row.teacher == found


def test_half_a_teacher_sets_the_row_aside() -> None:
    row = example_of_row({"text": "A.", "record": {}, "teacher": {"model": "m"}}, "rows.jsonl:1")
    assert not isinstance(row, Example)
    assert row.field == "teacher"


def write_labels(path: Path, *licences: str) -> Path:
    rows = []
    for number in range(16):
        chemical, disease = CHEMICALS[number % 4], DISEASES[number // 4]
        text = f"{chemical} and {disease}. {chemical} caused {disease} in {number} patients."
        record = {"chemicals": [chemical], "diseases": [disease], "relations": []}
        teacher = {"model": "big", "licence": licences[number % len(licences)]}
        split = "train" if number < 12 else "validation" if number < 14 else "test"
        rows.append(
            {"id": str(number), "text": text, "record": record, "split": split, "teacher": teacher}
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_training_and_audit_keep_to_the_licence(tmp_path: Path, command: Command) -> None:
    labels, run = write_labels(tmp_path / "labels.jsonl", "llama3", "llama3.1"), tmp_path / "run"
    refused = command("train", "--plugin", "medical_ner", "--data", labels, "--output", run)
    assert refused.code == 1
    last = refused.errors.splitlines()[-1]
    assert "unsound (licence): 7 documents were labelled by big" in last
    assert "Meta Llama 3 Community License" in last
    assert "section 1.b.v" in last
    assert "--accept-licence llama3 accepts it" in last
    assert last.endswith("--accept-licence llama3.1 accepts it; see extract audit")
    assert not run.exists()
    audit = ("audit", "--plugin", "medical_ner", "--data", labels)
    assert command(*audit).code == 1
    assert command(*audit, "--accept-licence", "llama3").code == 1
    both = ("--accept-licence", "Llama-3", "--accept-licence", "llama3.1")
    assert command(*audit, *both).code == 0


def require_told_on(run: Path, teachers: list[dict[str, Any]]) -> None:
    """Check what is pushed of a run for what its teachers' licences say."""
    upload = collect(Run.open(run), None, None, None)
    assert upload.name.startswith("Llama-model-medical_ner-")
    manifest, card = (bytes(upload.files[name]).decode() for name in ("push.json", "README.md"))
    assert json.loads(manifest)["data"]["teachers"] == teachers
    for each in teachers:
        labelled = f"{each['documents']} documents of the training data were labelled by `big`: "
        assert f"{labelled}{each['licence_name']}, {each['clause']}: “{each['quote']}”" in card
        assert f"({each['url']})" in card
    with pytest.raises(RunError, match="has to begin with 'Llama'"):
        collect(Run.open(run), None, "medical", None)


def test_what_is_pushed_names_teachers_and_licences(run: Path) -> None:
    teachers = [
        LabelledBy(Teacher("big", licence), 7).as_json() for licence in ("llama3", "llama3.1")
    ]
    data = info(run)["data"]
    assert data["teachers"] == []
    Run.open(run).update(data={**data, "teachers": teachers})
    require_told_on(run, teachers)


@pytest.mark.slow
def test_what_was_accepted_is_recorded(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    labels, run = write_labels(tmp_path / "labels.jsonl", "llama3", "llama3.1"), tmp_path / "run"
    order = workplace.order(run, data=labels, epochs=1, max_steps=1, eval_steps=0)
    done = command(*order, "--accept-licence", "llama3", "--accept-licence", "llama3.1")
    assert done.code == 0, done.errors
    assert "accepted (licence)" in done.errors
    assert info(run)["accepted"] == ["licence:llama3", "licence:llama3.1"]
    teachers = info(run)["data"]["teachers"]
    assert [(each["licence"], each["documents"]) for each in teachers] == [
        ("llama3", 7), ("llama3.1", 7),
    ]  # fmt: skip
    require_told_on(run, teachers)
