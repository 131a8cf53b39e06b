"""The text that the base model is made from, and the tokenizer made from that text."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

BEGIN = "<|begin_of_text|>"
END = "<|end_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
PAD = "<|pad|>"
SPECIAL_TOKENS = (BEGIN, END, START_HEADER, END_HEADER, END_OF_TURN, PAD)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

# JSON escapes stand alone, and JSON's punctuation never joins the punctuation of a value, so that
# a value has the same pieces in the text and in the answer. Digits stand alone for the same reason.
_PIECES = (
    r"""\\[nrtbfu"\\/]|SPACE\p{L}+|SPACE\p{N}|[,:]?["\[\]{}][,:"\[\]{}]*"""
    r"""|SPACE[^\s\p{L}\p{N}"\[\]{}\\]+|SPACE\\|\s+(?!\S)|\s+"""
)
_SPACE = "\u0120"  # the byte-level alphabet's sign for a space

# CRAFT's articles whose notices name no open licence; all others do, or an open-access publisher.
_CLOSED = {"11597317", "15784609", "15917436", "16027110", "16221973", "16517939", "16870721"}

# A record that is also one of the title pages that the framework is measured on.
_MEASURED = {"0704.0191"}

# The kinds of arXiv category that are nearest to medical text are read more often.
_LIFE_SCIENCE = re.compile(r"^(q-bio|physics\.med-ph)")


@dataclass(frozen=True)
class Paper:
    """A text with the title and authors it is known by; both empty where unknown."""

    text: str
    title: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Papers by source, and how often each source is drawn."""

    papers: dict[str, tuple[Paper, ...]]
    weights: dict[str, float]

    def draw(self, random: Random) -> Paper:
        """One paper, its source drawn by weight."""
        source = random.choices(tuple(self.weights), tuple(self.weights.values()))[0]
        return random.choice(self.papers[source])


def squeeze(text: str) -> str:
    """The text on one line, with single spaces."""
    return " ".join(text.split())


def sentences(text: str) -> list[str]:
    """The text cut where a sentence seems to end."""
    return re.split(r"(?<=[.!?]) +(?=[A-Z])", text)


def _read_craft(folder: Path) -> Iterator[tuple[str, Paper]]:
    for path in sorted(folder.glob("*.txt")):
        if path.stem in _CLOSED:
            continue
        for paragraph in path.read_text(encoding="utf-8").splitlines():
            if len(paragraph) >= 60:
                yield f"craft/{path.stem}", Paper(squeeze(paragraph))


def _read_archive(folder: Path) -> Iterator[tuple[str, Paper]]:
    csv.field_size_limit(1 << 24)
    seen = set(_MEASURED)
    for path in sorted(folder.glob("*.tsv.xz")):
        source = "life" if _LIFE_SCIENCE.match(path.name) else "arxiv"
        with lzma.open(path, "rt", encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                name, abstract = row["arxiv_id"] or "", squeeze(row["abstract"] or "")
                if name in seen or len(abstract) < 100:
                    continue
                seen.add(name)
                authors = tuple(
                    a.strip() for a in (row["author_text"] or "").split(",") if a.strip()
                )
                yield f"{source}/{name}", Paper(abstract, squeeze(row["title"] or ""), authors)


def _read_unarxive(path: Path) -> Iterator[tuple[str, Paper]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            paper = json.loads(line)
            # Share-alike text would bind the model's own licence.
            if "-sa" in (paper["metadata"].get("license") or "").lower():
                continue
            for section in paper["body_text"]:
                text = squeeze(re.sub(r"\{\{[a-z]+:[^}]*\}\}", "", section["text"]))
                if len(text) >= 100:
                    yield f"unarxive/{paper['paper_id']}", Paper(text)


def read_corpora(folder: Path) -> tuple[Corpus, Corpus]:
    """The texts to train on and the held-out ones; a document is wholly in one of the two."""
    train: dict[str, list[Paper]] = {}
    held: dict[str, list[Paper]] = {}
    readers = (
        _read_craft(folder / "text/craft/articles/txt"),
        _read_archive(folder / "arxiv/arxiv_archive/per_category"),
        _read_unarxive(folder / "arxiv/unarxive_sample/arXiv_src_2212_086.jsonl.gz"),
    )
    for reader in readers:
        for name, paper in reader:
            # By a hash of the name, so that the slice stays the same when texts are added.
            part = held if blake2b(name.encode(), digest_size=1).digest()[0] < 8 else train
            part.setdefault(name.split("/", 1)[0], []).append(paper)
    weights = {"craft": 0.35, "life": 0.35, "arxiv": 0.25, "unarxive": 0.05}
    return (_corpus(train, weights), _corpus(held, weights))


def _corpus(papers: dict[str, list[Paper]], weights: dict[str, float]) -> Corpus:
    present = {source: weight for source, weight in weights.items() if papers.get(source)}
    return Corpus({source: tuple(papers[source]) for source in present}, present)


def _pieces(space: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(_PIECES.replace("SPACE", space)), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, byte_level])


def train_tokenizer(texts: Iterable[str], size: int, spaced: int) -> Tokenizer:
    """A byte-level BPE in which ` word` and `word` have the same pieces but for the first one.

    A value has a space before it in the text and a quote before it in the answer. The merges are
    learnt on words without their space; merges that glue a space to a word's first piece come
    last, so they never change how the word itself is cut. Copying a value then needs one variant
    (of its first piece) and is exact from there on.
    """
    texts = list(texts)
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = _pieces("")
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL_TOKENS) - spaced,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    plain.train_from_iterator(texts, trainer)
    state = json.loads(plain.to_str())["model"]
    by_id = sorted(state["vocab"], key=state["vocab"].__getitem__)
    merges = [tuple(merge) for merge in state["merges"]]

    firsts: Counter[str] = Counter()
    for text, times in Counter(texts).items():
        tokens = plain.encode(text).tokens
        for before, token in pairwise(tokens):
            if before == _SPACE and not token.startswith((_SPACE, "\u010a")):
                firsts[token] += times
    for token, _ in firsts.most_common():
        if len(by_id) >= size - len(SPECIAL_TOKENS):
            break
        if _SPACE + token not in state["vocab"] and not set(token) & set('"[]{}'):
            by_id.append(_SPACE + token)
            merges.append((_SPACE, token))

    vocabulary = {token: number for number, token in enumerate((*SPECIAL_TOKENS, *by_id))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = _pieces(" ?")
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS]
    )
    return tokenizer


def spaced_variants(tokenizer: Tokenizer) -> dict[int, int]:
    """The id of each piece that starts with a space, and the id of the same piece without it."""
    vocabulary = tokenizer.get_vocab()
    return {
        number: vocabulary[token[1:]]
        for token, number in vocabulary.items()
        if token.startswith(_SPACE) and token[1:] in vocabulary
    }


def for_transformers(tokenizer: Tokenizer, longest: int) -> PreTrainedTokenizerFast:
    """The tokenizer with its special tokens and chat template, to be saved beside the model."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
