"""The metric that docs/plugins.md writes counts what the page says, and keeps to the contract."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from doc_commands import blocks
from installed_plugins import Site
from paths import ROOT

from fieldsmith.authoring.checks import check_plugin
from fieldsmith.authoring.scaffold import create
from fieldsmith.data import Document, Example, Prediction
from fieldsmith.plugins import load

METRIC = dict(blocks(ROOT / "docs" / "plugins.md", "python"))["metric.py"]
CLAUSE = "The tenant pays the rent on the first day of each month"
LATER = "The tenant pays the rent on the last day of each month"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "parties": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
        "clauses": {
            "type": "array",
            "items": {"type": "string", "x-source": "verbatim"},
            "x-score": "none",
        },
    },
}


@pytest.fixture
def contracts(here: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin of contracts whose metric is the page's."""
    monkeypatch.chdir(tmp_path)
    package = create("contracts") / "fieldsmith_contracts"
    (package / "cases.yaml").unlink()
    (package / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    rows = (
        {
            "id": str(number),
            "text": f"No. {number}. {CLAUSE}. {LATER}. Ann Oke, Bo Li.",
            "record": {
                "parties": ["Ann Oke", "Bo Li"],
                "clauses": [CLAUSE, LATER][: 1 + number % 2],
            },
        }
        for number in range(6)
    )
    sample = "".join(json.dumps(row) + "\n" for row in rows)
    (package / "sample.jsonl").write_text(sample, encoding="utf-8")
    with (package / "__init__.py").open("a", encoding="utf-8") as module:
        module.write(f"\n\n{METRIC}")  # takes the place of the hook above it
    shutil.move(package, here.path)
    here.declare("contracts", "1.0", f"[extract.plugins]\ncontracts = {package.name}\n")


@pytest.mark.usefixtures("contracts")
def test_it_keeps_to_the_contract() -> None:
    assert {each.state for each in check_plugin("contracts")} == {"ok"}


@pytest.mark.usefixtures("contracts")
def test_clauses_with_most_words_in_common_match() -> None:
    plugin = load("contracts")
    example = Example(
        Document("1", CLAUSE), {"parties": [], "clauses": [CLAUSE, "Pets are allowed"]}
    )

    def counted(record: dict[str, object] | None) -> tuple[float, ...]:
        answer = Prediction(example.document, record=record)
        return tuple(plugin.metric(example, answer)["clauses"])

    assert counted({"clauses": [LATER, "No pets"]}) == (1, 2, 2)
    assert counted({"clauses": [LATER, LATER]}) == (1, 2, 2)
    assert counted(None) == (0, 0, 2)
