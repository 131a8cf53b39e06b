"""However many documents are scored, few are held: they are read as they are answered."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from command import Command
from tiny_model import lines

import fieldsmith_medical_ner
from fieldsmith import Example, InputError, Reject
from fieldsmith.dataset.loading import read_examples
from fieldsmith.evaluation import evaluate, selection
from fieldsmith.plugins import Plugin

RASH = "{number}|t|Rash {number}.\n{number}|a|\n{number}\t0\t4\tRash\tDisease\tD1\n"


def written(path: Path, count: int) -> Path:
    path.write_text("\n".join(RASH.format(number=number) for number in range(count)))
    return path


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the documents that an evaluation reads; return the most that lived at once."""
    read = read_examples
    alive = most = 0

    def forget() -> None:
        nonlocal alive
        alive -= 1

    def watched(plugin: Plugin, source: Path | None) -> Iterator[Example | Reject]:
        nonlocal alive, most
        for row in read(plugin, source):
            if isinstance(row, Example):
                weakref.finalize(row.document, forget)
                alive += 1
                most = max(most, alive)
            yield row

    monkeypatch.setattr(selection, "read_examples", watched)
    return lambda: most


def test_documents_are_scored_as_they_are_read(
    run: Path,
    tmp_path: Path,
    command: Command,
    held: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "group_size", lambda _settings: 4)
    data = written(tmp_path / "rashes.txt", 19)
    answer = command("evaluate", run, "--data", data, "--json")
    assert answer.code == 0, answer.errors
    summary = json.loads(answer.output)
    assert (summary["documents"], summary["windows"]["total"]) == (19, 19)
    rows = lines(run / "predictions" / "rashes.txt.jsonl")
    assert [row["id"] for row in rows] == [str(number) for number in range(19)]
    assert 4 <= held() <= 2 * 4 + 2  # two groups while one is changed for the next


def test_an_evaluation_answers_as_a_prediction_does(
    run: Path, tmp_path: Path, command: Command
) -> None:
    data = written(tmp_path / "rashes.txt", 35)
    assert command("evaluate", run, "--data", data).code == 0
    predicted = command("predict", run, data).output.splitlines()
    scored = lines(run / "predictions" / "rashes.txt.jsonl")
    assert len(scored) == 35
    assert all(row.pop("gold") for row in scored)
    assert scored == [json.loads(line) for line in predicted]


def test_data_that_shrinks_meanwhile_is_reported_and_no_score_is_stored(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(tmp_path / "rashes.txt", 3)
    before = (run / "metrics.json").read_bytes()
    load = fieldsmith_medical_ner.formats.read
    times = 0

    def shrinking(source: Path, names: Mapping[str, str]) -> Iterator[Example | Reject]:
        nonlocal times
        times += 1
        if times == 3:  # the rows were counted, and looked through for leaks
            written(data, 2)
        return load(source, names)

    monkeypatch.setattr(fieldsmith_medical_ner.formats, "read", shrinking)
    answer = command("evaluate", run, "--data", data)
    assert (answer.code, answer.output) == (1, "")
    assert "changed while it was read; start again" in answer.errors
    assert (run / "metrics.json").read_bytes() == before
    assert not (run / "predictions" / "rashes.txt.jsonl").exists()


def test_pubtator_is_read_line_by_line(tmp_path: Path) -> None:
    count = 1000
    data = written(tmp_path / "corpus.txt", count)
    with data.open("ab") as stream:
        stream.write(b"\n\xff|t|broken\n")
    rows = iter(fieldsmith_medical_ner.extract_load(data, {}))
    for number in range(count - 1):
        row = next(rows)
        assert isinstance(row, Example)
        assert row.document.id == str(number)
    with pytest.raises(InputError, match=rf"corpus\.txt:{4 * count + 1}: byte 0 is not UTF-8"):
        list(rows)


def test_pubtator_with_a_nul_names_its_line(tmp_path: Path) -> None:
    data = tmp_path / "corpus.txt"
    data.write_text("1|t|Rash\n1|a|a \0 b\n")
    with pytest.raises(InputError, match=r"corpus\.txt:2: holds NUL"):
        list(fieldsmith_medical_ner.extract_load(data, {}))
