"""The sources of the base model, tiny, in the formats that they are published in."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

from pretraining.tasks import ASKED

CLOSED, MEASURED = "11597317", "0704.0191"
"""A CRAFT article under no open licence, and an arXiv record that the framework is measured on."""

UNREAD = "unreadable"
"""Stands in every text that must not be read."""

_NOTICE = "  1 This software and database is being provided to you\n"
_COLUMNS = ("arxiv_id", "submission_date", "title", "author_text", "abstract")


def write_wordnet(
    folder: Path, nouns: Mapping[str, Sequence[str]], more: Mapping[str, Sequence[str]]
) -> None:
    """Write nouns as WordNet does, and one verb, adjective and adverb.

    nouns: each noun and the wider nouns right above it.
    more: the other meanings of a noun, rarer than its own, by the nouns that mean them.
    """
    offsets = {noun: f"{number:08}" for number, noun in enumerate(nouns, start=1)}
    data, index = _NOTICE, _NOTICE
    for noun, parents in nouns.items():
        pointers = "".join(f" @ {offsets[parent]} n 0000" for parent in parents)
        head = f"{offsets[noun]} 17 n 01 {noun} 0 {len(parents):03}{pointers}"
        data += f"{head} | what {noun} means  \n"
        senses = [offsets[noun], *(offsets[other] for other in more.get(noun, ()))]
        index += f"{noun.lower()} n {len(senses)} 1 @ {len(senses)} 0 {' '.join(senses)}  \n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.noun").write_text(data, encoding="utf-8")
    (folder / "index.noun").write_text(index, encoding="utf-8")
    for name in ("data.verb", "data.adj", "data.adv"):
        line = "00001740 29 v 02 breathe 0 take_a_breath 0 000 | draw air into the lungs  \n"
        (folder / name).write_text(_NOTICE + line, encoding="utf-8")


def invented(random: Random) -> str:
    """A word of four syllables, of letters that only such words have in this order."""
    return "".join(random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(4))


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-2] if plural.endswith("sses") else plural[:-1]


def write_kinds(folder: Path) -> None:
    """Write a WordNet with every kind of noun that the self-made questions ask for."""
    random = Random(3)
    nouns: dict[str, Sequence[str]] = {"thing": ()}
    for plural in sorted(set(ASKED)):
        kind = _singular(plural)
        nouns[kind] = ("thing",)
        nouns |= dict.fromkeys([invented(random) for _ in range(25)], (kind,))
    write_wordnet(folder, nouns, {})


def _sentences(word: str, random: Random) -> str:
    """Some sentences about a word, which is in each of them."""
    return " ".join(
        f"The {random.choice(('rats', 'patients', 'maps'))} of {word} were {verb} in "
        f"{random.randint(1990, 2024)} ({random.randint(2, 90)} mg)."
        for verb in random.sample(("measured", "counted", "described", "compared"), 3)
    )


def _write_category(path: Path, words: Mapping[str, str], random: Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8", newline="") as lines:
        rows = csv.DictWriter(lines, _COLUMNS, delimiter="\t")
        rows.writeheader()
        for name, word in words.items():
            title, abstract = f"On {word}\n and its kin", _sentences(word, random)
            authors = f"Ada {word.title()}, Tom Arbley"
            rows.writerow(
                dict(zip(_COLUMNS, (name, "2007", title, authors, abstract), strict=True))
            )


def write_text(folder: Path, documents: int = 40) -> dict[str, str]:
    """Write so many documents of each source; return the word that each document is about.

    Beside them: documents that must not be read, which are about `UNREAD`.
    """
    random = Random(5)
    words: dict[str, str] = {}

    def about(names: Iterable[str]) -> dict[str, str]:
        chosen = {name: invented(random) for name in names}
        words.update(chosen)
        return chosen

    craft = folder / "text/craft/articles/txt"
    craft.mkdir(parents=True)
    for name, word in (
        about(str(number) for number in range(documents)) | {CLOSED: UNREAD}
    ).items():
        paragraphs = [word, *(_sentences(word, random) for _ in range(3))]
        (craft / f"{name}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    archive = folder / "arxiv/arxiv_archive/per_category"
    life = about(f"1001.{number:04}" for number in range(documents))
    _write_category(archive / "q-bio.NC.tsv.xz", life | {MEASURED: UNREAD}, random)
    other = about(f"1002.{number:04}" for number in range(documents))
    # A record of two categories is in both files.
    twice = dict.fromkeys(list(life)[:9], UNREAD)
    _write_category(archive / "stat.ML.tsv.xz", other | twice | {MEASURED: UNREAD}, random)
    unarxive = folder / "arxiv/unarxive_sample/arXiv_src_2212_086.jsonl.gz"
    unarxive.parent.mkdir()
    with gzip.open(unarxive, "wt", encoding="utf-8") as lines:
        papers = about(f"2212.{number:05}" for number in range(documents))
        for name, word in (papers | {"2212.99999": UNREAD}).items():
            cited = _sentences(word, random).replace(" in ", " {{cite:ab12}} in ", 1)
            licence = "by-sa" if word == UNREAD else "by"
            paper = {
                "paper_id": name,
                "metadata": {"license": f"http://creativecommons.org/licenses/{licence}/4.0/"},
                "body_text": [{"text": cited}, {"text": _sentences(word, random)}],
            }
            lines.write(json.dumps(paper) + "\n")
    return words
