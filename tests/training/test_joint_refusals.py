"""Several domains together: wrong usage, unfit data, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from command import Answer, Command
from tiny_model import Workplace, info, lines

from fieldsmith.plugins import load
from fieldsmith.recipes import read_preset
from fieldsmith.runs.joint_job import joint_settings

TWO = ("train", "--plugin", "medical_ner", "--plugin", "news_json")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([*TWO, "--plugin", "news_json"], 2, "a plugin is named twice"),
        ([*TWO, "--data", "pages/"], 2, "with several plugins write NAME=PATH"),
        ([*TWO, "--data", "dcat_datasets=x"], 2, "with several plugins write NAME=PATH"),
        ([*TWO, "--data", "news_json="], 2, "--data news_json=: with several plugins"),
        ([*TWO, "--data", "news_json=a", "--data", "news_json=b"], 2, "once for each of"),
        ([*TWO, "--data", "news_json=nowhere"], 1, "nowhere: no such file or folder"),
        (["train", "--plugin", "medical_ner", "--plugin", "news"], 1, "did you mean news_json"),
        ([*TWO, "--set", "best=mode"], 1, "'mode' is none of mean, worst"),
        ([*TWO, "--map", "a=text"], 2, "--map is for one plugin"),
        ([*TWO, "--auto-batch"], 2, "--auto-batch is for one plugin"),
        ([*TWO, "--processes", "2"], 1, "together by one process"),
        ([*TWO, "--parallel", "fsdp"], 1, "together by one process"),
        (["audit", *TWO[1:]], 2, "give one plugin"),
        (["train", "--plugin", "news_json", "--data", "a", "--data", "b"], 2, "give one --data"),
    ],
)
def test_what_several_domains_cannot_have_is_told_in_one_line(
    arguments: list[str], code: int, told: str, command: Command
) -> None:
    answer: Answer = command(*arguments)
    assert answer.code == code
    assert told in answer.errors


def write_rows(
    file: Path, texts: Mapping[str, Sequence[str]], record: Mapping[str, object]
) -> Path:
    """Write rows of one record, whose texts are given by their split."""
    rows = [
        {"id": f"{split}-{number}", "text": text, "record": record, "split": split}
        for split, of_split in texts.items()
        for number, text in enumerate(of_split)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


NAMES = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}
DATASETS = {"datasets": [{"dcterms:title": "Corvid corpus"}]}
OF_BOTH = "Paper {}: aspirin caused rash in the Corvid corpus."


def of_both(*numbers: int) -> list[str]:
    return [OF_BOTH.format(number) for number in numbers]


@pytest.mark.parametrize("accepts", [False, True])
def test_a_domain_is_not_scored_on_texts_that_another_one_is_trained_on(
    accepts: bool, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    one = {"train": of_both(1, 2, 3), "validation": of_both(4)}
    other = {"train": of_both(5, 6, 7), "validation": of_both(2)}
    write_rows(tmp_path / "one.jsonl", one, NAMES)
    write_rows(tmp_path / "other.jsonl", other, DATASETS)
    run = tmp_path / "run"
    answer = command(
        *("train", "--plugin=medical_ner", "--plugin=dcat_datasets", "--model", workplace.model),
        *(f"--data=medical_ner={tmp_path}/one.jsonl", "--output", run),
        *(f"--data=dcat_datasets={tmp_path}/other.jsonl", "--set", "max_length=512"),
        *("--set", "max_new_tokens=40", "--set", "epochs=0.4", "--set", "prompt=brief"),
        *("--set", "window_size=128"),
        *(["--allow-leaks"] if accepts else []),
    )
    line = (
        "1 of the 1 validation and test documents of dcat_datasets are training documents of "
        "medical_ner (validation-0)"
    )
    assert line in answer.errors
    assert answer.code == (0 if accepts else 1), answer.errors
    assert run.exists() == accepts
    if not accepts:
        return
    domain = run / "dcat_datasets"
    leak = {"held_out": "validation", "other": "train of medical_ner", "total": 1}
    assert info(domain)["data"]["leaks"] == [{**leak, "ids": ["validation-0"]}]
    (issue,) = (each for each in info(domain)["findings"] if each["name"] == "leaks")
    assert issue["accepted"]
    assert issue["message"] == line
    assert info(run / "medical_ner")["data"]["leaks"] == []
    metrics = json.loads((domain / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["validation"]["trained_on"] == 1

    seen = write_rows(tmp_path / "seen.jsonl", {"test": of_both(1, 8)}, DATASETS)
    answer = command("evaluate", domain, "--data", seen)
    assert answer.code == 1
    told = "1 of 2 documents were in this run's training data or that of medical_ner (test-0)"
    assert told in answer.errors
    answer = command("evaluate", domain, "--data", seen, "--allow-leaks", "--json")
    assert answer.code == 0, answer.errors
    assert json.loads(answer.output)["trained_on"] == 1

    copy = shutil.copytree(domain, tmp_path / "copy")
    answer = command("evaluate", copy, "--split", "validation", "--json")
    assert answer.code == 0, answer.errors
    assert "trained together with medical_ner, whose runs are not beside it" in answer.errors


@pytest.mark.slow
def test_a_domain_may_have_no_validation_documents_and_needs_training_documents(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    papers = write_rows(tmp_path / "papers.jsonl", {"train": of_both(1, 2, 3, 4)}, DATASETS)
    run = tmp_path / "run"

    def train(papers: Path) -> Answer:
        values = {"max_length": 512, "max_new_tokens": 40, "epochs": 0.4, "prompt": "brief"}
        values |= {"window_size": 128, "eval_documents": 1, "score_documents": 1}
        return command(
            *("train", "--plugin=medical_ner", "--plugin=dcat_datasets", "--model"),
            *(workplace.model, f"--data=medical_ner={workplace.corpus}", "--output", run),
            *(f"--data=dcat_datasets={papers}", "--split-ratio", "100/0"),
            *(f"--set={name}={value}" for name, value in values.items()),
        )

    answer = train(write_rows(tmp_path / "held.jsonl", {"test": of_both(1, 2)}, DATASETS))
    assert answer.code == 1
    assert f"{tmp_path / 'held.jsonl'}: no document to train on" in answer.errors
    assert not run.exists()
    answer = train(papers)
    assert answer.code == 0, answer.errors
    assert info(run / "dcat_datasets")["training"]["best_score"] is None
    assert info(run / "dcat_datasets")["training"]["min_confidence"] == 0
    scored = [line for line in lines(run / "log.jsonl") if "score" in line]
    assert [line["score"] for line in scored] == [
        line["score/medical_ner/score"] for line in scored
    ]
    answer = command("evaluate", run, "--split", "validation", "--json")
    assert answer.code == 0, answer.errors
    assert "dcat_datasets: there are no validation documents to score" in answer.errors
    assert list(json.loads(answer.output)["domains"]) == ["medical_ner"]
    answer = command("report", run, "--json")
    assert list(json.loads(answer.output)["domains"]) == ["medical_ner"]


def test_a_plugin_that_no_folder_can_be_called_by_is_refused() -> None:
    from dataclasses import replace

    from fieldsmith.errors import SettingsError
    from fieldsmith.runs.job import TrainingJob
    from fieldsmith.runs.joint_job import JointJob

    preset = read_preset("embedded")
    plugin = load("news_json")
    settings = joint_settings(preset, plugin, {})
    job = TrainingJob(plugin, None, preset.name, settings, frozenset())
    for name in ("run.json", "checkpoints", "two words", "../up"):
        other = replace(job, plugin=replace(plugin, name=name))
        with pytest.raises(SettingsError, match="a run can have no folder of that name"):
            JointJob.of([job, other])
