"""A teacher that invents, repeats, cuts off, fails or is not there: what documents come to."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command import Answer, Command
from played_teacher import MODEL, USAGE, Play, Played, Teacher, record, teaching, text_of
from tiny_model import lines

from fieldsmith import Example
from fieldsmith.data import Teacher as Labeller
from fieldsmith.dataset.loading import read_examples
from fieldsmith.engines.connect import KEY
from fieldsmith.plugins import load
from fieldsmith.schema.records import first_problem

RASH = record(chemicals=["aspirin"], diseases=["rash"])

Label = Callable[..., Answer]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail are sent again at once."""
    monkeypatch.setattr("fieldsmith.engines.server._PAUSE", 0.001)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


@pytest.fixture
def label(command: Command, output: Path) -> Label:
    def run(teacher: Teacher, *arguments: object) -> Answer:
        asked = ("--teacher", teacher.address, "--teacher-model", MODEL)
        fixed = ("--plugin", "medical_ner", "--licence", "apache-2.0", "--output", output)
        return command("label", *fixed, *asked, *arguments)

    return run


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "notes.jsonl", 4)


def write_notes(path: Path, count: int) -> Path:
    rows = [{"id": str(n), "text": f"Aspirin caused rash in case {n}."} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def by_number(*answers: Played | None) -> Play:
    """Answer each note of ``write_notes`` by its number; the last answer is for all others."""

    def play(body: dict[str, Any]) -> Played | None:
        number = int(text_of(body).rstrip(".\n").rpartition(" ")[2])
        return answers[min(number, len(answers) - 1)]

    return play


def failures(output: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in lines(output.with_name("labels.failures.jsonl"))}


# What comes of an answer


def test_rows_are_read_at_once_and_name_their_teacher(
    label: Label, notes: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "a-secret-key")
    invented = [{"chemical": "aspirin", "disease": "rash"}, {"chemical": "x", "disease": "rash"}]
    answer = record(chemicals=["ASPIRIN", "x"], diseases=["rash"], relations=invented)
    with teaching(lambda _body: answer) as teacher:
        done = label(teacher, notes)
    assert done.code == 0, done.errors
    assert set(teacher.keys) == {"Bearer a-secret-key"}
    row = lines(output)[1]
    assert row["record"] == {
        "chemicals": ["Aspirin"],
        "diseases": ["rash"],
        "relations": [{"chemical": "Aspirin", "disease": "rash"}],
    }
    assert (row["dropped"], row["aligned"]) == (2, 2)
    named = row["teacher"]
    assert named.pop("date").startswith("20")
    assert len(named.pop("prompt_sha256")) == 64
    assert named == {
        "model": MODEL,
        "licence": "apache-2.0",
        "kind": "openai-compatible",
        "host": "127.0.0.1",
        "version": "big-2026-11",
        "fingerprint": "fp_7",
        "form": "json_schema",
    }
    assert row["usage"] == {**USAGE, "requests": 1}
    port = teacher.address.rpartition(":")[2]
    for file in output.parent.iterdir():
        assert "a-secret-key" not in file.read_text()
        assert file == notes or f":{port}" not in file.read_text()
    assert not output.with_name("labels.failures.jsonl").exists()
    examples = list(read_examples(load("medical_ner"), output))
    assert [each.record for each in examples if isinstance(each, Example)] == [row["record"]] * 4
    assert {each.teacher for each in examples if isinstance(each, Example)} == {
        Labeller(MODEL, "apache-2.0")
    }


def test_the_schema_is_sent_without_what_is_the_cores_own(label: Label, notes: Path) -> None:
    with teaching(lambda _body: RASH) as teacher:
        label(teacher, notes)
    body = teacher.asked[0]
    sent = body["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert set(sent["schema"]["properties"]) == {"chemicals", "diseases", "relations"}
    assert "x-" not in json.dumps(sent["schema"])
    assert sent["schema"]["required"] == ["chemicals", "diseases", "relations"]
    assert (body["model"], body["temperature"]) == (MODEL, 0.0)
    assert body["max_tokens"] > 0


def test_each_document_has_a_row_or_a_reason_with_the_answer(
    label: Label, tmp_path: Path, output: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 9)
    bad = [
        Played('{"chemicals": ["asp', finish="length"),
        Played('{"chemicals": ["asp'),
        Played('{"chemicals": "aspirin"}'),
        Played(None, message={"refusal": "I do not read this."}),
        Played(None),
        Played("the prompt is too long", state=400),
        Played(body=b"<html>", state=200),
        Played("it broke", state=500),
    ]
    with teaching(by_number(*bad, RASH)) as teacher:
        done = label(teacher, notes, "--concurrency", 1)
    assert done.code == 0, done.errors
    assert [row["id"] for row in lines(output)] == ["8"]
    found = failures(output)
    assert sorted(found) == [str(number) for number in range(8)]
    wanted = ["cut off", "not JSON", "/chemicals", "refuses: I do", "is empty", "400: the",
              "not understood", "500: it broke"]  # fmt: skip
    for number, reason in enumerate(wanted):
        assert reason in found[str(number)]["reason"]
    assert [found[str(n)]["raw"] for n in range(3)] == [[each.content] for each in bad[:3]]
    assert [found[str(n)]["raw"] for n in range(3, 6)] == [["I do not read this."], [""], []]
    assert found["3"]["usage"]["requests"] == 1
    assert "1 of 9 documents labelled" in done.errors
    # What was answered is not asked again; what was not is, and has an answer now.
    before = len(teacher.asked)
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes)
    assert before > 9
    assert sorted(text[-2:] for text in teacher.texts()) == ["5.", "6.", "7."]
    assert sorted(failures(output)) == ["0", "1", "2", "3", "4"]
    assert [row["id"] for row in lines(output)] == ["5", "6", "7", "8"]


def test_documents_without_text_or_form_are_listed(
    label: Label, tmp_path: Path, output: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 1)
    with notes.open("a") as stream:
        stream.write('{"id": "empty", "text": "  "}\n{"id": "none", "text": 5}\nno JSON\n')
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes)
    assert done.code == 0, done.errors
    assert len(teacher.asked) == 1
    assert len(lines(output)) + len(failures(output)) == 4
    assert failures(output)["empty"]["reason"] == "the document is empty"


