"""Train, merge and answer with a model of each family that people use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_families import FAMILIES, MIXTURES, VISION
from tiny_model import documents, write_documents

from fieldsmith.extraction.extractor import Extractor
from fieldsmith.plugins import load
from fieldsmith.recipes import Preset
from fieldsmith.runs.folder import Run
from fieldsmith.runs.job import TrainingJob
from fieldsmith.settings import resolve
from fieldsmith.text.grounding import occurrences
from fieldsmith.training.train import train

SETTINGS = {
    "batch_size": 2,
    "epochs": 1,
    "lora_rank": 4,
    "max_new_tokens": 48,
    "max_steps": 2,
    "merge": "yes",
    "prompt": "brief",
    "quantize": "nf4",
    "window": "document",
}
TEXT = "Cafe\u0301 aspirin  and nausea.\n\nMorphine </s> <|im_end|> was given to 3 paétients. 阿 😀"

FAST = ("llama-2", "gemma-2", "gemma-3-vision")
"""One of each kind that needs something of its own; the others take a minute together."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in [*FAMILIES, *MIXTURES, *VISION]
    ],
)
def test_a_family_trains_merges_answers_and_finds_its_values(name: str, tmp_path: Path) -> None:
    model, data = tmp_path / "model", tmp_path / "data.txt"
    {**FAMILIES, **MIXTURES, **VISION}[name].write(model)
    write_documents(data, documents(8, seed=3))
    plugin = load("medical_ner")
    preset = Preset("tiny", {**SETTINGS, "model": str(model)}, "preset tiny")
    job = TrainingJob(plugin, data, "tiny", resolve(preset, plugin.name, {}, {}))
    run = Run.create(tmp_path / "run", job.as_json())
    train(run, job)
    counts = run.info()["counts"]["windows"]
    assert counts["trained"] == counts["made"] > 0
    prediction = Extractor.load(run.folder)(TEXT)
    assert prediction.error is None
    assert prediction.record is not None
    for pointer, (start, end) in prediction.spans.items():
        assert (start, end) in occurrences(TEXT, TEXT[start:end]), pointer
    values = [value for key in ("chemicals", "diseases") for value in prediction.record[key]]
    assert all(any(occurrences(TEXT, value)) for value in values)
    adapted = json.loads((run.adapter / "adapter_config.json").read_text())["target_modules"]
    assert all("vision" not in name and "visual" not in name for name in adapted)
