"""A run over a GGUF file: trained, and used again when the file or its conversion has gone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from command import Answer, Command
from tiny_gguf import TinyGguf
from tiny_model import info, write_corpus

from fieldsmith.model.gguf import cache_folder

SHORT = {
    "max_steps": 1,
    "prompt": "brief",
    "max_length": 2000,
    "max_new_tokens": 40,
    "batch_size": 1,
    "accumulation": 1,
    "eval_documents": 1,
    "compile": "no",
}


def test_a_run_finds_its_model_again(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus")
    file, run = tmp_path / "tiny.gguf", tmp_path / "run"
    TinyGguf(storage="Q8_0", config={"max_position_embeddings": 2048}).write(file)
    chosen = [f"--set={name}={value}" for name, value in SHORT.items()]
    trained = command(
        "train", "--plugin", "medical_ner", "--data", "corpus", "--model", "tiny.gguf",
        "--output", run, *chosen,
    )  # fmt: skip
    assert trained.code == 0, trained.errors
    stored = info(run)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert stored["settings"]["model"]["value"] == "tiny.gguf"
    assert stored["base_model"]["gguf_sha256"] == digest

    note = tmp_path / "note.txt"
    note.write_text("Aspirin caused a rash.", encoding="utf-8")

    def predict() -> Answer:
        return command("predict", run, note)

    first = predict()
    assert first.code == 0, first.errors
    away = file.rename(tmp_path / "away")
    assert predict().output == first.output  # from the cache
    shutil.rmtree(cache_folder())
    missing = predict()
    assert missing.code == 1
    assert missing.errors.splitlines()[-1] == (
        f"extract: error: model {file}: no such file, "
        f"and no earlier conversion of it in {cache_folder()}"
    )
    away.rename(file)
    again = predict()
    assert again.output == first.output  # converted again
    assert "converting to a model folder" in again.errors
    TinyGguf(storage="Q4_1", config={"max_position_embeddings": 2048}).write(file)
    other = predict()
    assert other.code == 1
    assert "is not the one it was trained on" in other.errors.splitlines()[-1]