def test_nothing_labelled_is_an_error(label: Label, notes: Path, output: Path) -> None:
    with teaching(lambda _body: Played("I would rather not.")) as teacher:
        done = label(teacher, notes)
    assert done.code == 1
    assert "no document was labelled" in done.errors.splitlines()[-1]
    assert len(failures(output)) == 4


# Servers


def test_what_passes_is_asked_again_when_the_server_says(
    label: Label, notes: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("fieldsmith.engines.server.time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr("fieldsmith.engines.server._PAUSE", 0.5)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    first = iter(
        [Played("slow down", state=429, headers={"Retry-After": "7"}), Played("oh", state=500),
         None, Played(RASH.content, cut=True), Played("no", state=503),
         Played("slow down", state=429, headers={"Retry-After": soon})]
    )  # fmt: skip
    with teaching(lambda _body: next(first, RASH)) as teacher:
        done = label(teacher, notes, "--concurrency", 1)
    assert done.code == 0, done.errors
    assert len(lines(output)) == 4
    assert len(teacher.asked) == 10
    assert pauses[:5] == [7.0, 1.0, 2.0, 4.0, 8.0]  # what is asked for, or twice as long each time
    assert 60 < pauses[5] <= 100


@pytest.mark.parametrize("taken", ["json_object", "text"])
def test_the_strictest_form_that_a_server_takes_is_used(
    label: Label, notes: Path, output: Path, taken: str
) -> None:
    def play(body: dict[str, Any]) -> Played:
        form = body.get("response_format", {}).get("type", "text")
        return RASH if form == taken else Played(f"{form} is unknown", state=400)

    with teaching(play) as teacher:
        done = label(teacher, notes)
    assert done.code == 0, done.errors
    assert {row["teacher"]["form"] for row in lines(output)} == {taken}
    refused = {"json_object": 1, "text": 2}[taken]
    assert len(teacher.asked) == 4 + refused  # found out once


def test_a_model_that_is_called_by_its_path_is_named_without_it(
    label: Label, notes: Path, output: Path
) -> None:
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, "--teacher-model", "/home/me/models/big-9b")
    assert done.code == 0, done.errors
    assert {body["model"] for body in teacher.asked} == {"/home/me/models/big-9b"}
    assert {row["teacher"]["model"] for row in lines(output)} == {"big-9b"}


