"""Write the sample of arxiv_metadata: invented title pages as JSON lists, always the same bytes.

    python tools/samples/arxiv_metadata.py [FOLDER]

FOLDER is plugins/arxiv_metadata/sample unless another one is given. Subjects, persons, places and
institutes are made up from syllables; arXiv ids have months that no year has, and DOIs the prefix
that is kept for examples. No subject and no person stands in two documents, so a model can find
a field only by where and how it stands. What comes first on a page, how by-lines and headings
read, and which fields there are is drawn for each document.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 20261121
SIZES = {"train": 240, "validation": 30, "test": 40}
FOLDER = Path(__file__).parents[2] / "plugins" / "arxiv_metadata" / "sample"

_ONSETS = "b br d dr f fl g gr h k kl l m n p pr r s st t tr v w z".split()
_VOWELS = "a e i o u ai ea io".split()
_CODAS = "l m n r s t x nd lt rm sk".split()
_SUBJECT_ENDINGS = "ic al ine oid ated ive".split()
_THING_ENDINGS = "ation ism ium ometry osis graphs lattices manifolds networks spectra".split()

_FIRST_NAMES = {
    "western": "Mirela Tobin Ansa Corvin Edda Jorun Lisbet Marek Odile Pavla Quirin Ruben Selma",
    "iberian": "Inês Joaquín María Núria Raúl Sofía Tomás Zoé",
    "eastern": "Haoran Jiwoo Kenta Linh Minseo Ngọc Yuki Zihan",
    "nordic": "Åse Björk Øyvind Sævar Tuuli Ægir",
}
_PARTICLES = ("van der", "van", "de", "von", "de la", "dos", "ten", "El", "al-", "O'", "Mc")
_HAN_SURNAMES = "欧阳 司徒 林 沈 韩 陆 崔 白".split()
_HAN_GIVEN = "晓 明 文 静 海 云 志 远 若 晨".split()
# Syllables of surnames, their endings, and first names.
_CYRILLIC = (
    "зо ве тар бу дре ла ми кор лун шас",
    "рин лков шин саров мов",
    "Ирина Павел Олег Нина Глеб",
)
_GREEK = ("βα το ζε κο λα μι ρε σα φι νε", "λέρης ρμάκης λίδης ρφάς", "Άννα Νίκος Ελένη Πέτρος")

_TITLES = (
    "{a} {b} of {c} {d}",
    "On the {a} {b} of {c} {d}",
    "{A}-driven {d}: a case for {c} {b}",
    "Towards {a} {d} under {c} noise",
    "Learning {a} {b} from few {d}",
    "How {c} are {d}? Evidence from {a} {b}",
    "A note on {d} and their {a} {b}",
    "{N}: {a} {b} for {c} {d}",
    "Measuring {b} in {c} {d} at low cost",
    "Do {d} need {a} {b}? A reply",
    "{a} {b} revisited, with an application to {c} {d} in {place}",
    "Bounds for {a} {d}",
)
_FOREIGN_TITLES = (
    "Über die {b} von {d} in {place}",
    "Étude de la {b} des {d} à {place}",
    "Sobre la {b} de los {d} en {place}",
)
_SENTENCES = (
    "We study {a} {d}, whose {b} has not been understood so far.",
    "{D} are common in {c} settings, yet their {b} is rarely measured.",
    "Here we show that {a} {b} grows with the size of {d} (n = {n}).",
    "Our method, {N}, needs {n} samples and no {c} prior.",
    "Results on {n} {d} agree with theory to within {p} %.",
    "A {c} variant is {p} times as fast and loses little.",
    "In contrast to earlier work, we do not assume that {d} are {c}.",
    "This explains why {a} {b} fails near {place}.",
    "We close with open questions on {b}.",
    "Background: {D} vary. Methods: we followed {n} {d} for {p} years.",
    "The proof rests on a bound for {a} {d} that is of interest in itself.",
    "Data from {place} suggest otherwise ({p} of {n} cases).",
)
_FOREIGN_SENTENCES = (
    "Die {b} von {d} wurde an {n} Proben untersucht; sie nimmt um {p} % ab.",
    "Nous montrons que les {d} dépendent de {n} paramètres à {place}.",
    "Se estudia la {b} de {n} {d}, que disminuye un {p} % cerca de {place}.",
)
_INTRODUCTION = (
    "The {b} of {d} has a long history [1, 2]. Since the work of {S} [3], it is known that {c}",
    "{D} play a part in many {c} systems. Several authors have asked whether {a} {b}",
    "Let G be a family of {d}. A classical question asks for which {c}",
)
_INSTITUTES = (
    "Department of {A} Studies, University of {place}",
    "Institute for {A} Research, {place}",
    "{place} Laboratory, {n} Mill Road, {place2}",
    "School of {A} Science, {place} Technical University",
    "Centre for {A} {B}, {place2}",
)
_JOURNALS = ("Journal of {A} {B}", "{A} Letters", "Annals of {A} {B}", "Acta {A}a")


@dataclass(frozen=True)
class Person:
    """A name as a record has it, and how its by-line writes it without marks."""

    name: str
    surname: str


class Dice:
    """Draws, none of whose invented words comes twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.used: set[str] = set()

    def one(self, options: Sequence[str]) -> str:
        """Return one of the options."""
        return options[self.random.randrange(len(options))]

    def chance(self, share: float) -> bool:
        """Return True in a share of all cases."""
        return self.random.random() < share

    def new(self, make: Callable[[], str]) -> str:
        """Return what was never drawn before."""
        for _ in range(1000):
            if (word := make()) not in self.used:
                break
        else:
            raise RuntimeError("too few syllables for so many words")
        self.used.add(word)
        return word

    def stem(self, syllables: int) -> str:
        """Return a word of no language, in lower case."""
        parts = [self.one(_ONSETS) + self.one(_VOWELS) for _ in range(syllables)]
        return "".join(parts) + self.one(_CODAS)

    def words(self) -> dict[str, str]:
        """Return the invented words of one document, by the names that templates use."""
        a, c = (self.new(lambda: self.stem(1) + self.one(_SUBJECT_ENDINGS)) for _ in "ac")
        b = self.new(lambda: self.stem(1) + self.one(_THING_ENDINGS[:5]))
        d = self.new(lambda: self.stem(1) + " " + self.one(_THING_ENDINGS[6:]))
        place, place2 = (self.new(lambda: self.stem(2)).capitalize() for _ in "12")
        found = {"a": a, "b": b, "c": c, "d": d, "place": place, "place2": place2}
        found |= {key.upper(): found[key].capitalize() for key in "abcd"}
        return found | {"N": self.stem(1).upper(), "S": self.stem(1).capitalize()}

    def fill(self, template: str, words: dict[str, str]) -> str:
        """Return a template with its words, and numbers of its own."""
        numbers = {"n": str(self.random.randrange(12, 980)), "p": str(self.random.randrange(2, 60))}
        filled = template.format(**words, **numbers)
        return filled[0].upper() + filled[1:]

    def person(self) -> Person:
        """Return a person of one of several naming customs."""
        custom = self.one(
            "western western western iberian eastern nordic han cyrillic greek".split()
        )
        if custom == "han":
            name = self.new(
                lambda: self.one(_HAN_SURNAMES) + self.one(_HAN_GIVEN) + self.one(_HAN_GIVEN)
            )
            return Person(name, name)
        if custom in ("cyrillic", "greek"):
            starts, ends, firsts = _CYRILLIC if custom == "cyrillic" else _GREEK
            parts = [starts, starts, ends]
            surname = self.new(lambda: "".join(self.one(part.split()) for part in parts))
            return Person(
                f"{self.one(firsts.split())} {surname.capitalize()}", surname.capitalize()
            )
        surname = self.new(lambda: self.stem(self.random.randrange(1, 3))).capitalize()
        if custom == "eastern":
            surname = self.new(
                lambda: self.one(_ONSETS) + self.one(_VOWELS) + self.one("ng n".split())
            )
            surname = surname.capitalize()
        if self.chance(0.2):
            particle = self.one(_PARTICLES)
            surname = particle + ("" if particle[-1] in "-'c" else " ") + surname
        elif self.chance(0.15):
            surname += "-" + self.stem(1).capitalize()
        first = self.one(_FIRST_NAMES[custom].split())
        form = self.random.randrange(6)
        if form == 0:
            first = f"{first[0]}."
        elif form == 1:
            first = f"{first[0]}. {self.one('ABCDEHJKLMPRST')}."
        elif form == 2:
            first = f"{first} {self.one('ABCDEHJKLMPRST')}."
        elif form == 3:
            first = f"{first}-{self.one(_FIRST_NAMES['western'].split())}"
        return Person(f"{first} {surname}", surname)


