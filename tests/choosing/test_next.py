"""`extract next`: what it leaves out, what it writes, that others read it, that it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Command
from tiny_model import Trained, Workplace, contents, info, lines

from fieldsmith import Document, Example, Reject
from fieldsmith.choosing.embedding import Embedder
from fieldsmith.dataset.loading import read_examples
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.plugins import Plugin
from fieldsmith.review.decisions import Reviews


def documents(plugin: Plugin, *files: Path) -> list[Document]:
    return [
        row.document
        for file in files
        for row in read_examples(plugin, file)
        if isinstance(row, Example)
    ]


def write_pool(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def pool(workplace: Workplace, medical: Plugin, tmp_path: Path) -> Path:
    """Twelve documents of no split."""
    rows = [{"id": d.id, "text": d.text} for d in documents(medical, workplace.unseen)]
    return write_pool(tmp_path / "pool.jsonl", rows)


def test_what_a_run_proposes_is_no_gold_until_it_is_reviewed(
    medical: Plugin, tmp_path: Path, command: Command
) -> None:
    record = {"chemicals": ["aspirin"], "diseases": [], "relations": []}
    row = {
        "id": "a",
        "text": "aspirin",
        "record": record,
        "next": {"rank": 1, "strategy": "random"},
    }
    proposed = write_pool(tmp_path / "next.jsonl", [row])
    data = ("--plugin", "medical_ner", "--data", proposed)
    for asked in (("train", *data, "--output", tmp_path / "run"), ("audit", *data)):
        done = command(*asked)
        assert done.code == 1
        assert "its record is a proposal on which nobody has decided" in done.output + done.errors
    reviews = Reviews(medical, proposed, tmp_path / "labels.jsonl", "ann")
    assert reviews.current(0) == record
    reviews.decide(0, record)
    (reviewed,) = read_examples(medical, tmp_path / "labels.jsonl")
    assert isinstance(reviewed, Example)
    assert reviewed.record == record
    for tool, ending in (("prodigy", "jsonl"), ("label-studio", "json")):
        output = tmp_path / f"tasks.{ending}"
        exported = ("--plugin", "medical_ner", "--export", tool, "--output", output)
        assert command("review", proposed, *exported).code == 0
        assert "aspirin" in output.read_text()


@pytest.mark.parametrize("strategy", ["both", "random"])
def test_rows_are_read_by_review_and_hold_what_predict_says(
    trained: Trained,
    pool: Path,
    medical: Plugin,
    tmp_path: Path,
    command: Command,
    strategy: str,
) -> None:
    output, records = tmp_path / "next.jsonl", tmp_path / "records.jsonl"
    asked = ("next", trained.run, pool, "--count", 4, "--strategy", strategy, "--output", output)
    done = command(*asked)
    assert done.code == 0, done.errors
    rows = lines(output)
    texts = {row["id"]: row["text"] for row in lines(pool)}
    assert len({row["id"] for row in rows}) == len(rows) == 4
    assert all(texts[row["id"]] == row["text"] for row in rows)
    assert [row["next"]["rank"] for row in rows] == [1, 2, 3, 4]
    assert command("predict", trained.run, output, "--output", records).code == 0
    for row, line in zip(rows, lines(records), strict=True):
        assert row["record"] == line["record"]
        assert row["confidence"] == line["confidence"]
        assert 0 <= row["next"]["uncertainty"] <= 1
        assert 0 <= row["next"]["disagreement"] <= 1
        least = row["next"]["least_confident"]
        assert least["confidence"] <= min(line["confidence"].values())
        if least["path"]:
            assert line["confidence"][least["path"]] == least["confidence"]
        assert ("distance" in row["next"]) == (strategy == "both")
        assert row["id"] in done.output
    reviews = Reviews(medical, output, tmp_path / "decided.jsonl", "ann")
    assert [reviews.current(number) for number in range(4)] == [row["record"] for row in rows]
    assert not reviews.rejects
    assert reviews.items[0].further["next"] == rows[0]["next"]
    # What a run proposes is no gold.
    assert all(isinstance(row, Reject) for row in read_examples(medical, output))
    before = contents(tmp_path)
    assert command(*asked).code == 0
    assert contents(tmp_path) == before  # the same again, and nothing beside it


def test_labelled_documents_copies_and_what_cannot_be_read_are_left_out(
    workplace: Workplace, trained: Trained, medical: Plugin, tmp_path: Path, command: Command
) -> None:
    corpus = [workplace.corpus / f"{split}.txt" for split in ("train", "dev", "test")]
    known = documents(medical, *corpus)
    new = documents(medical, workplace.unseen)
    rows = [
        *({"id": f"again-{d.id}", "text": f" {d.text.upper()}"} for d in known),
        *({"id": d.id, "text": f"{d.text} More."} for d in known[::11]),
        *({"id": f"one-{d.id}", "text": d.text} for d in new[:3]),
        *({"id": f"two-{d.id}", "text": d.text} for d in new[:2]),
        {"id": "empty", "text": " "},
    ]
    source = write_pool(tmp_path / "pool.jsonl", rows)
    done = command("next", trained.run, source, "--count", 9, "--strategy", "diversity")
    assert done.code == 0, done.errors
    chosen = [json.loads(line)["id"] for line in done.output.splitlines()]
    assert sorted(chosen) == sorted(f"one-{d.id}" for d in new[:3])
    for said in (
        "choosing from 3 documents; left out: 1 cannot be read, 2 copies of others, "
        "4 labelled already (by id), 44 labelled already (by text)",
        "all 3 are chosen, where 9 are asked for",
    ):
        assert said in done.errors
    alone = write_pool(tmp_path / "known.jsonl", rows[:44])
    done = command("next", trained.run, alone, "--output", tmp_path / "none.jsonl")
    assert done.code == 1
    assert done.errors.splitlines()[-1] == (
        f"extract: error: {alone}: no document left to choose from (44 labelled already (by text))"
    )
    assert not (tmp_path / "none.jsonl").exists()


def test_of_a_run_whose_data_is_gone_what_its_folder_knows_is_left_out(
    workplace: Workplace, run: Path, medical: Plugin, tmp_path: Path, command: Command
) -> None:
    stored = info(run)
    stored["data"]["source"] = str(tmp_path / "gone")
    (run / "run.json").write_text(json.dumps(stored), encoding="utf-8")
    files = [workplace.corpus / "train.txt", workplace.corpus / "test.txt", workplace.unseen]
    rows = [{"id": d.id, "text": d.text} for d in documents(medical, *files)]
    source = write_pool(tmp_path / "pool.jsonl", rows)
    done = command("next", run, source, "--count", 2, "--strategy", "diversity")
    assert done.code == 0, done.errors
    assert "choosing from 12 documents; left out: 34 labelled already (by text)" in done.errors
    assert "its documents are known by their texts" in done.errors


def test_a_choice_that_was_interrupted_goes_on(
    workplace: Workplace,
    trained: Trained,
    medical: Plugin,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"id": d.id, "text": d.text} for d in documents(medical, workplace.many)[:33]]
    source = write_pool(tmp_path / "pool.jsonl", rows)
    folder = tmp_path / "chosen"
    asked = ("next", trained.run, source, "--count", 3, "--strategy", "uncertainty", "--output")
    whole, asked_about = Extractor.answer_windows, list[int]()

    def answer_windows(
        own: Extractor, given: Any, progress: Any = lambda _n: None
    ) -> Iterator[Any]:
        asked_about.append(len(given))
        if len(asked_about) == 2:
            raise KeyboardInterrupt
        return whole(own, given, progress)

    monkeypatch.setattr(Extractor, "answer_windows", answer_windows)
    assert command(*asked, folder / "next.jsonl").code == 130
    assert not (folder / "next.jsonl").exists()
    assert command(*asked, folder / "next.jsonl").code == 0
    assert asked_about == [32, 1, 1]  # the first group was kept
    assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == ["next.jsonl"]
    chosen = lines(folder / "next.jsonl")
    values = [row["next"]["uncertainty"] for row in chosen]
    assert values == sorted(values, reverse=True)


def test_before_a_training_documents_are_chosen_without_records(
    workplace: Workplace, pool: Path, medical: Plugin, tmp_path: Path, command: Command
) -> None:
    output = tmp_path / "first.jsonl"
    asked = ("next", "--plugin", "medical_ner", "--model", workplace.model, pool, "--count", 3)
    done = command(*asked, "--strategy", "diversity", "--output", output)
    assert done.code == 0, done.errors
    rows = lines(output)
    assert [row["record"] for row in rows] == [None, None, None]
    assert [row["next"]["strategy"] for row in rows] == ["diversity"] * 3
    assert "distance" not in rows[0]["next"]
    assert rows[1]["next"]["distance"] >= rows[2]["next"]["distance"] > 0
    reviews = Reviews(medical, output, tmp_path / "decided.jsonl", "ann")
    assert reviews.current(0) == {"chemicals": [], "diseases": [], "relations": []}


def test_vectors_do_not_depend_on_what_is_read_beside_a_document(
    trained: Trained, pool: Path
) -> None:
    extractor = Extractor.load(trained.run)
    embedder = Embedder(extractor.model, extractor.task)
    texts = [row["text"] for row in lines(pool)]
    long = " ".join(texts * 9)  # several windows
    given = [Document(str(n), text) for n, text in enumerate([*texts[:3], long])]
    together = embedder.embed(given)
    alone = [embedder.embed([each])[0] for each in given]
    assert together.shape == (4, 64)
    assert abs(together - alone).max() < 1e-5
    assert abs((together**2).sum(axis=1) - 1).max() < 1e-5
    near, far = together[0] @ together[1], together[0] @ together[3]
    assert near < 0.999999
    assert far < 0.999999


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("RUN",), 2, "POOL is missing"),
        (("RUN", "POOL", "--model", "x"), 2, "--model is for a pool without a run"),
        (("RUN", "POOL", "--plugin", "medical_ner"), 2, "is a run: leave it out"),
        (("POOL", "--plugin", "medical_ner", "--strategy", "both"), 2, "name a run"),
        (("RUN", "gone.jsonl"), 1, "gone.jsonl"),
        (("gone", "POOL"), 1, "not a run folder"),
        (("RUN", "POOL", "--output", "POOL"), 1, "is an input too"),
        (("RUN", "POOL", "--count", "0"), 2, "--count"),
    ],
)
def test_wrong_use_is_one_line(
    trained: Trained,
    pool: Path,
    command: Command,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    known = {"RUN": trained.run, "POOL": pool}
    before = pool.read_bytes()
    done = command("next", *(known.get(each, each) for each in arguments))
    assert done.code == code
    assert said in done.errors
    if code == 1:
        assert len(done.errors.splitlines()) == 1
    assert pool.read_bytes() == before
