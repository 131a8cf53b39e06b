"""Plain ``generate`` of transformers gives the answers of our decoder for a causal run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import model_families
import pytest
from command import extract
from plain_answers import TIE, module_of, plain_answer, snippet, tie_at_first_difference
from tiny_families import FAMILIES, CausalRun, train_run, write_family
from tiny_model import documents, write_corpus

from fieldsmith import Document
from fieldsmith.decoding.generate import generate
from fieldsmith.decoding.sequence import Generated, Prompt
from fieldsmith.extraction.extractor import Extractor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SMOLLM2 = "FIELDSMITH_SMOLLM2"
"""Environment variable that names a folder with SmolLM2-135M-Instruct."""

HARD = (
    "\n\n  aspirin and rash.\n aspirin caused nausea.\n\n",  # templates trim, line breaks merge
    'Größe: μ-Opioid 5 µg "aspirin" \\ caused rash\tand 😀 nausea.',
)

# Runs a script where no module of fieldsmith can be imported.
_WITHOUT = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("fieldsmith"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def texts(count: int) -> list[str]:
    """Return made-up abstracts that no corpus has, and hard ones."""
    blocks = [block.split("\n") for block in documents(count, seed=901, first=901)]
    return ["\n".join(line.split("|", 2)[2] for line in lines[:2]) for lines in blocks]


@pytest.fixture(
    scope="module", params=["llama", pytest.param("qwen3", marks=pytest.mark.slow), "gemma3"]
)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CausalRun:
    if request.param == "llama":
        made: CausalRun = request.getfixturevalue("causal")
        return made
    folder = tmp_path_factory.mktemp(request.param)
    write_corpus(folder / "corpus")
    write_family(folder / "model", FAMILIES[request.param], folder / "corpus")
    return train_run(folder, folder / "model")


def ours(extractor: Extractor, asked: list[str]) -> list[Generated]:
    """Return what our decoder generates for some texts."""
    task = extractor.task
    assert extractor.grammars
    return generate(
        extractor.model,
        [
            Prompt(task.prompt(Document("d", text)), extractor.grammars.for_text(text))
            for text in asked
        ],
        stops=task.prompts.stops,
        max_new_tokens=task.settings.max_new_tokens,
        batch_size=4,
    )


def plain_models(script: Any, trained: CausalRun) -> dict[str, PreTrainedModel]:
    """Return the ways in which others load a run: none of them is ours."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    base = AutoModelForCausalLM.from_pretrained(
        script.BASE, dtype=torch.float32, quantization_config=four_bits
    )
    merged = trained.folder / "merged-by-peft"
    script.load(trained.adapter).merge_and_unload().save_pretrained(merged)
    return {
        "adapter over dequantised weights": script.load(trained.adapter).eval(),
        "adapter over NF4": PeftModel.from_pretrained(base, trained.adapter).eval(),
        "merged": AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval(),
    }


def check_alike(trained: CausalRun, asked: list[str], tolerance: float = TIE) -> list[str]:
    """Compare all ways to answer; return the answers of our decoder.

    Where two answers differ, the logits of both tokens at the first difference must be so close
    that rounding decides.
    """
    extractor = Extractor.load(trained.run, min_confidence=0.0)
    generated = ours(extractor, asked)
    records = [extractor(text).record for text in asked]
    script = module_of(trained.adapter)
    for name, model in plain_models(script, trained).items():
        for text, own, record in zip(asked, generated, records, strict=True):
            answer = plain_answer(script, model, trained.adapter, text)
            apart = tie_at_first_difference(answer, list(own.ids))
            if apart is None:
                assert answer.record == record or not own.finished, (name, text)
            else:
                assert apart < tolerance, (name, text, apart)
    return [one.text for one in generated]


def test_plain_generation_gives_the_same_records(family: CausalRun) -> None:
    from transformers import AutoTokenizer

    asked = [*texts(2), *HARD]
    answers = check_alike(family, asked)
    assert len(set(answers)) > len(answers) / 2  # they are no constants
    extractor, script = Extractor.load(family.run), module_of(family.adapter)
    tokenizer = AutoTokenizer.from_pretrained(family.adapter)
    for text in asked:
        turns = [
            {**turn, "content": turn["content"].replace("{document}", text)}
            for turn in script.MESSAGES
        ]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        assert list(ids) == extractor.task.prompt(Document("d", text))


def test_the_script_in_the_card_answers_without_fieldsmith(
    family: CausalRun, tmp_path: Path
) -> None:
    if "llama" not in str(family.folder):
        pytest.skip("one family is enough")
    script, text = tmp_path / "answer.py", tmp_path / "text.txt"
    script.write_text(snippet(family.adapter), encoding="utf-8")
    text.write_text(texts(1)[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _WITHOUT, script, family.adapter, text],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = extract("predict", family.run, text, "--min-confidence", "0")
    assert answer.code == 0, answer.errors
    assert json.loads(done.stdout) == json.loads(answer.output)["record"]


@pytest.mark.slow
def test_plain_generation_gives_the_same_records_over_smollm2(tmp_path: Path) -> None:
    model = os.environ.get(SMOLLM2)
    if not model:
        pytest.skip(f"{SMOLLM2} names no folder")
    write_corpus(tmp_path / "corpus")
    trained = train_run(
        tmp_path,
        Path(model),
        batch_size=4,
        learning_rate=0.001,
        max_new_tokens=96,
        max_steps=8,
        precision="fp32",  # as the script in the card computes on a CPU
    )
    check_alike(trained, [*texts(1), *HARD])


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("gemma-3", "AutoModelForCausalLM"),  # which has no logit for its last token
        ("mistral-3-vision", "AutoModelForImageTextToText"),
    ],
)
def test_the_script_answers_with_fewer_logits_than_tokens_and_with_a_part_for_images(
    name: str, loader: str, tmp_path: Path
) -> None:
    {**model_families.FAMILIES, **model_families.VISION}[name].write(tmp_path / "model")
    write_corpus(tmp_path / "corpus")
    chosen = {"max_new_tokens": 100, "max_length": 1000, "max_steps": 1}
    trained = train_run(tmp_path, tmp_path / "model", **chosen)
    script = module_of(trained.adapter)
    assert f"import {loader}, " in snippet(trained.adapter)
    own = Extractor.load(trained.run, min_confidence=0.0)
    found = 0
    for text in texts(2):
        answer = plain_answer(script, script.load(trained.adapter).eval(), trained.adapter, text)
        found += answer.record is not None
        assert answer.record in (None, own(text).record)
    assert found
