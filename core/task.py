"""What a model is trained and asked for: a plugin, its settings and the prompt format.

Training, evaluation, prediction and planning all take the same ``Task``, so that the prompt of
training is the prompt of inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, takewhile

from .data import Document, Message, Schema
from .model.prompts import PromptFormat
from .plugins import Plugin
from .settings import Settings

Shot = tuple[Message, ...]
"""A worked example in a prompt: the user's turns for another document, and the answer to them."""


@dataclass(frozen=True)
class Task:
    """A plugin under some settings, as one tokenizer writes its prompts.

    Attributes:
        plugin: the domain.
        settings: the settings.
        prompts: renders messages to token ids.
        shots: worked examples, which stand before each document; none where a model is trained.
    """

    plugin: Plugin
    settings: Settings
    prompts: PromptFormat
    shots: tuple[Shot, ...] = ()

    @property
    def schema(self) -> Schema:
        """The JSON Schema of a record."""
        return self.plugin.schema

    @property
    def is_causal(self) -> bool:
        """Whether any engine for causal models can answer as the model was trained."""
        return not self.settings.prefix_lm and not self.settings.tagging_weight

    def messages(self, document: Document) -> list[Message]:
        """Return the prompt of a document, or of a window given as one."""
        system, asked = self._asked(document)
        return [*system, *chain(*self.shots), *asked]

    def shot(self, document: Document, answer: str) -> Shot:
        """Return a document and its answer as a worked example.

        Args:
            document: the document, or a window given as one.
            answer: the text that a model would be trained to answer.
        """
        _system, asked = self._asked(document)
        return (*asked, Message("assistant", answer))

    def prompt(self, document: Document) -> list[int]:
        """Return the token ids of a document's prompt, up to where the answer begins."""
        return self.prompts.prompt(self.messages(document), whole=self.is_causal)

    def _asked(self, document: Document) -> tuple[list[Message], list[Message]]:
        """Return the plugin's messages: those of the system that come first, and the others."""
        is_brief = self.settings.prompt == "brief"
        asked = self.plugin.brief_prompt(document) if is_brief else self.plugin.prompt(document)
        system = list(takewhile(lambda message: message.role == "system", asked))
        return system, asked[len(system) :]
