"""Self-made extraction: fields that a rule computes from a text, under the names people use.

One example of what the model sees (system, user, answer):
    Extract as JSON: chemicals[], doses[]{amount, unit}
    The rats were given lidocaine (5 mg) and saline.
    {"chemicals":["lidocaine"],"doses":[{"amount":"5","unit":"mg"}]}
"""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from .tokenizer import Corpus, Paper, sentences
from .wordnet import Lexicon

INSTRUCTION = "Extract as JSON: "

# Kinds of the lexicon that people ask for; those of medicine twice, as many documents are medical.
_MEDICAL = ("diseases", "drugs", "symptoms", "medicines", "chemicals", "compounds", "illnesses")
ASKED = (
    *_MEDICAL,
    *_MEDICAL,
    *("diseases", "disorders", "poisons", "hormones", "proteins", "drugs", "chemical_elements"),
    *("organs", "body_parts", "animals", "mammals", "birds", "plants", "foods", "clothings"),
    *("cities", "countries", "languages", "buildings", "vehicles", "instruments", "devices"),
    *("workers", "scientists", "writers", "feelings", "sports", "games", "sciences", "days"),
    *("metallic_elements", "materials"),
)

_ALPHABETS = (
    string.ascii_letters + string.digits,
    string.ascii_lowercase,
    string.digits,
    string.ascii_uppercase + string.digits + "-/.",
    string.ascii_letters + string.digits + " _-:;,.+*#@!?=()%&",
    string.ascii_letters + " ",
)

Finder = Callable[[str], list[Any]]


@dataclass(frozen=True)
class Field:
    """One kind of field: what it may be called, how it is found, and its shape."""

    names: tuple[str, ...]
    find: Finder
    shape: str = "list"  # list, scalar or objects
    keys: tuple[tuple[str, str], ...] = ()  # for objects: pairs of names to choose from
    often: float = 1.0


@dataclass(frozen=True)
class Example:
    """A prompt and its answer, as the framework renders them."""

    system: str
    user: str
    answer: str


def distinct(values: Iterable[str]) -> list[str]:
    """The values in order of occurrence, without repeats under casefold."""
    kept: dict[str, str] = {}
    for value in values:
        kept.setdefault(value.casefold(), value)
    return list(kept.values())


def _matches(pattern: str, group: int = 0, flags: int = 0) -> Finder:
    compiled = re.compile(pattern, flags)
    return lambda text: distinct(m.group(group).strip() for m in compiled.finditer(text))


