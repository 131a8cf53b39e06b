"""WordNet's nouns: which words of a text name a disease, a river, a tool, an emotion.

WordNet orders nouns by what they are (a drug is a substance) and says what each means. The first
gives fields that ask for a kind of thing under the kind's own name; the second is text to read.

Source: WordNet 3.0 (Princeton University, 2006), files `index.noun` and `data.*`, as Debian's
package wordnet-base installs them; its licence allows any use with its notice.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_LONGEST = 4  # words of a noun that is looked for in a text
_FEWEST, _MOST = 25, 9000  # nouns of a kind that is worth asking for
# Kinds that hold nearly everything, or words that are rarely meant as nouns in a text.
_TOO_WIDE = 0.06


@dataclass(frozen=True)
class Found:
    """A noun in a text: as the text writes it, and the kinds it is one of, nearest first."""

    text: str
    start: int
    end: int
    kinds: tuple[str, ...]


class Lexicon:
    """Nouns by kind.

    definitions: "noun: what it means" for each meaning of every word class.
    """

    def __init__(self, folder: Path) -> None:
        synonyms, parents, definitions = _read_nouns(folder / "data.noun")
        for name in ("data.verb", "data.adj", "data.adv"):
            definitions += _read_definitions(folder / name)
        self.definitions: tuple[str, ...] = tuple(definitions)
        ancestors = _ancestors(parents)
        lemmas = {sense: words[0] for sense, words in synonyms.items()}
        written = {word.lower(): word for words in synonyms.values() for word in words}
        first = _first_senses(folder / "index.noun")
        sizes = Counter(kind for sense in first.values() for kind in ancestors(sense))
        widest = _TOO_WIDE * len(first)
        wanted = {
            kind
            for kind, size in sizes.items()
            if _FEWEST <= size <= min(_MOST, widest) and lemmas[kind][0].islower()
        }
        names = {kind: _plural(lemmas[kind]) for kind in wanted}
        self._kinds: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, list[str]] = {}
        for lemma, sense in first.items():
            kinds = tuple(names[kind] for kind in ancestors(sense) if kind in wanted)
            if len(lemma) < 3 or not kinds:
                continue
            self._kinds[lemma] = kinds
            for kind in kinds:
                self._members.setdefault(kind, []).append(written[lemma].replace("_", " "))
        self.kinds: tuple[str, ...] = tuple(sorted(self._members))

    def member(self, kind: str, random: Random) -> str:
        """Return a noun of a kind, in the singular."""
        return random.choice(self._members[kind])

    def find(self, text: str) -> list[Found]:
        """Return the nouns of a text from left to right, the longest at each place."""
        words = list(_WORD.finditer(text))
        found: list[Found] = []
        at = 0
        while at < len(words):
            for count in range(min(_LONGEST, len(words) - at), 0, -1):
                start, end = words[at].start(), words[at + count - 1].end()
                phrase = text[start:end]
                kinds = self._look_up(phrase) if phrase.count(" ") == count - 1 else ()
                if kinds:
                    found.append(Found(phrase, start, end, kinds))
                    at += count - 1
                    break
            at += 1
        return found

    def _look_up(self, phrase: str) -> tuple[str, ...]:
        key = phrase.lower().replace(" ", "_")
        for form in (key, *_singulars(key)):
            if form in self._kinds:
                return self._kinds[form]
        return ()


def _singulars(key: str) -> Iterator[str]:
    if key.endswith("ies"):
        yield key[:-3] + "y"
    if key.endswith("es"):
        yield key[:-2]
    if key.endswith("s") and not key.endswith("ss"):
        yield key[:-1]


def _plural(lemma: str) -> str:
    if lemma.endswith("y") and lemma[-2] not in "aeiou":
        return lemma[:-1] + "ies"
    if lemma.endswith(("s", "x", "ch", "sh")):
        return lemma + "es"
    return lemma + "s"


def _read_nouns(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """Return the nouns of each meaning, the wider meanings of each, and the definitions."""
    synonyms: dict[str, list[str]] = {}
    parents: dict[str, list[str]] = {}
    definitions: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        data, _, gloss = line.partition(" | ")
        parts = data.split(" ")
        count = int(parts[3], 16)
        words = parts[4 : 4 + 2 * count : 2]
        pointers = parts[4 + 2 * count + 1 :]
        synonyms[parts[0]] = words
        parents[parts[0]] = [
            pointers[at + 1] for at in range(0, len(pointers) - 3, 4) if pointers[at] in ("@", "@i")
        ]
        definitions.append(_definition(words, gloss))
    return synonyms, parents, definitions


def _read_definitions(path: Path) -> list[str]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            data, _, gloss = line.partition(" | ")
            parts = data.split(" ")
            found.append(_definition(parts[4 : 4 + 2 * int(parts[3], 16) : 2], gloss))
    return found


def _definition(words: list[str], gloss: str) -> str:
    named = [re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words]
    return f"{', '.join(named)}: {' '.join(gloss.split())}"


def _first_senses(path: Path) -> dict[str, str]:
    """Return the most frequent meaning of each noun."""
    first = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            parts = line.split()
            first[parts[0]] = parts[-int(parts[2])]
    return first


def _ancestors(parents: dict[str, list[str]]) -> Callable[[str], tuple[str, ...]]:
    @functools.cache
    def above(sense: str) -> tuple[str, ...]:
        wider = [kind for parent in parents[sense] for kind in (parent, *above(parent))]
        return tuple(dict.fromkeys(wider))

    return above
