"""The benchmark of a GPU runs on any machine, so that it works where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.slow
def test_it_measures_a_tiny_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert main(["gpu", "--tiny", "--json", str(file)]) == 0
    (found,) = json.loads(file.read_text(encoding="utf-8"))
    assert found["batch_size"] * found["accumulation"] == 16
    for name in ("tokens_a_second", "plain_tokens_a_second", "documents_a_second", "planned_mib"):
        assert found[name] > 0
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert [cell.strip() for cell in row[1:4]] == ["tiny", "1.1 M", "16 x 1"]
