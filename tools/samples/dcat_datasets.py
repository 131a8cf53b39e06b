"""Write the sample of dcat_datasets: invented passages about invented datasets.

    python tools/samples/dcat_datasets.py [FOLDER]

Always the same bytes. Every dataset, person and address is made up from syllables, and no dataset
stands in two passages. What a record holds stands in its text, in one of five layouts; what is
missing there is null. Titles come back in other spellings, before or after their introduction,
beside models, tools and code that are no datasets. One template in four is used in test alone.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 20240917
SIZES = {"train": 120, "validation": 20, "test": 20}
FOLDER = Path(__file__).parents[2] / "plugins" / "dcat_datasets" / "sample"

STARTS = "Bra Del Fen Gor Hal Jor Kel Lum Mor Nev Or Pel Quo Ras Sel Tor Ul Vel Wes Yar Zin".split()
MIDDLES = "ba da di go la li ma mi no ra ri so ta ti va vo".split()
ENDS = "bek dar fen gan lin mar nor pex rin sta tun vek wick xis".split()
GIVEN = "Anika Boris Celia Dario Edda Farid Gesa Hanno Ilka Jomar Keiko Lamin Mirel Nuru".split()

TOPICS = {  # theme: (things that it is about, tasks)
    "computer vision": (
        "road signs,harbours,hand gestures,roof tiles,street scenes",
        "image classification,object detection,semantic segmentation",
    ),
    "natural language processing": (
        "court rulings,kitchen recipes,travel diaries,weather reports,letters to the editor",
        "named entity recognition,question answering,summarization,sentiment analysis",
    ),
    "speech processing": (
        "phone calls,radio plays,railway announcements,bedtime stories",
        "speech recognition,speaker identification",
    ),
    "graph learning": (
        "bus networks,citation links,protein contacts,trade routes",
        "link prediction,node classification",
    ),
    "medical informatics": (
        "discharge letters,heart sounds,skin lesions,lab values",
        "diagnosis prediction,concept normalization",
    ),
    "time series analysis": (
        "tide levels,bread sales,wind turbines,footfall in museums",
        "forecasting,anomaly detection",
    ),
}
FORMATS = {  # unit of counting: what the record says
    "images": "Image", "photographs": "Image", "sentences": "Text", "documents": "Text",
    "recordings": "Audio", "hours of audio": "Audio", "clips of video": "Video",
    "graphs": "Graph", "measured series": "Time Series",
}  # fmt: skip
FITTING = {
    "computer vision": ("images", "photographs", "clips of video"),
    "natural language processing": ("sentences", "documents"),
    "speech processing": ("recordings", "hours of audio"),
    "graph learning": ("graphs",),
    "medical informatics": ("documents", "images"),
    "time series analysis": ("measured series",),
}
LANGUAGES = "English German Finnish Dutch Spanish Polish Turkish Swahili Korean Hindi Greek".split()
GENRES = (
    "Archive",
    "Collection",
    "Treebank",
    "Challenge Set",
    "Survey",
    "Atlas",
    "Bank",
    "Records",
)
AFTER = ("dataset", "corpus", "benchmark", "data", "")

INTRODUCTIONS = (
    "{T} was compiled by {C} in {Y}.",
    "{C} ({Y}) introduced {T}.",
    "We train on {T}, which {C} published in {Y}.",
    "{T} comes from {C}.",
    "Since {Y} there is {T}.",
    "Another source is {T}.",
    "{T} is a resource for {M}.",
    "{T} holds {N} {F} about {K}.",
    "Our scores are for {M} on {T}.",
    "For {M} we turn to {T}, {N} {F} in {L}.",
    "Then there is {T} by {C}.",
    "{T}, issued in {Y}, deals with {K}.",
    "What we know of {K} we owe to {T} ({Y}).",
    "The choice fell on {T}, put together by {C}.",
    "As a second opinion on {M} serves {T}.",
    "{N} {F} make up {T}.",
)
DETAILS = {
    "C": ("{S} is the work of {C}.", "{S} was collected by {C}.", "{S} bears the names of {C}."),
    "Y": ("{S} was made public in {Y}.", "It appeared in {Y}.", "{S} dates from {Y}."),
    "L": ("Its language is {L}.", "{S} is in {L}.", "Whoever reads it has to know {L}."),
    "I": ("{S} is registered as {I}.", "Its identifier is {I}.", "It is to be cited as {I}."),
    "V": ("We use version {V}.", "Release {V} is meant here.", "The files are of version {V}."),
    "F": ("{S} consists of {N} {F}.", "There are {N} {F} in it.", "{S} counts {N} {F}."),
    "U": ("It can be had from {U} .", "{S} is kept at {U}", "See {U} for access."),
    "H": ("It belongs to {H}.", "{S} is well known in {H}.", "It was made by people from {H}."),
    "K": ("{S} is about {K}.", "It covers {K}.", "Its matter is {K}."),
    "M": ("It was made for {M}.", "{S} serves {M}.", "With it one measures {M}."),
}
OPENINGS = (
    "We study how well small models do when little is annotated.",
    "This section says what the experiments were run on.",
    "Four systems are compared under equal conditions.",
    "To find what the paper used, I read its section on experiments first.",
    "Earlier work reported gains that did not hold elsewhere.",
    "Nothing here was tuned on test data.",
    "The reviewers asked for more detail, and here it is.",
    "All of the training took two days on one machine.",
)
FILLERS = (
    "The encoder is {X}, with its default settings.",
    "We wrote the code in {X}, see {U} .",
    "Scores are means over five seeds.",
    "Our annotators agreed in most cases.",
    "As in {P} et al. ({Y}), we report F1.",
    "The library {X} did the rest.",
    "Hyperparameters follow {P} ({Y}).",
    "No system saw more than one pass over its input.",
)
MENTIONS = (
    "On {S} the larger model wins by two points.",
    "Most errors are found on {S}.",
    "Only {S} shows the opposite.",
    "Without {S} the scores drop.",
)
NOTHING = (
    "We prove a bound on the error of {X} and need no data for it.",
    "The argument is by induction over the depth of the tree.",
    "Any dataset with these properties would do; we name none.",
    "A proof sketch stands in the appendix.",
    "Such benchmarks are still to be built.",
    "The tool {X} is free, see {U} .",
    "{P} et al. ({Y}) treat the convex case.",
    "It follows that no corpus of finite size is enough.",
    "We thank the funders of {X}.",
    "The complexity is linear in the number of classes.",
)


@dataclass(frozen=True)
class Dataset:
    """An invented dataset: its title, other spellings of it, and what is told of it by slot."""

    title: str
    spellings: tuple[str, ...]
    slots: dict[str, str]
    record: dict[str, object]


class Inventor:
    """Makes up names, none of them twice."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.used: set[str] = set()

    def word(self) -> str:
        """Return a word that was not used before."""
        while True:
            middle = self.rng.choice(MIDDLES) if self.rng.random() < 0.6 else ""
            made = self.rng.choice(STARTS) + middle + self.rng.choice(ENDS)
            if made not in self.used:
                self.used.add(made)
                return made

    def person(self) -> str:
        """Return the name of a person, the given name sometimes as an initial."""
        given = self.rng.choice(GIVEN)
        return f"{given if self.rng.random() < 0.7 else given[0] + '.'} {self.word()}"

    def year(self) -> str:
        """Return a year."""
        return str(self.rng.randint(2003, 2024))

    def address(self) -> str:
        """Return an address of a domain that nobody can own."""
        end = self.rng.choice(("", "/data", "/download", "/v2/index.html"))
        return f"https://{self.word().lower()}.example{self.rng.choice(('', '.org'))}{end}"

    def dataset(self) -> Dataset:
        """Return a dataset of which some things are told and others are not."""
        rng = self.rng
        title, spellings = self._title()
        theme = rng.choice(sorted(TOPICS))
        things, tasks = (part.split(",") for part in TOPICS[theme])
        creators = [self.person() for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        if rng.random() < 0.25:
            creators = [f"{self.word()} {rng.choice(('Institute', 'University', 'Lab'))}"]
        unit = rng.choice(FITTING[theme])
        languages = rng.sample(LANGUAGES, rng.choice((1, 1, 1, 2)))
        month = f"-{rng.randint(1, 12):02}" if rng.random() < 0.1 else ""
        name = f"doi:10.5072/{rng.randint(1000, 99999)}"
        version, address = f"{rng.randint(1, 4)}.{rng.randint(0, 9)}", self.address()
        facts: dict[str, tuple[float, str, str, object]] = {
            "C": (0.6, "dcterms:creator", _joined(creators), creators),
            "Y": (0.7, "dcterms:issued", (year := self.year() + month), year),
            "L": (0.4, "dcterms:language", _joined(languages), ", ".join(languages)),
            "I": (0.2, "dcterms:identifier", name, name),
            "V": (0.2, "dcterms:hasVersion", version, version),
            "F": (0.55, "dcterms:format", unit, FORMATS[unit]),
            "U": (0.35, "dcat:landingPage", address, address),
            "H": (0.35, "dcat:theme", theme, [theme]),
            "K": (0.45, "dcat:keyword", *self._some(things)),
            "M": (0.55, "mls:task", *self._some(tasks)),
        }
        lists = ("C", "H", "K", "M")
        told = {slot for slot, (chance, *_rest) in facts.items() if rng.random() < chance}
        record: dict[str, object] = {"dcterms:title": title}
        for slot, (_chance, key, _text, value) in facts.items():
            record[key] = value if slot in told else [] if slot in lists else None
        slots = {slot: text for slot, (_c, _k, text, _v) in facts.items() if slot in told}
        slots |= {"T": title, "N": f"{rng.randint(2, 990)},{rng.randint(0, 999):03}"}
        return Dataset(title, spellings, slots, record)

    def _some(self, things: Sequence[str]) -> tuple[str, list[str]]:
        chosen = self.rng.sample(things, self.rng.choice((1, 1, 2)))
        return _joined(chosen), chosen

    def _title(self) -> tuple[str, tuple[str, ...]]:
        """Return a title as it is introduced, and other ways to write it."""
        rng, word = self.rng, self.word()
        kind = rng.choice(("plain", "number", "genre", "acronym", "glued"))
        if kind == "plain":
            return word, (word.upper(), f"the {word} {rng.choice(AFTER)}".strip())
        if kind == "number":
            number = rng.choice(("10", "50k", "2.0", "500", "1M"))
            return f"{word}-{number}", (f"{word} {number}", f"{word.upper()}-{number}")
        if kind == "glued":
            glued = f"{word}{rng.choice(('QA', 'Net', 'Bench', 'NER', 'Speech'))}"
            return glued, (glued.upper(), f"the {glued} {rng.choice(AFTER)}".strip())
        long = f"{word} {self.word()} {rng.choice(GENRES)}"
        short = "".join(filter(str.isupper, long))
        if kind == "genre":
            return long, (long.lower(), f"the {long} {rng.choice(AFTER)}".strip())
        return f"{long} ({short})", (short, f"the {short} {rng.choice(AFTER)}".strip())


def _joined(names: Sequence[str]) -> str:
    """Return names as English lists them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


class Writer:
    """Writes passages; ``split`` decides which templates may be used."""

    def __init__(self, inventor: Inventor, split: str) -> None:
        self.inventor, self.rng, self.split = inventor, inventor.rng, split

    def choose(self, templates: Sequence[str]) -> str:
        """Return one of the templates; the last quarter of them is for test alone."""
        known = len(templates) if self.split == "test" else -(-len(templates) * 3 // 4)
        return self.rng.choice(templates[: min(known, len(templates))])

    def plain(self, templates: Sequence[str]) -> str:
        """Return a sentence that speaks of no dataset."""
        made = {"X": self.inventor.word(), "U": self.inventor.address()}
        made |= {"P": self.inventor.word(), "Y": self.inventor.year()}
        return self.choose(templates).format(**made)

    def told(self, dataset: Dataset, introduction: str, left_out: str = "") -> str:
        """Return an introduction and sentences for all that it leaves untold."""
        subjects = ["It", "The set", dataset.spellings[-1]]
        sentences = [introduction.format(**dataset.slots)] if introduction else []
        untold = [slot for slot in DETAILS if slot in dataset.slots and slot not in left_out]
        untold = [slot for slot in untold if f"{{{slot}}}" not in introduction]
        self.rng.shuffle(untold)
        for slot in untold:
            made = dataset.slots | {"S": self.rng.choice(subjects)}
            sentences.append(self.choose(DETAILS[slot]).format(**made))
        return " ".join(_capitalised(sentence) for sentence in sentences)

    def introduction(self, dataset: Dataset) -> str:
        """Return a template that asks for nothing but what is told of the dataset."""
        while True:
            template = self.choose(INTRODUCTIONS)
            if set(re.findall(r"{(\w)}", template)) <= dataset.slots.keys():
                return template

    def prose(self, datasets: Sequence[Dataset]) -> str:
        """One paragraph after the other."""
        parts = [self.told(each, self.introduction(each)) for each in datasets]
        return self._framed(parts, "\n\n" if self.rng.random() < 0.5 else " ")

    def sections(self, datasets: Sequence[Dataset]) -> str:
        """Numbered sections, with other sections before them."""
        number = self.rng.randint(2, 5)
        parts = [f"{number} {self.rng.choice(('Data', 'Experiments', 'Resources'))}"]
        for count, each in enumerate(datasets, start=1):
            untitled = self.rng.random() < 0.5
            head = f"{number}.{count} {'Source' if untitled else each.title}"
            parts.append(f"{head}\n{self.told(each, self.introduction(each))}")
        return self._framed(parts, "\n")

    def bullets(self, datasets: Sequence[Dataset]) -> str:
        """A list with a sign in front of each item."""
        sign = self.rng.choice("-*•")
        parts = [f"{sign} {each.title}: {self.told(each, '')}".rstrip(": ") for each in datasets]
        return self._framed(["We used:" if datasets else "", *parts], "\n")

    def table(self, datasets: Sequence[Dataset]) -> str:
        """A table as text, then what it does not show."""
        columns = self.rng.sample(("Y", "L", "F", "U", "V", "M"), 3)
        heads = {
            "Y": "Year",
            "L": "Language",
            "F": "Items",
            "U": "Link",
            "V": "Version",
            "M": "Task",
        }
        rows = [
            [each.title, *(each.slots.get(column, "–") for column in columns)] for each in datasets
        ]
        rows = [["Name", *(heads[column] for column in columns)], *rows]
        lines = [" | ".join(row) for row in rows]
        left = {each.title: self.told(each, "", "".join(columns)) for each in datasets}
        notes = [f"{title}: {note}" for title, note in left.items() if note]
        return self._framed(["Table 2: what was used", *lines, *notes], "\n")

    def cited(self, datasets: Sequence[Dataset]) -> str:
        """Prose with numbers in brackets, and what they stand for at its end."""
        parts, entries = [], []
        for count, each in enumerate(datasets, start=1):
            parts.append(f"{self.choose(MENTIONS).format(S=each.title)[:-1]} [{count}].")
            parts.append(self.told(each, "", "CYIU"))
            entry = [each.slots[slot] for slot in "CYIU" if slot in each.slots]
            entries.append(f"[{count}] " + ". ".join([each.title, *entry]))
        return self._framed([" ".join(filter(None, parts)), "References", *entries], "\n")

    def _framed(self, parts: Sequence[str], between: str) -> str:
        """Return parts with other sentences before, between and behind them."""
        opening = [self.choose(OPENINGS)] if self.rng.random() < 0.8 else []
        closing = [self.plain(FILLERS) for _ in range(self.rng.choice((0, 1, 1, 2)))]
        text = [*opening, *filter(None, parts), *closing]
        if between != "\n":
            text.insert(self.rng.randint(0, len(text)), self.plain(FILLERS))
        return between.join(text)

    def nothing(self) -> str:
        """A passage that names no dataset."""
        known = [self.plain(NOTHING) for _ in range(self.rng.randint(3, 5))]
        return " ".join(dict.fromkeys([self.choose(OPENINGS), *known]))

    def passage(self) -> tuple[str, list[Dataset]]:
        """Return a text and its datasets, in the order in which it comes to speak of them."""
        count = self.rng.choices((0, 1, 2, 3), (12, 38, 36, 14))[0]
        if count == 0:
            return self.nothing(), []
        datasets = [self.inventor.dataset() for _ in range(count)]
        layouts: list[Callable[[Sequence[Dataset]], str]]
        layouts = [self.prose, self.prose, self.sections, self.bullets, self.table, self.cited]
        text = self.rng.choice(layouts)(datasets)
        if self.rng.random() < 0.4:
            mention = self.choose(MENTIONS).format(S=self.rng.choice(datasets[0].spellings))
            first = self.rng.random() < 0.5  # then the other spelling comes before the title
            text = f"{mention}\n{text}" if first else f"{text}\n{mention}"
        return text, datasets


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:] if sentence.startswith("the ") else sentence


def rows() -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (split, row) for all passages, always the same ones."""
    inventor = Inventor(random.Random(SEED))
    number = 0
    for split, size in SIZES.items():
        writer = Writer(inventor, split)
        for _ in range(size):
            number += 1
            text, datasets = writer.passage()
            record = {"datasets": [dataset.record for dataset in datasets]}
            yield split, {"id": f"sample-{number:03}", "text": text, "record": record}


def files() -> dict[str, str]:
    """Return the content of each file of the sample by its name."""
    contents = {f"{split}.jsonl": "" for split in SIZES}
    for split, row in rows():
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        contents[f"{split}.jsonl"] += line + "\n"
    return contents


def main(folder: Path) -> None:
    """Write the sample into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
