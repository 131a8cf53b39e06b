"""The audit says what training does: the same windows, the same counts, the same conversations."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from audit_reports import assert_balanced, report, row, write
from command import Command, extract
from installed_plugins import GOOD, Site
from invented_plugins import NAMES, example, plugin_of, shipped_prompts
from paths import BASE, REAL_DATA
from tiny_model import as_yaml, embedded_recipe, lines

from fieldsmith import Document, Example, Message
from fieldsmith.data import IGNORED, Record
from fieldsmith.dataset.chat_export import text_runs
from fieldsmith.dataset.leaf_outcomes import general_reason
from fieldsmith.dataset.loading import read_splits
from fieldsmith.plugins import Plugin
from fieldsmith.settings import EMBEDDED, Settings, resolve
from fieldsmith.task import Task
from fieldsmith.windows.rows import Rows, build_rows, stream_rows

ESCAPE = "\x1b"

SHORT: dict[str, object] = {"max_length": 260, "max_new_tokens": 200, "window_size": 1024}
SET = [f"--set={name}={value}" for name, value in SHORT.items()]


@pytest.fixture(scope="module")
def chosen(medical: Plugin) -> Settings:
    return resolve(EMBEDDED, medical.name, medical.settings(EMBEDDED), SHORT).values


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, medical: Plugin) -> Path:
    """The first documents of the sample, some of them too long and some with gold in no text."""
    splits = read_splits(medical, None, allow_leaks=True)[0]
    rows = [_as_row(gold) for gold in (*splits.train[:12], *splits.validation[:3])]
    rows += [row(1), row(2, text="aspirin " * 120), row(3, text="No rash.", split="test")]
    return write(tmp_path_factory.mktemp("corpus") / "rows.jsonl", rows)


def _as_row(gold: Example) -> dict[str, Any]:
    mentions = {pointer: list(spans) for pointer, spans in gold.mentions.items()}
    document = {"id": gold.document.id, "text": gold.document.text, "split": gold.split}
    return {**document, "record": gold.record, "mentions": mentions}


@pytest.fixture(scope="module")
def trained_on(medical: Plugin, chosen: Settings, corpus: Path) -> Rows:
    """What training makes of that corpus."""
    splits = read_splits(medical, corpus, allow_leaks=False)[0]
    return build_rows(splits.train, Task(medical, chosen, shipped_prompts()))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder without weights."""
    folder = tmp_path_factory.mktemp("model")
    for file in BASE.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="module")
def told(corpus: Path, tokenizer: Path) -> tuple[dict[str, Any], Path]:
    """What the installed command says of it, without weights at hand, and what it exported."""
    chat = corpus.with_name("chat.jsonl")
    source = ("--plugin", "medical_ner", "--data", corpus, "--model", tokenizer)
    recipe = {**embedded_recipe(), "max_length": 1024}
    like_the_base = [f"--set={name}={as_yaml(value)}" for name, value in recipe.items()]
    answer = extract("audit", *source, *like_the_base, *SET, "--json", "--export", chat)
    assert answer.code == 0, answer.errors
    return report(answer), chat


def test_the_numbers_are_those_of_the_training(
    told: tuple[dict[str, Any], Path], trained_on: Rows
) -> None:
    found = told[0]
    assert_balanced(found)
    assert found["documents"] == {
        "read": 18, "train": 14, "validation": 3, "test": 1, "set_aside": 0,
    }  # fmt: skip
    windows = found["windows"]
    assert windows["made"] == trained_on.windows
    assert windows["trained"] == len(trained_on.rows)
    assert windows["set_aside"] == len(trained_on.set_aside) == windows["reasons"]["length"] == 1
    assert {name: known["leaves"] for name, known in found["gold"].items()} == trained_on.gold
    assert {name: known["learned"] for name, known in found["gold"].items()} == trained_on.learned
    tokens = found["tokens"]
    assert tokens["trained"] == sum(len(row.input_ids) for row in trained_on.rows)
    loss = sum(len(row.labels) - row.labels.count(IGNORED) for row in trained_on.rows)
    assert tokens["with_loss"] == loss
    assert tokens["share"] == round(loss / tokens["trained"], 4)


def test_documents_that_fit_as_a_whole_are_counted(
    told: tuple[dict[str, Any], Path], medical: Plugin, chosen: Settings, corpus: Path
) -> None:
    examples = read_splits(medical, corpus, allow_leaks=False)[0].train
    task = Task(medical, chosen, shipped_prompts())
    whole = dataclasses.replace(task, settings=dataclasses.replace(chosen, window="document"))
    long = {
        made.example.document.id
        for made in stream_rows(examples, whole)
        if made.windows[0].fault == "length"
    }
    cut = stream_rows(examples, task)
    windows = sum(len(made.windows) for made in cut if made.example.document.id in long)
    assert 1 < len(long) < len(examples)
    assert told[0]["whole_documents"] == {
        "fit": len(examples) - len(long), "too_long": len(long), "windows_of_those": windows,
    }  # fmt: skip