def test_the_limit_may_have_its_newer_name(label: Label, notes: Path, output: Path) -> None:
    def play(body: dict[str, Any]) -> Played:
        wanted = "'max_tokens' is not supported; use 'max_completion_tokens' instead."
        return Played(wanted, state=400) if "max_tokens" in body else RASH

    with teaching(play) as teacher:
        done = label(teacher, notes)
    assert done.code == 0, done.errors
    assert {row["teacher"]["form"] for row in lines(output)} == {"json_schema"}
    assert len(teacher.asked) == 5


@pytest.mark.parametrize(
    ("play", "said"),
    [
        (lambda _body: Played("who?", state=401), f"401: who?; set {KEY}"),
        (lambda _body: Played("which?", state=404), "check the address and --teacher-model"),
        (lambda _body: Played("quota", state=429), "repeat the command later"),
        (lambda _body: None, "is not reached any more"),
    ],
)
def test_a_server_that_answers_nothing_ends_the_command_in_one_line(
    label: Label, notes: Path, output: Path, play: Play, said: str
) -> None:
    with teaching(play) as teacher:
        done = label(teacher, notes)
    assert done.code == 1
    assert said in done.errors.splitlines()[-1]
    assert not output.exists()
    assert set(Counter(teacher.texts()).values()) == {len(teacher.asked)}  # of one question alone


def test_answers_under_way_are_kept_when_the_server_goes(
    label: Label, notes: Path, output: Path
) -> None:
    with teaching(by_number(RASH, Played("no credit", state=402), RASH)) as teacher:
        done = label(teacher, notes, "--concurrency", 4)
    assert done.code == 1
    kept = len(lines(output.with_name("labels.answers.jsonl")))
    answered = sum("case 1." not in text for text in teacher.texts())
    assert kept == answered >= 1
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes)
    assert done.code == 0, done.errors
    assert len(teacher.asked) == 4 - kept


def test_no_more_requests_than_are_wanted_are_under_way(
    label: Label, tmp_path: Path, output: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 12)

    def play(_body: dict[str, Any]) -> Played:
        time.sleep(0.02)
        return RASH

    with teaching(play) as teacher:
        label(teacher, notes, "--concurrency", 3)
    assert 1 < teacher.most_at_once <= 3


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://", "name an address"),
        ("https://me:secret@host/v1", "a key goes into the environment"),
        ("https://me:secret@", "name an address"),
        ("https://me:sec/secret@host/v1", "a key goes into the environment"),
        ("https://host/v1?key=secret", "a key goes into the environment"),
    ],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(
    label: Label, notes: Path, address: str, said: str
) -> None:
    done = label(Teacher(address), notes)
    assert done.code == 1
    assert said in done.errors
    assert "secret" not in done.errors


# Samples, windows, budget


def test_samples_vote_and_their_agreement_is_the_confidence(
    label: Label, tmp_path: Path, output: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 1)
    answers = iter(
        [RASH, record(chemicals=["aspirin", "case"], diseases=["rash"]), RASH, Played("none")]
    )
    with teaching(lambda _body: next(answers)) as teacher:
        done = label(teacher, notes, "--samples", 4, "--concurrency", 1)
    assert done.code == 0, done.errors
    assert [body["temperature"] for body in teacher.asked] == [0.7] * 4
    (row,) = lines(output)
    assert row["record"]["chemicals"] == ["Aspirin"]
    assert row["confidence"] == {"/chemicals/0": 0.75, "/diseases/0": 0.75}
    assert row["usage"]["requests"] == 4