_COMMON = (
    "determine|examine|combine|define|routine|machine|online|baseline|line|nine|medicine|discipline|"
    "engine|genuine|outline|pipeline|guideline|decline|refine|imagine|fine|mine|vaccine|magazine|"
    "control|protocol|symbol|tool|school|pool|role|whole|include|provide|side|wide|guide|decide|"
    "beside|divide|outside|inside|hide|slide|worldwide|nucleotide|peptide|tide|ride|coincide"
)
_CHEMICAL = (
    rf"\b(?!(?:{_COMMON})\b)(?:(?:\w+-)?[A-Za-z]\w{{2,}}(?:ine|idine|azole|amide|oxide|oside|chloride|"
    r"ycin|cillin|statin|olol|anol|enol|terol|ethyl|zepam|barbital|caine|opioid|sterone|sone|azine|"
    r"glycol|dextran|acetate|phosphate|nitrate|sulfate|citrate|glucose|lactose|sucrose|insulin|"
    r"heparin|lithium|sodium|potassium|calcium|magnesium|mycin|toxin)s?"
    r"|ethanol|methanol|glutamate|dopamine|serotonin|oxygen|nitrogen|carbon|water|cholesterol"
    r"|\w+ acid|Na\+|K\+|Ca2\+|ATP|GABA|NO|DNA|RNA)\b"
)
_DISEASE = (
    r"\b(?:(?:acute|chronic|severe|congenital|cardiac|renal|hepatic|familial|primary|early|human|"
    r"infectious|mental|cardiovascular|neurodegenerative|[A-Z]\w+(?:'s)?|\w+ic|\w+al|\w+ar|"
    r"breast|lung|prostate|heart|liver|kidney|brain) )?"
    r"(?:[a-z]*(?:osis|oses|itis|emia|aemia|oma|omas|opathy|opathies|algia|uria|plegia|penia|trophy|"
    r"ectasia|sclerosis|phrenia|paresis|rrhage|rrhea|rhythmia|tension)"
    r"|diseases?|syndromes?|disorders?|cancers?|tumou?rs?|infections?|deficiency|deficiencies|"
    r"failure|diabetes|epilepsy|epidemics?|injury|injuries|seizures?|obesity|depression|dementia|"
    r"pain|stroke|glaucoma|lesions?|malaria|influenza|autism|death|toxicity|abnormalities|defects?)\b"
)
_UNIT = (
    r"(?:%|mg|kg|g|ml|mL|l|µl|μl|µm|μm|nm|mm|cm|km|m|µM|μM|mM|nM|M|Hz|kHz|GHz|ms|s|min|h|hours?|days?|"
    r"weeks?|months?|years?|minutes?|seconds?|°C|K|kDa|bp|kb|Mb|V|mV|W|eV|keV|MeV|GeV|T|patients|"
    r"cells|participants|subjects|samples|mice|times|genes|people|countries|users)"
)
_NUMBER = r"(?<![\w.,])\d+(?:[.,]\d+)*"
_ORGANS = (
    r"brain|hearts?|livers?|kidneys?|lungs?|eyes?|retina|skin|bones?|blood|muscles?|cortex|embryos?|"
    r"hippocampus|cerebellum|spinal cord|testes|testis|ovar(?:y|ies)|limbs?|tails?|head|neck|"
    r"stomach|colon|intestines?|pancreas|spleen|thymus|tissues?|nerves?|synapses?|membranes?|"
    r"nucle(?:us|i)|mitochondria|chromosomes?|arter(?:y|ies)|veins?|cochlea|lens|iris|breast|prostate"
)
_SPECIES = (
    r"mice|mouse|rats?|humans?|patients?|wom[ae]n|m[ae]n|children|adults?|infants?|monkeys?|zebrafish|"
    r"Drosophila|yeast|E\. coli|bacteria|virus(?:es)?|chickens?|dogs?|cats?|rabbits?|C\. elegans|"
    r"animals?|plants?|fish|birds?|students?|users?|people|participants?|subjects?|developers?"
)


def _before(*heads: str) -> Finder:
    """Noun phrases that end in one of these head nouns, with a word or two before it."""
    stop = (
        r"(?!(?:the|a|an|of|in|and|or|to|for|with|by|on|this|these|that|our|we|is|are|from|as)\b)"
    )
    return _matches(rf"\b(?:{stop}[A-Za-z][\w-]* ){{1,2}}(?:{'|'.join(heads)})\b")


def _repeated(text: str) -> list[str]:
    words = re.findall(r"[A-Za-z]{5,}", text)
    counts = Counter(word.casefold() for word in words)
    return distinct(word for word in words if counts[word.casefold()] > 1)


def _names(text: str) -> list[str]:
    pattern = r"(?<=[a-z,;] )[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*"
    return distinct(m.group() for m in re.finditer(pattern, text))


def _expansions(text: str) -> list[tuple[str, str]]:
    found = []
    for match in re.finditer(r"\(([A-Z]{2,6})s?\)", text):
        words = list(re.finditer(r"[A-Za-z]+", text[: match.start()]))[-len(match.group(1)) :]
        if "".join(w.group()[0] for w in words).casefold() == match.group(1).casefold():
            found.append((match.group(1), text[words[0].start() : words[-1].end()]))
    return found


def _pairs(pattern: str) -> Finder:
    compiled = re.compile(pattern)
    return lambda text: [(m.group(1), m.group(2)) for m in compiled.finditer(text)]


def _together(first: Finder, second: Finder, most: int = 6) -> Finder:
    """Every pair of two fields' values that share a sentence."""

    def find(text: str) -> list[tuple[str, str]]:
        pairs = [(a, b) for part in sentences(text) for a in first(part) for b in second(part)]
        return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]][:most]

    return find


