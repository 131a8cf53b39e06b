"""Two domains for the tiny model: chemicals and diseases, and datasets of made-up papers."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tiny_model import SETTINGS, Workplace, as_yaml, embedded_recipe

DOMAINS = ("medical_ner", "dcat_datasets")

_PAPERS = {"train": 12, "validation": 3, "test": 4}
_NAMES = ("Corvid", "Lumen", "Tarn", "Vesper")


def write_papers(file: Path) -> None:
    """Write rows of papers, each of which uses one dataset."""
    source = random.Random(7)
    rows = []
    for split, count in _PAPERS.items():
        for number in range(count):
            name = f"{source.choice(_NAMES)} corpus"
            text = f"Paper {split} {number}. We use the {name} of {source.randrange(10, 99)} texts."
            record = {"datasets": [{"dcterms:title": name}]}
            rows.append({"id": f"{split}-{number}", "text": text, "record": record, "split": split})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def joint_order(
    workplace: Workplace, papers: Path, run: Path, **chosen: object
) -> tuple[str | Path, ...]:
    """Return the arguments of a training of the tiny model on both domains."""
    of_domains = {"window", "max_length"}
    values = {n: v for n, v in (embedded_recipe() | {**SETTINGS}).items() if n not in of_domains}
    values |= {"epochs": 2, "eval_documents": 2, "score_documents": 2, "window_size": 128}
    values |= {"max_length": 512, "patience": 0, **chosen}
    return (
        "train",
        *(f"--plugin={name}" for name in DOMAINS),
        f"--data=medical_ner={workplace.corpus}",
        f"--data=dcat_datasets={papers}",
        "--model",
        workplace.model,
        "--preset",
        "llama-3.2-3b",
        "--output",
        run,
        *(f"--set={name}={as_yaml(value)}" for name, value in values.items()),
    )