def wrapped(text: str, width: int, dice: Dice, hyphens: bool) -> str:
    """Break a text into lines; where ``hyphens``, some words are broken, too."""
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) < width or not line:
            line = f"{line} {word}" if line else word
            continue
        room = width - len(line) - 2
        letters = word.rstrip(".,;:?")
        if hyphens and 3 <= room <= len(letters) - 3 and letters.isalpha() and dice.chance(0.8):
            lines.append(f"{line} {word[:room]}-")
            line = word[room:]
        else:
            lines.append(line)
            line = word
    return "\n".join([*lines, line])


def byline(people: Sequence[Person], dice: Dice, width: int) -> str:
    """Write names with marks in one of several ways."""
    style = dice.random.randrange(8)
    marks = ["1", "2", "1,2", "3", "1,*", "2,†", "1,3"]
    if style == 0:  # digits glued to the names
        written = [f"{person.name}{number + 1}" for number, person in enumerate(people)]
    elif style == 1:
        written = [f"{person.name} {dice.one(marks)}" for person in people]
    elif style == 2:
        written = [f"{person.name} {dice.one(list('abc'))}" for person in people]
    elif style == 3:
        written = [f"{person.name}{dice.one(list('*†‡§'))}" for person in people]
    elif style == 4:
        written = [f"{person.name} ID {dice.one(marks)}" for person in people]
    elif style == 5:
        written = [f"{person.name}, {dice.one(['Ph.D.', 'M.D.', 'MSc'])}" for person in people]
    else:
        written = [person.name for person in people]
    if style == 6 and len(people) < 4:
        return "\n".join(written)
    if dice.chance(0.1):
        return wrapped("; ".join(written), width, dice, hyphens=False)
    last = f" {dice.one(['and', 'and', '&'])} "
    joined = last.join([", ".join(written[:-1]), written[-1]]) if len(people) > 1 else written[0]
    return wrapped(("By " if dice.chance(0.1) else "") + joined, width, dice, hyphens=False)


