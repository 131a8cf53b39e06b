"""``extract serve`` answers with a model that was not trained, also as a teacher."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Command
from served import Serving, started
from tiny_model import Workplace, lines

from fieldsmith import Document
from fieldsmith.plugins import load

pytest.importorskip("fastapi", reason="the extra serve is not installed")

TEXT = "Aspirin and rash. Aspirin caused rash in 5 patients."
SHORT = ("--set", "max_new_tokens=40")


@pytest.fixture(scope="module")
def asked(workplace: Workplace) -> tuple[object, ...]:
    return ("--plugin", "medical_ner", "--model", workplace.model, *SHORT)


@pytest.fixture(scope="module")
def server(asked: tuple[object, ...]) -> Iterator[Serving]:
    with started("serve", *asked) as server:
        yield server


def test_documents_have_the_lines_of_predict(
    server: Serving, asked: tuple[object, ...], tmp_path: Path, command: Command
) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text(json.dumps({"id": "a", "text": TEXT}), encoding="utf-8")
    answer = command("predict", *asked, source, "--output", tmp_path / "lines.jsonl")
    assert answer.code == 0, answer.errors
    documents = {"documents": [{"id": "a", "text": TEXT}]}
    found = server.ask("/v1/medical_ner/extract", documents).json["results"]
    assert found == lines(tmp_path / "lines.jsonl")
    assert any("nothing was trained" in line for line in server.said)


def test_the_prompt_of_the_plugin_is_read_for_its_document(
    server: Serving, workplace: Workplace
) -> None:
    plugin = load("medical_ner")
    prompts = [ask(Document("a", TEXT))[-1].content for ask in (plugin.prompt, plugin.brief_prompt)]
    assert any(prompt != TEXT for prompt in prompts)
    answers = set()
    for model in ("medical_ner", str(workplace.model)):
        for content in (TEXT, *prompts):
            body = {"model": model, "messages": [{"role": "user", "content": content}]}
            reply = server.ask("/v1/chat/completions", body).json
            assert reply["model"] == model
            answers.add(reply["choices"][0]["message"]["content"])
    assert len(answers) == 1


def test_it_labels_documents(
    server: Serving, workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    source, output = tmp_path / "texts.jsonl", tmp_path / "labels.jsonl"
    source.write_text(json.dumps({"id": "a", "text": TEXT}), encoding="utf-8")
    teacher = ("--teacher", server.address, "--teacher-model", workplace.model, "--licence", "own")
    answer = command(
        "label", "--plugin", "medical_ner", source, *teacher, "--output", output, *SHORT
    )
    assert answer.code == 0, answer.errors
    (row,) = lines(output)
    assert row["teacher"]["version"] == workplace.model.name
    found = server.ask("/v1/medical_ner/extract", {"text": TEXT}).json["record"]
    assert row["record"] == found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a run; or --plugin and --model"),
        (["--plugin", "medical_ner"], "give a run; or --plugin and --model"),
        (["--model", "embedded"], "--plugin is missing"),
        (["run", "--plugin", "medical_ner"], "are for a model without a run"),
        (["--plugin=medical_ner", "--model=embedded", "--engine=http://x"], "wants one RUN"),
    ],
)
def test_wrong_combinations_say_what_is_wrong(
    command: Command, arguments: list[str], words: str
) -> None:
    answer = command("serve", *arguments)
    assert answer.code == 2
    assert words in " ".join(answer.errors.split())
