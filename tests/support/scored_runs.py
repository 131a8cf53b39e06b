"""Runs with made-up predictions that are scored, with an answer of every kind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldsmith.data import Example, Prediction, Record
from fieldsmith.dataset.loading import read_examples
from fieldsmith.evaluation.summary import score_predictions, summarise
from fieldsmith.extraction.prediction_file import prediction_line
from fieldsmith.files import write_jsonl
from fieldsmith.plugins import load
from fieldsmith.runs.folder import Run
from fieldsmith.text.grounding import ground

if TYPE_CHECKING:
    from drawn_pages import Drawing

SCRIPT = "<script>window.broken = true</script>"
IMAGE = '"><img src="x" onerror="window.broken = true">'

# (id, text, gold, predicted), with an answer of every kind.
DOCUMENTS: Sequence[tuple[str, str, tuple[list[str], list[str]], tuple[list[str], list[str]]]] = (
    (
        "right",
        "Aspirin caused a rash.",
        (["Aspirin"], ["rash"]),
        (["Aspirin"], ["rash"]),
    ),
    (
        "pieces",
        "Severe chronic renal failure came after lithium and sodium valproate.",
        (["lithium", "sodium valproate"], ["chronic renal failure"]),
        (["lithium and sodium valproate"], ["chronic", "failure"]),
    ),
    (
        "wrong",
        "Portal hypertension was seen after cocaine; morphine helped.",
        (["cocaine", "morphine"], ["Portal hypertension"]),
        (["cocaine", "seen"], ["hypertension"]),
    ),
    (
        f"markup {SCRIPT}",
        f"{SCRIPT} and {IMAGE} &lt;b&gt; \x07 \u202ecaused\u202c </p></article>\r\nfever.",
        (["script"], ["fever"]),
        (["img"], ["fever"]),
    ),
    ("silent", "No one was ill.", ([], []), ([], [])),
    ("unread", "Morphine caused nausea.", (["Morphine"], ["nausea"]), ([], [])),
)


def record_of(found: tuple[list[str], list[str]]) -> Record:
    """Return a record of chemicals and diseases; the first of both are a relation."""
    pairs = [{"chemical": c, "disease": d} for c, d in zip(*found, strict=False)][:1]
    return {"chemicals": found[0], "diseases": found[1], "relations": pairs}


def write_data(path: Path) -> Path:
    write_jsonl(
        path,
        [
            {"id": identifier, "text": text, "record": record_of(gold)}
            for identifier, text, gold, _predicted in DOCUMENTS
        ],
    )
    return path


def score_as(run: Path, data: Path, records: Mapping[str, Record | None]) -> None:
    """Store predictions and scores in a run folder, as extract evaluate does of a model's."""
    plugin, folder = load("medical_ner"), Run(run)
    examples = [row for row in read_examples(plugin, data) if isinstance(row, Example)]
    predictions = [_prediction(example, records[example.document.id]) for example in examples]
    write_jsonl(
        run / "predictions" / f"{data.name}.jsonl",
        [
            {**prediction_line(prediction, plugin.name), "gold": example.record}
            for example, prediction in zip(examples, predictions, strict=True)
        ],
    )
    scored = score_predictions(plugin, examples, predictions)
    summary = summarise(plugin, folder.settings().values, scored, data.name)
    cost = {"seconds_per_document": 0.5, "peak_memory_mb": 100.0}
    folder.write_metrics(data.name, {**summary, **cost})


def _prediction(example: Example, record: Record | None) -> Prediction:
    if record is None:
        return Prediction(example.document, error=f"no answer {SCRIPT}")
    grounding = ground(record, example.document.text)
    confidence = dict.fromkeys(grounding, 0.5)
    return Prediction(
        example.document, record=record, grounding=grounding, confidence=confidence, windows=(1, 1)
    )


def predicted() -> dict[str, Record | None]:
    found: dict[str, Record | None] = {
        identifier: record_of(answers) for identifier, _text, _gold, answers in DOCUMENTS
    }
    return found | {"unread": None}


def two_runs(trained: Path, folder: Path) -> tuple[Path, Path, Path]:
    """Return a run, a worse one, and the data that both were scored on."""
    data = write_data(folder / "made.jsonl")
    ours, theirs = (Path(shutil.copytree(trained, folder / name)) for name in ("ours", "theirs"))
    score_as(ours, data, predicted())
    score_as(theirs, data, predicted() | {"right": record_of((["Aspirin"], ["caused"]))})
    return ours, theirs, data


# (name, lines of each page, gold, predicted): "wrong" has values on five pages.
PAPERS: Sequence[
    tuple[str, Sequence[str], tuple[list[str], list[str]], tuple[list[str], list[str]]]
] = (
    (
        "right.pdf",
        ("Aspirin caused a rash.",),
        (["Aspirin"], ["rash"]),
        (["Aspirin"], ["rash"]),
    ),
    (
        "wrong.pdf",
        ("Aspirin helped.", "Nobody was ill.", *["Aspirin and cocaine caused a severe rash."] * 4),
        (["Aspirin", "cocaine"], ["severe rash"]),
        (["Aspirin"], ["rash"]),
    ),
)


def paged_run(trained: Path, folder: Path) -> tuple[Path, Path, dict[str, Drawing]]:
    """Return a run that was scored on PDFs, their folder, and what is drawn in each."""
    from drawn_pages import Drawing

    data = folder / "papers"
    data.mkdir()
    drawings = {}
    for name, pages, _gold, _predicted in PAPERS:
        drawings[name] = drawing = Drawing([0, 90])
        for text in pages:
            drawing.next_page()
            drawing.write(100, 700, text.split(), "Helvetica", 12)
        (data / name).write_bytes(drawing.content())
    write_jsonl(
        data / "labels.jsonl",
        [{"path": name, "record": record_of(gold)} for name, _pages, gold, _predicted in PAPERS],
    )
    run = Path(shutil.copytree(trained, folder / "paged"))
    score_as(run, data, {name: record_of(found) for name, _pages, _gold, found in PAPERS})
    return run, data, drawings