def affiliations(words: dict[str, str], dice: Dice, people: Sequence[Person]) -> str:
    """Write one or two institutes, with marks and perhaps an address of mail."""
    count = dice.random.randrange(1, 3)
    marks = ["1 ", "2 "] if dice.chance(0.6) else ["", ""]
    lines = [mark + dice.fill(dice.one(_INSTITUTES), words) for mark in marks[:count]]
    if dice.chance(0.4) and people[0].surname.isascii():
        name = people[0].surname.split()[-1].lower().replace("'", "")
        lines.append(f"{name}@{words['place'].lower()}.example")
    return "\n".join(lines)


def abstract_block(text: str, dice: Dice, width: int, hyphens: bool) -> str:
    """Write an abstract under, behind or without its heading."""
    heading = dice.one(
        "Abstract\n|ABSTRACT\n|Abstract. |Abstract—|Abstract: |Summary\n||A B S T R A C T\n".split(
            "|"
        )
    )
    if heading.endswith("\n") or not heading:
        return heading + wrapped(text, width, dice, hyphens)
    # The first line is shorter by the heading, which is no part of the abstract.
    body = wrapped("x" * len(heading) + text, width, dice, hyphens)
    return heading + body[len(heading) :]


def identifier(dice: Dice) -> str:
    """Return an id of a month that no year has, old or new."""
    month = dice.random.randrange(13, 20)
    if dice.chance(0.25):
        archive = dice.one("cs math hep-th cond-mat math.GT q-bio".split())
        return (
            f"{archive}/{dice.random.randrange(92, 100)}{month}{dice.random.randrange(1, 999):03}"
        )
    return f"{dice.random.randrange(8, 27):02}{month}.{dice.random.randrange(1, 99999):05}"


