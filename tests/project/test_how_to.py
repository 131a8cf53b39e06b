"""The commands of the start page and of the how-tos that need no GPU run, in order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from doc_commands import SHORT, blocks, commands
from forked_command import run_forked
from installed_plugins import Site
from paths import ROOT
from pdf_files import line, pdf_of
from stand_in_arxiv import PAPERS

from fieldsmith.plugins import load
from fieldsmith.review.decisions import Reviews

DOCS = ROOT / "docs"

# What waits for a person or a server, wants a plugin that is installed, or stands for any run.
_ELSEWHERE = {
    "check",
    "http://localhost:8000",
    "https://api.openai.com/v1",
    "RUN",
    "adverts.jsonl",
    "Qwen/Qwen3-4B",
}
_NOTES = "Velmol caused tarvitis in two patients. Brunixal was well tolerated."

pytestmark = pytest.mark.slow


def add_rows(file: Path, count: int) -> None:
    """Add rows like the first one of a file."""
    first = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    with file.open("a", encoding="utf-8") as rows:
        for number in range(count):
            text = first["text"].replace("two", str(number + 3))
            rows.write(json.dumps({**first, "id": f"more-{number}", "text": text}) + "\n")


def add_turns(file: Path, count: int) -> None:
    """Add conversations like the first one of a file."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    with file.open("a", encoding="utf-8") as rows:
        rows.writelines(first.replace("two", str(number + 3)) + "\n" for number in range(count))


def write_papers(folder: Path, first: int, count: int) -> None:
    """Write PDFs of invented papers and their labels."""
    folder.mkdir(exist_ok=True)
    with (folder / "labels.jsonl").open("a", encoding="utf-8") as labels:
        for number in range(first, first + count):
            paper = replace(PAPERS[0], title=f"On foxes, part {number}")
            (folder / f"p{number}.pdf").write_bytes(paper.pdf())
            record = {"title": paper.title, "authors": list(paper.authors)}
            labels.write(json.dumps({"path": f"p{number}.pdf", "record": record}) + "\n")


def review(folder: Path, count: int, plugin: str = "medical_ner") -> None:
    """Accept some documents of ``labels.jsonl`` as Ann."""
    labels = folder / "labels.jsonl"
    reviews = Reviews(load(plugin), labels, folder / "labels.ann.jsonl", "ann", count)
    for number in range(count):
        reviews.decide(number, reviews.current(number))


def run_python(file: Path) -> subprocess.CompletedProcess[str]:
    """Run a file of a page in its folder."""
    return subprocess.run(
        [sys.executable, file], cwd=file.parent, capture_output=True, text=True, check=False
    )


def write_invoices(folder: Path, count: int) -> None:
    """Write PDFs of invented invoices."""
    folder.mkdir()
    for number in range(count):
        shown = [f"Bolt & Co, Ulm. Invoice {1000 + number}", f"Date: {number + 1} May 2026"]
        shown += ["Paper: 80.40 EUR", f"To pay: {number + 80}.40 EUR"]
        page = "".join(line(72, 700 - 14 * at, text) for at, text in enumerate(shown))
        (folder / f"{number}.pdf").write_bytes(pdf_of(page))


def write_gold(file: Path) -> None:
    record = {"chemicals": ["Velmol", "Brunixal"], "diseases": ["tarvitis"], "relations": []}
    file.write_text(json.dumps({"id": "gold", "text": _NOTES, "record": record}), encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "start",
        "how-to/jsonl",
        "how-to/other-trainers",
        "how-to/pdf",
        "how-to/pydantic",
        "how-to/teacher",
    ],
)
def test_the_commands_run_in_order(tmp_path: Path, name: str) -> None:
    page = DOCS / f"{name}.md"
    for language in ("text", "jsonl", "python"):
        for file, content in blocks(page, language):
            if file:
                (tmp_path / file).parent.mkdir(exist_ok=True)
                (tmp_path / file).write_text(content, encoding="utf-8")
    (tmp_path / "new.txt").write_text(_NOTES, encoding="utf-8")
    if name == "how-to/jsonl":
        add_rows(tmp_path / "mine.jsonl", 37)
    if name == "how-to/other-trainers":
        add_turns(tmp_path / "chat.jsonl", 38)
    if name == "how-to/pdf":
        (tmp_path / "papers" / "a.pdf").write_bytes(replace(PAPERS[0], authors=("Ann Oke",)).pdf())
        write_papers(tmp_path / "papers", 1, 24)
        write_papers(tmp_path / "unseen", 101, 2)
    if name == "how-to/teacher":
        (tmp_path / "notes").mkdir()
        for number in range(24):
            text = _NOTES.replace("two", str(number + 3))
            (tmp_path / "notes" / f"{number}.txt").write_text(text, encoding="utf-8")
        write_gold(tmp_path / "gold.jsonl")
    ran = 0
    for _program, *arguments in commands(page):
        if _ELSEWHERE & set(arguments):
            continue
        if arguments[0] == "review" and "--apply" not in arguments:
            review(tmp_path, 5)  # waits for a person
            continue
        if arguments[0] == "train":
            arguments += [*SHORT, "--set", "max_steps=2", "--set", "eval_documents=2"]
        if arguments[0] in ("audit", "train"):
            arguments.append("--allow-unlearnable")  # of a model that is no teacher
        answer = run_forked(arguments, tmp_path)
        assert answer.code == 0, f"{arguments}: {answer.errors}"
        ran += 1
    for file, _content in blocks(page, "python"):
        if file in ("table.py", "mentions.py"):
            done = run_python(tmp_path / file)
            assert done.returncode == 0, f"{file}: {done.stderr}"
            assert done.stdout, file
    assert ran >= (1 if name == "how-to/pydantic" else 4)


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
