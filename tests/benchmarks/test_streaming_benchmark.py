"""The benchmark of streaming: its documents, and its marks."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from tiny_model import Trained

from benchmarks import streaming
from fieldsmith import Example
from fieldsmith.plugins import load


def test_abstracts_are_sentences_of_the_sample_recombined() -> None:
    rows = list(streaming.abstracts(40))
    assert rows == list(streaming.abstracts(40))
    assert len({row["text"] for row in rows}) == len({row["id"] for row in rows}) == 40
    sample = [
        row.document.text for row in load("medical_ner").load(None) if isinstance(row, Example)
    ]
    whole = "\n".join(sample)
    few, most = streaming.SENTENCES
    for row in rows:
        sentences = re.split(r"(?<=[.?!]) (?=[A-Z])", row["text"])
        assert few + 1 <= len(sentences) <= most + 1
        assert all(sentence in whole for sentence in sentences)
        assert row["text"] not in sample


@pytest.mark.slow
def test_memory_is_noted_at_each_mark(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    streaming.main(["--run", str(trained.run), "--documents", "12"])
    head, *rows, last = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "documents"
    numbers = [[float(word) for word in re.findall(r"[\d.]+", row)] for row in rows]
    assert [row[0] for row in numbers] == [2, 3, 6, 12]
    assert all(0 < held <= peak for _documents, peak, held, _seconds in numbers)
    for column in (1, 3):
        assert all(one[column] <= other[column] for one, other in pairwise(numbers))
    assert re.match(r"\d+\.\d\d documents a second", last)


@pytest.mark.slow
def test_a_run_that_cannot_predict_ends_the_benchmark(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (run / "adapter" / "receipt.json").unlink()
    data = tmp_path / "one.jsonl"
    data.write_text(json.dumps({"id": "a", "text": "A rash came."}) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="ended with exit code 1"):
        streaming.measure(run, data, 1)
    assert "receipt.json: cannot be read" in capfd.readouterr().err
