"""Tokenizers of each kind that model families have, trained on the spot on a few sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Definition = dict[str, Any]

_SIZE = 700
_WORDS = (
    "Aspirin was given to patients and caused rash after days of morphine or cocaine . nausea pain "
    "fever chemicals diseases relations chemical disease system user assistant model Extract from"
)
CORPUS = [
    "Aspirin and rash.\n\nLidocaine was given to 12 patients.  Nausea came after 3 days.",
    '{"chemicals":["aspirin","lidocaine"],"diseases":["rash"],"relations":[]}',
    '{"chemicals":["morphine"],"diseases":["fever","pain"],"relations":[{"chemical":"morphine"}]}',
    "\tExtract the chemicals. Write nothing else.\r\nÉtude ﬁn café.\n\n\n",
    *[f"{word} {other}." for word in _WORDS.split() for other in _WORDS.split()[::7]],
]

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = LLAMA_3.replace(r"[\r\n]*|\s*", r"[\r\n/]*|\s*").replace(
    r"\p{L}+|", r"\p{Lu}*\p{Ll}+|\p{Lu}+|"
)


@dataclass(frozen=True)
class Control:
    """A control token.

    Attributes:
        name: as text.
        special: False for one that transformers does not take for a special token.
        strips: whether it swallows white space on both sides.
        after: whether it swallows white space after it.
    """

    name: str
    special: bool = True
    strips: bool = False
    after: bool = False


def controls(*names: str) -> list[Control]:
    """Return control tokens as most models have them."""
    return [Control(name) for name in names]


def byte_level(
    pattern: str, *, normalizer: str | None = None, ignore_merges: bool = False
) -> Definition:
    """Return a byte-level BPE, as Llama 3, Qwen, Phi-4, SmolLM2 and Mistral's Tekken have it.

    Args:
        pattern: of the words; "" for GPT-2's, digits alone.
        normalizer: its class in ``tokenizers``; None for none.
        ignore_merges: whether words of the vocabulary are taken without their merges.
    """
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = getattr(normalizers, normalizer)()
    first = (
        pre_tokenizers.Split(Regex(pattern), "isolated")
        if pattern
        else pre_tokenizers.Digits(individual_digits=True)
    )
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, last])
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, pre_tokenizers.ByteLevel.alphabet())
    return _definition(tokenizer)


def sentencepiece(space: str) -> Definition:
    """Return a BPE with byte fallback, as Llama 2, TinyLlama, Phi-3 and Mistral v1 to v3 have it.

    Args:
        space: where it puts a space of its own: a prepend scheme of ``Metaspace``, or "Prepend" for
            the normalizer of older files.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if space == "Prepend":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=space, split=False)
    ends = [decoders.Strip(" ", 1, 0)] if space != "never" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *ends]
    )
    return _with_bytes(_trained_on_words(tokenizer))


def gemma() -> Definition:
    """Return a BPE as Gemma's: runs of line breaks and of spaces are added tokens and merges."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    definition = _with_bytes(_trained_on_words(tokenizer))
    vocabulary, merges = definition["model"]["vocab"], definition["model"]["merges"]
    for character in ("\n", "▁"):
        vocabulary.setdefault(character, len(vocabulary))
        for length in range(2, 6):
            run = character * length
            vocabulary.setdefault(run, len(vocabulary))
            pairs = ([run[:at], run[at:]] for at in range(1, length))
            merges += [pair for pair in pairs if pair not in merges]
            definition["added_tokens"].append(_added(vocabulary[run], Control(run, special=False)))
    return definition


def unigram(*, fallback: bool = True) -> Definition:
    """Return a unigram model of SentencePiece, with its normalisation to NFKC.

    Args:
        fallback: whether it has bytes for what it does not know.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=_SIZE, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"]
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    definition = _definition(tokenizer)
    if fallback:
        known = {token for token, _score in definition["model"]["vocab"]}
        missing = [name for name in _byte_names() if name not in known]
        definition["model"]["vocab"] += [[name, -20.0] for name in missing]
        definition["model"]["byte_fallback"] = True
    return definition


def word_pieces() -> Definition:
    """Return a WordPiece tokenizer as BERT's, which loses case and white space."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=_SIZE, special_tokens=["[UNK]"])
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _definition(tokenizer)


def with_controls(definition: Definition, tokens: Iterable[Control]) -> Definition:
    """Return a tokenizer with further control tokens, after its other tokens."""
    vocabulary = definition["model"]["vocab"]
    names = vocabulary if isinstance(vocabulary, dict) else [name for name, _score in vocabulary]
    ids = {name: number for number, name in enumerate(names)} | (
        vocabulary if isinstance(vocabulary, dict) else {}
    )
    added = list(definition["added_tokens"])
    free = max([*ids.values(), *(token["id"] for token in added)]) + 1
    for token in tokens:
        if token.name not in {each["content"] for each in added}:
            number = ids.get(token.name, free)
            free += number == free
            added.append(_added(number, token))
    added.sort(key=lambda token: int(token["id"]))
    return definition | {"added_tokens": added}


def loaded(
    definition: Definition,
    template: str,
    *,
    bos: str | None = None,
    eos: str,
    pad: str | None = None,
) -> PreTrainedTokenizerBase:
    """Return a definition as transformers loads it."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(definition)),
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    return tokenizer


def _train(tokenizer: Tokenizer, alphabet: Sequence[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=_SIZE, initial_alphabet=list(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)


def _trained_on_words(tokenizer: Tokenizer) -> Definition:
    """Train merges within words alone, as SentencePiece does."""
    before = tokenizer.normalizer, tokenizer.pre_tokenizer
    normalizer: Any = normalizers.Sequence([])
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\w\s]|\s"), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="never"),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=_SIZE - 300, show_progress=False)
    tokenizer.train_from_iterator([f" {text}" for text in CORPUS], trainer)
    definition = _definition(tokenizer)
    tokenizer.normalizer, tokenizer.pre_tokenizer = before
    return definition | {
        key: json.loads(tokenizer.to_str())[key] for key in ("normalizer", "pre_tokenizer")
    }


def _definition(tokenizer: Tokenizer) -> Definition:
    definition: Definition = json.loads(tokenizer.to_str())
    return definition


def _byte_names() -> list[str]:
    return [f"<0x{byte:02X}>" for byte in range(256)]


def _with_bytes(definition: Definition) -> Definition:
    """Put the tokens that SentencePiece's models begin with in front."""
    learned = [name for name in definition["model"]["vocab"] if not name.isascii() or name != "\n"]
    first = ["<unk>", "<s>", "</s>", *_byte_names()]
    names = [*first, *(name for name in learned if name not in first)]
    definition["model"]["vocab"] = {name: number for number, name in enumerate(names)}
    known = set(names)
    definition["model"]["merges"] = [
        merge for merge in definition["model"]["merges"] if "".join(merge) in known
    ]
    definition["added_tokens"] = [
        _added(number, Control(name)) for number, name in enumerate(first[:3])
    ]
    return definition


def _added(number: int, token: Control) -> dict[str, Any]:
    return {
        "id": number,
        "content": token.name,
        "single_word": False,
        "lstrip": token.strips,
        "rstrip": token.strips or token.after,
        "normalized": False,
        "special": token.special,
    }
