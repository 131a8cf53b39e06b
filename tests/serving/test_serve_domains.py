"""``extract serve`` on a run of several domains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command
from joint_run import DOMAINS
from served import serving

from fieldsmith.extraction.extractor import Extractor

pytest.importorskip("fastapi", reason="the extra serve is not installed")

TEXT = "aspirin caused rash in 4 patients of the Corvid corpus."


def test_each_domain_answers_as_extract_predict_does(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "note.txt").write_text(TEXT, encoding="utf-8")
    with serving(joint) as server:
        found = {name: server.ask(f"/v1/{name}/extract", {"text": TEXT}).json for name in DOMAINS}
        models = [each["id"] for each in server.ask("/v1/models").json["data"]]
    assert models == list(DOMAINS)
    for name, line in found.items():
        answer = command("predict", joint, tmp_path / "note.txt", "--plugin", name)
        wanted = json.loads(answer.output)
        assert line["plugin"] == name
        assert (line["record"], line["confidence"]) == (wanted["record"], wanted["confidence"])


def test_the_model_is_loaded_once(joint: Path) -> None:
    from fieldsmith.cli.serve import _extractors
    from fieldsmith.runs.folder import Run

    found = _extractors([Run.open(joint / name) for name in DOMAINS], None, None)
    one, other = found.values()
    assert one.model is other.model
    assert isinstance(one, Extractor)
    assert one.task.plugin.name != other.task.plugin.name
