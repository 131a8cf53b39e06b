"""A test set is used once, or the run says how often: what is recorded, refused and shown."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command import KILLED, Answer, Command
from forked_command import run_forked
from lxml import html
from paths import ROOT
from tiny_model import Trained, Workplace, contents, info, lines

from fieldsmith.errors import InputError, RunError
from fieldsmith.evaluation import evaluate
from fieldsmith.runs.card import update_card
from fieldsmith.runs.commands import recorded_command
from fieldsmith.runs.folder import Run
from fieldsmith.runs.scorings import (
    FILE,
    Scoring,
    add_scoring,
    checked_reason,
    hash_of,
    read_scorings,
    scorings,
    seen_elsewhere,
)
from fieldsmith.runs.scorings_card import scorings_section

REASON = "the loader | lost <b>a column</b>"


def refused(answer: Answer) -> str:
    assert (answer.code, answer.output) == (1, ""), answer
    assert answer.errors.count("\n") == 1, answer.errors
    return answer.errors


def scoring(*fingerprints: str, **others: Any) -> Scoring:
    values: dict[str, Any] = {
        "date": "2026-11-30T10:00:00+00:00", "name": "test", "score": 0.7, "low": 0.6, "high": 0.8,
        "documents": len(fingerprints), "test": len(fingerprints), "version": "1",
        "sha256": hash_of(fingerprints), "fingerprints": frozenset(fingerprints),
    }  # fmt: skip
    return Scoring(**values | others)


@pytest.fixture(scope="module")
def scored(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that was scored on its test documents, once."""
    run = Path(shutil.copytree(trained.run, tmp_path_factory.mktemp("runs") / "scored"))
    evaluate.evaluate_run(Run.open(run))
    return run


@pytest.fixture
def again(scored: Path, tmp_path: Path) -> Path:
    """A copy of it, alone in its folder."""
    (tmp_path / "runs").mkdir()
    return Path(shutil.copytree(scored, tmp_path / "runs" / "again"))


# What is recorded


def test_a_scoring_is_recorded_with_its_documents_and_the_command(
    run: Path, command: Command
) -> None:
    """One that was killed before its score was stored does not count."""

    def die(*_arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "write_metrics", die)
        assert run_forked(["evaluate", run], run).code == KILLED
    assert read_scorings(run) == []
    answer = command("evaluate", run, "--json")
    assert answer.code == 0, answer.errors
    (line,) = lines(run / FILE)
    summary = json.loads(answer.output)
    assert line["score"] == summary["score"]
    assert (line["name"], line["documents"], line["test"]) == ("test", 10, 10)
    assert line["command"] == "extract evaluate run --json", "without the folders above the run"
    assert line["reason"] is None
    held = {row["fingerprint"] for row in lines(run / "held_out.jsonl") if row["split"] == "test"}
    assert set(line["fingerprints"]) == held
    assert line["sha256"] == hash_of(held)
    date = datetime.fromisoformat(line["date"])
    assert abs((datetime.now(UTC) - date).total_seconds()) < 3600
    assert summary["scoring"] == {"date": line["date"], "test": 10, "times": 1, "reason": None}
    assert "scored 2 times" not in answer.errors


def test_validation_is_free_by_its_name_and_by_its_documents(
    run: Path, workplace: Workplace, command: Command
) -> None:
    assert Run(run).metrics()["validation"]["scoring"] is None
    answer = command("evaluate", run, "--data", workplace.corpus / "dev.txt", "--json")
    assert answer.code == 0, answer.errors
    assert json.loads(answer.output)["scoring"] is None
    assert not (run / FILE).exists()
    assert scorings(Run(run)) == []


def test_a_training_scores_test_documents_only_if_it_is_told(
    run: Path, trained: Trained, command: Command
) -> None:
    assert set(Run(trained.run).metrics()) == {"validation"}
    assert "its test documents were not scored" in trained.answer.errors
    for _time in range(2):  # the second time, the stored scores are printed
        answer = command("train", "--resume", run, "--test")
        assert answer.code == 0, answer.errors
        assert "medical_ner, test" in answer.output
    (line,) = read_scorings(run)
    assert (line.name, line.reason) == ("test", None)


# What is refused


