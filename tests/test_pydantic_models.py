"""A pydantic model as a plugin's schema: from its class to trained predictions and back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installed_plugins import Site
from paths import ROOT

import fieldsmith
from fieldsmith import Document, Prediction

PLUGIN = '''
"""Job adverts."""

{model}


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return fieldsmith.ask_for_fields(document, schema)


@fieldsmith.hookimpl
def extract_load(source):
    if source is not None:
        yield from fieldsmith.jsonl_examples(source)
        return
    for number, post in enumerate(["nurse", "baker", "welder", "clerk"] * 10):
        hours = 10 + number
        text = f"Wanted: {{post}} number {{number}}, {{hours}} hours, for good."
        record = {{"title": post, "closes": None, "hours": hours, "kind": "permanent"}}
        yield fieldsmith.Example(fieldsmith.Document(str(number), text), record)


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    return fieldsmith.field_counts(example, prediction, schema)
'''


def documented() -> str:
    """Return the code of the docs that defines a model and its schema."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    section = page.partition("#### From a pydantic model")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_the_model_of_the_docs_is_checked_trained_and_read_back(site: Site, tmp_path: Path) -> None:
    site.install("adverts", PLUGIN.format(model=documented()))
    checked = site.extract("check", "adverts")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    chosen = ["--set", "max_steps=2", "--set", "eval_documents=2", "--set", "max_new_tokens=64"]
    trained = site.extract(
        "train", "--plugin", "adverts", "--output", str(tmp_path / "run"), *chosen
    )
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "a.txt").write_text("Wanted: nurse, 40 hours.", encoding="utf-8")
    answer = site.extract("predict", str(tmp_path / "run"), str(tmp_path / "a.txt"))
    assert answer.returncode == 0, answer.stderr
    record = json.loads(answer.stdout)["record"]
    names: dict[str, Any] = {}
    exec(compile(documented(), "plugins.md", "exec", dont_inherit=True), names)
    model: type[Any] = names["Advert"]
    advert: Any = Prediction(Document("a", ""), record=record).as_model(model)
    assert 1 <= advert.hours <= 60
    assert advert.kind in {"permanent", "temporary"}


def test_a_dataclass_has_a_schema_too_and_what_is_no_class_of_fields_has_none() -> None:
    @dataclass
    class Town:
        name: str
        people: int

    schema = fieldsmith.schema_of(Town)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "people"]
    found = Prediction(Document("a", ""), record={"name": "Ulm", "people": 9}).as_model(Town)
    assert found == Town("Ulm", 9)
    assert Prediction(Document("a", ""), error="length").as_model(Town) is None
    with pytest.raises(TypeError, match="has no schema"):
        fieldsmith.schema_of(Site.extract.__class__)
