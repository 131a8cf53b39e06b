"""Answers that servers and gateways give beside those of OpenAI: each document has its outcome."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from command import Answer, Command
from played_teacher import MODEL, Play, Played, Teacher, record, teaching
from tiny_model import lines

from fieldsmith.engines.connect import KEY

RASH = record(chemicals=["aspirin"], diseases=["rash"])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail are sent again at once."""
    monkeypatch.setattr("fieldsmith.engines.server._PAUSE", 0.001)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"Aspirin caused rash ({name}).")
    return folder


def label(command: Command, teacher: Teacher, notes: Path, output: Path, *more: object) -> Answer:
    asked = ("--teacher", teacher.address, "--teacher-model", MODEL, "--licence", "apache-2.0")
    arguments = ("--plugin", "medical_ner", "--output", output, "--concurrency", 1)
    return command("label", notes, *asked, *arguments, *more)


def first_then_rash(first: Played) -> Play:
    """Answer the first request of all otherwise than the others."""
    answers: Iterator[Played] = iter([first])
    return lambda _body: next(answers, RASH)


def message(keys: dict[str, Any], finish: str = "stop") -> Played:
    """Return an answer whose message has no content."""
    choice = {"message": {"role": "assistant", **keys}, "finish_reason": finish}
    return Played(body=json.dumps({"choices": [choice]}).encode())


