"""Hashes of schema, chat template, tokenizer and prompt, so that inference matches training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..data import Document
from ..errors import RunError
from ..schema.records import canonical
from ..task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_PROBE = Document("probe", 'Probe: 5 mg of "α-X" <|eot_id|>\n</s> daily.', {})


@dataclass(frozen=True)
class Receipt:
    """Hashes of all that a prompt is made of, so that inference asks what was trained.

    Attributes:
        schema: sha256 of the schema, as all of these.
        chat_template: of the template.
        tokenizer: of what decides how it splits text.
        probe: of the token ids of the prompt for a fixed document.
    """

    schema: str
    chat_template: str
    tokenizer: str
    probe: str

    def check(self, stored: dict[str, str], run: str) -> None:
        """Compare with the hashes that were stored at the training.

        Args:
            stored: the hashes of the run, by name.
            run: the run folder, for the message.

        Raises:
            RunError: names what has changed since the training.
        """
        changed = [name for name, value in asdict(self).items() if stored.get(name) != value]
        if changed:
            raise RunError(
                f"{run}: {', '.join(changed)} changed since this run was trained, so the prompt "
                f"would differ from that of the training; install the plugin and model versions "
                f"that run.json names, or train again"
            )


def receipt_of(task: Task) -> Receipt:
    """Return the hashes of a task's schema, chat template, tokenizer and prompt."""
    tokenizer = task.prompts.tokenizer
    return Receipt(
        schema=_hash(json.dumps(task.schema)),  # the order of its keys is that of the answer
        chat_template=_hash(str(tokenizer.chat_template)),
        tokenizer=_hash(_definition(tokenizer)),
        probe=_hash(canonical(task.prompt(_PROBE))),
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
