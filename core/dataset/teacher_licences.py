"""Licences of models that label data, and what each says about training another model on that.

Quotations and where they stand, no legal advice: terms change, so each entry has the address of the
text and says what is left for the user to check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import SettingsError, did_you_mean

Effect = Literal["free", "condition", "family", "refused"]
"""What a licence says about a model that is trained on the answers.

- free: nothing
- condition: it may be trained, and something is owed where it is distributed: of a model of another
  family nobody expects that, so the user has to say once that they know it
- family: it may be trained if its base is one of the licence's own models
- refused: it may not be trained, or only for some uses that the user has to judge
"""


@dataclass(frozen=True)
class TeacherLicence:
    """The licence or the terms of a model that labels data.

    Attributes:
        id: as ``--licence`` takes it; that of the Hugging Face hub where it has one.
        name: in full.
        effect: see ``Effect``.
        url: address of the text.
        clause: where in the text the quotation stands.
        quote: what it says about training other models; "" where it says nothing.
        check: what the user has to check.
        families: regular expressions of the names of base models that are of its family.
        name_begins: what the name of a distributed model has to begin with; "" for anything.
    """

    id: str
    name: str
    effect: Effect
    url: str
    clause: str
    quote: str
    check: str
    families: Sequence[str] = ()
    name_begins: str = ""

    def allows(self, base: str) -> bool:
        """Say whether a model with this base may be trained without a word from the user.

        Args:
            base: name of the base model, of the hub or of a folder.
        """
        if self.effect in ("family", "condition"):
            return any(re.search(family, base.lower()) for family in self.families)
        return self.effect != "refused"

    @property
    def line(self) -> str:
        """What it says, where, and its address, in one line."""
        said = f'{self.clause}: "{self.quote}"' if self.quote else self.clause
        return f"{self.name}, {said} ({self.url})"


_LLAMA_OF_3_1 = (
    "If you use the Llama Materials or any outputs or results of the Llama Materials to create, "
    "train, fine tune, or otherwise improve an AI model, which is distributed or made available, "
    "you shall also include “Llama” at the beginning of any such AI model name."
)
_DERIVATIVES = (
    "distillation methods entailing the use of intermediate data representations or methods based "
    "on the generation of synthetic data by the Model for training the other model"
)


def _llama(version: str, folder: str) -> TeacherLicence:
    """Return the licence of a LLaMA from 3.1 on: they have the same sentence."""
    return TeacherLicence(
        f"llama{version}",
        f"Llama {version} Community License",
        "condition",
        f"https://www.llama.com/{folder}/license/",
        "section 1.b.i",
        _LLAMA_OF_3_1,
        "the same section asks for “Built with Llama” where the model or its answers are part of "
        "what you distribute; section 2 asks for a licence above 700 million users a month",
        families=(r"(?:^|[/_-])llama-?(?:3[._-][1-3]|4)(?![\db])",),
        name_begins="Llama",
    )


LICENCES: Sequence[TeacherLicence] = (
    TeacherLicence(
        "apache-2.0",
        "Apache License 2.0",
        "free",
        "https://www.apache.org/licenses/LICENSE-2.0",
        "has no clause about what a model answers",
        "",
        "that the weights, not the code alone, have this licence; terms of whoever serves the "
        "model apply beside it",
    ),
    TeacherLicence(
        "mit",
        "MIT License",
        "free",
        "https://opensource.org/license/mit",
        "has no clause about what a model answers",
        "",
        "that the weights, not the code alone, have this licence, and that the model was not "
        "itself made from one with other terms (distilled from a LLaMA or a Qwen)",
    ),
    TeacherLicence(
        "own",
        "a model of your own, or people",
        "free",
        "",
        "nobody else's terms apply",
        "",
        "that the model was not itself trained from one with other terms",
    ),
    _llama("3.1", "llama3_1"),
    _llama("3.2", "llama3_2"),
    _llama("3.3", "llama3_3"),
    _llama("4", "llama4"),
    TeacherLicence(
        "qwen",
        "Qwen License Agreement (such as Qwen2.5 72B)",
        "condition",
        "https://huggingface.co/Qwen/Qwen2.5-72B-Instruct/blob/main/LICENSE",
        "section 5.b",
        "If you use the Materials or any outputs or results therefrom to create, train, fine-tune, "
        "or improve an AI model that is distributed or made available, you shall prominently "
        "display “Built with Qwen” or “Improved using Qwen” in the related product documentation.",
        "which licence your Qwen has: most sizes of Qwen 2.5 and Qwen 3 have Apache 2.0; the Qwen "
        "Research License (3B) is for non-commercial use",
        families=(r"qwen",),
    ),
    TeacherLicence(
        "gemma",
        "Gemma Terms of Use (Gemma 1 to 3)",
        "condition",
        "https://ai.google.dev/gemma/terms",
        "section 1.1(e)",
        "methods based on the generation of synthetic data Outputs by Gemma for training that "
        "model",
        "a model trained so that it performs similarly is a “Model Derivative”: section 3.1 says "
        "what has to be passed on with it",
        families=(r"gemma",),
    ),
    TeacherLicence(
        "deepseek",
        "DeepSeek License Agreement 1.0 (such as the weights of DeepSeek V2, and V3 at first)",
        "condition",
        "https://github.com/deepseek-ai/DeepSeek-V3/blob/main/LICENSE-MODEL",
        "section 1, “Derivatives of the Model”",
        _DERIVATIVES,
        "a model trained so that it performs similarly is a derivative, with which the use "
        "restrictions of section 5 have to be passed on (section 4); DeepSeek R1 has the MIT "
        "License",
        families=(r"deepseek",),
    ),
    TeacherLicence(
        "llama2",
        "Llama 2 Community License",
        "family",
        "https://ai.meta.com/llama/license/",
        "section 1.b.v",
        "You will not use the Llama Materials or any output or results of the Llama Materials to "
        "improve any other large language model (excluding Llama 2 or derivative works thereof).",
        "whether your model is a large language model other than Llama 2",
        families=(r"(?:^|[/_-])llama-?2(?![\d.])",),
    ),
    TeacherLicence(
        "llama3",
        "Meta Llama 3 Community License (3.0 alone)",
        "family",
        "https://www.llama.com/llama3/license/",
        "section 1.b.v",
        "You will not use the Meta Llama Materials or any output or results of the Meta Llama "
        "Materials to improve any other large language model (excluding Meta Llama 3 or derivative "
        "works thereof).",
        "the wording in the copy that came with your weights; whether your model is a large "
        "language model other than Llama 3",
        families=(r"(?:^|[/_-])llama-?3(?![\d.])",),
    ),
    TeacherLicence(
        "tongyi-qianwen",
        "Tongyi Qianwen License Agreement (such as Qwen 1.5 and 2 72B)",
        "family",
        "https://huggingface.co/Qwen/Qwen2-72B-Instruct/blob/main/LICENSE",
        "section 5.b",
        "You can not use the Materials or any output therefrom to improve any other large language "
        "model (excluding Tongyi Qianwen or derivative works thereof).",
        "whether your base counts as a derivative work of Tongyi Qianwen: its name says Qwen, "
        "which is all that is checked here",
        families=(r"qwen",),
    ),
    TeacherLicence(
        "hunyuan",
        "Tencent Hunyuan Community License",
        "family",
        "https://huggingface.co/tencent/Tencent-Hunyuan-Large/blob/main/LICENSE.txt",
        "section 5.b",
        "You must not use the Tencent Hunyuan Works or any Output or results of the Tencent "
        "Hunyuan Works to improve any other large language model (other than Tencent Hunyuan or "
        "Model Derivatives thereof).",
        "section 5.c, which allows no use outside of a territory",
        families=(r"hunyuan",),
    ),
    TeacherLicence(
        "mistral-research",
        "Mistral AI Research License 0.1",
        "refused",
        "https://mistral.ai/licenses/MRL-0.1.md",
        "section 3.2",
        "You shall only use the Mistral Models, Derivatives (whether or not created by Mistral AI) "
        "and Outputs for Research Purposes.",
        "whether your use is a research purpose as the licence defines it",
    ),
    TeacherLicence(
        "openai",
        "OpenAI Terms of Use",
        "refused",
        "https://openai.com/policies/terms-of-use/",
        "“What you cannot do”",
        "Use Output to develop models that compete with OpenAI.",
        "which terms you have agreed to: those for businesses (Services Agreement) are others, "
        "with exceptions for some models; whether yours competes",
    ),
    TeacherLicence(
        "anthropic",
        "Anthropic Commercial Terms of Service",
        "refused",
        "https://www.anthropic.com/legal/commercial-terms",
        "section D.4",
        "access the Services to build a competing product or service, including to train competing "
        "AI models",
        "whether yours competes; the Usage Policy (https://www.anthropic.com/legal/aup) also asks "
        "for authorisation to train a model on inputs and outputs",
    ),
    TeacherLicence(
        "google-gemini",
        "Gemini API Additional Terms of Service",
        "refused",
        "https://ai.google.dev/gemini-api/terms",
        "“Use Restrictions”",
        "You may not use the Services to develop models that compete with the Services (e.g., "
        "Gemini API or Google AI Studio).",
        "whether yours competes; Vertex AI has terms of its own",
    ),
    TeacherLicence(
        "other",
        "a licence that is not in this table",
        "refused",
        "",
        "is not known here",
        "",
        "what it says about training other models on what the model answers",
    ),
)
"""All that are known, the freest first."""

_BY_ID = {licence.id: licence for licence in LICENCES}

_SPELLINGS = {re.sub(r"[ _-]", "", licence_id): licence_id for licence_id in _BY_ID}
"""Ids without what spellings differ in -> as they are stored."""


def licence_id(text: str) -> str:
    """Return an id in the spelling in which it is stored, also for one that the table lacks.

    >>> licence_id("Apache-2.0"), licence_id("MIT"), licence_id("Llama 3.1"), licence_id("ODbL")
    ('apache-2.0', 'mit', 'llama3.1', 'odbl')
    """
    lower = text.strip().lower()
    return _SPELLINGS.get(re.sub(r"[ _-]", "", lower), lower)


def known_licence(text: str) -> TeacherLicence:
    """Return a licence of the table by its id, in any spelling.

    Raises:
        SettingsError: it has none of that id.
    """
    found = _BY_ID.get(licence_id(text))
    if found is None:
        raise SettingsError(
            f"licence {text!r}: is not in the table; {did_you_mean(licence_id(text), _BY_ID)}; "
            f"other is for one that the table lacks (docs/label.md)"
        )
    return found


def licence_named(text: str) -> TeacherLicence:
    """Return the licence that a row names; that of the id "other" where the table lacks it."""
    return _BY_ID.get(licence_id(text), _BY_ID["other"])
