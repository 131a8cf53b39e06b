"""Domains trained together against each trained alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import Command
from joint_run import DOMAINS
from tiny_model import Trained

from fieldsmith.errors import RunError
from fieldsmith.report.interference import interference


@pytest.fixture(scope="module")
def together(joint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, of which one domain is scored on its validation documents."""
    from fieldsmith.evaluation.evaluate import evaluate_run
    from fieldsmith.runs.folder import Run

    copy = Path(shutil.copytree(joint, tmp_path_factory.mktemp("interference") / "together"))
    evaluate_run(Run.open(copy / "medical_ner"), split="validation")
    return copy


def test_a_domain_is_compared_with_a_run_of_it_alone(
    together: Path, trained: Trained, command: Command
) -> None:
    answer = command("interference", together, trained.run, "--json")
    assert answer.code == 0, answer.errors
    assert "no run alone was given of dcat_datasets" in answer.errors
    found = json.loads(answer.output)
    domain = found["domains"]["medical_ner"]
    scores = [
        json.loads((folder / "metrics.json").read_text())["validation"]
        for folder in (together / "medical_ner", trained.run)
    ]
    ours, theirs = (each["score"] for each in scores)
    assert (domain["split"], domain["documents"]) == ("validation", scores[0]["documents"])
    assert (domain["score"]["together"], domain["score"]["alone"]) == (ours, theirs)
    difference = domain["score"]["difference"]
    assert difference["value"] == pytest.approx(ours - theirs)
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert {"chemicals", "diseases", "relations"} <= domain["fields"].keys()
    assert found["mean"]["difference"] == pytest.approx(ours - theirs)
    printed = command("interference", together, trained.run)
    assert f"{ours:.3f}" in printed.output
    assert "chemicals" in printed.output


def as_if_alone(domain: Path, folder: Path) -> Path:
    """Return a copy of the run of a domain that does not say that there were others."""
    shutil.copytree(domain, folder)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del info["together"]
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def test_a_run_against_itself_differs_by_nothing(together: Path, tmp_path: Path) -> None:
    alone = [as_if_alone(together / name, tmp_path / name) for name in DOMAINS]
    found = interference([together, *alone], "validation")
    assert not found.missing
    for domain in found.domains:
        for row in (domain.comparison.score, *domain.comparison.fields):
            assert (row.difference.low, row.difference.high) == (0, 0)


def test_other_runs_are_refused(together: Path, trained: Trained, tmp_path: Path) -> None:
    part = together / "medical_ner"
    alone = as_if_alone(part, tmp_path / "alone")
    for folders, told in (
        ([alone, trained.run], "give one run of several domains"),
        ([together], "give a run of one of its domains alone"),
        ([together, part], f"{part}: was trained together with others"),
        ([together, alone, trained.run], "both are of medical_ner"),
    ):
        with pytest.raises(RunError, match=told):
            interference(folders)
    with pytest.raises(RunError, match="has no scores of 'other'"):
        interference([together, alone], "other")
