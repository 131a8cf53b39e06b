"""Decisions are kept in a file that training reads, and two reviewers are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Command

from fieldsmith.data import Example, Reject
from fieldsmith.dataset.loading import read_examples
from fieldsmith.errors import InputError
from fieldsmith.files import write_jsonl
from fieldsmith.plugins import Plugin
from fieldsmith.review.agreement import agreement, cohens_kappa
from fieldsmith.review.decisions import Reviews

TEXT = "Aspirin caused rash. Morphine and nausea came later."
ROWS: list[dict[str, Any]] = [
    {
        "id": f"d{number}",
        "text": f"{TEXT} Case {number}.",
        "record": {"chemicals": ["Aspirin", "Morphine"], "diseases": ["rash"], "relations": []},
        "mentions": {"/chemicals/0": [[0, 7]]},
        "teacher": {"model": "large", "licence": "apache-2.0"},
    }
    for number in range(4)
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return file


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_of_a_folder_the_teacher_of_each_document_is_kept(medical: Plugin, source: Path) -> None:
    output = source.parent.with_name("decided.jsonl")
    reviews = Reviews(medical, source.parent, output, "ann")
    for number in range(4):
        reviews.decide(number, ROWS[0]["record"])
    assert [row["teacher"] for row in rows(output)] == [ROWS[0]["teacher"]] * 4


def test_each_decision_is_written_and_found_again(medical: Plugin, source: Path) -> None:
    output = source.with_name("out.jsonl")
    reviews = Reviews(medical, source, output, "ann")
    record = ROWS[0]["record"]
    assert reviews.decide(2, record).decision == "accepted"
    corrected = {**record, "chemicals": ["Aspirin"]}
    assert reviews.decide(0, corrected).decision == "corrected"
    assert reviews.decide(1, None).decision == "rejected"
    again = Reviews(medical, source, output, "bob")
    assert [item.review for item in again.items] == [item.review for item in reviews.items]
    assert again.current(0) == corrected
    assert again.current(1) == record, "what was rejected can be decided anew"
    written = rows(output)
    assert [row["id"] for row in written] == ["d0", "d1", "d2"]
    assert [row["review"]["reviewer"] for row in written] == ["ann"] * 3
    assert written[0]["review"]["proposed"] == record
    assert all(row["teacher"] == ROWS[0]["teacher"] for row in written)
    assert [("mentions" in row) for row in written] == [False, False, True]
    read = list(read_examples(medical, output))
    assert all(isinstance(row, Example) for row in read)
    assert [row.record for row in read if isinstance(row, Example)] == [corrected, None, record]
    again.undo(0)
    assert [row["id"] for row in rows(output)] == ["d1", "d2"]


def test_what_is_not_right_is_not_accepted(medical: Plugin, source: Path) -> None:
    reviews = Reviews(medical, source, source.with_name("out.jsonl"), "ann")
    for record, said in (
        ({"chemicals": ["aspirin"]}, "/chemicals/0: does not stand in the document"),
        ({"colour": "red"}, "the record: Additional properties are not allowed"),
    ):
        with pytest.raises(ValueError, match=said):
            reviews.decide(0, record)
    assert not reviews.output.exists()


def test_decisions_on_other_documents_are_refused(medical: Plugin, source: Path) -> None:
    output = source.with_name("out.jsonl")
    Reviews(medical, source, output, "ann").decide(0, None)
    source.write_text(json.dumps(ROWS[0] | {"text": "Another text."}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="has decisions on 'd0', which is not in"):
        Reviews(medical, source, output, "ann")
    source.write_text(json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[0]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"labels.jsonl:2: the id 'd0' came before, at .*:1"):
        Reviews(medical, source, output, "ann")


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        # Cohen 1960: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4.
        ([(True, True)] * 4 + [(True, False)] + [(False, True)] * 2 + [(False, False)] * 3, 0.4),
        ([(True, True), (False, False)], 1.0),
        ([(True, False), (False, True)], -1.0),
        ([(True, True)] * 3, None),
        ([], None),
    ],
)
def test_kappa(pairs: list[tuple[bool, bool]], kappa: float | None) -> None:
    assert cohens_kappa(pairs) == kappa


def test_two_reviewers_are_compared_by_field(
    medical: Plugin, source: Path, tmp_path: Path, command: Command
) -> None:
    ann, bob = (source.with_name(f"labels.{name}.jsonl") for name in ("ann", "bob"))
    record = ROWS[0]["record"]
    one, other = Reviews(medical, source, ann, "ann"), Reviews(medical, source, bob, "bob")
    for number in range(3):
        one.decide(number, record)
    other.decide(0, record)
    other.decide(1, {**record, "chemicals": ["Aspirin"], "diseases": ["rash", "nausea"]})
    other.decide(2, None)
    found = agreement(ann, bob, medical.schema)
    assert (found.documents, found.alone) == (3, 0)
    assert found.fields["chemicals"].values == 6
    assert found.fields["chemicals"].agreed == 3
    assert found.fields["chemicals"].kappa == 0.0, "the one kept all, so chance explains it"
    # Of 3 values of the one and 3 of the other in diseases, 2 are equal; rejected has none.
    assert found.fields["diseases"].f1 == pytest.approx(2 * 2 / (3 + 3), abs=1e-4)
    assert [row["id"] for row in found.conflicts] == ["d1", "d2"]
    conflicts = tmp_path / "conflicts.jsonl"
    order = ("review", ann, "--plugin", "medical_ner", "--compare", bob)
    answer = command(*order, "--output", conflicts, "--json")
    assert answer.code == 0, answer.errors
    assert json.loads(answer.output)["fields"]["chemicals"]["agreed"] == 3
    assert (
        "3 documents decided by both, 0 by one alone; 2 decided differently"
        in command(*order).output
    )
    assert [row["teacher"] for row in rows(conflicts)] == [ROWS[0]["teacher"]] * 2
    undecided = list(read_examples(medical, conflicts))
    assert all(isinstance(row, Reject) and "two reviewers" in row.reason for row in undecided)
    judged = Reviews(medical, conflicts, tmp_path / "final.jsonl", "carol")
    assert judged.current(1) == record
    refused = command("review", source, "--plugin", "medical_ner", "--compare", bob)
    assert refused.code == 1
    assert "labels.jsonl:1: no row of a review" in refused.errors


def test_a_review_is_joined_with_what_was_not_reviewed(
    medical: Plugin, source: Path, tmp_path: Path, command: Command
) -> None:
    reviewed, output = source.with_name("labels.ann.jsonl"), tmp_path / "checked.jsonl"
    reviews = Reviews(medical, source, reviewed, "ann")
    corrected = {**ROWS[0]["record"], "chemicals": ["Aspirin"]}
    reviews.decide(1, corrected)
    reviews.decide(2, None)
    order = ("review", source, "--plugin", "medical_ner", "--apply", reviewed, "--output", output)
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert "4 documents, 2 of them as they were reviewed" in answer.errors
    given = ROWS[0]["record"]
    assert [row["record"] for row in rows(output)] == [given, corrected, None, given]
    assert [row.get("review", {}).get("decision") for row in rows(output)] == [
        None,
        "corrected",
        "rejected",
        None,
    ]
    assert {row["teacher"]["licence"] for row in rows(output)} == {"apache-2.0"}
    assert ["mentions" in row for row in rows(output)] == [True, False, False, True]
    assert not any("split" in row for row in rows(output))
    assert command(*order, "--as-test").code == 0
    splits = {row["id"]: row["split"] for row in rows(output)}
    assert (splits.pop("d1"), splits.pop("d2")) == ("test", "test")
    assert set(splits.values()) <= {"train", "validation"}


def test_a_review_of_other_documents_is_not_applied(
    medical: Plugin, source: Path, tmp_path: Path, command: Command
) -> None:
    reviewed, output = source.with_name("labels.ann.jsonl"), tmp_path / "checked.jsonl"
    order = ("review", source, "--plugin", "medical_ner", "--apply", reviewed, "--output", output)
    missing = command(*order)
    assert (missing.code, "there is no such file" in missing.errors) == (1, True)
    Reviews(medical, source, reviewed, "ann").decide(0, None)
    source.write_text(json.dumps(ROWS[1]) + "\n", encoding="utf-8")
    refused = command(*order)
    assert (refused.code, "has decisions on 'd0', which is not in" in refused.errors) == (1, True)
    assert not output.exists()
    for wrong in (
        order[:-2],
        (*order, "--compare", reviewed),
        (*order[:4], "--as-test"),
        (*order, "--sample", "2"),
    ):
        assert command(*wrong).code == 2


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_nobody_has_decided_on_stays_no_gold(
    medical: Plugin, tmp_path: Path, is_folder: bool
) -> None:
    proposed = {"strategy": "uncertainty", "rank": 1}
    folder = tmp_path / "pool"
    folder.mkdir()
    file = folder / "next.jsonl"
    file.write_text(
        "".join(json.dumps({**row, "next": proposed}) + "\n" for row in ROWS), encoding="utf-8"
    )
    source = folder if is_folder else file
    ann, bob = tmp_path / "ann.jsonl", tmp_path / "bob.jsonl"
    reviews = Reviews(medical, source, ann, "ann")
    for number in (0, 1):
        reviews.decide(number, ROWS[0]["record"])
    joined = tmp_path / "joined.jsonl"
    write_jsonl(joined, Reviews(medical, source, ann, "").rows())
    gold = ROWS[0]["record"]
    read = [row for row in read_examples(medical, joined) if isinstance(row, Example)]
    assert [row.record for row in read] == [gold, gold, None, None]
    second = Reviews(medical, joined, bob, "bob")
    second.decide(0, None)
    write_jsonl(tmp_path / "twice.jsonl", Reviews(medical, joined, bob, "").rows())
    twice = rows(tmp_path / "twice.jsonl")
    assert [row.get("review", {}).get("reviewer") for row in twice] == ["bob", "ann", None, None]


def test_copies_of_a_reviewed_text_are_in_no_other_split(
    medical: Plugin, source: Path, tmp_path: Path
) -> None:
    copies = [*ROWS, {**ROWS[0], "id": "copy"}, {**ROWS[1], "id": "other copy"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in copies), encoding="utf-8")
    reviews = Reviews(medical, source, tmp_path / "ann.jsonl", "ann")
    with pytest.raises(InputError, match=r"ann.jsonl: nothing is decided"):
        list(reviews.rows(reviewed_are_test=True))
    reviews.decide(0, ROWS[0]["record"])
    splits = {row["id"]: row["split"] for row in reviews.rows(reviewed_are_test=True)}
    assert splits.pop("d0") == "test"
    assert "copy" not in splits
    assert splits["d1"] == splits["other copy"]
    assert len(list(reviews.rows())) == len(copies)


def test_a_sample_is_the_same_each_time_and_keeps_what_is_decided(
    medical: Plugin, source: Path, tmp_path: Path
) -> None:
    def ids(reviews: Reviews) -> list[str]:
        return [item.example.document.id for item in reviews.items]

    output = tmp_path / "out.jsonl"
    drawn = ids(Reviews(medical, source, output, "ann", sample=2))
    assert len(drawn) == 2
    other = next(number for number, row in enumerate(ROWS) if row["id"] not in drawn)
    Reviews(medical, source, output, "ann").decide(other, None)
    again = Reviews(medical, source, output, "ann", sample=2)
    assert set(ids(again)) == {*drawn, ROWS[other]["id"]}
    again.decide(0, None)
    assert len(rows(output)) == 2
