"""A chat template or a tokenizer of a stranger that has no end is one line that names its file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsmith.errors import SettingsError
from fieldsmith.model import bounded_rendering
from fieldsmith.model.bounded_rendering import TemplateFaultError, bounded
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.settings import Settings

BASE = Path(bounded_rendering.__file__).parent.parent / "base"
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{{ x }}{% endfor %}{% endfor %}"
STOPPED = "does not end, and was stopped after 0.5 seconds"

TEMPLATES = {
    "loops": (LOOP.replace("{{ x }}", ""), STOPPED),
    "loops over characters": ("{% for a in s %}" * 8 + "{% endfor %}" * 8, STOPPED),
    "macro": ("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}"
              "{{ f(99) }}", STOPPED),
    "power": ("{% set n = 9 ** 9 %}{{ (n ** n) % 7 }}", STOPPED),
    "constant power": ("{{ (9 ** (9 ** 9)) % 7 }}", STOPPED),
    "gigabytes at once": ("{% set n = 10 ** 11 %}{{ 'a' * n }}", "fails: MemoryError"),
    "a long text": ("{{ 'ab' * 999999 }}", "writes more than 1,000,000 characters"),
    "a long template": ("a" * 1_000_001, "has more than 1,000,000 characters"),
    "division": ("{{ 1 / 0 }}", "fails: ZeroDivisionError: division by zero"),
    "types": ("{{ messages + 1 }}", "fails: TypeError: "),
    "syntax": ("{% for %}", "refuses: "),
    "nesting": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "fails: RecursionError"),
    "attributes": ("{{ messages.__class__.__mro__[0].x() }}", "refuses: "),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with the tokenizer that ships."""
    copied = tmp_path / "model"
    shutil.copytree(BASE, copied, ignore=shutil.ignore_patterns("*.safetensors"))
    return copied


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_template_without_an_end_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    template, fault = TEMPLATES[kind]
    monkeypatch.setattr(bounded_rendering, "_SECONDS", 0.5)
    (folder / "chat_template.jinja").write_text("{% set s = 'a' * 99 %}" + template, "utf-8")
    with pytest.raises(SettingsError) as caught:
        PromptFormat(load_tokenizer(Settings(), folder))
    message = str(caught.value)
    assert message.startswith(f"{folder / 'chat_template.jinja'}: the chat template {fault}")
    assert len(message.splitlines()) == 1


def test_a_template_is_rendered_beside_other_threads() -> None:
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(4)]
    for thread in others:
        thread.start()
    try:
        assert bounded(lambda: "written") == "written"
    finally:
        stop.set()


@settings(max_examples=20)
@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_what_a_template_writes_is_had_back_as_it_is(text: str) -> None:
    assert bounded(lambda: text) == text


def test_where_a_process_cannot_fork_faults_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("os.fork")
    assert bounded(lambda: "written") == "written"
    with pytest.raises(TemplateFaultError, match="fails: ZeroDivisionError"):
        bounded(lambda: str(1 / 0))


def test_a_regular_expression_without_an_end_is_one_line(folder: Path) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    steps = [{**split, "invert": False}, tokenizer["pre_tokenizer"]]
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    prompts = PromptFormat(load_tokenizer(Settings(), folder))
    assert prompts.encode("banana")
    with pytest.raises(SettingsError, match="its tokenizer fails on a text: Onig: Regex search"):
        prompts.encode("a" * 40 + "b")


def test_a_rendering_process_that_dies_is_started_again(tmp_path: Path) -> None:
    died = tmp_path / "died"

    def render() -> str:
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "a prompt"

    assert bounded(render) == "a prompt"
    died.unlink()

    def always() -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return "never"

    with pytest.raises(TemplateFaultError, match="takes more memory than there is"):
        bounded(always)
