"""Commands on a run of several domains."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import Command
from joint_run import DOMAINS
from tiny_model import lines

from fieldsmith.cli.options import TrainingOptions


@pytest.fixture(scope="module")
def together(joint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, which is scored."""
    return Path(shutil.copytree(joint, tmp_path_factory.mktemp("domains") / "together"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "note.txt"
    file.write_text("aspirin caused rash in 4 patients of the Corvid corpus.", encoding="utf-8")
    return file


def test_data_of_one_plugin_may_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def source(given: str) -> Path | None:
        options = TrainingOptions(
            ("toy",), (given,), None, None, None, (), (), None, (), frozenset()
        )
        return options.data

    assert source("toy=rows.jsonl") == Path("rows.jsonl")
    assert source("other=rows.jsonl") == Path("other=rows.jsonl")
    Path("toy=rows.jsonl").touch()  # a file of that very name is meant
    assert source("toy=rows.jsonl") == Path("toy=rows.jsonl")


def test_a_plugin_says_which_domain_answers(together: Path, text: Path, command: Command) -> None:
    for name in DOMAINS:
        answer = command("predict", together, text, "--plugin", name)
        assert answer.code == 0, answer.errors
        row = json.loads(answer.output)
        assert row["plugin"] == name
        assert answer.output == command("predict", together / name, text).output


def test_a_prediction_needs_one_domain(together: Path, text: Path, command: Command) -> None:
    answer = command("predict", together, text)
    assert answer.code == 1
    assert answer.errors == (
        f"extract: error: {together}: was trained on several domains; say which by --plugin: "
        f"medical_ner, dcat_datasets\n"
    )
    answer = command("predict", together, text, "--plugin", "medical")
    assert answer.code == 1
    assert "was not trained on 'medical'; did you mean medical_ner?" in answer.errors


def test_all_domains_are_scored_or_one(together: Path, command: Command) -> None:
    answer = command("evaluate", together, "--json")
    assert answer.code == 0, answer.errors
    found = json.loads(answer.output)
    assert list(found["domains"]) == list(DOMAINS)
    assert found["score"] == pytest.approx(
        sum(each["score"] for each in found["domains"].values()) / 2
    )
    for name in DOMAINS:
        assert len(lines(together / name / "test-scores.jsonl")) == 1
    again = command("evaluate", together)
    assert again.code == 1
    assert f"{together / 'medical_ner'}: 10 of these 10 test documents were scored" in again.errors
    one = command("evaluate", together, "--plugin", "dcat_datasets", "--split", "validation")
    assert one.code == 0, one.errors
    assert "dcat_datasets, validation" in one.output
    refused = command("evaluate", together, "--data", "x.txt")
    assert refused.code == 2
    assert "add --plugin medical_ner" in refused.errors
