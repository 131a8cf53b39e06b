"""Render messages to token ids, in the same way for training, evaluation and inference.

The chat template may write control tokens, a document or a record may not: "<|eot_id|>" in a
document stays text. The answer begins with a token of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import Message
from ..errors import SettingsError
from .bounded_rendering import MOST_CHARACTERS, TemplateFaultError, bounded
from .chat_templates import (
    LISTED_ROLES,
    may_open_thought,
    may_read_parts,
    shows_part,
    taking_texts,
    with_closed_thought,
    with_fixed_date,
)
from .plain_text import ControlToken, PlainTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_MARGIN = "\u2003"
"""White space that no template writes, around a mark, to see whether a template trims contents."""


@dataclass(frozen=True)
class TokenSpan:
    """A token of a prompt, and the span of the document's text that it covers.

    Attributes:
        token: index in the prompt.
        start: offset in the text, in code points.
        end: the same, exclusive.
    """

    token: int
    start: int
    end: int


@dataclass(frozen=True)
class _Slot:
    """The place of a message's content in what a chat template writes.

    Attributes:
        markup: what the template writes in front of it.
        message: index of the message.
        trims_start: whether the template leaves out white space at the content's beginning.
        trims_end: the same of its end.
    """

    markup: str
    message: int
    trims_start: bool
    trims_end: bool

    def written(self, content: str) -> str:
        """Return a content as the template writes it."""
        content = content.lstrip() if self.trims_start else content
        return content.rstrip() if self.trims_end else content


@dataclass(frozen=True)
class _Rendered:
    """What a chat template makes of a conversation with certain roles.

    Attributes:
        slots: the places of the contents, in order.
        after: markup after the last content.
    """

    slots: Sequence[_Slot]
    after: str


class PromptFormat:
    """Converts messages and answers to token ids, for one tokenizer and its chat template.

    Attributes:
        tokenizer: the tokenizer.
        template: its chat template; with a fixed date for today's, for contents that are texts, and
            without a block of thoughts that is open where an answer begins.
        plain: tokenises texts, in which no control token is read.
        end: the token that ends an answer in training.
        stops: all tokens that end generation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take a tokenizer.

        Raises:
            SettingsError: it has no chat template, or does not give texts back.
        """
        if not tokenizer.chat_template:
            raise SettingsError(
                f"{tokenizer.name_or_path}: the tokenizer has no chat template; "
                f"choose an instruction-tuned model"
            )
        self.tokenizer = tokenizer
        self.plain = PlainTokenizer(tokenizer)
        # Depends on the roles alone, so a template is rendered once for all documents.
        self._markups: dict[tuple[str, tuple[str, ...], bool], _Rendered] = {}
        self._markup_ids: dict[str, list[int]] = {}
        self._markup_parts: dict[str, list[str | ControlToken]] = {}
        self.template = with_fixed_date(self._own_template())
        self._take_texts()
        self._close_thought()
        self.end = self._end_token()
        eos = tokenizer.eos_token_id
        self.stops = tuple(dict.fromkeys([self.end, *([eos] if isinstance(eos, int) else [])]))

    def prompt(self, messages: Sequence[Message], *, whole: bool = False) -> list[int]:
        """Return the ids of a conversation up to the beginning of the answer.

        Args:
            messages: the conversation.
            whole: True gives the ids of ``apply_chat_template`` of transformers, but for contents
                that hold control tokens, or characters that the tokenizer would compose. False
                tokenises each content and the markup between two by themselves.

        Raises:
            SettingsError: the chat template refuses the messages, or writes two BOS tokens.
        """
        messages = self.accepted(messages)
        ids = list(self._whole(messages) if whole else self._piecewise(messages))
        bos = self.tokenizer.bos_token_id
        # Some models begin each turn with their BOS token; none needs two in a row.
        if bos is not None and ids[:2] == [bos, bos]:
            raise self._unfit("writes two BOS")
        return ids

    def accepted(self, messages: Sequence[Message], *, answer_begins: bool = True) -> list[Message]:
        """Return a conversation as the chat template takes it.

        Some templates have no system role: its text then begins the user's turn.

        Args:
            messages: the conversation.
            answer_begins: whether an answer is asked for at the end.

        Raises:
            SettingsError: the chat template refuses the messages.
        """
        try:
            self._rendered(messages, answer_begins=answer_begins)
        except SettingsError:
            if all(message.role != "system" for message in messages):
                raise
            messages = _without_system(messages)
            self._rendered(messages, answer_begins=answer_begins)
        return list(messages)

    def answer(self, text: str) -> list[int]:
        """Return the ids of an answer, the end token included."""
        return [*self.encode(text), self.end]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, in which the names of control tokens are plain text."""
        return list(self.plain.encode(text).ids)

    def count(self, text: str) -> int:
        """Return the number of tokens of a document's text."""
        return len(self.encode(text))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the start and end of each token of a document's text, in code points."""
        return list(self.plain.encode(text).offsets)

    def token_spans(self, messages: Sequence[Message], text: str) -> list[TokenSpan]:
        """Return the tokens of a text within its prompt, which is not tokenised as a whole.

        Args:
            messages: the prompt.
            text: contained in one of the messages; without such a message the result is empty.
        """
        before = 0
        for piece, is_content in self._pieces(self.accepted(messages)):
            at = piece.find(text) if is_content and text else -1
            if at >= 0:
                return [
                    TokenSpan(token, max(start - at, 0), min(end - at, len(text)))
                    for token, (start, end) in enumerate(self.offsets(piece), before)
                    if start < at + len(text) and end > at
                ]
            before += len(self.encode(piece) if is_content else self._markup(piece))
        return []

    def _piecewise(self, messages: Sequence[Message]) -> Iterator[int]:
        for piece, is_content in self._pieces(messages):
            yield from self.encode(piece) if is_content else self._markup(piece)

    def _pieces(self, messages: Sequence[Message]) -> Iterator[tuple[str, bool]]:
        """Yield the parts of a prompt, each with whether it is the content of a message."""
        rendered = self._rendered(messages)
        for slot in rendered.slots:
            yield slot.markup, False
            yield messages[slot.message].content, True
        yield rendered.after, False

    def _markup(self, text: str) -> list[int]:
        if text not in self._markup_ids:
            self._markup_ids[text] = list(self.tokenizer.encode(text, add_special_tokens=False))
        return self._markup_ids[text]

    def _whole(self, messages: Sequence[Message]) -> Iterator[int]:
        """Yield the ids of a prompt; what lies between two control tokens is tokenised at once."""
        text, is_first, strips = "", True, False
        for part in self._between_controls(messages):
            if isinstance(part, str):
                # White space after a control token that swallows it, in markup and contents.
                text += part.lstrip() if strips and not text else part
                continue
            text = text.rstrip() if part.strips_left else text
            yield from self.plain.encode_part(text, is_first=is_first)
            yield part.id
            text, is_first, strips = "", False, part.strips_right
        yield from self.plain.encode_part(text, is_first=is_first)

    def _between_controls(self, messages: Sequence[Message]) -> Iterator[str | ControlToken]:
        """Yield the control tokens of a prompt, and the texts between them in parts."""
        rendered = self._rendered(messages)
        for slot in rendered.slots:
            yield from self._split(slot.markup)
            yield slot.written(messages[slot.message].content)
        yield from self._split(rendered.after)

    def _split(self, markup: str) -> list[str | ControlToken]:
        if markup not in self._markup_parts:
            self._markup_parts[markup] = list(self.plain.split_markup(markup))
        return self._markup_parts[markup]

    def _rendered(self, messages: Sequence[Message], *, answer_begins: bool = True) -> _Rendered:
        roles = tuple(message.role for message in messages)
        key = self.template, roles, answer_begins
        if key not in self._markups:
            self._markups[key] = self._render(roles, answer_begins)
        return self._markups[key]

    def _render(self, roles: Sequence[str], answer_begins: bool) -> _Rendered:
        marks = [f"⟦content-{i}⟧" for i in range(len(roles))]
        rendered = self._apply(
            [
                Message(role, f"{_MARGIN}{mark}{_MARGIN}")
                for role, mark in zip(roles, marks, strict=True)
            ],
            answer_begins,
        )
        for mark, role in zip(marks, roles, strict=True):
            if rendered.count(mark) != 1:
                raise self._unfit(f"drops or repeats a message ({role})")
        order = sorted(range(len(roles)), key=lambda i: rendered.index(marks[i]))
        turns = [i for i in order if roles[i] != "system"]
        # Mistral's write the text of the system in the last turn of the user.
        if turns != sorted(turns) or (turns and order[-1] != turns[-1]):
            raise self._unfit("moves a message")
        slots = []
        for i in order:
            before, _mark, rendered = rendered.partition(marks[i])
            trims = not before.endswith(_MARGIN), not rendered.startswith(_MARGIN)
            slots.append(_Slot(before.removesuffix(_MARGIN), i, *trims))
            rendered = rendered.removeprefix(_MARGIN)
        return _Rendered(slots, rendered)

    def _own_template(self) -> str:
        try:
            template = self.tokenizer.get_chat_template()
        except ValueError as error:  # there are several, and none is the default
            raise self._unfit(f"is missing: {error}") from error
        if len(template) > MOST_CHARACTERS:
            raise self._unfit(f"has more than {MOST_CHARACTERS:,} characters")
        return template

    def _take_texts(self) -> None:
        """Let the template take the content of a message as a text, if it takes a list of parts."""
        own = self.template
        if not may_read_parts(own):
            return
        templates = [own, *(taking_texts(own, roles) for roles in LISTED_ROLES)]
        turns = [("user",), ("user", "assistant")]
        for needed in ([*turns, ("system", "user")], turns):  # some have no system role
            for self.template in templates:
                if all(map(self._takes, needed)):
                    return
        self.template = own

    def _takes(self, roles: Sequence[str]) -> bool:
        """Say whether the template writes the texts of messages, and of lists nothing else."""
        messages = [Message(role, "") for role in roles]
        try:
            rendered = self._rendered(messages, answer_begins=roles[-1] != "assistant")
        except SettingsError:
            return False
        return not any(shows_part(slot.markup) for slot in rendered.slots)

    def _close_thought(self) -> None:
        """Let the template close a block of thoughts that it opens where an answer begins."""
        if may_open_thought(self.template) and self._takes(("user",)):
            after = self._rendered([Message("user", "")]).after
            self.template = with_closed_thought(self.template, after)

    def _apply(self, messages: Sequence[Message], answer_begins: bool) -> str:
        """Return what the template makes of a conversation."""
        conversation = [asdict(message) for message in messages]

        def render() -> str:
            rendered: Any = self.tokenizer.apply_chat_template(
                conversation,
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=answer_begins,
            )
            return str(rendered)

        try:
            return bounded(render)
        except TemplateFaultError as error:
            raise self._unfit(str(error)) from error

    def _unfit(self, fault: str) -> SettingsError:
        folder = Path(self.tokenizer.name_or_path)
        files = (folder / name for name in ("chat_template.jinja", "tokenizer_config.json"))
        file = next((file for file in files if file.is_file()), folder)
        return SettingsError(f"{file}: the chat template {fault}")

    def _end_token(self) -> int:
        """Return the first control token that the template writes after an answer."""
        turns = [Message("user", ""), Message("assistant", "")]
        after = self._rendered(turns, answer_begins=False).after
        ending = next((part for part in self._split(after) if isinstance(part, ControlToken)), None)
        if ending is not None:
            return ending.id
        if isinstance(self.tokenizer.eos_token_id, int):
            return self.tokenizer.eos_token_id
        raise SettingsError(
            f"{self.tokenizer.name_or_path}: no token ends an answer; its chat template writes "
            f"none after one, and tokenizer_config.json names no eos_token"
        )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if turns and turns[0].role == "user":
        system.append(turns.pop(0).content)
    return [Message("user", "\n\n".join(system)), *turns]
