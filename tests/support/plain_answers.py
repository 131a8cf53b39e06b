"""Answers of plain ``generate`` of transformers, by the script in an adapter's model card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from fieldsmith import Record

TIE = 1e-3
"""Two tokens whose logits differ by less are a tie: rounding decides between them."""


@dataclass(frozen=True)
class PlainAnswer:
    """What ``generate`` wrote.

    Attributes:
        ids: the tokens without the end token.
        logits: for each of them, the logits of the whole vocabulary before any constraint.
        record: the record of a finished answer; None for one that was cut off.
    """

    ids: list[int]
    logits: list[torch.Tensor]
    record: Record | None


def snippet(adapter: Path) -> str:
    """Return the script in a model card."""
    card = (adapter / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^````python\n(.*?)^````$", card, re.DOTALL | re.MULTILINE)
    assert found, card
    return found[1]


def module_of(adapter: Path) -> Any:
    """Return the script in a model card as a module."""
    module = ModuleType("answer")
    exec(compile(snippet(adapter), "answer.py", "exec"), module.__dict__)
    return module


def plain_answer(script: Any, model: Any, adapter: Path, text: str) -> PlainAnswer:
    """Answer a text with ``generate``, the template and the grammar of an adapter's folder.

    Args:
        script: the module of the adapter's card.
        model: the model with or without an adapter around it, or merged.
        adapter: the folder.
        text: what is answered.
    """
    import json

    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    prompt = tokenizer.apply_chat_template(
        [
            {**turn, "content": turn["content"].replace("{document}", text)}
            for turn in script.MESSAGES
        ],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    output = model.generate(
        **prompt,
        max_new_tokens=script.MAX_NEW_TOKENS,
        do_sample=False,
        eos_token_id=script.END,
        pad_token_id=script.END,
        output_logits=True,
        return_dict_in_generate=True,
        logits_processor=[script.Constrained(tokenizer, script.grammar_of(adapter, text))],
    )
    ids = output.sequences[0, prompt["input_ids"].shape[1] :].tolist()
    finished = ids[-1] == script.END
    ids = ids[:-1] if finished else ids
    record = None
    if finished:
        record = script.without_repeats(json.loads(tokenizer.decode(ids)))
    return PlainAnswer(ids, [step[0] for step in output.logits], record)


def tie_at_first_difference(answer: PlainAnswer, ours: list[int]) -> float | None:
    """Return how far the logits of the two tokens are apart where an answer leaves another.

    Returns:
        None where the answers are equal.
    """
    pairs = enumerate(zip(answer.ids, ours, strict=False))
    at = next((i for i, (theirs, own) in pairs if theirs != own), None)
    if at is None:
        return None if len(answer.ids) == len(ours) else float("inf")
    logits = answer.logits[at]
    return abs(float(logits[answer.ids[at]] - logits[ours[at]]))