def _one(find: Finder, last: bool = False) -> Finder:
    return lambda text: find(text)[-1:] if last else find(text)[:1]


chemicals = _matches(_CHEMICAL)
diseases = _matches(_DISEASE)
acronyms = _matches(r"\b[A-Z][A-Z0-9]{1,}(?:-\d+)?\b")
numbers = _matches(_NUMBER + r"(?![\w]|[.,]\d)")
genes = _matches(r"\b[A-Za-z]{1,6}-?\d+[A-Za-z]?\b")
organs = _matches(rf"\b(?:{_ORGANS})\b", flags=re.IGNORECASE)
species = _matches(rf"\b(?:{_SPECIES})\b", flags=re.IGNORECASE)
bracketed = _matches(r"\(([^()]{2,60})\)", 1)
years = _matches(r"\b(?:19|20)\d\d\b")
methods = _before(
    "analysis", "methods?", "models?", "algorithms?", "tests?", "assays?", "networks?"
)
cells = _before("cells?", "neurons?", "tissues?", "fibers?", "lines?")
all_words = _matches(r"[^\W\d_]{2,}")

FIELDS: tuple[Field, ...] = (
    Field(("chemicals", "drugs", "substances", "medications", "molecules"), chemicals, often=4),
    Field(("diseases", "conditions", "disorders", "illnesses", "problems"), diseases, often=4),
    Field(("acronyms", "abbreviations", "short_forms"), acronyms, often=1.5),
    Field(("numbers", "values", "figures"), numbers, often=1.5),
    Field(
        ("measurements", "amounts", "doses", "quantities"), _matches(rf"{_NUMBER} ?{_UNIT}(?!\w)")
    ),
    Field(("bracketed", "in_brackets", "asides", "parentheses"), bracketed, often=1.5),
    Field(("names", "people", "entities", "proper_names"), _names, often=2),
    Field(("genes", "proteins", "symbols", "codes"), genes),
    Field(("species", "organisms", "populations"), species, often=1.5),
    Field(("organs", "anatomy", "body_parts", "sites"), organs, often=1.5),
    Field(("cells", "cell_types"), cells),
    Field(("methods", "techniques", "approaches"), methods),
    Field(
        ("tasks", "problems_solved", "topics"), _before("problems?", "tasks?", "systems?", "theory")
    ),
    Field(("effects", "outcomes", "results"), _before("effects?", "changes?", "levels?", "rates?")),
    Field(("years", "dates"), years),
    Field(("quotes", "quoted"), _matches(r"[\"“`]+([^\"“”`']{2,80})[\"”']+", 1), often=0.5),
    Field(("hyphenated", "compounds"), _matches(r"\b[A-Za-z]+(?:-[A-Za-z]+)+\b")),
    Field(("repeated", "keywords", "key_terms"), _repeated),
    Field(("processes", "actions"), _matches(r"\b[A-Za-z]{3,}(?:tion|sion)s?\b")),
    Field(("properties", "qualities"), _matches(r"\b[A-Za-z]{3,}(?:ity|ness|ance|ence)\b")),
    Field(("adverbs", "manners"), _matches(r"\b[A-Za-z]{3,}ly\b"), often=0.5),
    Field(("activities", "gerunds"), _matches(r"\b[A-Za-z]{3,}ing\b"), often=0.5),
    Field(("long_words", "terms", "jargon"), _matches(r"\b[A-Za-z]{12,}\b")),
    Field(("modifiers", "adjectives"), _matches(r"\b[A-Za-z]{3,}(?:ical|ous|ive|able|ary)\b")),
    Field(("purposes",), _matches(r"\bto ([a-z]+ (?:the )?[a-z]+)", 1), often=0.5),
    Field(("links", "urls"), _matches(r"https?://[^\s,;)]+"), often=0.3),
    Field(("sentences", "statements"), sentences, often=0.7),
    Field(("clauses", "parts"), _matches(r"[^,;:.()]{4,}"), often=0.7),
    Field(("words", "tokens"), all_words, often=0.7),
    Field(("title", "first_sentence", "headline"), _one(sentences), "scalar"),
    Field(("conclusion", "last_sentence"), _one(sentences, last=True), "scalar", often=0.7),
    Field(("first_word",), _one(all_words), "scalar", often=0.3),
    Field(("year", "date"), _one(years), "scalar"),
    Field(("number", "count", "value"), _one(numbers), "scalar"),
    Field(("name", "person", "author"), _one(_names), "scalar"),
    Field(("acronym", "abbreviation"), _one(acronyms), "scalar"),
    Field(("disease", "condition", "diagnosis"), _one(diseases), "scalar"),
    Field(("chemical", "drug", "treatment"), _one(chemicals), "scalar"),
    Field(("url", "link", "doi"), _one(_matches(r"https?://[^\s,;)]+")), "scalar", often=0.3),
    Field(
        ("measurements", "amounts", "quantities"),
        _pairs(rf"({_NUMBER}) ?({_UNIT})(?!\w)"),
        "objects",
        (("number", "unit"), ("value", "unit"), ("amount", "unit")),
    ),
    Field(
        ("acronyms", "abbreviations", "definitions"),
        _expansions,
        "objects",
        (("acronym", "expansion"), ("short", "long"), ("acronym", "meaning")),
    ),
    Field(
        ("asides", "explanations"),
        _pairs(r"([A-Za-z][\w-]*) \(([^()]{2,60})\)"),
        "objects",
        (("term", "aside"), ("word", "bracket")),
    ),
    Field(
        ("relations", "pairs", "effects"),
        _together(chemicals, diseases),
        "objects",
        (("chemical", "disease"), ("drug", "condition"), ("cause", "effect")),
        often=1.5,
    ),
    Field(
        ("findings", "links", "relations"),
        _together(genes, organs),
        "objects",
        (("gene", "organ"), ("gene", "site")),
        often=0.7,
    ),
    Field(
        ("studies", "subjects", "relations"),
        _together(species, diseases),
        "objects",
        (("species", "disease"), ("population", "condition")),
        often=0.7,
    ),
)


