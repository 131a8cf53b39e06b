"""Names of well-known models, and the licences that models of these names come with.

A row says itself which licence its teacher has. A name that says otherwise is no proof, but it has
to be answered: a user may have the model under other terms, or have mistaken its licence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .teacher_licences import TeacherLicence, known_licence


@dataclass(frozen=True)
class ModelFamily:
    """Models that are named alike.

    Attributes:
        name: for messages.
        pattern: regular expression of the names, in lower case.
        licences: ids of the licences that they come with.
    """

    name: str
    pattern: str
    licences: Sequence[str]


_LLAMA = r"(?<![a-z])(?:meta-?)?llama[-_ ]?v?"
_END = r"(?![\db])"
"""After the number of a version: what goes on is another number, or one of parameters (``7b``)."""

FAMILIES: Sequence[ModelFamily] = (
    *(
        ModelFamily(f"Llama 3.{minor}", rf"{_LLAMA}3[-._p]{minor}{_END}", [f"llama3.{minor}"])
        for minor in (1, 2, 3)
    ),
    ModelFamily("Llama 2", rf"{_LLAMA}2{_END}", ["llama2"]),
    ModelFamily("Llama 3", rf"{_LLAMA}3{_END}", ["llama3"]),
    ModelFamily("Llama 4", rf"{_LLAMA}4{_END}", ["llama4"]),
    ModelFamily("Code Llama", r"code-?llama", ["llama2"]),
    ModelFamily(
        "Llama",
        r"(?<![a-z])(?<!open[-_])(?:meta-?)?llama(?![a-z]|\.?cpp)",
        ["llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"],
    ),
    ModelFamily("DeepSeek", r"deepseek", ["mit", "deepseek"]),
    ModelFamily("Qwen2.5 72B", r"qwen-?2\.5.*(?<!\d)72b", ["qwen"]),
    ModelFamily("Qwen 1.5 or 2 72B", r"qwen-?(?:1\.5|2(?!\.)).*(?<!\d)72b", ["tongyi-qianwen"]),
    ModelFamily("Qwen", r"qwen|(?<![a-z])qwq", ["apache-2.0", "qwen", "tongyi-qianwen"]),
    ModelFamily("Gemma", r"gemma(?!-?[4-9](?![\db]))", ["gemma"]),
    ModelFamily("Mistral", r"mistral|mixtral|ministral", ["apache-2.0", "mistral-research"]),
    ModelFamily("Hunyuan", r"hunyuan", ["hunyuan"]),
    ModelFamily(
        "GPT of OpenAI", r"gpt-?(?:3\.?5|[45])(?![a-np-z\d])|(?:^|/)o[1-9](?![a-z\d])", ["openai"]
    ),
    ModelFamily("Claude", r"(?<![a-z])claude", ["anthropic"]),
    ModelFamily("Gemini", r"(?<![a-z])gemini", ["google-gemini"]),
)
"""The first one whose pattern is found in a name is its family."""


def expected_licences(model: str) -> tuple[str, Sequence[TeacherLicence]]:
    """Return the family that a model is named after, and its licences; "" and () for none."""
    name = model.lower()
    for family in FAMILIES:
        if re.search(family.pattern, name):
            return family.name, [known_licence(each) for each in family.licences]
    return "", ()


def doubt(model: str, licence: TeacherLicence) -> str:
    """Return why a model with this name may have another licence; "" if nothing says so.

    Args:
        model: its name.
        licence: that its rows name; about one that always needs a word there is no doubt.
    """
    family, expected = expected_licences(model)
    if not expected or licence in expected or licence.effect == "refused":
        return ""
    ids = " or ".join(each.id for each in expected)
    said = f": {expected[0].line}" if len(expected) == 1 else ""
    return f"{model} is named like {family}, which comes under {ids}, not {licence.id}{said}"
