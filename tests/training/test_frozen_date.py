"""A chat template that writes today's date writes that of the training, wherever it is used."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from command import Command
from tiny_model import Workplace
from transformers import AutoTokenizer

from fieldsmith.data import Document
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.runs.folder import Run
from fieldsmith.runs.job import TrainingJob
from fieldsmith.runs.receipt import receipt_of

# As in Llama 3.2: a server passes no date_string, and has strftime_now.
_DATED = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}'
    '{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}{%- endif %}'
    "Today Date: {{ date_string }}\n"
)


@pytest.fixture(scope="module")
def dated(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a template that writes the date."""
    folder = tmp_path_factory.mktemp("dated") / "model"
    shutil.copytree(workplace.model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = _DATED + tokenizer.chat_template
    tokenizer.save_pretrained(folder)
    return folder


def test_a_server_asks_as_the_training_did(
    workplace: Workplace, dated: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    order = list(workplace.order(run, max_steps=1, eval_documents=0))
    order[order.index("--model") + 1] = dated
    answer = command(*order)
    assert answer.code == 0, answer.errors

    extractor = Extractor.load(run)  # which compares with the receipt of the training
    document = Document("d", "Aspirin caused rash.")
    messages = [asdict(message) for message in extractor.task.messages(document)]
    ours = extractor.task.prompts.tokenizer.decode(extractor.task.prompt(document))
    server = AutoTokenizer.from_pretrained(run / "adapter")
    theirs = server.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert ours == theirs
    assert "Today Date: 26 Jul 2024\n" in theirs


def test_a_run_of_an_earlier_version_loads(dated: Path, workplace: Workplace, run: Path) -> None:
    """Its folder holds the template as the model has it, and its receipt the hash of that one."""
    file = run / "adapter" / "chat_template.jinja"
    file.write_text((dated / "chat_template.jinja").read_text())
    job = TrainingJob.from_run(Run(run))
    prompts = PromptFormat(load_tokenizer(job.settings.values, run / "adapter"))
    stored = asdict(receipt_of(job.task(prompts)))
    (run / "adapter" / "receipt.json").write_text(json.dumps(stored))
    assert "strftime_now(" in file.read_text()
    assert Extractor.load(run)("Aspirin caused rash.").record is not None
