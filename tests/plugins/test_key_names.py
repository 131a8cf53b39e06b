"""Keys of other names (``--map``) in the plugins' own JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fieldsmith import Example
from fieldsmith.dataset.loading import read_examples
from fieldsmith.plugins import load

PAPER = {
    "id": "0704.0191",
    "title": "Foxes and hens",
    "authors": ["Ann Oke", "Bo Li"],
    "abstract": "Foxes bleed.",
    "doi": None,
    "article_text": "Foxes and hens\nAnn Oke, Bo Li\nAbstract\nFoxes bleed.\narXiv:0704.0191",
}
PAPER_NAMES = {"arxiv_id": "id", "name": "title", "people": "authors", "summary": "abstract"}
ARTICLE = {
    "id": "1",
    "title": "Storm over Vellin",
    "authors": ["Jane Roe"],
    "site_name": "Vellin Post",
    "country": "Ireland",
    "lang": "en-IE",
    "url": "https://vellin.example/storm",
    "paragraphs": ["A storm came over the bay on Monday.", "Nobody was hurt."],
    "hit_sentence": "Nobody was hurt.",
}
ARTICLE_NAMES = {
    "nr": "id",
    "headline": "Headline",
    "by": "Influencer",
    "paper": "Source",
    "land": "Country",
    "speech": "Language",
    "link": "URL",
    "quote": "Hit Sentence",
}
ARTICLE_KEYS = ("id", "title", "authors", "site_name", "country", "lang", "url", "hit_sentence")


def read(plugin: str, file: Path, row: Mapping[str, Any], names: Mapping[str, str]) -> Example:
    lines = json.dumps(row) if file.suffix == ".jsonl" else json.dumps([row])
    file.write_text(lines, encoding="utf-8")
    (found,) = read_examples(load(plugin, names=names), file)
    assert isinstance(found, Example)
    return found


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(
    ("plugin", "row", "names", "keys"),
    [
        ("arxiv_metadata", PAPER, PAPER_NAMES, ("id", "title", "authors", "abstract")),
        ("news_json", ARTICLE, ARTICLE_NAMES, ARTICLE_KEYS),
    ],
)
def test_keys_of_the_plugins_own_json_are_mapped(
    tmp_path: Path,
    name: str,
    plugin: str,
    row: Mapping[str, Any],
    names: Mapping[str, str],
    keys: tuple[str, ...],
) -> None:
    wanted = read(plugin, tmp_path / name, row, {})
    assert wanted.record
    others = dict(zip(keys, names, strict=True))
    found = read(plugin, tmp_path / name, {others.get(key, key): row[key] for key in row}, names)
    assert (found.document, found.record) == (wanted.document, wanted.record)


def test_the_opening_of_an_article_is_mapped(tmp_path: Path) -> None:
    row = {**ARTICLE, "lead": "Nobody was hurt."}
    found = read("news_json", tmp_path / "a.jsonl", row, {"lead": "Opening Text"})
    assert found.record
    assert found.record["Opening Text"] == "Nobody was hurt."


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ({"headline": "Headline", "body": "text"}, {"headline": "Storm", "body": "Storm at sea."}),
        ({"body": "text"}, {"Headline": "Storm", "body": "Storm at sea."}),
    ],
)
def test_rows_that_have_a_text_once_they_are_mapped_are_read_by_the_core(
    tmp_path: Path, names: Mapping[str, str], row: Mapping[str, Any]
) -> None:
    found = read("news_json", tmp_path / "a.jsonl", row, names)
    assert found.document.text == "Storm at sea."
    assert found.record == {"Headline": "Storm"}