def paper(dice: Dice) -> dict[str, object]:
    """Return a row: the record of an invented paper, and its first page."""
    words = dice.words()
    foreign = dice.random.randrange(3) if dice.chance(0.08) else None
    width = dice.random.choice([36, 58, 70, 78])
    hyphens = dice.chance(0.5)
    template = dice.one(_TITLES) if foreign is None else _FOREIGN_TITLES[foreign]
    title = dice.fill(template, words) if dice.chance(0.97) else None
    people = [dice.person() for _ in range(dice.random.choice([1, 2, 2, 3, 3, 4, 5]))]
    has_authors, has_abstract = dice.chance(0.94), dice.chance(0.88)
    sentences = dice.random.sample(_SENTENCES, dice.random.randrange(2, 5))
    if foreign is not None:
        sentences = [_FOREIGN_SENTENCES[foreign], sentences[0]]
    abstract = " ".join(dice.fill(sentence, words) for sentence in sentences)
    doi = f"10.5555/{dice.stem(1)}.{dice.random.randrange(1, 9999)}" if dice.chance(0.45) else None
    paper_id = identifier(dice) if dice.chance(0.45) else None

    journal = dice.fill(dice.one(_JOURNALS), words)
    year = dice.random.randrange(1993, 2027)
    heads: list[str] = []
    feet: list[str] = []
    if paper_id:
        category = " [" + dice.one("cs.LG math.CO hep-th stat.ME".split()) + "]"
        stamp = (
            f"arXiv:{paper_id}v{dice.random.randrange(1, 4)}{category if dice.chance(0.6) else ''}"
        )
        (heads if dice.chance(0.6) else feet).append(
            f"{stamp} {dice.random.randrange(1, 29)} Mar {year}"
        )
    if doi:
        before = dice.one(["https://doi.org/", "doi:", "DOI: ", "DOI 10.5555: https://doi.org/"])
        before = before.replace("10.5555: ", "")
        (heads if dice.chance(0.5) else feet).append(before + doi)
    if dice.chance(0.4):
        pages = dice.random.randrange(1, 400)
        heads.insert(0, f"{journal} {dice.random.randrange(1, 90)} ({year}) {pages}–{pages + 11}")
    if dice.chance(0.15):
        heads.append(
            dice.one(["RESEARCH ARTICLE", "Open Access", "Letter to the editor", "Preprint"])
        )
    if dice.chance(0.15) and has_authors:
        heads.insert(0, f"{people[0].surname} et al.")
    if dice.chance(0.3):
        feet.append(f"© {year} The authors. Published by {words['place2']} Press.")
    if dice.chance(0.3):
        feet.append(
            f"* Corresponding author. This work was supported by grant {year - 1}/{len(abstract)}."
        )

    blocks = list(heads)
    if title:
        shown = title.upper() if dice.chance(0.12) and "ß" not in title else title
        blocks.append(wrapped(shown, max(width - 14, 30), dice, hyphens))
    credit = []
    if has_authors:
        credit = [byline(people, dice, width), affiliations(words, dice, people)]
        if dice.chance(0.12):
            credit.reverse()
    late = dice.chance(0.12)  # the by-line below the abstract
    blocks += [] if late else credit
    if dice.chance(0.2):
        blocks.append(f"(Received {dice.random.randrange(1, 29)} May {year})")
    if has_abstract:
        blocks.append(abstract_block(abstract, dice, width, hyphens))
    blocks += credit if late else []
    if dice.chance(0.35):
        blocks.append(
            f"{dice.one(['Keywords:', 'Key words', 'Index Terms—'])} {words['a']}, {words['d']}"
        )
    side = dice.chance(0.3)  # what stands at the foot of the first column comes before the text
    blocks += feet if side else []
    opening = dice.one(["1 Introduction\n", "I. INTRODUCTION\n", "Introduction\n", ""])
    blocks.append(
        opening + wrapped(dice.fill(dice.one(_INTRODUCTION), words), width, dice, hyphens)
    )
    blocks += [] if side else feet
    return {
        "id": paper_id,
        "title": title,
        "authors": [person.name for person in people] if has_authors else [],
        "abstract": abstract if has_abstract else None,
        "doi": doi,
        "article_text": ("\n\n" if dice.chance(0.3) else "\n").join(blocks) + "\n",
    }


def files() -> dict[str, str]:
    """Return the content of each file of the sample by its name."""
    dice = Dice(SEED)
    return {
        f"{split}.json": json.dumps(
            [paper(dice) for _ in range(size)], ensure_ascii=False, indent=1
        )
        + "\n"
        for split, size in SIZES.items()
    }


def main(folder: Path) -> None:
    """Write the sample into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