def test_long_documents_are_asked_about_in_windows(
    label: Label, tmp_path: Path, output: Path
) -> None:
    text = " ".join(f"Aspirin caused rash in case {number}." for number in range(60))
    (tmp_path / "long.txt").write_text(text)

    def play(body: dict[str, Any]) -> Played:
        asked = text_of(body).rpartition("Text:\n")[2]
        assert asked in text
        return record(chemicals=["Aspirin"], diseases=[asked.split()[-1].strip(".")])

    cut = ("--set=window=tokens", "--set=window_size=100", "--set=window_overlap=0")
    with teaching(play) as teacher:
        done = label(teacher, tmp_path / "long.txt", *cut)
    assert done.code == 0, done.errors
    (row,) = lines(output)
    assert row["windows"] == len(teacher.asked) > 3
    assert row["record"]["chemicals"] == ["Aspirin"]
    assert len(row["record"]["diseases"]) == row["windows"]
    with teaching(by_number(Played("none"))) as teacher:
        done = label(teacher, tmp_path / "long.txt", *cut, "--temperature", 1)
    assert done.code == 1
    assert failures(output)["long.txt"]["reason"].startswith(f"window 1 of {row['windows']}: not")


def test_the_same_text_is_asked_about_once(label: Label, tmp_path: Path, output: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("Aspirin caused rash.")
    with teaching(lambda _body: RASH) as teacher:
        label(teacher, tmp_path / "a.txt", tmp_path / "b.txt")
    assert len(teacher.asked) == 1
    assert [row["id"] for row in lines(output)] == ["a.txt", "b.txt"]


def test_a_few_documents_can_be_labelled_first(label: Label, tmp_path: Path, output: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"Aspirin caused rash in case {number}.")
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, tmp_path, "--limit", 2)
        assert "2 of 2 documents labelled" in done.errors
        assert (len(teacher.asked), len(lines(output))) == (2, 2)
        done = label(teacher, tmp_path)
        assert "5 of 5 documents labelled" in done.errors
        assert (len(teacher.asked), len(lines(output))) == (5, 5)


def test_the_budget_is_kept_and_a_larger_one_goes_on(
    label: Label, notes: Path, output: Path
) -> None:
    with teaching(lambda _body: RASH) as teacher:
        label(teacher, notes)
    whole = output.read_bytes()
    for file in output.parent.glob("labels.*"):
        file.unlink()
    body = len(json.dumps(teacher.asked[0]).encode())
    most = body + teacher.asked[0]["max_tokens"]
    spent = sum(USAGE.values())
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, "--budget", most + spent, "--concurrency", 2)
    assert done.code == 1
    assert "the budget is spent" in done.errors.splitlines()[-1]
    assert 1 <= len(teacher.asked) <= 3
    assert len(lines(output)) == len(teacher.asked)
    assert {row["reason"][:9] for row in failures(output).values()} == {"not asked"}
    asked = len(teacher.asked)
    money = ("--price-in", 1_000_000, "--price-out", 0)
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, "--budget-cost", 1, *money)
        assert (done.code, teacher.asked) == (1, [])
        assert f"{asked * 100}.0000 by the prices" in done.errors
        done = label(teacher, notes, "--budget-cost", 1_000_000, *money)
    assert done.code == 0, done.errors
    assert len(teacher.asked) == 4 - asked
    assert output.read_bytes() == whole


def test_a_server_that_tells_no_usage_is_counted_at_the_most_it_can_be(
    label: Label, notes: Path, output: Path
) -> None:
    with teaching(lambda _body: Played(RASH.content, usage=None)) as teacher:
        label(teacher, notes)
    usage = lines(output)[0]["usage"]
    assert usage["prompt_tokens"] >= len(text_of(teacher.asked[0]))
    assert usage["completion_tokens"] == len(str(RASH.content))


# Beside the rows


def test_a_name_that_does_not_go_with_the_licence_is_noted_before_anything_is_asked(
    label: Label, notes: Path, output: Path
) -> None:
    named = ("--teacher-model", "Meta-Llama-3-70B", "--licence", "Apache-2.0")
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, *named)
    assert done.code == 0, done.errors
    assert "note (licence): Meta-Llama-3-70B is named like Llama 3" in done.errors.splitlines()[0]
    assert {row["teacher"]["licence"] for row in lines(output)} == {"apache-2.0"}


