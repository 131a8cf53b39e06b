"""Documents of the bundled samples in the formats of the projects that docs/migrating.md names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paths import ROOT

from fieldsmith.data import Example
from fieldsmith.dataset.loading import read_examples
from fieldsmith.files import write_jsonl
from fieldsmith.plugins import load

_PROMPT = (
    "The following article contains technical terms including diseases, drugs and chemicals. "
    "Create a list only of the {0} mentioned.\n\n{1}\n\nList of extracted {2}:\n"
)
_ASKED = {
    "chemicals": "chemicals",
    "diseases": "diseases",
    "relations": "influences between the chemicals and diseases",
}


def _sample(plugin: str, count: int) -> list[Example]:
    """Return the first documents of each split of a plugin's sample."""
    found: dict[str | None, list[Example]] = {}
    for row in read_examples(load(plugin), None):
        if isinstance(row, Example):
            found.setdefault(row.split, []).append(row)
    return [example for examples in found.values() for example in examples[:count]]


def papers_as_json(folder: Path, count: int) -> None:
    """Write ``papers.json``, a list with the texts of papers, and ``paper.txt``."""
    rows = json.loads((ROOT / "plugins/arxiv_metadata/sample/train.json").read_text("utf-8"))
    (folder / "papers.json").write_text(json.dumps(rows[:count]), encoding="utf-8")
    (folder / "paper.txt").write_text(rows[-1]["article_text"], encoding="utf-8")


def dataset_pairs(folder: Path, count: int) -> None:
    """Write ``pairs``, JSON beside prose; ``papers``, texts alone; ``outputs``, JSON alone."""
    for name in ("pairs", "papers", "outputs"):
        (folder / name).mkdir()
    for number, example in enumerate(_sample("dcat_datasets", count)):
        record: Any = example.record
        answer = json.dumps(record["datasets"])
        (folder / "pairs" / f"paper_{number}.json").write_text(answer, encoding="utf-8")
        prose = folder / "pairs" / f"paper_{number}_thinking.txt"
        prose.write_text(example.document.text, encoding="utf-8")
        if number < 2:
            text = folder / "papers" / f"new_{number}.txt"
            text.write_text(example.document.text, encoding="utf-8")
            (folder / "outputs" / f"paper_{number}.json").write_text(answer, encoding="utf-8")


def news_rows(folder: Path, count: int) -> None:
    """Write ``rows.json``, pages with Python literals as answers, and ``page.txt``."""
    examples = _sample("news_json", count)
    rows = [{"instruction": each.document.text, "output": repr(each.record)} for each in examples]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "page.txt").write_text(examples[-1].document.text, encoding="utf-8")


def medical_prompts(folder: Path, count: int) -> None:
    """Write ``instruct.jsonl``, three prompts for each abstract, and ``notes.txt``."""
    examples = _sample("medical_ner", count)
    rows = [
        {
            "prompt": _PROMPT.format(asked, example.document.text, asked.split()[0]),
            "completion": "\n".join(f"- {item}" for item in _items(example.record, field)),
        }
        for example in examples
        for field, asked in _ASKED.items()
    ]
    write_jsonl(folder / "instruct.jsonl", rows)
    (folder / "notes.txt").write_text("Velmol caused tarvitis.", encoding="utf-8")


def _items(record: Any, field: str) -> Sequence[str]:
    if field != "relations":
        return [str(value) for value in record[field]]
    return [f"{pair['chemical']} | {pair['disease']}" for pair in record[field]]