def test_a_second_scoring_needs_a_reason_and_says_so(again: Path, command: Command) -> None:
    first = read_scorings(again)
    before = contents(again)
    line = refused(command("evaluate", again))
    assert f"10 of these 10 test documents were scored already ({first[0].date[:10]}: " in line
    assert '--again "REASON"' in line
    for reason in ("", " ", "two\nlines", "\x1b[2J", "long" * 60):
        assert "--again: say in one line" in refused(command("evaluate", again, "--again", reason))
    assert contents(again) == before

    answer = command("evaluate", again, "--again", REASON)
    assert answer.code == 0, answer.errors
    assert "scored 2 times on these documents: before " in answer.errors
    second = read_scorings(again)
    assert second[:1] == first
    assert second[1].reason == REASON
    assert Run(again).metrics()["test"]["scoring"]["times"] == 2


@pytest.mark.parametrize(
    "options",
    [["--unconstrained"], ["--min-confidence", "0.5"], ["--split", "test", "--base"]],
    ids=lambda options: options[0],
)
def test_another_way_to_answer_is_a_second_scoring(
    again: Path, command: Command, options: list[str]
) -> None:
    assert "were scored already" in refused(command("evaluate", again, *options))


def test_another_threshold_is_recorded_and_shown(again: Path, command: Command) -> None:
    own = Run(again).min_confidence()
    answer = command("evaluate", again, "--again", REASON, "--min-confidence", "0.9375")
    assert answer.code == 0, answer.errors
    first, second = read_scorings(again)
    assert (first.changed, second.changed) == (
        {}, {"min_confidence": {"used": 0.9375, "own": own}},
    )  # fmt: skip
    said = f"with --min-confidence 0.9375 in place of {own:g}"
    card = (again / "adapter" / "README.md").read_text(encoding="utf-8")
    assert said in card.replace("\\", "")
    assert said in command("report", again).output.replace("\n", " ")
    page = again / "page.html"
    assert command("report", again, "--html", page).code == 0
    assert said in page.read_text(encoding="utf-8")


