"""What a model is trained and asked for: a plugin, its settings and the prompt format.

Training, evaluation, prediction and planning all take the same ``Task``, so that the prompt of
training is the prompt of inference.
"""

from __future__ import annotations

from dataclasses import dataclass

from .data import Document, Message, Schema
from .model.prompts import PromptFormat
from .plugins import Plugin
from .settings import Settings


@dataclass(frozen=True)
class Task:
    """A plugin under some settings, as one tokenizer writes its prompts."""

    plugin: Plugin
    settings: Settings
    prompts: PromptFormat

    @property
    def schema(self) -> Schema:
        """The JSON Schema of a record."""
        return self.plugin.schema

    def messages(self, document: Document) -> list[Message]:
        """Return the prompt of a document, or of a window given as one."""
        is_brief = self.settings.prompt == "brief"
        return self.plugin.brief_prompt(document) if is_brief else self.plugin.prompt(document)

    def prompt(self, document: Document) -> list[int]:
        """Return the token ids of a document's prompt, up to where the answer begins."""
        return self.prompts.prompt(self.messages(document))