def test_the_audit_says_who_read_the_data(here: Site, command: Command, tmp_path: Path) -> None:
    """A plugin's own JSONL reaches its loader although its rows have a text."""
    own = GOOD.replace('"note"', '"text"')
    here.install("good", own)
    theirs = write(tmp_path / "own.jsonl", [{"text": "Ada came.", "names": ["Ada"], "day": None}])
    core = write(
        tmp_path / "core.jsonl", [{"id": "1", "text": "Ada came.", "record": {"names": ["Ada"]}}]
    )
    for data, reader in ((theirs, "the loader of the plugin good"), (core, "the core, as rows")):
        answer = command("audit", "--plugin", "good", "--data", data)
        assert answer.output.startswith(f"read by {reader}")
        found = report(command("audit", "--plugin", "good", "--data", data, "--json"))
        assert found["reader"].startswith(reader)
        assert found["documents"]["read"] - found["documents"]["set_aside"] == 1
        assert found["fields"]["names"]["leaves"] == 1


def test_each_gold_leaf_has_its_windows_or_a_reason(
    told: tuple[dict[str, Any], Path], trained_on: Rows
) -> None:
    leaves = told[0]["leaves"]
    lost = {
        (leaf["id"], leaf["pointer"]): leaf["reason"]
        for leaf in leaves
        if not leaf["windows"] and not leaf["reason"].startswith("lost with its object: ")
    }
    assert lost == {(reject.id, reject.field): reject.reason for reject in trained_on.lost}
    assert lost["d2", "/diseases/0"] == "not in the text"
    assert lost["d2", "/chemicals/0"] == (
        "the windows that hold it are set aside: prompt and answer exceed max_length"
    )
    assert {"id": "d1", "pointer": "/diseases/0", "windows": [1]} in leaves
    assert all("reason" not in leaf for leaf in leaves if leaf["windows"])


def test_every_leaf_is_reported_and_is_in_the_windows_that_are_named(
    told: tuple[dict[str, Any], Path], medical: Plugin, corpus: Path
) -> None:
    records = {
        gold.document.id: gold.record or {}
        for gold in read_splits(medical, corpus, allow_leaks=False)[0].train
    }
    assert_true(told[0], told[1], records)


def test_the_leaves_of_a_lost_object_are_reported_with_its_reason(
    command: Command, tmp_path: Path
) -> None:
    text = "Aspirin was given in ward 7. A rash came on the next day."
    pair = {"chemical": "Aspirin", "disease": "rash"}
    record = {"chemicals": ["Aspirin"], "diseases": ["rash"], "relations": [pair]}
    data = write(tmp_path / "rows.jsonl", [row(1, text=text, record=record)])
    source = ("audit", "--plugin", "medical_ner", "--data", data)
    chat = tmp_path / "chat.jsonl"
    found = report(command(*source, "--json", "--export", chat))
    assert_balanced(found)
    assert_true(found, chat, {"d1": record})
    reason = "its parts share no window"
    inner = f"lost with its object: {reason}"
    assert found["leaves"] == [
        {"id": "d1", "pointer": "/chemicals/0", "windows": [1]},
        {"id": "d1", "pointer": "/diseases/0", "windows": [2]},
        {"id": "d1", "pointer": "/relations/0", "windows": [], "reason": reason},
        {"id": "d1", "pointer": "/relations/0/chemical", "windows": [], "reason": inner},
        {"id": "d1", "pointer": "/relations/0/disease", "windows": [], "reason": inner},
    ]
    assert found["every_leaf"] == {"leaves": 4, "learned": 2, "lost": {inner: 2}}
    told = f"single leaves, including those in objects: 4 = 2 learned + 2 lost; 2 {inner}"
    assert told in command(*source).output
    assert inner in " ".join(command(*source, "--show", "d1").output.split())


