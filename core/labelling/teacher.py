"""What a teacher is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..data import Message
from ..windows.cutting import Window

REFUSAL = "refusal"
"""Form of an answer that says why there is no record."""


@dataclass(frozen=True)
class Question:
    """One request: the prompt of a window.

    Attributes:
        key: hash of the prompt, the model, its parameters and the number of the sample.
        window: what is asked about.
        messages: the prompt.
    """

    key: str
    window: Window
    messages: Sequence[Message]


@dataclass(frozen=True)
class Usage:
    """What answers cost.

    Attributes:
        prompt_tokens: tokens read.
        completion_tokens: tokens written.
        requests: how many answers these are.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
        )

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Reply:
    """An answer, as it is kept.

    Attributes:
        text: what the teacher wrote.
        finished: whether it came to its end; otherwise it was cut off at the length limit.
        usage: what it cost.
        date: the day, UTC.
        version: what answered, as it says itself: the model's full name, a commit, a hash.
        fingerprint: of the system that answered; "" if it has none.
        form: how the answer was held to its form: "json_schema", "json_object", "grammar" or
            "text"; or ``REFUSAL``.
        confidence: JSON Pointer of a leaf -> probability that the teacher gave it; {} where it
            says none.
        problem: why an answer of a server holds nothing that the teacher wrote, in words; its text
            is the whole answer then.
    """

    text: str
    finished: bool
    usage: Usage
    date: str
    version: str = ""
    fingerprint: str = ""
    form: str = "text"
    confidence: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


Keep = Callable[[Question, Reply], None]
"""Keeps an answer, so that it is not asked for again."""


class Teacher(Protocol):
    """A model that labels documents."""

    @property
    def model(self) -> str:
        """Its name, without a path."""

    @property
    def endpoint(self) -> Mapping[str, str]:
        """Its ``kind``, and for a server its ``host``; no path, port or key."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What decides an answer beside the prompt, as JSON."""

    @property
    def at_once(self) -> int:
        """How many questions it answers at the same time."""

    def ask(self, questions: Sequence[Question], keep: Keep) -> dict[str, str]:
        """Ask questions; return by the key of each that failed why it did.

        A question that the budget does not allow is neither answered nor failed.

        Args:
            questions: the questions.
            keep: called with each answer, before another question is asked in its place; perhaps
                from several threads.

        Raises:
            EngineError: it is not reached any more; answers that were under way have been kept.
        """