def _label(name: str, field: Field, keys: tuple[str, str] | None) -> str:
    if field.shape == "scalar":
        return name
    return f"{name}[]" + (f"{{{keys[0]}, {keys[1]}}}" if keys else "")


def _value(field: Field, found: list[Any], keys: tuple[str, str] | None) -> Any:
    if field.shape == "scalar":
        return found[0] if found else None
    if keys:
        return [dict(zip(keys, pair, strict=True)) for pair in found]
    return found


def _render(labels: Iterable[str], user: str, record: dict[str, Any]) -> Example:
    answer = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return Example(INSTRUCTION + ", ".join(labels), user, answer)


def passage(corpus: Corpus, random: Random) -> str:
    """One sentence, or a few in a row."""
    while True:
        parts = sentences(corpus.draw(random).text)
        size = random.choice((1, 1, 1, 1, 2, 2, 3, 5))
        start = random.randrange(max(1, len(parts) - size + 1))
        text = " ".join(parts[start : start + size])
        if len(text) >= 25:
            return text[:1200]


def field_example(corpus: Corpus, random: Random) -> Example:
    """Two to four computed fields of a passage; usually one at least is found in it."""
    size = random.choice((1, 2, 2, 2, 3, 3, 4))
    for attempt in range(4):
        text = passage(corpus, random)
        fields = random.choices(FIELDS, [field.often for field in FIELDS], k=size)
        record: dict[str, Any] = {}
        labels: list[str] = []
        filled = False
        for field in fields:
            name = random.choice(field.names)
            if name in record:
                continue
            keys = random.choice(field.keys) if field.keys else None
            found = field.find(text)
            filled = filled or bool(found)
            record[name] = _value(field, found, keys)
            labels.append(_label(name, field, keys))
        # Empty answers must be seen, yet teach little: most are drawn again.
        if filled or random.random() < 0.12 or attempt == 3:
            break
    return _render(labels, text, record)


