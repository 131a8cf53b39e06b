"""Hashes of schema, chat template, tokenizer and prompt, so that inference matches training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..data import Document
from ..errors import RunError
from ..model.prompts import PromptFormat
from ..plugins import Plugin
from ..schema.records import canonical

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_PROBE = Document("probe", 'Probe: 5 mg of "α-X" <|eot_id|>\n</s> daily.', {})


@dataclass(frozen=True)
class Receipt:
    """Hashes of all that a prompt is made of; what is trained is what is asked.

    schema, chat_template, tokenizer: sha256 of each.
    probe: sha256 of the token ids of the prompt for a fixed document.
    """

    schema: str
    chat_template: str
    tokenizer: str
    probe: str

    def check(self, stored: dict[str, str], run: str) -> None:
        """Refuse to go on where a hash differs from the stored one.

        Raises:
            RunError: names what has changed since the training.
        """
        changed = [name for name, value in asdict(self).items() if stored.get(name) != value]
        if changed:
            raise RunError(
                f"{run}: {', '.join(changed)} changed since this run was trained, so the model "
                f"would be asked what it was not taught; install the plugin and model versions "
                f"that run.json names, or train again"
            )


def receipt_of(prompts: PromptFormat, plugin: Plugin) -> Receipt:
    """Return the hashes of schema, template, tokenizer and a fixed prompt."""
    return Receipt(
        schema=_hash(json.dumps(plugin.schema)),  # the order of its keys is that of the answer
        chat_template=_hash(str(prompts.tokenizer.chat_template)),
        tokenizer=_hash(_definition(prompts.tokenizer)),
        probe=_hash(canonical(prompts.prompt(plugin.prompt(_PROBE)))),
    )


def _definition(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what decides how a tokenizer splits text, as a string."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Padding and truncation are set by whoever used the tokenizer last; ids do not depend
        # on them.
        backend = type(backend).from_str(backend.to_str())
        backend.no_padding()
        backend.no_truncation()
        return str(backend.to_str())
    return canonical(sorted(tokenizer.get_vocab().items()))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
