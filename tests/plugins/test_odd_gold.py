"""A document is predicted although its gold is odd, whatever the domain; training sets it aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldsmith import Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.loading import read_examples
from fieldsmith.plugins import load

TEXT = "Foxes of the north. Ada Lovelace saw 3 of them."

SOURCES = {
    "arxiv_metadata, authors that are a number": (
        "arxiv_metadata",
        {"papers.json": json.dumps([{"id": "1", "article_text": TEXT, "authors": 7}])},
    ),
    "news_json, an answer that is no object": (
        "news_json",
        {"news.jsonl": json.dumps({"instruction": TEXT, "output": "no object"})},
    ),
    "news_json, a headline that is a list": (
        "news_json",
        {"news.jsonl": json.dumps({"instruction": TEXT, "output": {"Headline": ["a"]}})},
    ),
    "dcat_datasets, a record that is none": (
        "dcat_datasets",
        {"rows.jsonl": json.dumps({"id": "1", "text": TEXT, "record": [[1]], "more": 1})},
    ),
    "medical_ner, a mention that is not there": (
        "medical_ner",
        {"corpus.txt": "1|t|Foxes\n1|a|of the north.\n1\t0\t5\tDucks\tChemical\tD1\n"},
    ),
    "medical_ner, a line of no format": (
        "medical_ner",
        {"1.txt": TEXT, "1.ann": "T1 Chemical 0 5 Foxes\n"},
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_predicted_although_its_gold_is_odd(name: str, tmp_path: Path) -> None:
    domain, files = SOURCES[name]
    folder = tmp_path / "corpus"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
    (reject,) = read_examples(load(domain), folder)
    assert isinstance(reject, Reject)
    (document,) = read_inputs(load(domain), [str(folder)])
    assert not isinstance(document, Reject), document
    assert "of the north." in document.text
