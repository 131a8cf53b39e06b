"""The how-to that begins with PDFs alone leads to a model of a new plugin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from doc_commands import SHORT, blocks, commands
from forked_command import run_forked
from installed_plugins import Site
from paths import ROOT
from pdf_files import line, pdf_of

from fieldsmith.plugins import load
from fieldsmith.review.decisions import Reviews

DOCS = ROOT / "docs"

pytestmark = pytest.mark.slow


def review(folder: Path, count: int, plugin: str) -> None:
    """Accept some documents of ``labels.jsonl`` as Ann."""
    labels = folder / "labels.jsonl"
    reviews = Reviews(load(plugin), labels, folder / "labels.ann.jsonl", "ann", count)
    for number in range(count):
        reviews.decide(number, reviews.current(number))


def write_invoices(folder: Path, count: int) -> None:
    """Write PDFs of invented invoices."""
    folder.mkdir()
    for number in range(count):
        shown = [f"Bolt & Co, Ulm. Invoice {1000 + number}", f"Date: {number + 1} May 2026"]
        shown += ["Paper: 80.40 EUR", f"To pay: {number + 80}.40 EUR"]
        page = "".join(line(72, 700 - 14 * at, text) for at, text in enumerate(shown))
        (folder / f"{number}.pdf").write_bytes(pdf_of(page))


FROM_NOTHING = DOCS / "how-to" / "from-nothing.md"


def with_local_teacher(arguments: Sequence[str]) -> list[str]:
    """Return an order of `extract label` in which a model of this machine takes the server's place.

    It costs no money, and what it may be trained on is free.
    """
    local = {"--teacher": "embedded", "--licence": "own"}
    server = {"--teacher-model", "--price-in", "--price-out", "--budget-cost"}
    kept: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument in local:
            kept += [argument, local[argument]]
            next(given)
        elif argument in server:
            next(given)
        else:
            kept.append(argument)
    return kept


def test_pdfs_without_labels_lead_to_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = dict(blocks(FROM_NOTHING, "python"))
    (tmp_path / "model.py").write_text(code["model.py"], encoding="utf-8")
    write_invoices(tmp_path / "pdfs", 24)
    write_invoices(tmp_path / "new", 2)
    project = tmp_path / "invoices"
    monkeypatch.syspath_prepend(project)
    ran = []
    for _program, *arguments in commands(FROM_NOTHING):
        name = arguments[0]
        ran.append(name)
        if name == "review" and "--apply" not in arguments:
            review(tmp_path, 5, "invoices")  # waits for a person
            continue
        if name == "label":
            arguments = [*with_local_teacher(arguments), "--set", "max_new_tokens=200"]
        if name == "train":
            arguments += [*SHORT, "--set", "max_steps=2", "--set", "eval_documents=2"]
        if name in ("audit", "train"):
            arguments.append("--allow-unlearnable")  # of a model that is no teacher
        answer = run_forked(arguments, tmp_path, environment={"PYTHONPATH": str(project)})
        assert answer.code == 0, f"{arguments}: {answer.output}{answer.errors}"
        if name == "new":
            module = project / "fieldsmith_invoices" / "__init__.py"
            with module.open("a", encoding="utf-8") as file:
                file.write(f"\n\n{code['prompts.py']}")  # takes the place of the hook above it
            entry_points = "[extract.plugins]\ninvoices = fieldsmith_invoices\n"
            Site(project).declare("fieldsmith-invoices", "0.1.0", entry_points)
            assert "pip install -e invoices" in FROM_NOTHING.read_text(encoding="utf-8")
    expected = ["new", "check", "label", "label", "review", "review", "audit", "train"]
    assert ran == [*expected, "evaluate", "evaluate", "predict"]
    rows = (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["plugin"] for row in rows] == ["invoices"] * 2