def outcomes(output: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows and failures."""
    failures = output.with_name("labels.failures.jsonl")
    return lines(output), lines(failures) if failures.exists() else []


@pytest.mark.parametrize("state", [500, 502, 520, 524, 529])
def test_what_gateways_answer_when_a_model_is_overloaded_passes(
    state: int, command: Command, notes: Path, tmp_path: Path
) -> None:
    with teaching(first_then_rash(Played("overloaded", state=state))) as teacher:
        done = label(command, teacher, notes, tmp_path / "labels.jsonl")
    assert done.code == 0, done.errors
    assert len(outcomes(tmp_path / "labels.jsonl")[0]) == 2


@pytest.mark.parametrize("state", [521, 522, 523, 525, 526, 527, 530])
def test_a_proxy_that_does_not_reach_the_server_ends_the_command(
    state: int, command: Command, notes: Path, tmp_path: Path
) -> None:
    with teaching(lambda _body: Played("no server", state=state)) as teacher:
        done = label(command, teacher, notes, tmp_path / "labels.jsonl")
    assert done.code == 1
    assert f"{state}: no server; repeat the command later" in done.errors
    assert len({*teacher.texts()}) == 1


def test_a_date_beyond_all_calendars_is_no_pause(
    command: Command, notes: Path, tmp_path: Path
) -> None:
    never = {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -1200"}
    with teaching(first_then_rash(Played("slow", state=429, headers=never))) as teacher:
        done = label(command, teacher, notes, tmp_path / "labels.jsonl")
    assert done.code == 0, done.errors
    assert len(outcomes(tmp_path / "labels.jsonl")[0]) == 2


@pytest.mark.parametrize(
    ("answer", "reason", "raw"),
    [
        (Played(body=b"[" * 200_000), "nested too deeply", []),
        (Played(body=b"<html>"), "its answer is not understood (it is no JSON)", []),
        (Played(body=b'{"error": {"message": "no provider", "code": 502}}'), "no provider", []),
        (Played(body=b"[1]", state=400), "400: [1]", []),
        (Played(body=b'{"detail": [{"msg": "bad field"}]}', state=422), "bad field", []),
        (Played("half \ud83d"), "not JSON", ["half \ud83d"]),
        (Played(None, message={"tool_calls": [{"id": "c"}]}), "the answer is empty", [""]),
        (Played("", finish="content_filter"), "content filter", None),
        (Played("unknown", state=520), "520: unknown", []),
        (Played("slow", state=524), "524: slow", []),
        (message({}, "content_filter"), "content filter", None),
        (message({"refusal": "not this text"}), "not this text", None),
        (message({}), "the answer is empty", [""]),
    ],
)
def test_a_document_with_an_odd_answer_has_a_reason(
    answer: Played, reason: str, raw: list[str] | None,
    command: Command, notes: Path, tmp_path: Path,
) -> None:  # fmt: skip
    output = tmp_path / "labels.jsonl"
    with teaching(lambda body: answer if "a.txt" in json.dumps(body) else RASH) as teacher:
        done = label(command, teacher, notes, output)
    assert done.code == 0, done.errors
    rows, failures = outcomes(output)
    assert [row["id"] for row in rows] == ["b.txt"]
    assert [failure["id"] for failure in failures] == ["a.txt"]
    assert reason in failures[0]["reason"]
    assert raw is None or failures[0]["raw"] == raw


CHOICE = {"message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({}, "the answer has no choice"),
        ({"choices": []}, "the answer has no choice"),
        ({"choices": None}, "the answer has no choice"),
        ({"choices": {"0": CHOICE}}, "the answer has no choice"),
        ({"choices": [CHOICE, CHOICE]}, "the answer has 2 choices, where one was asked for"),
        ({"choices": [{"finish_reason": "stop"}]}, "the choice of the answer has no message"),
        ({"choices": [{"message": "{}"}]}, "the choice of the answer has no message"),
        ({"choices": ["{}"]}, "the choice of the answer has no message"),
        ({"error": {"message": "lost"}}, "the server answers with an error: lost"),
    ],
)
def test_an_answer_that_was_paid_for_is_counted_and_kept_whatever_its_shape(
    shape: dict[str, Any], reason: str, command: Command, notes: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.jsonl"
    body = json.dumps({**shape, "usage": {"prompt_tokens": 3000, "completion_tokens": 500}})
    with teaching(lambda _body: Played(body=body.encode())) as teacher:
        done = label(command, teacher, notes, output)
        assert len(teacher.asked) == 2
        again = label(command, teacher, notes, output)
        assert len(teacher.asked) == 2
    for answer in (done, again):
        assert answer.code == 1
        assert "6,000 tokens read and 1,000 written in all" in answer.errors
    for failure in outcomes(output)[1]:
        assert failure["reason"] == reason
        assert [json.loads(raw) for raw in failure["raw"]] == [json.loads(body)]
        assert failure["usage"]["completion_tokens"] == 500


def test_the_budget_bounds_answers_that_are_none(
    command: Command, notes: Path, tmp_path: Path
) -> None:
    body = b'{"choices": [], "usage": {"prompt_tokens": 3000, "completion_tokens": 500}}'
    with teaching(lambda _body: Played(body=body)) as teacher:
        done = label(command, teacher, notes, tmp_path / "labels.jsonl", "--budget", 5000)
    assert len(teacher.asked) == 1
    assert done.code == 1
    assert "the budget is spent" in done.errors


@pytest.mark.parametrize("body", [b'{"choices": []}', b"[1]", b'"a text"', b"null"])
def test_an_answer_that_is_none_and_tells_no_usage_counts_as_the_most_it_can_be(
    body: bytes, command: Command, notes: Path, tmp_path: Path
) -> None:
    output = tmp_path / "labels.jsonl"
    with teaching(lambda _body: Played(body=body)) as teacher:
        label(command, teacher, notes, output)
    for failure in outcomes(output)[1]:
        assert failure["raw"] == [body.decode()]
        assert failure["usage"]["prompt_tokens"] > len(teacher.texts()[0])
        assert failure["usage"]["completion_tokens"] == len(body)


DEEP = 2_000


@pytest.mark.parametrize(
    ("answer", "reason"),  # how deep a value may be to be shown depends on the version of Python
    [
        (b'{"error": ' * DEEP + b'"no provider"' + b"}" * DEEP, "no provider"),
        (b'{"error": ' + b"[" * DEEP + b"]" * DEEP + b"}", ""),
        (message({"content": {}}).as_bytes().replace(b"{}", b'{"a": ' * DEEP + b"1" + b"}" * DEEP),
         ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", [200, 400])
def test_what_is_nested_deeper_than_python_follows_ends_no_command(
    state: int, answer: bytes, reason: str,
    command: Command, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    load = json.load

    def deeper(stream: IO[bytes]) -> Any:  # as the parser of newer versions of Python
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(10 * DEEP)
        try:
            return load(stream)
        finally:
            sys.setrecursionlimit(limit)

    monkeypatch.setattr("fieldsmith.engines.server.json.load", deeper)
    output = tmp_path / "labels.jsonl"
    odd = Played(body=answer, state=state)
    with teaching(lambda body: odd if "a.txt" in json.dumps(body) else RASH) as teacher:
        done = label(command, teacher, notes, output)
    assert done.code == 0, done.errors
    rows, failures = outcomes(output)
    assert [row["id"] for row in rows] == ["b.txt"]
    assert [failure["id"] for failure in failures] == ["a.txt"]
    assert failures[0]["reason"]
    assert reason in failures[0]["reason"]


def test_the_text_of_an_answer_may_come_in_parts(
    command: Command, notes: Path, tmp_path: Path
) -> None:
    content = RASH.content or ""
    text = [{"type": "text", "text": half} for half in (content[:9], content[9:])]
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "{"}]}
    parts = Played(message={"content": [thought, *text]})
    with teaching(lambda _body: parts) as teacher:
        done = label(command, teacher, notes, tmp_path / "labels.jsonl")
    assert done.code == 0, done.errors
    rows, _failures = outcomes(tmp_path / "labels.jsonl")
    assert [row["record"]["chemicals"] for row in rows] == [["Aspirin"]] * 2


def test_thoughts_are_kept_and_are_none_of_the_record(
    command: Command, notes: Path, tmp_path: Path
) -> None:
    output, thought = tmp_path / "labels.jsonl", f"<think>Rash?</think>\n\n{RASH.content}"
    with teaching(lambda _body: Played(thought)) as teacher:
        done = label(command, teacher, notes, output)
    assert done.code == 0, done.errors
    assert [row["record"]["diseases"] for row in lines(output)] == [["rash"]] * 2
    kept = lines(output.with_name("labels.answers.jsonl"))
    assert [answer["text"] for answer in kept] == [thought] * 2


@pytest.mark.parametrize("state", [302, 307])
def test_a_redirect_is_told_and_gets_no_key(
    state: int, command: Command, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret")
    with teaching(lambda _body: RASH) as other:
        there = {"Location": f"{other.address}/v1/chat/completions"}
        moved = Played(state=state, headers=there)
        with teaching(lambda _body: moved) as teacher:
            done = label(command, teacher, notes, tmp_path / "labels.jsonl")
    assert other.keys == []
    assert done.code == 1
    assert f"{state}: it redirects to {other.address}" in done.errors
    assert "Traceback" not in done.errors