def test_other_documents_are_free_once_and_the_same_ones_by_any_path_are_not(
    again: Path, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    assert command("evaluate", again, "--data", workplace.unseen).code == 0
    other = tmp_path / "other.txt"
    blocks = workplace.unseen.read_text(encoding="utf-8").strip().split("\n\n")
    other.write_text("\n\n".join(reversed(blocks[:5])) + "\n", encoding="utf-8")
    assert "5 of these 5 documents were scored already" in refused(
        command("evaluate", again, "--data", other)
    )
    own = workplace.corpus / "test.txt"
    assert "10 of these 10 test documents" in refused(command("evaluate", again, "--data", own))
    assert [(each.name, each.test) for each in read_scorings(again)] == [
        ("test", 10), ("unseen.txt", 0),
    ]  # fmt: skip


def test_again_is_for_a_run_alone(command: Command, tmp_path: Path) -> None:
    source = ("--plugin", "medical_ner", "--predictions", tmp_path, "--data", tmp_path)
    assert command("evaluate", *source, "--again", "why").code == 2


# Interrupted, at the same time, copied, damaged


def test_a_score_that_no_line_tells_of_counts(again: Path, command: Command) -> None:
    """As it is where a process was killed between the two, or somebody deleted the file."""
    (again / FILE).unlink()
    (found,) = scorings(Run(again))
    assert (found.name, found.test, found.command) == ("test", 10, "")
    assert "were scored already" in refused(command("evaluate", again))

    stored = again / "metrics.json"
    metrics = json.loads(stored.read_text(encoding="utf-8"))
    metrics["test"]["scoring"]["times"] = 3
    stored.write_text(json.dumps(metrics), encoding="utf-8")
    assert "Scored 3 times on its test set." in command("report", again).output
    assert "scored 4 times" in command("evaluate", again, "--again", REASON).errors
    assert "Scored 4 times on its test set." in command("report", again).output


def test_the_same_documents_are_scored_by_one_process_at_a_time(
    run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def beside(*_arguments: object) -> None:
        said.append(refused(command("evaluate", run)))
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "answer_and_score", beside)
    with pytest.raises(KeyboardInterrupt):
        evaluate.evaluate_run(Run.open(run))
    assert "another process scores these documents; wait until it has ended" in said[0]
    assert read_scorings(run) == []
    assert not list(run.glob(".*lock"))


def test_a_copy_beside_it_is_the_same_run(again: Path, trained: Trained, command: Command) -> None:
    copied = Path(shutil.copytree(trained.run, again.with_name("copied")))
    assert read_scorings(copied) == []
    assert "were scored already" in refused(command("evaluate", copied))
    shutil.copyfile(again / FILE, copied / FILE)
    assert len(scorings(Run(copied))) == 1, "a line that both have counts once"
    (copied / "adapter" / "receipt.json").write_text("{}")
    add_scoring(Run(again), scoring("b"))
    assert len(scorings(Run(copied))) == 1, "another run"


DAMAGE = {
    "no JSON": (b"noise\n", "1: not JSON"),
    "a key is missing": (b'{"name": "test"}\n', "1: the key 'date' is missing"),
    "another type": (b"[]\n", "1"),
    "no text": (b"\xff\n", "1"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_is_one_line(again: Path, command: Command, kind: str) -> None:
    content, said = DAMAGE[kind]
    (again / FILE).write_bytes(content)
    for order in (("evaluate", again), ("push", again, "--dry-run")):
        assert f"{again / FILE}:{said}" in refused(command(*order))
    report = command("report", again)
    assert report.code == 0, report.errors
    assert f"Earlier scorings are not shown: {again / FILE}:{said}" in report.output.replace(
        "\n", " "
    )
    unknown = (
        f"How often it was scored on its test set is not known, because {FILE} is damaged; "
        f"metrics.json knows of 1."
    )
    assert unknown in report.output.replace("\n", " ")
    assert "Not scored" not in report.output
    page = again / "page.html"
    assert command("report", again, "--html", page).code == 0
    assert unknown in page.read_text(encoding="utf-8")
    # Of another run it is said, and does not stop anything.
    assert seen_elsewhere(again.with_name("new"), ["a"]) == []


def test_half_a_line_is_no_line_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    run = Run(tmp_path)
    add_scoring(run, scoring("a"))
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + whole[:40])
    assert read_scorings(tmp_path) == [scoring("a")]
    add_scoring(run, scoring("b"))
    assert read_scorings(tmp_path) == [scoring("a"), scoring("b")]


# What was chosen after a score was seen


def test_a_training_says_that_another_run_has_seen_its_test_documents(
    again: Path, workplace: Workplace, command: Command
) -> None:
    new = again.with_name("new")
    order = workplace.order(new, max_steps=1, score_documents=1, eval_documents=1)
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert "test documents of this data were scored already (again)" in answer.errors
    (seen,) = info(new)["test_seen"]
    assert seen == {
        "run": "again", "date": read_scorings(again)[0].date, "documents": 10,
        "score": Run(again).metrics()["test"]["score"],
    }  # fmt: skip
    card = (new / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "Not scored on its test set yet." in card
    assert "other runs had been scored once on documents of its test set (again)" in card


def test_what_runs_beside_it_were_scored_on_is_found_by_the_documents(tmp_path: Path) -> None:
    for name, found in (("a", scoring("1", "2")), ("b", scoring("3")), ("c", scoring("1", "2"))):
        (tmp_path / name).mkdir()
        add_scoring(Run(tmp_path / name), found)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / FILE).write_text("noise\n")
    seen = seen_elsewhere(tmp_path / "d", ["2", "9"])
    assert [(each["run"], each["documents"]) for each in seen] == [("a", 1)]
    assert seen_elsewhere(tmp_path / "a", ["3"])[0]["run"] == "b"
    assert seen_elsewhere(tmp_path / "d", []) == []


def test_runs_of_domains_and_of_one_alone_know_of_each_other(tmp_path: Path) -> None:
    domain, alone = tmp_path / "together" / "news", tmp_path / "alone"
    for folder, found in ((domain, scoring("1", "2")), (alone, scoring("2", "3"))):
        folder.mkdir(parents=True)
        add_scoring(Run(folder), found)
    (tmp_path / "other" / "no-run").mkdir(parents=True)
    add_scoring(Run(tmp_path / "other" / "no-run"), scoring("1"))
    (domain.parent / "run.json").touch()
    assert [each["run"] for each in seen_elsewhere(tmp_path / "new", ["1"])] == ["together/news"]
    assert [each["run"] for each in seen_elsewhere(domain, ["2"])] == ["alone"]
    assert [each["run"] for each in seen_elsewhere(alone, ["2"])] == ["together/news"]


# What shows it


def test_report_card_and_push_say_how_often(again: Path, tmp_path: Path, command: Command) -> None:
    add_scoring(Run(again), scoring("a", reason=REASON, name="<script>"))
    (first, second) = sorted(scorings(Run(again)), key=lambda each: each.reason or "")
    report = json.loads(command("report", again, "--json").output)["test_set"]
    assert [each["score"] for each in report["scorings"]] == [second.score, first.score]
    assert "fingerprints" not in report["scorings"][0]
    told = command("report", again).output
    assert "Scored 2 times on its test set." in told
    assert f"again: “{REASON}”" in told.replace("\n", " ")
    page = tmp_path / "page.html"
    assert command("report", again, "--html", page).code == 0
    shown = html.document_fromstring(page.read_text(encoding="utf-8")).get_element_by_id("test-set")
    assert "Scored 2 times on its test set." in shown.text_content()
    assert REASON in shown.text_content()
    assert not shown.xpath(".//script|.//b")

    from fieldsmith.exporting.hub_files import collect

    card = collect(Run.open(again), None, None, None).files["README.md"]
    assert isinstance(card, bytes)
    assert b"Scored 2 times on its test set." in card
    assert rb"the loader \| lost \<b\>a column\</b\>" in card
    assert b"test documents may have chosen something, too" in card
    assert b"test documents chose nothing" not in card


def test_the_card_of_the_run_is_kept_and_its_section_is_written_anew(again: Path) -> None:
    card = again / "adapter" / "README.md"
    assert card.read_text(encoding="utf-8").count("Scored once on its test set.") == 1
    mine = card.read_text(encoding="utf-8").replace("# medical_ner", "# My own words")
    card.write_text(mine, encoding="utf-8")
    update_card(again / "adapter", scorings_section([scoring("a", reason="\\1 of it")], []))
    text = card.read_text(encoding="utf-8")
    assert "# My own words" in text
    assert text.count("## Test set") == 1
    assert r"again: “\\1 of it”" in text
    card.write_text("Mine alone.\n", encoding="utf-8")
    update_card(again / "adapter", scorings_section([], []))
    text = card.read_text(encoding="utf-8")
    assert text.startswith("Mine alone.\n\n<!-- test set -->")
    card.unlink()
    update_card(again / "adapter", "nothing")
    assert not card.exists()


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [
        (["evaluate", "runs/a", "--data", "my file.txt"], "evaluate runs/a --data 'my file.txt'"),
        (["evaluate", "/home/me/runs/a", "--data=/data/x.txt"], "evaluate a --data=x.txt"),
        (["evaluate", "~/runs/a", "--again", "why"], "evaluate a --again …"),
        (["evaluate", "a", "--again=why"], "evaluate a --again=…"),
        (
            ["evaluate", "a", "--engine", "https://me:word@host:8000/v1?key=word#x"],
            "evaluate a --engine https://host:8000/v1",
        ),
        (["evaluate", "a", "--engine", "http://[::1"], "evaluate a --engine …"),
        (
            ["evaluate", "a", "--engine-option", "--api-key word", "--set", "hub_token=word"],
            "evaluate a --engine-option … --set hub_token=…",
        ),
        (["evaluate", "a\x1b[2J"], "evaluate 'a�[2J'"),
    ],
)
def test_a_command_is_recorded_without_folders_and_secrets(
    arguments: list[str], recorded: str
) -> None:
    assert recorded_command(arguments) == f"extract {recorded}"


def test_a_reason_is_a_line() -> None:
    assert checked_reason(" why ") == "why"
    with pytest.raises(InputError):
        checked_reason("\u202e")


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"date": "yesterday"}\n')
    with pytest.raises(RunError, match=f"{FILE}:1"):
        read_scorings(tmp_path)


def test_the_page_of_the_test_set_shows_a_card_as_it_is() -> None:
    first = Scoring("2026-11-30T08:00:00", "test", 0.841, 0.803, 0.872, 60, 60)
    again = Scoring("2026-12-01T09:00:00", "test", 0.857, 0.821, 0.886, 60, 60)
    again = replace(again, reason="a higher min confidence")
    section = scorings_section([first, again], [])
    page = (ROOT / "docs" / "test-set.md").read_text(encoding="utf-8")
    assert "\n".join(section.splitlines()[3:-1]) in page