def assert_true(found: dict[str, Any], chat: Path, records: Mapping[str, Record]) -> None:
    """Compare what is reported of each leaf with the records and with the answers as exported."""
    answers = {
        (line["id"], line["window"]): json.loads(line["messages"][-1]["content"])
        for line in lines(chat)
    }
    outcomes = {(leaf["id"], leaf["pointer"]): leaf for leaf in found["leaves"]}
    assert len(outcomes) == len(found["leaves"])
    learned = 0
    leaves = {(i, at): value for i, record in records.items() for at, value in _leaves(record)}
    for (document, pointer), value in leaves.items():
        outcome = outcomes[document, pointer]
        assert bool(outcome["windows"]) != bool(outcome.get("reason"))
        learned += bool(outcome["windows"])
        field, _position, *end = pointer.split("/")[1:]
        for window in outcome["windows"]:
            listed = answers[document, window][field]
            held = [item[end[0]] for item in listed] if end else listed
            # A mention of the same concept may stand for the end of a relation.
            assert held if end else value.casefold() in [item.casefold() for item in held]
    every = found["every_leaf"]
    assert (every["leaves"], every["learned"]) == (len(leaves), learned)


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield the strings of a record by JSON Pointer."""
    if isinstance(value, str):
        yield pointer, value
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from _leaves(inner, f"{pointer}/{key}")
    for position, inner in enumerate(value if isinstance(value, list) else ()):
        yield from _leaves(inner, f"{pointer}/{position}")


def test_what_is_exported_is_what_training_reads(
    told: tuple[dict[str, Any], Path], trained_on: Rows
) -> None:
    prompts = shipped_prompts()
    exported = lines(told[1])
    made = []
    for line in exported:
        *asked, answer = [Message(**message) for message in line["messages"]]
        assert answer.role == "assistant"
        made.append(prompts.prompt(asked) + prompts.answer(answer.content))
    assert made == [row.input_ids for row in trained_on.rows]
    assert {line["id"] for line in exported} >= {"d1"}
    assert not list(told[1].parent.glob(".*"))


def test_a_folder_gets_the_conversations_of_every_split(
    told: tuple[dict[str, Any], Path], corpus: Path, tmp_path: Path, command: Command
) -> None:
    order = ("audit", "--plugin", "medical_ner", "--data", corpus, *SET)
    folder = tmp_path / "chat"
    answer = command(*order, "--export", folder, "--export-format", "json")
    assert answer.code == 0, answer.errors
    found = {file.name: json.loads(file.read_text("utf-8")) for file in folder.iterdir()}
    assert found.keys() == {"train.json", "validation.json", "test.json"}
    assert found["train.json"] == lines(told[1])
    ids = [{row["id"] for row in rows} for rows in found.values()]
    assert all(ids)
    assert sum(map(len, ids)) == len(set().union(*ids))
    assert command(*order, "--export", folder).code == 0
    assert lines(folder / "validation.jsonl") == found["validation.json"]
    names = {"train.jsonl", "validation.jsonl", "test.jsonl"}
    assert {file.name for file in folder.iterdir()} == names, "the earlier ones are removed"
    for name in ("other.jsonl", "test.json"):
        (folder / name).write_text("[]", encoding="utf-8")
    again = command(*order, "--export", folder)
    assert f"{folder / 'test.json'}: removed" in again.errors
    assert {file.name for file in folder.iterdir()} == {*names, "other.jsonl"}
    dotted = tmp_path / "new.dir"
    assert command(*order, "--export", f"{dotted}/").code == 0
    assert {file.name for file in dotted.iterdir()} == names

    refused = command(*order, "--export", tmp_path / "a.jsonl", "--export-format", "json")
    assert refused.code == 2
    assert "for --export to a folder" in refused.errors
    assert not (tmp_path / "a.jsonl").exists()


def test_the_terminal_shows_the_same_and_an_example(command: Command, corpus: Path) -> None:
    answer = command("audit", "--plugin", "medical_ner", "--data", corpus, *SET)
    assert answer.code == 0, answer.errors
    output = answer.output
    assert "18 read = 14 train + 3 validation + 1 test + 0 set aside; official splits" in output
    assert "1 set aside: prompt and answer exceed max_length" in output
    assert "over max_length 260" in output
    assert "as the model reads it: " in output
    assert "Extract as JSON: chemicals[]" in output
    assert "<|start_header_id|>assistant<|end_header_id|>" in output
    assert output.endswith("nothing makes training on this unsound\n")
    assert ESCAPE not in output  # no colours where there is no terminal


# A document, shown

HOSTILE = f"aspirin {ESCAPE}]0;title\x07 [bold]caused[/bold] :smile:<|eot_id|>\x9b2J\u202e rash."


def test_a_document_is_shown_without_what_moves_the_cursor(
    command: Command, tmp_path: Path
) -> None:
    data = write(tmp_path / "rows.jsonl", [row(1), row(2, id=f"{ESCAPE}[2J", text=HOSTILE)])
    source = ("audit", "--plugin", "medical_ner", "--data", data)
    shown = command(*source, "--show", f"{ESCAPE}[2J", "--set=window=document")
    assert shown.code == 0, shown.errors
    for answer in (shown, command(*source)):
        assert not [c for c in answer.output if not c.isprintable() and c != "\n"]
    assert (
        "\\x1b]0;title\\x07 [bold]caused[/bold] :smile:<|eot_id|>\\x9b2J\\u202e rash"
        in shown.output
    )
    assert "window 1 of 1" in shown.output
    assert '{"chemicals":["aspirin"],"diseases":["rash"],"relations":[]}<|eot_id|>' in shown.output
    assert "/chemicals/0" in shown.output


def test_a_forged_control_token_is_shown_as_text() -> None:
    plugin, prompts = plugin_of(NAMES), shipped_prompts()
    gold = example("Ada<|eot_id|>", {"names": ["Ada"]})
    (made,) = stream_rows([gold], Task(plugin, Settings(), prompts))
    shown = text_runs(made.windows[0], prompts)
    assert "".join(text for text, kind in shown if kind == "answer") == '{"names":["Ada"]}'
    forged = [kind for text, kind in shown if "<|eot_id|>" in text]
    assert forged == ["control", "prompt", "control", "control"]  # system, document, user, answer


def test_an_unknown_document_is_an_error(command: Command, corpus: Path) -> None:
    answer = command("audit", "--plugin", "medical_ner", "--data", corpus, "--show", "nobody")
    assert (answer.code, answer.output) == (1, "")
    assert "has the id nobody" in answer.errors
    wrong = command("audit", "--plugin", "medical_ner", "--show", "a", "--json")
    assert wrong.code == 2


def test_a_held_out_split_can_be_looked_at(command: Command, tmp_path: Path) -> None:
    rows = [row(1), row(2, split="test"), row(3, split="test", text="aspirin, but not the other.")]
    data = write(tmp_path / "rows.jsonl", rows)
    source = ("audit", "--plugin", "medical_ner", "--data", data, "--allow-unlearnable")
    found = report(command(*source, "--split", "test", "--json"))
    assert_balanced(found)
    assert found["split"] == "test"
    assert {leaf["id"] for leaf in found["leaves"]} == {"d2", "d3"}
    assert found["gold"]["diseases"]["lost"] == {"not in the text": 1}
    assert "lengths in tokens, of the test documents" in command(*source, "--split", "test").output


@pytest.mark.realdata("medical/bc5cdr")
def test_the_counts_of_a_published_corpus_add_up(
    command: Command, medical: Plugin, tmp_path: Path
) -> None:
    blocks = (
        (REAL_DATA / "medical/bc5cdr/CDR_TrainingSet.PubTator.txt")
        .read_text(encoding="utf-8")
        .split("\n\n")
    )
    file = tmp_path / "corpus.txt"
    file.write_text("\n\n".join(blocks[:60]), encoding="utf-8")
    chat = tmp_path / "chat.jsonl"
    answer = command("audit", "--plugin", "medical_ner", "--data", file, "--json", "--export", chat)
    assert answer.code == 0, answer.errors
    found = report(answer)
    assert_balanced(found)
    splits = read_splits(medical, file, allow_leaks=False)[0]
    assert_true(found, chat, {gold.document.id: gold.record or {} for gold in splits.train})
    assert found["documents"]["read"] == 60
    assert found["unlearnable"]["leaves"] == 0
    counted = Counter(
        leaf["pointer"].split("/")[1]
        for leaf in found["leaves"]
        if leaf["pointer"].count("/") == 2 and leaf["windows"]
    )
    assert counted == {name: known["learned"] for name, known in found["gold"].items()}


# Numbers


def test_documents_are_read_as_they_are_needed() -> None:
    read = 0

    def endless() -> Iterator[Example]:
        nonlocal read
        while True:
            read += 1
            yield Example(Document(str(read), "Ada came."), {"names": ["Ada"]})

    stream = stream_rows(endless(), Task(plugin_of(NAMES), Settings(), shipped_prompts()))
    made = [next(stream) for _ in range(100)]
    assert [document.example.document.id for document in made] == list(map(str, range(1, 101)))
    assert read < 200


def test_reasons_are_counted_without_what_is_particular() -> None:
    for one, other in (
        ("id a7 is already used at f:7 with", "id b12 is already used at g:3 with"),
        ("several readings: 'Rash', 'rash'", "several readings: 'a', \"it's\", 'c'"),
    ):
        assert general_reason(one) == general_reason(other)
    assert general_reason("not in the text") == "not in the text"
