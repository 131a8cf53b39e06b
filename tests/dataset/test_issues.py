"""Issues: what makes a data set unsound to train on, and how it is accepted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from audit_reports import assert_balanced, report, row, write
from command import Command
from invented_plugins import NAMES, plugin_of, shipped_prompts
from paths import REAL_DATA
from tiny_model import lines

from fieldsmith import Document, Example
from fieldsmith.data import Schema
from fieldsmith.dataset.audit import Audit, audit
from fieldsmith.dataset.issues import training_issues
from fieldsmith.dataset.loading import read_splits
from fieldsmith.dataset.lost_gold import LostGold
from fieldsmith.dataset.splits import Splits, hash_split, split_documents
from fieldsmith.plugins import Plugin
from fieldsmith.settings import Settings
from fieldsmith.task import Task
from fieldsmith.windows.rows import build_rows

UNSOUND: dict[str, tuple[list[dict[str, Any]], str]] = {
    "leaks": ([row(1), row(2, text=row(1)["text"].upper(), split="test")], "--allow-leaks"),
    "duplicate-ids": ([row(1), row(2, id="d1")], "--allow-duplicate-ids"),
    "unlearnable": ([row(1), row(2, text="Nothing of it.")], "--allow-unlearnable"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_unsound_stops_and_can_be_accepted(
    name: str, command: Command, tmp_path: Path
) -> None:
    rows, flag = UNSOUND[name]
    source = ("audit", "--plugin", "medical_ner", "--data", write(tmp_path / "rows.jsonl", rows))
    answer = command(*source)
    assert answer.code == 1
    assert f"unsound ({name}): " in answer.output
    assert f"{flag} accepts it" in answer.output
    found = report(command(*source, "--json"))
    assert_balanced(found)
    unsound = [(f["name"], f["accepted"]) for f in found["findings"] if f["is_unsound"]]
    assert unsound == [(name, False)]
    assert not found["sound"]
    accepted = command(*source, flag)
    assert accepted.code == 0
    assert f"accepted ({name}): " in accepted.output


def test_five_percent_of_unlearnable_leaves_are_borne(command: Command, tmp_path: Path) -> None:
    rows = [row(number) for number in range(19)]  # two leaves each
    rows += [row(19, record={"chemicals": ["aspirin", "gold"], "diseases": [], "relations": []})]
    for missing, code in (("tin", 0), ("zinc", 1)):
        rows[-1]["record"]["diseases"].append(missing)
        data = write(tmp_path / "rows.jsonl", rows)
        answer = command("audit", "--plugin", "medical_ner", "--data", data, "--json")
        found = report(answer)["unlearnable"]
        assert answer.code == code, found
    assert (found["leaves"], found["of"]) == (3, 42)


def test_a_lost_object_counts_by_the_leaf_that_is_missing(command: Command, tmp_path: Path) -> None:
    pair = {"chemical": "aspirin", "disease": "fever"}
    record = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": [pair]}
    data = write(tmp_path / "rows.jsonl", [row(1, record=record)])
    found = report(command("audit", "--plugin", "medical_ner", "--data", data, "--json"))
    assert found["unlearnable"]["fields"] == {
        "relations/disease": {
            "leaves": 1,
            "of": 1,
            "examples": [
                {
                    "id": "d1",
                    "pointer": "/relations/0",
                    "value": "fever",
                    "reason": "not in the text",
                }
            ],
        }
    }
    assert found["gold"]["relations"]["lost"] == {"its disease: not in the text": 1}


def test_held_out_documents_that_are_nearly_in_train_are_noted(
    command: Command, tmp_path: Path
) -> None:
    text = " ".join(f"word{number}" for number in range(40)) + " aspirin rash"
    rows = [row(1, text=text), row(2, text=f"{text} again", split="test")]
    data = write(tmp_path / "rows.jsonl", rows)
    answer = command("audit", "--plugin", "medical_ner", "--data", data)
    assert answer.code == 0
    assert (
        "note (near-leaks): 1 held-out document is nearly the same as one of another split (d2)"
        in (answer.output)
    )


def test_no_document_to_train_on_is_unsound(command: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", [row(1, split="test"), row(2, record=None)])
    answer = command("audit", "--plugin", "medical_ner", "--data", data)
    assert answer.code == 1
    assert "1 set aside: no record" in answer.output
    assert "unsound (nothing): there is no document to train on\n" in answer.output


def test_training_reports_what_the_audit_finds() -> None:
    rows = [
        Example(Document("a", "Ada came."), {"names": ["Ada", "Eve"]}, split="train", place="f:1"),
        Example(Document("a", "Bob came."), {"names": ["Bob"]}, split="train", place="f:2"),
        Example(Document("b", "ada  came."), {"names": []}, split="test", place="f:3"),
    ]
    splits = split_documents(rows, allow_leaks=True)
    plugin = plugin_of(NAMES)
    lost = LostGold(NAMES)
    build_rows(splits.train, Task(plugin, Settings(), shipped_prompts()), visit=lost.add)
    told = training_issues(splits, lost, "embedded", {"leaks"})
    assert [(issue.name, issue.accepted) for issue in told] == [
        ("leaks", True), ("duplicate-ids", False), ("unlearnable", False),
    ]  # fmt: skip
    found = [asdict(issue) for issue in told]
    assert found == _of(splits, plugin, accepted={"leaks"}).as_json()["findings"]


def _of(splits: Splits, plugin: Plugin, accepted: Iterable[str] = ()) -> Audit:
    return audit(splits, Task(plugin, Settings(), shipped_prompts()), set(accepted))


def test_what_the_grammar_refuses_is_reported_with_examples() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {"post": {"type": "string", "format": "email"}},
    }
    rows = [
        Example(Document(post, f"Text {post}"), {"post": post}, split="train")
        for post in ("ann@oke.example", "last week", "soon")
    ]
    found = _of(split_documents(rows), plugin_of(schema)).as_json()
    assert_balanced(found)
    assert found["windows"]["reasons"] == {"grammar": 2}
    told = [reject["reason"] for reject in found["windows_set_aside"]["grammar"]]
    assert '"last' in told[0]
    assert "soon" in told[1]
    nothing, lost = _of(split_documents(rows[1:]), plugin_of(schema)).issues
    assert (nothing.name, nothing.is_blocking) == ("nothing", True)
    assert nothing.message == "there is no window to train on: every one is set aside"
    assert "100.0%: the windows that hold it are set aside: the grammar refuses" in lost.message
    assert "let the schema allow it" in lost.message


# Gold that is lost, whatever the cause


PAIR = {"chemical": "aspirin", "disease": "rash"}
LOSSES: dict[str, tuple[dict[str, Any], tuple[str, ...], str, str]] = {
    "length": (
        {"text": "aspirin caused rash. " * 100},
        ("window=document", "max_length=200", "max_new_tokens=60"),
        "the windows that hold it are set aside: prompt and answer exceed max_length",
        "raise max_length, or cut documents into smaller windows",
    ),
    "absent": (
        {"text": "Nothing is in it."},
        (),
        "not in the text",
        "correct the gold, or declare such fields x-source: inferred",
    ),
    "borders": (
        {"text": "Paraspirines caused rashes."},
        (),
        "not on word borders",
        "correct the gold, or declare such fields x-source: inferred",
    ),
    "spellings": (
        {"text": "ASPIRIN or Aspirin caused RASH or Rash."},
        (),
        "several readings in the text",
        "correct the gold",
    ),
    "half of it": (
        {
            "text": "aspirin and fever",
            "record": {"relations": [PAIR, {**PAIR, "disease": "fever"}]},
        },
        (),
        "not in the text",
        "correct the gold",
    ),
}


@pytest.mark.parametrize("cause", LOSSES)
def test_gold_that_is_lost_is_unsound_whatever_the_cause(
    cause: str, command: Command, tmp_path: Path
) -> None:
    changes, settings, said, cure = LOSSES[cause]
    rows = [*(row(number) for number in range(9)), row(9, **changes)]
    data = write(tmp_path / "rows.jsonl", [{**each, "split": "train"} for each in rows])
    common = ["--plugin", "medical_ner", "--data", data]
    common += [part for setting in settings for part in ("--set", setting)]
    answer = command("audit", *common)
    assert answer.code == 1, answer.output
    (line,) = (each for each in answer.output.splitlines() if each.startswith("unsound"))
    assert line.startswith("unsound (unlearnable): ")
    assert said in line
    assert cure in line
    refused = command("train", *common, "--output", tmp_path / "run")
    assert refused.code == 1
    assert refused.errors.splitlines()[-1] == f"extract: error: {data}: {line}; see extract audit"
    assert not (tmp_path / "run").exists()
    accepted = command("audit", *common, "--allow-unlearnable")
    assert (accepted.code, accepted.output.count("accepted (unlearnable): ")) == (0, 1)


def test_objects_whose_parts_share_no_window_are_noted(command: Command, tmp_path: Path) -> None:
    far = f"aspirin came. {'Nothing else. ' * 60}rash came."
    related: dict[str, Any] = {"split": "train", "record": {"relations": [PAIR]}}
    rows = [row(number, **related) for number in range(8)]
    rows += [row(number, text=far, **related) for number in (8, 9)]
    data = write(tmp_path / "rows.jsonl", rows)
    answer = command("audit", "--plugin", "medical_ner", "--data", data)
    assert answer.code == 0, answer.output
    (line,) = (each for each in answer.output.splitlines() if each.startswith("note (apart): "))
    assert "are in objects whose parts share no window" in line
    assert "window=document" in line
    whole = command("audit", "--plugin", "medical_ner", "--data", data, "--set", "window=document")
    assert (whole.code, "(apart)" in whole.output) == (0, False)


def test_a_split_that_would_be_empty_is_told(command: Command, tmp_path: Path) -> None:
    rows = [row(number) for number in range(12)]
    for number, each in enumerate(rows):
        del each["split"]
        each["id"] = next(
            name for name in (f"{number}-{k}" for k in range(99)) if hash_split(name) == "train"
        )
    data = write(tmp_path / "rows.jsonl", rows)
    answer = command("audit", "--plugin", "medical_ner", "--data", data)
    assert answer.code == 0
    assert "12 train + 0 validation + 0 test" in answer.output
    assert (
        "note (empty-splits): no document in validation and none in test: the 12 are split by "
        "hashes of their ids, and nothing can be scored there; add documents, choose another "
        "--split-ratio, or name the split of each in the data (train, validation, test)"
    ) in answer.output


def test_a_field_that_is_empty_in_every_record_is_noted(command: Command, tmp_path: Path) -> None:
    rows = [row(number, record={"chemicals": ["aspirin"], "diseases": []}) for number in range(4)]
    data = write(tmp_path / "rows.jsonl", rows)
    found = report(command("audit", "--plugin", "medical_ner", "--data", data, "--json"))
    (note,) = (issue for issue in found["findings"] if issue["name"] == "empty-fields")
    assert not note["is_unsound"]
    assert note["message"].startswith("no document has a value in diseases, though its key is in")
    trained_on = found["documents"]["train"]
    fields = found["fields"]
    assert (fields["diseases"]["empty"], fields["diseases"]["absent"]) == (trained_on, 0)
    absent = fields["relations/chemical"]
    assert (absent["empty"], absent["absent"]) == (0, trained_on)


# Published corpora


PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))


def asked(abstract: str, things: str, completion: str = "") -> dict[str, str]:
    """Return a row as the published instruct set has them."""
    cue = things.split(" ")[0]
    prompt = (
        "The following article contains technical terms including diseases, drugs and chemicals. "
        f"Create a list only of the {things} mentioned.\n\n{abstract}\n\n"
        f"List of extracted {cue}:\n"
    )
    return {"prompt": prompt, "completion": completion}


INFLUENCES = "influences between the chemicals and diseases"


def test_splits_that_were_made_by_prompt_leak_by_document(command: Command, tmp_path: Path) -> None:
    both, one, clean = (f"Aspirin caused rash in ward {number}." for number in range(3))
    write(
        tmp_path / "train_run-20251106.jsonl",
        [
            asked(both, "chemicals", "- aspirin"),
            asked(both, "diseases", "- rash"),
            asked(one, "diseases", "- rash"),
        ],
    )
    write(
        tmp_path / "test_run_20251106.jsonl",
        [
            asked(both, "chemicals", "- aspirin"),  # the very prompt of train
            asked(both, INFLUENCES, "- Chemical aspirin influences disease rash"),
            asked(one, "chemicals", "- aspirin"),  # another prompt, two of three in all
            asked(clean, "chemicals", "- aspirin"),
        ],
    )
    answer = command("audit", "--plugin", "medical_ner", "--data", tmp_path)
    assert answer.code == 1
    assert "documents: 5 read = 2 train + 0 validation + 3 test + 0 set aside" in answer.output
    assert "unsound (leaks): 2 of the 3 test documents are also in train (" in answer.output


@pytest.mark.realdata("medical/medical_ner_instruct")
@pytest.mark.parametrize(
    ("version", "counts"),
    [
        ("20251106", [(265, 273), (276, 280), (81, 280)]),
        ("20251111", [(274, 277), (267, 270), (58, 270)]),
    ],
)
def test_the_instruct_sets_splits_leak(
    medical: Plugin, version: str, counts: list[tuple[int, int]]
) -> None:
    folder = REAL_DATA / "medical/medical_ner_instruct" / f"splits_{version}"
    held = {
        split: _abstracts(next(folder.glob(f"{split}*")))
        for split in ("train", "validation", "test")
    }
    assert [(len(held[one] & held[other]), len(held[one])) for one, other in PAIRS] == counts
    leaks = read_splits(medical, folder, allow_leaks=True)[0].leaks
    assert [(leak.held_out, leak.other) for leak in leaks] == list(PAIRS)
    assert [(len(leak.ids), leak.total) for leak in leaks] == counts


def _abstracts(file: Path) -> set[str]:
    return {line["prompt"].split("\n\n")[1] for line in lines(file)}
