"""The report says what the run folder holds, and shows every document as it is and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import struct
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from command import Command
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from paths import ROOT
from scored_runs import DOCUMENTS, two_runs
from tiny_model import Trained, lines

from fieldsmith.files import write_jsonl
from fieldsmith.report.charts import ticks
from fieldsmith.report.comparison import compare
from fieldsmith.report.display import visible
from fieldsmith.report.error_kinds import KINDS
from fieldsmith.report.scored_run import read_scored_run
from fieldsmith.scoring.metrics import score


@pytest.fixture(scope="module")
def made(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return two_runs(trained.run, tmp_path_factory.mktemp("report"))


# What is read of a run


def test_the_counts_that_are_read_again_make_the_stored_scores(trained: Trained) -> None:
    found = read_scored_run(trained.run)
    assert found.name == "validation"
    counts = [document.counts for document in found.documents if document.counts is not None]
    assert len(counts) == 10
    again = {name: asdict(value) for name, value in score(counts, found.names).items()}
    assert again == {
        name: value
        for name, value in found.summary["metrics"].items()
        if not name.endswith("/accuracy")
    }
    assert all(document.text for document in found.documents)


def test_the_terminal_shows_the_tables(made: tuple[Path, Path, Path], command: Command) -> None:
    ours, theirs, data = made
    answer = command("report", ours, "--data", data, "--against", theirs)
    assert answer.code == 0, answer.errors
    found = read_scored_run(ours, data=data)
    assert found.kinds()
    for field, row in found.kinds().items():
        cells = [str(row[name]) for name in ("gold", "predicted", *KINDS)]
        pattern = r"\s*│\s*".join(map(re.escape, [field, *cells]))
        assert re.search(rf"{pattern}\s*│\n", answer.output), (field, cells)
    f1 = found.summary["metrics"]["chemicals/f1"]
    assert f"{f1['low']:.3f}-{f1['high']:.3f}" in answer.output
    losses = [row["eval_loss"] for row in lines(ours / "log.jsonl") if "eval_loss" in row]
    assert losses
    assert all(f"{loss:.3f}" in answer.output for loss in losses)
    assert "1 documents are better:" in answer.output
    assert "0 documents are worse" in answer.output
    assert "expected calibration error" in answer.output
    assert f"extract evaluate {ours} --base" in answer.output


def test_a_comparison_says_what_got_better_and_what_got_worse(
    made: tuple[Path, Path, Path],
) -> None:
    ours, theirs, data = made
    sides = read_scored_run(ours, data=data), read_scored_run(theirs, data=data)
    found = compare(*sides)
    assert found.score.difference.value == pytest.approx(
        sides[0].summary["score"] - sides[1].summary["score"]
    )
    assert found.score.difference.value > 0
    (change,) = found.changed("better")
    assert change.id == "right"
    assert change.worse == ()
    assert set(change.better) == {
        ("diseases", "rash", "found"),
        ("diseases", "caused", "no longer answered"),
        ("relations", "chemical: Aspirin; disease: rash", "found"),
        ("relations", "chemical: Aspirin; disease: caused", "no longer answered"),
    }
    back = compare(sides[1], sides[0])
    (change,) = back.changed("worse")
    assert ("diseases", "rash", "no longer found") in change.worse
    assert ("diseases", "caused", "answered in error") in change.worse
    assert back.score.difference.value == -found.score.difference.value


# JSON


def told(command: Command, *arguments: object) -> dict[str, Any]:
    answer = command("report", *arguments, "--json")
    assert answer.code == 0, answer.errors
    assert answer.output.count("\n") == 1
    report: dict[str, Any] = json.loads(answer.output)
    return report


def test_json_says_what_the_run_folder_holds(
    made: tuple[Path, Path, Path], command: Command
) -> None:
    ours, _theirs, data = made
    report = told(command, ours, "--data", data)
    stored = json.loads((ours / "metrics.json").read_text(encoding="utf-8"))[data.name]
    names = report["scores"].pop("names")
    assert names == ["chemicals", "diseases", "relations"]
    assert report["scores"] | {"calibration": report["calibration"]} == stored
    assert report["calibration"]["leaves"] > 0
    log = lines(ours / "log.jsonl")
    for name in ("loss", "eval_loss", "score"):
        by_step = {row["step"]: row[name] for row in report["steps"] if name in row}
        assert by_step == {row["step"]: row[name] for row in log if name in row} != {}
    assert report["run"]["folder"] == str(ours)
    assert (report["run"]["documents"], report["run"]["steps"]) == (24, max(by_step))
    assert report["against"] is None
    assert any("--base" in sentence for sentence in report["missing"])


def test_json_counts_the_answers_by_kind_and_points_to_them(
    made: tuple[Path, Path, Path], command: Command
) -> None:
    ours, _theirs, data = made
    report = told(command, ours, "--data", data)
    assert report["errors"]["chemicals"] == {
        "gold": 7, "predicted": 5,
        "right": 2, "wrong": 0, "split": 0, "merged": 1, "missing": 3, "invented": 2,
    }  # fmt: skip
    assert [document["id"] for document in report["documents"]] == [row[0] for row in DOCUMENTS]
    right, pieces, *_, unread = report["documents"]
    assert (right["f1"], right["error"]) == (1.0, None)
    merged = {"field": "chemicals", "gold": ["/chemicals/0", "/chemicals/1"]}
    assert {"kind": "merged", **merged, "predicted": ["/chemicals/0"]} in pieces["answers"]
    assert unread["f1"] == 0
    assert unread["error"].startswith("no answer")
    assert {answer["kind"] for answer in unread["answers"]} == {"missing"}


def test_json_compares_by_field_and_by_document(
    made: tuple[Path, Path, Path], command: Command
) -> None:
    ours, theirs, data = made
    against = told(command, ours, "--data", data, "--against", theirs)["against"]
    assert against["run"] == str(theirs)
    assert set(against["fields"]) >= {"chemicals", "diseases", "relations"}
    for row in (against["score"], *against["fields"].values()):
        found = row["difference"]
        assert found["value"] == pytest.approx(row["here"] - row["there"])
        assert found["low"] <= found["value"] <= found["high"]
        assert 0 < found["p_value"] <= 1
    assert against["fields"]["diseases"]["difference"]["value"] > 0
    assert against["fields"]["chemicals"]["difference"]["value"] == 0
    assert against["worse"] == []
    (change,) = against["better"]
    assert (change["id"], change["here"], change["lost"]) == ("right", 1.0, [])
    assert {"field": "diseases", "value": "rash", "what": "found"} in change["gained"]


def test_json_without_the_data_says_what_is_missing(
    made: tuple[Path, Path, Path], command: Command
) -> None:
    ours, _theirs, data = made
    report = told(command, ours, "--split", data.name)
    assert {document["f1"] for document in report["documents"]} == {None}
    assert report["errors"]["chemicals"]["merged"] == 0  # nothing touches without a text
    assert any("give its path by --data" in sentence for sentence in report["missing"])


def test_json_is_alone_on_standard_output(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    answer = command("report", made[0], "--json", "--html", tmp_path / "page.html")
    assert answer.code == 2
    assert "--json excludes --html and --png" in answer.errors
    assert not (tmp_path / "page.html").exists()


def test_the_page_of_the_documentation_names_every_key_of_the_json(
    made: tuple[Path, Path, Path], command: Command
) -> None:
    ours, theirs, data = made
    report = told(command, ours, "--data", data, "--against", theirs)
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8").split("## JSON")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    assert list(rows) == list(report)
    for part in ("run", "against", "calibration"):
        assert [key for key in report[part] if f"`{key}`" not in rows[part]] == []
    for part in ("documents", "errors"):
        found = report[part].values() if part == "errors" else report[part]
        assert [key for row in found for key in row if f"`{key}`" not in rows[part]] == []


# The page


def page_of(command: Command, file: Path, *arguments: object) -> Any:
    answer = command("report", *arguments, "--html", file)
    assert answer.code == 0, answer.errors
    assert answer.output.strip() == str(file)
    return html.document_fromstring(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(made: tuple[Path, Path, Path]) -> Path:
    from fieldsmith.report.page import render

    ours, theirs, data = made
    sides = read_scored_run(ours, data=data), read_scored_run(theirs, data=data)
    file = ours.parent / "report.html"
    file.write_text(render(sides[0], compare(*sides)), encoding="utf-8")
    return file


def test_no_text_of_a_document_is_markup(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert "window.broken" in text  # the documents are there
    page = html.document_fromstring(text)
    (script,) = page.iter("script")
    assert script.text == (ROOT / "core" / "report" / "page.js").read_text(encoding="utf-8")
    assert not list(page.iter("img", "iframe", "object", "embed", "link", "base"))
    for element in page.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name != "style"
            if name in ("href", "src", "action"):
                assert value.startswith("#")


def test_every_text_is_in_the_page_as_it_is(written: Path) -> None:
    page = html.document_fromstring(written.read_text(encoding="utf-8"))
    articles = {
        article.find(".//summary").find_class("name")[0].text_content(): article
        for article in page.iter("article")
    }
    assert set(articles) == {identifier for identifier, *_rest in DOCUMENTS}
    for identifier, text, *_rest in DOCUMENTS:
        (shown,) = articles[identifier].find_class("text")
        # A control character is shown by its picture, so that nothing of the text is lost.
        assert shown.text_content() == visible(text)
    assert "␇" in articles[DOCUMENTS[3][0]].text_content()


def test_the_page_may_load_and_run_nothing_but_its_own(written: Path) -> None:
    page = html.document_fromstring(written.read_text(encoding="utf-8"))
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (element,) = page.iter(tag)
        digest = hashlib.sha256(element.text.encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


def test_marks_are_where_gold_and_predictions_are(written: Path) -> None:
    page = html.document_fromstring(written.read_text(encoding="utf-8"))
    marks = Counter(
        (mark.getparent().getparent().find("summary").find_class("name")[0].text_content(),
         mark.text_content(), mark.get("data-kind"), mark.get("data-side"))
        for mark in page.xpath("//article//mark")
    )  # fmt: skip
    assert marks["right", "Aspirin", "right", "gp"] == 1
    assert marks["pieces", "chronic", "split", "gp"] == 1
    assert marks["pieces", " renal ", "split", "g"] == 1
    assert marks["pieces", "lithium", "merged", "gp"] == 1
    assert marks["pieces", " and ", "merged", "p"] == 1
    assert marks["wrong", "Portal ", "wrong", "g"] == 1
    assert marks["wrong", "hypertension", "wrong", "gp"] == 1
    assert marks["wrong", "morphine", "missing", "g"] == 1
    assert marks["wrong", "seen", "invented", "p"] == 1
    assert marks["unread", "nausea", "missing", "g"] == 1


def test_the_page_shows_what_is_stored(written: Path, made: tuple[Path, Path, Path]) -> None:
    page = html.document_fromstring(written.read_text(encoding="utf-8"))
    stored = json.loads((made[0] / "metrics.json").read_text())["made.jsonl"]
    metrics = stored["metrics"]
    rows, shares, gains = (
        [[cell.text_content().strip() for cell in row] for row in table.xpath("./tbody/tr")]
        for table in page.xpath("//section[@id='scores']//table")
    )
    shown = {row[0]: row[3:5] for row in rows}
    for name in ("chemicals", "diseases", "relations", "macro"):
        f1 = metrics[f"{name}/f1"]
        assert shown[name] == [f"{f1['value']:.3f}", f"{f1['low']:.3f} to {f1['high']:.3f}"]
    assert [row[:2] for row in shares] == [["the whole record", "0.333"]]
    assert metrics["whole_record/accuracy"]["value"] == pytest.approx(2 / 6)
    assert gains == [
        [name, f"{found['score']:.3f}", f"{found['gain']:+.3f}"]
        for name, found in stored["oracle"].items()
    ]
    for part in ("scores", "against", "steps", "errors", "calibration", "documents"):
        assert page.get_element_by_id(part) is not None
    assert "The base model was not scored" in page.text_content()


def test_documents_with_the_most_errors_are_shown_and_the_rest_is_reported(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    ours, _theirs, data = made
    file = tmp_path / "new" / "page.html"
    page = page_of(command, file, ours, "--data", data, "--documents", 2)
    names = [name.text_content() for name in page.find_class("name")]
    found = {it.id: it.errors for it in read_scored_run(ours, data=data).documents}
    assert len(names) == 2
    assert min(found[name] for name in names) >= max(
        count for name, count in found.items() if name not in names
    )
    assert "2 of 6 documents, those with the most errors; 4 are left out" in page.text_content()
    before = file.read_bytes()
    page_of(command, file, ours, "--data", data, "--documents", 2)
    assert file.read_bytes() == before


def test_without_the_data_the_page_says_what_is_missing(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    ours, theirs, _data = made
    page = page_of(command, tmp_path / "page.html", ours, "--split", "made.jsonl")
    assert "the data is not available" in page.text_content()
    assert not page.find_class("text")
    assert len(page.xpath("//article")) == len(DOCUMENTS)
    answer = command("report", ours, "--split", "made.jsonl", "--against", theirs)
    assert answer.code == 1
    assert "give its path by --data" in answer.errors


# What is refused


def refused(command: Command, *arguments: object) -> str:
    answer = command("report", *arguments)
    assert answer.code == 1, answer.output
    assert answer.output == ""
    assert answer.errors.startswith("extract: error: ")
    assert answer.errors.count("\n") == 1, answer.errors
    return answer.errors


def test_scores_that_are_not_there_are_refused_with_what_is(run: Path, command: Command) -> None:
    line = refused(command, run, "--split", "valdation")
    assert "did you mean validation?" in line
    (run / "predictions" / "validation.jsonl").unlink()
    answer = command("report", run)
    assert answer.code == 0, "the scores are shown"
    assert f"make it by: extract evaluate {run}" in answer.output + answer.errors
    (run / "metrics.json").unlink()
    assert "metrics.json has no scores" in refused(command, run)


def test_runs_on_other_documents_are_not_compared(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    ours, theirs, data = made
    fewer = Path(shutil.copytree(theirs, tmp_path / "fewer"))
    file = fewer / "predictions" / "made.jsonl.jsonl"
    write_jsonl(file, lines(file)[1:])
    page = tmp_path / "page.html"
    arguments = (ours, "--against", fewer, "--data", data, "--html", page)
    assert "are of other documents" in refused(command, *arguments)
    assert not page.exists()
    line = refused(command, ours, "--against", fewer, "--split", "made.jsonl")
    assert "5 of 5 and 6 are the same" in line


def test_data_that_changed_since_is_not_shown(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    ours, _theirs, data = made
    other = tmp_path / "made.jsonl"
    rows = lines(data)
    rows[0]["record"]["diseases"] = []
    write_jsonl(other, rows)
    assert "are of other documents" in refused(command, ours, "--data", other)


# Figures


def test_figures_are_images_for_print(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command
) -> None:
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    ours, theirs, data = made
    answer = command("report", ours, "--data", data, "--against", theirs, "--png", tmp_path / "png")
    assert answer.code == 0, answer.errors
    files = [Path(line) for line in answer.output.splitlines()]
    names = ["scores", "loss", "steps", "errors", "calibration", "against"]
    assert [file.stem for file in files] == names
    for file in files:
        head = file.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", head[16:24])
        assert width == 1020  # 3.4 inches at 300 dots
        assert height > 300


def test_figures_without_matplotlib_say_what_to_install(
    made: tuple[Path, Path, Path], tmp_path: Path, command: Command, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ours, _theirs, data = made
    line = refused(command, ours, "--data", data, "--png", tmp_path / "png")
    assert "pip install 'fieldsmith[report]'" in line


# Parts


@given(st.one_of(st.just(0.0), st.floats(1e-9, 1e9)))
def test_ticks_enclose_a_range(high: float) -> None:
    found = ticks(high)
    assert found[0] == 0
    assert found[-1] >= high * (1 - 1e-9)
    assert found == sorted(set(found))
    assert 2 <= len(found) <= 6


def test_the_page_of_the_documentation_defines_every_kind() -> None:
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"**{kind}**" not in text] == []
