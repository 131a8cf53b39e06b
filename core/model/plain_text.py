"""A tokenizer for text alone: every text is had back from its tokens, and none is a control token.

Tokenizers do more to a text than cut it: some compose its characters (NFC), put a space in front of
it, or read "<|end|>" in it as a control token. Documents and answers are tokenised without that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SettingsError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerBase

# What tokenizers lose: case, marks apart from their letters, wide forms, ligatures, white space.
_PROBE = 'A "Prøbe"  of 5 µg:\te\u0301 ﬁ Ａ\r\n\n 阿스ถ 😀\u200d\u00a0½ e.'

_SPACE = "\u2581"
"""What SentencePiece writes for a space."""

_Definition = dict[str, Any]


@dataclass(frozen=True)
class ControlToken:
    """A control token in what a chat template writes.

    Attributes:
        id: the token.
        strips_left: whether it swallows white space in front of it.
        strips_right: whether it swallows white space after it.
    """

    id: int
    strips_left: bool
    strips_right: bool


class PlainTokenizer:
    """A fast tokenizer, and a copy of it for text alone.

    Attributes:
        name: of the tokenizer, for messages.
        size: number of token ids.
        control: ids of the control tokens: all added tokens but those that merges make, too, such
            as the line breaks of Gemma.
        definition: of the copy, as tokenizer.json has it. Its added tokens are the control tokens,
            under names that no text holds.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Copy a tokenizer.

        Raises:
            SettingsError: it is a slow one, or a text is not had back from its tokens.
        """
        if not tokenizer.is_fast:
            raise SettingsError(
                f"{tokenizer.name_or_path}: its tokenizer has no offsets in the text "
                f"({type(tokenizer).__name__}); a fast tokenizer, as a tokenizer.json has it, is "
                f"needed"
            )
        self.name = tokenizer.name_or_path
        self.size = max(tokenizer.get_vocab().values()) + 1
        self._original: Tokenizer = tokenizer.backend_tokenizer
        original = json.loads(self._original.to_str())
        self._control = {token["id"]: token for token in _control_tokens(original)}
        self._space: _Space = _space_in_front(original)
        names = {token["content"] for token in self._control.values()}
        self.control = frozenset(self._control)
        self.definition = json.dumps(_plain(original, names))
        self._copy: Tokenizer = type(self._original).from_str(self.definition)
        self._copy.encode_special_tokens = True
        self._require_reversible()

    def encode(self, text: str) -> Encoding:
        """Return the tokens of a text by itself, with offsets in code points.

        Raises:
            SettingsError: a regular expression of the tokenizer takes too long on the text.
        """
        return self._encoded(self._copy, text)

    def encode_part(self, text: str, *, is_first: bool) -> list[int]:
        """Return the ids of a part of a prompt that lies between two control tokens.

        Unlike ``encode``, it puts a space in front where the tokenizer would.

        Args:
            text: the part.
            is_first: whether it begins the prompt.
        """
        if not text:
            return []
        missing = not text.startswith((" ", _SPACE))
        puts = {"each": True, "each without": missing, "first": missing and is_first}
        return list(self.encode(f" {text}" if puts.get(self._space) else text).ids)

    def split_markup(self, markup: str) -> Iterator[str | ControlToken]:
        """Yield the control tokens in what a chat template writes, and the texts between them."""
        encoding = self._encoded(self._original, markup)
        at = 0
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token in self._control:
                yield markup[at:start]
                known = self._control[token]
                yield ControlToken(token, known["lstrip"], known["rstrip"])
                at = end
        yield markup[at:]

    def _encoded(self, tokenizer: Tokenizer, text: str) -> Encoding:
        try:
            return tokenizer.encode(text, add_special_tokens=False)
        except BaseException as error:  # a panic of tokenizers, which has no type of its own
            if type(error).__name__ != "PanicException":
                raise
            raise SettingsError(f"{self.name}: its tokenizer fails on a text: {error}") from error

    def _require_reversible(self) -> None:
        ids = self.encode(_PROBE).ids
        read = self._copy.decode(ids, skip_special_tokens=False).replace("\0", "")
        if read != _PROBE:
            at = next((i for i, (a, b) in enumerate(zip(read, _PROBE, strict=False)) if a != b), -1)
            raise SettingsError(
                f"{self.name}: its tokenizer does not give a text back: {_PROBE[at : at + 8]!r} "
                f"becomes {read[at : at + 8]!r}; choose a model whose tokenizer has byte-level "
                f"tokens or byte fallback"
            )


_Space = Literal["", "each", "each without", "first"]
"""Where a tokenizer puts a space: in front of each part of a text between control tokens, of each
that begins without one, or of the part that begins the text if it begins without one."""


def _control_tokens(definition: _Definition) -> list[dict[str, Any]]:
    """Return the added tokens that are no text: the special ones, and those that no merge makes."""
    made: set[str] = set()
    for merge in definition["model"].get("merges") or ():
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        made.update((left, right, left + right))
    added: list[dict[str, Any]] = definition["added_tokens"]
    return [token for token in added if token["special"] or token["content"] not in made]


def _space_in_front(definition: _Definition) -> _Space:
    if any(part["type"] == "Prepend" for part in _parts(definition["normalizer"])):
        return "each"
    for part in _parts(definition["pre_tokenizer"]):
        if part["type"] == "Metaspace" and part["prepend_scheme"] != "never":
            return "each without" if part["prepend_scheme"] == "always" else "first"
        if part["type"] == "ByteLevel" and part["add_prefix_space"]:
            return "each without"
    return ""


def _plain(definition: _Definition, control: set[str]) -> _Definition:
    """Return a definition by which any text is cut and nothing else."""
    # JSON has to escape the new names, so that no answer can hold one.
    names = {name: f"\0{name}" for name in control}
    added = [
        token | {"content": names[token["content"]], "special": True, "normalized": False}
        for token in definition["added_tokens"]
        if token["content"] in names
    ]
    model = dict(definition["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(token, token): id_ for token, id_ in model["vocab"].items()}
    else:  # of a unigram model, which would choose a control token in a text by its score
        model["vocab"] = [
            [names.get(token, token), -1e4 if token in names else score]
            for token, score in model["vocab"]
        ]
    if model.get("unk_token"):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    pre_tokenizer = _sequence(
        "pretokenizers", map(_without_space, _parts(definition["pre_tokenizer"]))
    )
    return definition | {
        "added_tokens": added,
        "model": model,
        "normalizer": _sequence(
            "normalizers", filter(_marks_spaces, _parts(definition["normalizer"]))
        ),
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": _decoder(definition),
        "padding": None,
        "truncation": None,
    }


def _parts(component: _Definition | None) -> list[_Definition]:
    """Return a normalizer, pre-tokenizer or decoder as the list of its parts."""
    if component is None:
        return []
    for name in ("normalizers", "pretokenizers", "decoders"):
        if name in component:
            return [part for inner in component[name] for part in _parts(inner)]
    return [component]


def _sequence(name: str, parts: Iterable[_Definition]) -> _Definition | None:
    listed = list(parts)
    if len(listed) < 2:
        return listed[0] if listed else None
    return {"type": "Sequence", name: listed}


def _marks_spaces(part: _Definition) -> bool:
    """Say whether a normalizer writes spaces as SentencePiece does; decoding takes that back."""
    space = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    return part == space


def _without_space(part: _Definition) -> _Definition:
    if part["type"] == "Metaspace":
        return part | {"prepend_scheme": "never"}
    return part | {"add_prefix_space": False} if part["type"] == "ByteLevel" else part


def _decoder(definition: _Definition) -> _Definition | None:
    """Return a decoder that takes no space away; in the two forms that llguidance knows."""
    parts = _parts(definition["decoder"])
    kinds = {part["type"] for part in parts}
    if "ByteLevel" in kinds:
        return next(part for part in parts if part["type"] == "ByteLevel")
    if kinds & {"Metaspace", "ByteFallback"}:
        replace = {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
        decoders = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}]
        return {"type": "Sequence", "decoders": decoders}
    return _sequence("decoders", parts)
