"""Tokenizers that lack something, or that do not fit their model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_families import FAMILIES

from fieldsmith import Message
from fieldsmith.errors import RunError, SettingsError
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.settings import Settings

CONVERSATION = [Message("system", "Extract. Now."), Message("user", "Aspirin caused rash.")]


def written(folder: Path, name: str, *, without: Sequence[str], **replaced: Any) -> Settings:
    """Write config and tokenizer of a family, without some entries of the tokenizer's config."""
    family = replace(FAMILIES[name], **replaced)
    tokenizer = family.load_tokenizer()
    family.make_config(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    entries = json.loads(file.read_text())
    file.write_text(json.dumps({key: entries[key] for key in entries if key not in without}))
    return Settings(model=str(folder))


@pytest.mark.parametrize("without", [("eos_token",), ("eos_token", "pad_token")])
@pytest.mark.parametrize("name", ["smollm2", "gemma-2", "phi-4"])
def test_where_a_tokenizer_names_no_end_the_templates_own_ends_answers_and_fills_rows(
    name: str, without: Sequence[str], tmp_path: Path
) -> None:
    settings = written(tmp_path / "model", name, without=without)
    tokenizer = load_tokenizer(settings)
    prompts, expected = PromptFormat(tokenizer), PromptFormat(FAMILIES[name].load_tokenizer())
    end = expected.tokenizer.convert_ids_to_tokens(expected.end)
    assert prompts.end == expected.end
    assert tokenizer.eos_token == end
    assert tokenizer.pad_token is not None
    assert prompts.prompt(CONVERSATION) == expected.prompt(CONVERSATION)
    tokenizer.save_pretrained(tmp_path / "adapter")
    again = load_tokenizer(settings, tmp_path / "adapter")
    assert (again.eos_token, again.pad_token) == (tokenizer.eos_token, tokenizer.pad_token)
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


PLAIN_TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def test_where_neither_names_an_end_it_is_that_of_the_models_config(tmp_path: Path) -> None:
    nameless = ("eos_token", "pad_token")
    settings = written(tmp_path, "smollm2", without=nameless, template=PLAIN_TURNS)
    assert load_tokenizer(settings).eos_token == "<|im_end|>"
    file = tmp_path / "config.json"
    for end, named in (([3, 1], True), ([], False), (None, False), (10**6, False)):
        file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token_id": end}))
        if named:
            tokenizer = load_tokenizer(settings)
            assert tokenizer.eos_token == tokenizer.convert_ids_to_tokens(3)
            continue
        with pytest.raises(SettingsError, match="no token ends an answer; its chat template"):
            load_tokenizer(settings)


def test_a_folder_without_a_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    settings = written(tmp_path, "smollm2", without=())
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(SettingsError, match=r"^model .*: the folder has no tokenizer \(tokeni"):
        load_tokenizer(settings)
    with pytest.raises(RunError, match=r": has no tokenizer \(tokenizer.json\); restore it"):
        load_tokenizer(settings, tmp_path)


@pytest.mark.parametrize("missing", ["sentencepiece", "google.protobuf"])
def test_what_reads_a_file_of_sentencepiece_is_named(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = written(tmp_path, "llama-2", without=())
    (tmp_path / "tokenizer.json").rename(tmp_path / "tokenizer.model")  # which is no such file
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError, match=r"`pip install sentencepiece protobuf` installs what"):
        load_tokenizer(settings)


def test_a_token_of_the_template_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    replace(FAMILIES["mistral-v3"], spare=-1).write(tmp_path)
    with pytest.raises(SettingsError, match=r"writes '\[/INST\]' as token \d+, and the model has"):
        load_tokenizer(Settings(model=str(tmp_path)))


def test_a_token_of_texts_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    replace(FAMILIES["llama-2"], spare=-2).write(tmp_path)  # its last tokens are no control tokens
    with pytest.raises(SettingsError, match=r"as token \d+, .* tokenizer that belongs to it"):
        load_tokenizer(Settings(model=str(tmp_path)))
