"""The benchmark of the server: no record is invalid and no answer lost under load."""

from __future__ import annotations

import pytest
from tiny_model import Trained

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from benchmarks import serving


@pytest.mark.slow
def test_nothing_is_lost_under_load(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    serving.main(["--run", str(trained.run), "--seconds", "20", "--fast", "4", "--slow", "16"])
    said = capsys.readouterr().out
    assert "invalid records: 0\nlost answers: 0\nexit code 0" in said
