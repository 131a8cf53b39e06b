"""Commands on a run of several domains."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import Command
from joint_run import DOMAINS
from tiny_model import Trained, lines

from fieldsmith.cli.training_options import TrainingOptions


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
    assert again.errors.count("\n") == 1
    assert f"{together}: no domain is scored now; medical_ner: 10 of these 10 test" in again.errors
    assert "dcat_datasets: 4 of these 4 test documents were scored already" in again.errors
    assert "--plugin" not in again.errors
    assert '--again "REASON"' in again.errors
    one = command("evaluate", together, "--plugin", "dcat_datasets", "--split", "validation")
    assert one.code == 0, one.errors
    assert "dcat_datasets, validation" in one.output
    refused = command("evaluate", together, "--data", "x.txt")
    assert refused.code == 2
    assert "add --plugin medical_ner" in refused.errors


def test_no_domain_is_scored_where_another_one_cannot_be(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    from fieldsmith.evaluation.domains import domains_to_score
    from fieldsmith.runs.folder import Run

    run = Path(shutil.copytree(joint, tmp_path / "run"))
    first, second = (run / name for name in DOMAINS)
    scored = command("evaluate", run, "--plugin", second.name)
    assert scored.code == 0, scored.errors
    answer = command("evaluate", run)
    assert answer.code == 1
    assert "medical_ner: " not in answer.errors
    assert "dcat_datasets: 4 of these 4 test documents were scored already" in answer.errors
    assert "score alone what was not: --plugin medical_ner; " in answer.errors
    assert not (first / "test-scores.jsonl").exists()
    opened = Run.open(run, joint=True)
    assert list(domains_to_score(opened, again="the loader lost a column")) == list(DOMAINS)
    assert list(domains_to_score(opened, "validation")) == list(DOMAINS)

    papers = tmp_path / "papers.jsonl"
    papers.write_text(
        (joint.parent / "papers.jsonl").read_text(encoding="utf-8").replace("Tarn", "Tern"),
        encoding="utf-8",
    )
    info = json.loads((second / "run.json").read_text(encoding="utf-8"))
    info["data"]["source"] = str(papers)
    (second / "run.json").write_text(json.dumps(info), encoding="utf-8")
    answer = command("evaluate", run, "--again", "the loader lost a column")
    assert answer.code == 1
    assert "the data changed since the run was trained" in answer.errors
    assert not (first / "test-scores.jsonl").exists()


def scored_copy(joint: Path, folder: Path) -> Path:
    """Return a copy of the run whose domains are scored on all validation documents."""
    from fieldsmith.evaluation.evaluate import evaluate_run
    from fieldsmith.runs.folder import Run

    shutil.copytree(joint, folder)
    for name in DOMAINS:
        evaluate_run(Run.open(folder / name), split="validation")
    return folder


def test_a_report_has_each_domain_and_a_table(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    run = scored_copy(joint, tmp_path / "run")
    printed = command("report", run)
    assert printed.code == 0, printed.errors
    for name in DOMAINS:
        assert command("report", run / name).output in printed.output
    assert "mean" in printed.output

    answer = command("report", run, "--json", "--against", joint)
    assert answer.code == 1
    assert f"scored on other documents than {run / 'medical_ner'} (2 of 2 and 10" in answer.errors
    answer = command("report", run, "--json", "--against", run)
    assert answer.code == 0, answer.errors
    found = json.loads(answer.output)
    assert list(found["domains"]) == list(DOMAINS)
    scores = [each["scores"]["score"] for each in found["domains"].values()]
    assert found["score"] == pytest.approx(sum(scores) / 2)
    for each in found["domains"].values():
        assert each["against"]["score"]["difference"]["value"] == 0

    page = tmp_path / "pages" / "report.html"
    answer = command("report", run, "--html", page, "--png", tmp_path / "figures")
    assert answer.code == 0, answer.errors
    text = page.read_text(encoding="utf-8")
    for name, score in zip(DOMAINS, scores, strict=True):
        assert f'<a href="report-{name}.html">{name}</a>' in text
        assert f'<td class="n strong">{score:.3f}</td>' in text
        assert name in (page.parent / f"report-{name}.html").read_text(encoding="utf-8")
        assert (tmp_path / "figures" / name / "scores.png").is_file()
    assert str(page) in answer.output


def test_a_report_of_domains_with_other_scores_says_what_is_missing(
    joint: Path, trained: Trained, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(joint, tmp_path / "run"))
    (run / "dcat_datasets" / "metrics.json").unlink()
    answer = command("report", run, "--json")
    assert answer.code == 0, answer.errors
    assert "dcat_datasets: has no scores of 'validation'" in answer.errors
    assert list(json.loads(answer.output)["domains"]) == ["medical_ner"]
    for arguments, code, told in (
        (("--split", "test"), 1, "no domain has scores of 'test'"),
        (("--data", "x.jsonl"), 2, f"such as {run / 'medical_ner'}"),
        (("--against", trained.run), 1, "was trained on one domain alone"),
    ):
        answer = command("report", run, *arguments)
        assert answer.code == code
        assert told in answer.errors
    (run / "medical_ner" / "metrics.json").unlink()
    answer = command("report", run)
    assert answer.code == 1
    assert f"make them by: extract evaluate {run} --split validation" in answer.errors


def test_what_is_made_of_a_model_wants_the_run_of_one_domain(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    for arguments in (
        ("merge", joint, "--output", tmp_path / "merged"),
        ("merge", joint, "--output", tmp_path / "merged", "--gguf", "f16"),
        ("push", joint, "--dry-run"),
    ):
        answer = command(*arguments)
        assert answer.code == 1
        assert answer.errors.count("\n") == 1
        assert "(medical_ner, dcat_datasets), which share their weights" in answer.errors
        assert f"name the run of one, such as {joint / 'medical_ner'}" in answer.errors
    assert not (tmp_path / "merged").exists()
    answer = command("export", joint, "--format", "training_metrics")
    assert answer.code == 1
    assert f"is of one domain; name the run of one, such as {joint / 'medical_ner'}" in (
        answer.errors
    )
    answer = command("export", joint, "--format", "latest_checkpoint_info")
    assert answer.code == 0, answer.errors
    assert json.loads(answer.output)["is_complete"] is True