def listing_example(corpus: Corpus, random: Random) -> Example:
    """Every word of a shuffled text as a list: nearly all copying, which trains it densely."""
    words = distinct(re.findall(r"[\w'-]{2,}", passage(corpus, random)))[: random.randint(4, 24)]
    random.shuffle(words)
    between = random.choice((" ", " ", ", ", "; ", "\n"))
    name = random.choice(("words", "tokens", "items", "list"))
    return _render([f"{name}[]"], between.join(words), {name: words})


def header_example(paper: Paper, random: Random) -> Example:
    """A paper's front matter laid out as on a first page."""
    between = random.choice((", ", ", ", "\n", "; ", " and "))
    authors = distinct(paper.authors[:8])
    lines = [paper.title, between.join(authors)]
    if random.random() < 0.3:
        lines.insert(
            random.randrange(2), random.choice(("arXiv preprint", "Research Article", "Vol. 3"))
        )
    if random.random() < 0.5:
        lines.append(random.choice(("Abstract", "ABSTRACT", "Summary")))
    lines.append(" ".join(sentences(paper.text)[: random.randint(0, 2)]))
    record: dict[str, Any] = {"title": paper.title, "authors": authors, "doi": None}
    chosen = random.choice(
        (("title", "authors"), ("title", "authors", "doi"), ("authors",), ("title",))
    )
    labels = [f"{name}[]" if name == "authors" else name for name in chosen]
    return _render(labels, "\n".join(lines).strip(), {name: record[name] for name in chosen})


def string_example(random: Random) -> Example:
    """A string of random characters, to be copied exactly; alone or behind a label."""
    alphabet = random.choice(_ALPHABETS)
    length = int(math.exp(random.uniform(math.log(4), math.log(160))))
    value = "".join(random.choices(alphabet, k=length)).strip() or "0"
    name = random.choice(("text", "value", "string", "code", "id", "content"))
    label = random.choice(("", "", f"{name}: ", f"{name.capitalize()}: ", f"The {name} is "))
    return _render([name], label + value, {name: value})


def kind_example(corpus: Corpus, lexicon: Lexicon, random: Random) -> Example:
    """Nouns of one to four kinds in a passage, some of them put there in place of others.

    Half the time nouns of kinds that people ask for take the place of nouns of the passage, so
    that the kinds are met in many contexts, and rare ones at all.
    """
    text = random.choice(lexicon.definitions) if random.random() < 0.15 else passage(corpus, random)
    found = lexicon.find(text)
    put = random.random() < 0.5
    kinds = random.sample(ASKED, random.choice((1, 2, 2, 3))) if put else []
    if put and found:
        size = min(len(found), random.choice((1, 1, 2, 2, 3, 4)))
        for noun in sorted(random.sample(found, size), key=lambda n: -n.start):
            other = lexicon.member(random.choice(kinds), random)
            if noun.start == 0 or random.random() < 0.1:
                other = other[0].upper() + other[1:]
            text = text[: noun.start] + other + text[noun.end :]
        found = lexicon.find(text)
    elif found:
        nouns = random.choices(found, k=random.choice((1, 1, 2, 2, 3)))
        kinds = [random.choice(noun.kinds) for noun in nouns]
        if random.random() < 0.3:
            kinds.append(random.choice(lexicon.kinds))
    else:
        kinds = random.sample(ASKED, 2)
    random.shuffle(kinds)
    record = {
        kind.replace(" ", "_"): distinct(noun.text for noun in found if kind in noun.kinds)
        for kind in kinds
    }
    return _render([f"{name}[]" for name in record], text, record)


def extraction_example(corpus: Corpus, lexicon: Lexicon, random: Random) -> Example:
    """One example of self-made extraction from a sentence or a few, of any kind."""
    luck = random.random()
    if luck < 0.10:
        return listing_example(corpus, random)
    if luck < 0.15:
        return string_example(random)
    if luck < 0.20:
        paper = corpus.draw(random)
        if paper.title and paper.authors:
            return header_example(paper, random)
    if luck < 0.58:
        return kind_example(corpus, lexicon, random)
    return field_example(corpus, random)