def test_pairs_are_read_by_every_plugin_as_the_rows_are(
    label: Label, notes: Path, output: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, "--pairs", pairs)
    assert done.code == 0, done.errors
    first = lines(pairs)[0]
    assert first["instruction"].startswith("You extract chemicals")
    assert first["input"].endswith("Text:\nAspirin caused rash in case 0.")
    assert json.loads(first["output"]) == lines(output)[0]["record"]
    one, other = (list(read_examples(load("medical_ner"), path)) for path in (output, pairs))
    for row, triple in zip(one, other, strict=True):
        assert isinstance(row, Example)
        assert isinstance(triple, Example)
        assert (triple.document.id, triple.document.text) == (row.document.id, row.document.text)
        assert (triple.record, triple.teacher) == (row.record, row.teacher)


def test_triples_that_others_wrote_are_read_and_those_of_a_label_by_no_plugin(
    tmp_path: Path,
) -> None:
    path = tmp_path / "triples.jsonl"
    row: dict[str, Any] = {"instruction": "Which?", "input": "By rash.", "output": "{}"}
    for plugin, more, text in (
        ("medical_ner", {}, "By rash."),
        ("news_json", {}, "Which?"),  # a format of its own
        ("news_json", {"teacher": {"model": "m", "licence": "mit"}}, "By rash."),
    ):
        path.write_text(json.dumps(row | more) + "\n")
        (found,) = read_examples(load(plugin), path)
        assert isinstance(found, Example)
        assert (found.document.text, found.record) == (text, {})


def test_agreement_counts_gold_documents_that_were_given(
    label: Label, notes: Path, tmp_path: Path
) -> None:
    gold = tmp_path / "gold.jsonl"
    rows = [
        {"id": str(n), "text": f"Aspirin caused rash in case {n}.",
         "record": {"chemicals": ["Aspirin"], "diseases": ["rash"], "relations": []}}
        for n in (0, 1, 2, 3, 90)
    ]  # fmt: skip
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    right, none = record(chemicals=["Aspirin"], diseases=["rash"]), Played("none")
    with teaching(by_number(right, right, record(chemicals=["Aspirin"]), none)) as teacher:
        done = label(teacher, notes, "--agreement", gold)
    assert done.code == 0, done.errors
    scores = [line.split("│") for line in done.output.splitlines() if "│" in line]
    found = {row[1].strip(): [cell.strip() for cell in row[2:5]] for row in scores}
    assert found["chemicals"] == ["1.000", "0.750", "0.857"]
    assert found["diseases"] == ["1.000", "0.500", "0.667"]
    assert "4 documents" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--licence", "lama3"], "did you mean llama"),
        (["--samples", "3", "--temperature", "0"], "would all be the same"),
        (["--budget-cost", "1"], "--price-in"),
        (["--pairs", "{output}"], "is written as something else too"),
        (["--output", "{notes}"], "is an input too"),
        (["--output", "/dev/null"], "name a file that ends in .jsonl"),
        (["--agreement", "{notes}"], "holds no record of a document that was given"),
        (["--agreement", "nowhere.jsonl"], "no such file"),
        (["--set", "window=page"], "window"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_asked(
    label: Label, notes: Path, output: Path, arguments: list[str], said: str
) -> None:
    filled = [each.format(output=output, notes=notes) for each in arguments]
    with teaching(lambda _body: RASH) as teacher:
        done = label(teacher, notes, *filled)
    assert done.code in (1, 2)
    assert said in done.errors
    assert teacher.asked == []
    assert not output.exists()


def test_every_record_is_valid(label: Label, notes: Path, output: Path) -> None:
    count = 0
    for content in ('{"chemicals": ["aspirin"]}', '{"chemicals": [], "extra": 1}', "{}"):
        with teaching(by_number(Played(content))) as teacher:
            label(teacher, notes, "--temperature", len(content) / 100)
        for row in lines(output):
            assert first_problem(row["record"], load("medical_ner").schema) is None
            count += 1
    assert count == 8
