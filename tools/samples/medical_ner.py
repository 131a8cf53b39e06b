"""Write the sample of medical_ner: invented abstracts in PubTator format, always the same bytes.

    python tools/samples/medical_ner.py [FOLDER]

FOLDER is plugins/medical_ner/sample unless another one is given. Every drug, disease, gene and
hospital is made up from syllables, so nothing here is true, and no name stands in two documents:
a model can only find it by its form and by the sentence around it. The test documents take more
than half of their sentences from templates that neither train nor validation uses.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

SEED = 20260117
SIZES = {"train": 200, "validation": 40, "test": 60}
FOLDER = Path(__file__).parents[2] / "plugins" / "medical_ner" / "sample"

HELD_OUT_SHARE = 0.65
"""How often a sentence of a test document is from a template that is kept for the test set."""

T = TypeVar("T")


@dataclass(frozen=True)
class Templates:
    """Sentences of one kind: those of every split, and those of the test set alone."""

    shared: tuple[str, ...]
    held_out: tuple[str, ...]


# The letters in braces are the roles of ``ROLES``, the words are the fillers of ``_filler``.
ROLES = {
    "C": "chemical",  # the culprit
    "B": "chemical",  # a second culprit, of the same adverse effect
    "N": "chemical",  # a bystander that does no harm
    "R": "chemical",  # a remedy
    "D": "disease",  # the adverse effect
    "E": "disease",  # a second adverse effect
    "I": "disease",  # what the culprit is given for
    "H": "disease",  # what the patient has besides
}

TITLE_OF_HARM = Templates(
    (
        "{C}-induced {D}: report of {small} cases",
        "{D} associated with {C} therapy",
        "{D} following {route} {C}",
        "Reversible {D} during treatment with {C}",
        "Fatal {D} after {C} overdose",
        "Role of {protein} in {C}-induced {D} in {species}",
        "{D} as a complication of {C} in patients with {I}",
        "{D} caused by {C}: a prospective study",
        "Severe {D} in a patient taking {C}",
        "Dose-dependent {D} produced by {C} in {species}",
    ),
    (
        "Does {C} cause {D}? Experience of {small} centres",
        "{C} and the risk of {D}",
        "A case of {D} provoked by {C}",
        "Delayed onset of {D} attributable to {C}",
        "Recurrent {D} on rechallenge with {C}",
        "{species} exposed to {C} as a model of {D}",
    ),
)
NEUTRAL_TITLE = Templates(
    (
        "{C} in the management of {I}",
        "Effects of {C} on {organ} blood flow in {species}",
        "Long-term safety of {C} in {I}",
        "A controlled comparison of {C} and placebo for {I}",
        "Pharmacokinetics of {C} in elderly volunteers",
        "Observations on the use of {C}",
    ),
    (
        "Is {C} of value in {I}?",
        "{route} {C}: what {small} years have taught us",
        "An open trial of {C} for refractory {I}",
        "Unexpected findings in {species} given {C}",
    ),
)
OPENING = Templates(
    (
        "{C} is widely prescribed for {I}.",
        "{I} is commonly treated with {C}, given at {dose}.",
        "{C} has been used in the treatment of {I} for more than {small} decades.",
        "The efficacy of {C} in {I} is well established.",
        "Patients with {I} often receive {C} as a first choice.",
        "Although {C} relieves {I}, little is known of its long-term tolerability.",
        "{count} patients with {I} were randomised to {C} or placebo.",
        "{C}, an inhibitor of {protein}, is effective against {I}.",
    ),
    (
        "For the control of {I}, many clinicians rely on {C}.",
        "Few agents other than {C} are of benefit in {I}.",
        "Since its introduction at {hospital}, {C} has changed the outlook of {I}.",
        "We followed {count} outpatients in whom {I} had been managed with {C} for {weeks} weeks.",
    ),
)
PLAIN_OPENING = Templates(
    (
        "Adverse drug reactions are a frequent reason for admission to hospital.",
        "The expression of {gene} in the {organ} varies with age and sex.",
        "Medication errors remain common in spite of electronic prescribing.",
        "We reviewed the records of {count} patients seen at {hospital} over {small} years.",
        "{protein} is thought to regulate metabolism in the {organ}.",
        "Experiments were carried out in {count} adult {species} of either sex.",
    ),
    (
        "Little attention has been paid to the {organ} in studies of this kind.",
        "At {hospital}, all suspected reactions are entered in a central register.",
        "Carriers of the {gene} variant respond poorly to standard doses.",
    ),
)
EXPOSURE = Templates(
    (
        "{patient} with {I} was started on {C} ({dose}).",
        "{patient} received {route} {C} at a dose of {dose} for {days} days.",
        "{C} ({dose}) was administered to {species} once daily for {weeks} weeks.",
        "In {patient}, {I} had been treated with {C} for {weeks} weeks.",
        "{count} {species} were given {route} injections of {C} or saline.",
        "{patient} was admitted to {hospital} after taking {dose} of {C}.",
        "Plasma concentrations of {C} were measured {small} hours after each dose.",
        "Treatment consisted of {C}, {dose}, in combination with {N}.",
    ),
    (
        "{patient}, who had suffered from {I} since childhood, was prescribed {C}.",
        "The {species} drank water that contained {C} for {days} days.",
        "On day {small}, {N} was replaced by {C} because of an inadequate response.",
        "Increasing amounts of {C}, up to {dose}, were infused over {small} hours.",
    ),
)
HARM = Templates(
    (
        "{C} caused {D} in {percent} of the {species}.",
        "{D} was induced by {C} in {count} of {large} animals.",
        "{percent} of the patients who took {C} developed {D}.",
        "{D} occurred in {small} patients treated with {C}.",
        "Administration of {C} resulted in {D} within {days} days.",
        "{C}-induced {D} was seen after {small} doses.",
        "The patient developed {D} {days} days after {C} had been started.",
        "A single dose of {C} produced marked {D} in all {species}.",
        "There was a significant association between {C} and {D} (P < 0.0{small}).",
        "{D} was attributed to {C}, since it resolved when the drug was stopped.",
        "Rechallenge with {C} led to a relapse of {D}.",
        "In {species}, {C} elicits {D} by an action on the {organ}.",
        "{D}, most probably due to {C}, was noted in {patient}.",
        "Exposure to {C} was followed by {D} in {percent} of cases.",
    ),
    (
        "It was {C} that brought about {D} in these subjects.",
        "Of {large} subjects given {C}, {count} went on to have {D}.",
        "{D} set in shortly after the dose of {C} had been raised to {dose}.",
        "Withdrawal of {C} abolished {D}, which points to a causal role of the drug.",
        "The incidence of {D} rose from {small}% to {percent} with {C}.",
        "{C}, but not its vehicle, gave rise to {D}.",
        "Repeated {route} doses of {C} precipitated {D}, which lasted {days} days.",
        "{D} secondary to {C} was confirmed by biopsy of the {organ}.",
    ),
)
TWO_HARMS = Templates(
    (
        "{C} caused {D} and {E}.",
        "The adverse effects of {C} included {D} and {E}.",
        "{D} and {E} developed in {percent} of the patients on {C}.",
        "{C} provoked {D}, and at doses above {dose} also {E}.",
        "Both {D} and {E} are recognised complications of {C}.",
        "{D}, accompanied by {E}, appeared {small} days after {C}.",
    ),
    (
        "Among the toxic effects of {C} were {D} in {count} and {E} in {small} subjects.",
        "{C} not only elicited {D}; it led to {E} as well.",
        "Stopping {C} reversed {D}, whereas {E} induced by the drug persisted.",
    ),
)
TWO_CULPRITS = Templates(
    (
        "{D} was caused by {C} as well as by {B}.",
        "Both {C} and {B} induced {D} in {species}.",
        "{D} developed in {percent} of those on {C} and in {small}% of those on {B}.",
        "Like {B}, {C} can give rise to {D}.",
    ),
    (
        "Either drug, {C} or {B}, was sufficient to provoke {D}.",
        "The combination of {C} with {B} triggered {D} in {count} patients.",
    ),
)
HARM_ACROSS = Templates(
    (
        "Therapy with {C} was begun.|After {days} days, {D} developed as its side effect.",
        "{count} {species} were injected with {C}.|The injection caused {D} in {percent} of them.",
        "{patient} had been taking {C} for {weeks} weeks.|The drug induced {D}, which was mild.",
        "We studied the toxicity of {C} in {species}.|Severe {D} resulted in all of them.",
        "The patient ingested {dose} of {C}.|{small} hours later the overdose had led to {D}.",
        "A possible culprit was {C}.|It was stopped, and {D}, which it had caused, cleared.",
        "{route} {C} was given to {count} volunteers.|An unexpected consequence was {D}.",
    ),
    (
        "{D} was found on examination.|It had been brought on by {C}, taken for {weeks} weeks.",
        "The dose of {C} was doubled.|This change precipitated {D}.",
        "{percent} of the subjects complained of {D}.|The cause turned out to be {C}.",
        "All animals received {C} by gavage.|Such treatment produced {D} without change in {gene} "
        "expression.",
    ),
)
NO_HARM = Templates(
    (
        "{N} had no effect on {D}.",
        "No case of {D} was observed with {N}.",
        "In contrast, {D} did not occur in {species} given {N}.",
        "{N} at {dose} neither caused nor prevented {D}.",
        "Substitution of {N} was not followed by {D}.",
        "The frequency of {D} was unchanged by {N}.",
        "Patients on {N} remained free of {D}.",
    ),
    (
        "Unlike the former drug, {N} could be given without any sign of {D}.",
        "Not one of {count} controls treated with {N} showed {D}.",
        "A link between {N} and {D} could be ruled out.",
        "With {N} instead, {D} was never encountered.",
    ),
)
BESIDES = Templates(
    (
        "{patient} had a history of {H}.",
        "Subjects with {H} were excluded.",
        "The family history was positive for {H}.",
        "{count} of the patients also suffered from {H}.",
        "{H} had been diagnosed {small} years earlier.",
        "There was no evidence of {H} on admission.",
    ),
    (
        "Coexisting {H} was present in {percent} of the cohort.",
        "{H} antedated all medication by {small} years.",
        "The only other finding of note was {H}, long known and stable.",
    ),
)
REMEDY = Templates(
    (
        "{D} was successfully treated with {R}.",
        "{R} prevented {D} in {percent} of the {species}.",
        "Pretreatment with {R} ({dose}) abolished {D}.",
        "{D} subsided after {route} {R} had been given.",
        "Co-administration of {R} protected against {D}.",
        "The severity of {D} was reduced by {R}.",
        "{R} reversed {D} within {small} hours.",
    ),
    (
        "Relief of {D} was obtained with {R}.",
        "When {R} was added, {D} faded over {days} days.",
        "Prompt use of {R} spared {count} patients from {D}.",
    ),
)
NEITHER = Templates(
    (
        "The level of {protein} fell by {percent} (P < 0.0{small}).",
        "Expression of {gene} was increased in the {organ}.",
        "Informed consent was obtained from all participants.",
        "Mean age was {age} years, and {percent} were women.",
        "Histology of the {organ} was normal in all {species}.",
        "Blood samples were taken at {small}, {count} and {large} hours.",
        "The activity of {protein} did not differ between the groups.",
        "{small} patients were lost to follow-up.",
        "Mutations of {gene} were detected in {small} of {count} families.",
        "Heart rate and arterial pressure were recorded every {small} minutes.",
    ),
    (
        "Binding to the {protein} was measured in homogenates of the {organ}.",
        "Neither {gene} nor any other candidate gene was altered.",
        "Body weight of the {species} rose steadily over the {weeks} weeks.",
        "Statistical analysis was carried out at {hospital}.",
        "The median stay was {days} days, with a range of {small} to {large}.",
    ),
)
CLOSING_ON_HARM = Templates(
    (
        "We conclude that {C} may cause {D}.",
        "Clinicians should be aware of the risk of {D} with {C}.",
        "These results suggest that {C}-induced {D} is mediated by {protein}.",
        "In conclusion, {D} is a rare but serious adverse effect of {C}.",
        "{C} should be considered in the differential diagnosis of drug-induced {D}.",
        "Our findings confirm that {C} is able to elicit {D}.",
        "Monitoring is advised, because {C} can lead to {D} in susceptible patients.",
    ),
    (
        "That {C} can be the cause of {D} deserves wider recognition.",
        "Patients who take {C} ought to be warned of {D}.",
        "The evidence that {D} may result from {C} is now compelling.",
        "Hence {D} must be added to the known hazards of {C}.",
    ),
)
NEUTRAL_CLOSING = Templates(
    (
        "Larger studies are needed to confirm these findings.",
        "The mechanism of this effect is unknown.",
        "{C} appears to be a useful drug in {I}.",
        "Further work on {protein} is in progress.",
        "These data support the use of {C} for {I}.",
    ),
    (
        "Whether {gene} has a part in this remains to be seen.",
        "On balance, {C} retains its place in the therapy of {I}.",
        "No firm advice can be given until more has been learnt.",
    ),
)

HARMS = {
    "TITLE_OF_HARM": (("C", "D"),),
    "HARM": (("C", "D"),),
    "TWO_HARMS": (("C", "D"), ("C", "E")),
    "TWO_CULPRITS": (("C", "D"), ("B", "D")),
    "HARM_ACROSS": (("C", "D"),),
    "CLOSING_ON_HARM": (("C", "D"),),
}
"""The kinds that say that a chemical induces a disease: the roles of each such pair."""

KINDS: dict[str, Templates] = {
    name: value for name, value in globals().items() if isinstance(value, Templates)
}

# --- Invented names -------------------------------------------------------------------------------

ONSETS = tuple(
    "b br c cl cr d dr f fl g gl h j k l m n p pl pr r s sk sl sp st t tr v vr z".split()
)
VOWELS = tuple("aeiou")
ENDS = tuple("b d f g l m n p r s t v x z lm lt lv nd nt rb rd rg rl rm rv sk st".split())

DRUG_SUFFIXES = tuple(
    "olol azole idine amide oxacin ipril epam ine one artan inib icillin adol afil ozine osin "
    "alin omycin ostatin oprofen ocaine obarbital otriptan agliptin avir othiazide idronate "
    "etron ophylline azepine urone erol".split()
)
SALTS = tuple("hydrochloride sulfate maleate sodium citrate mesylate".split())
METALS = tuple("sodium potassium calcium lithium zinc".split())
COMPOUNDS = tuple("oxide chloride nitrate acetate".split())
LOCANTS = ("2-", "3-methyl", "4-hydroxy", "5-fluoro", "6-chloro", "N-acetyl", "alpha-", "beta-")
DISEASE_SUFFIXES = tuple(
    "itis osis emia opathy algia uria openia oplegia oma ectasia esthesia otoxicity odynia "
    "orrhagia omegaly okinesia otrophy omalacia osclerosis ospasm".split()
)
ADJECTIVE_SUFFIXES = ("al", "ic", "ar", "eal", "inal", "oid")
DISEASE_NOUNS = tuple(
    "failure insufficiency palsy toxicity pain necrosis edema hemorrhage fibrosis neuropathy "
    "dysfunction ulceration rigidity thrombosis tremor atrophy block dystonia".split()
)
TIMES = ("acute", "chronic")
LOSSES = ("loss of {} reflexes", "impairment of {} function", "reduction of {} sensation")
PLACES = ("Hospital", "University", "Clinic")
_REAL_WORDS = (SALTS, METALS, COMPOUNDS, DISEASE_NOUNS, TIMES, LOSSES, PLACES)
COMMON_WORDS = frozenset(
    word for names in _REAL_WORDS for name in names for word in name.casefold().split()
) | {"acid", "and", "disease", "of", "receptor", "syndrome", "the"}
"""The words of names that are not invented."""
CODE_LETTERS = "BDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Entity:
    """An invented chemical or disease: names that a text uses for it, and its concepts.

    parts: of a composite ("renal and hepatic failure"), one name for each concept.
    """

    kind: str
    name: str
    short: str | None
    concepts: tuple[str, ...]
    parts: tuple[str, ...] = ()


def pick(rng: random.Random, choices: Sequence[T]) -> T:
    """Choose one; ``random()`` gives the same numbers in every Python, ``choice()`` need not."""
    return choices[int(rng.random() * len(choices))]


@dataclass
class Names:
    """Makes names that have not been used, in any letter case, and no template holds."""

    rng: random.Random
    used: set[str] = field(default_factory=lambda: set(_template_words()))
    made: dict[str, int] = field(default_factory=lambda: {"chemical": 0, "disease": 0})

    def new(self, make: Callable[[], str]) -> str:
        """Return the first name from ``make`` that is fresh."""
        while True:
            name = make()
            if not self._words(name) & self.used:
                self.used |= self._words(name)
                return name

    def _words(self, name: str) -> set[str]:
        # Each invented word by itself as well: no piece of a name comes back in another one.
        words = {word for word in name.casefold().split() if word not in COMMON_WORDS}
        return words | {name.casefold()}

    def stem(self) -> str:
        """Return one or two syllables that end in a consonant."""
        first = pick(self.rng, ONSETS) + pick(self.rng, VOWELS)
        second = pick(self.rng, ONSETS) + pick(self.rng, VOWELS) if self.rng.random() < 0.6 else ""
        return first + second + pick(self.rng, ENDS)

    def drug(self) -> str:
        """Return a drug's single word."""
        return self.stem() + pick(self.rng, DRUG_SUFFIXES)

    def chemical(self) -> str:
        """Return the full name of a chemical."""
        kind = self.rng.random()
        if kind < 0.5:
            return self.drug()
        if kind < 0.6:
            return f"{self.drug()} {pick(self.rng, SALTS)}"
        if kind < 0.67:
            return f"{pick(self.rng, METALS)} {self.stem()}ate"
        if kind < 0.76:
            return f"{self.stem()}ic acid"
        if kind < 0.81:
            return f"{self.stem()}ium {pick(self.rng, COMPOUNDS)}"
        if kind < 0.91:
            return pick(self.rng, LOCANTS) + self.drug()
        return self.code()

    def code(self) -> str:
        """Return a laboratory's code of a compound, such as ``TVK-2817``."""
        length = pick(self.rng, (2, 3))
        letters = "".join(pick(self.rng, CODE_LETTERS) for _ in range(length))
        return f"{letters}-{100 + int(self.rng.random() * 9000)}"

    def adjective(self) -> str:
        """Return an adjective, as of an organ."""
        return self.stem() + pick(self.rng, ADJECTIVE_SUFFIXES)

    def disease(self) -> str:
        """Return the full name of a disease."""
        kind = self.rng.random()
        single = self.stem() + pick(self.rng, DISEASE_SUFFIXES)
        if kind < 0.3:
            return single
        if kind < 0.42:
            return f"{pick(self.rng, TIMES)} {single}"
        if kind < 0.5:
            return f"{self.stem().capitalize()} syndrome"
        if kind < 0.56:
            return f"{self.stem().capitalize()}'s disease"
        if kind < 0.84:
            return f"{self.adjective()} {pick(self.rng, DISEASE_NOUNS)}"
        if kind < 0.9:
            return f"{pick(self.rng, DISEASE_NOUNS)} of the {self.stem()}us"
        if kind < 0.95:
            return pick(self.rng, LOSSES).format(self.adjective())
        return f"{pick(self.rng, ('hyper', 'hypo'))}{self.stem()}emia"

    def gene(self) -> str:
        """Return the symbol of a gene."""
        return self.stem().upper() + str(1 + int(self.rng.random() * 9))

    def protein(self) -> str:
        """Return the name of an enzyme or receptor, which is neither chemical nor disease."""
        if self.rng.random() < 0.5:
            return f"{self.stem()}ase"
        return f"{self.stem()}in receptor"

    def place(self) -> str:
        """Return the name of a hospital."""
        return f"{self.stem().capitalize()} {pick(self.rng, PLACES)}"

    def entity(self, kind: str, *, composite: bool = False, needs_concept: bool = True) -> Entity:
        """Return a new entity, sometimes with an abbreviation.

        composite: make it two diseases in one mention.
        needs_concept: it is part of a relation, so it must have an id.
        """
        if composite:
            noun = pick(self.rng, DISEASE_NOUNS)
            first, second = self.new(self.adjective), self.new(self.adjective)
            concepts = (self._concept(kind), self._concept(kind))
            parts = (f"{first} {noun}", f"{second} {noun}")
            return Entity(kind, f"{first} and {second} {noun}", None, concepts, parts)
        name = self.new(self.chemical if kind == "chemical" else self.disease)
        coded = bool(re.fullmatch(r"[A-Z]+-[0-9]+", name))
        short = self._short(name) if not coded and self.rng.random() < 0.35 else None
        # Some compounds known by a code alone have no entry in a vocabulary, as in real corpora.
        known = not coded or needs_concept or self.rng.random() < 0.5
        return Entity(kind, name, short, (self._concept(kind),) if known else ())

    def _concept(self, kind: str) -> str:
        self.made[kind] += 1
        return f"{kind[0].upper()}{self.made[kind]:04d}"

    def _short(self, name: str) -> str:
        """Return an unused abbreviation: first letters of the words, or letters of the one word."""
        words = re.findall(r"[a-z]+", name.casefold())
        letters = "".join(word[0] for word in words)
        if len(letters) < 2:
            letters = words[0][0] + "".join(c for c in words[0][1:] if c not in "aeiou")[:2]
        short = letters[:4].upper()
        while short.casefold() in self.used:
            short += pick(self.rng, CODE_LETTERS)
        self.used.add(short.casefold())
        return short


def _template_words() -> Iterator[str]:
    """Yield each word that stands in a template or filler: no abbreviation may look like one."""
    for templates in KINDS.values():
        for template in templates.shared + templates.held_out:
            yield from re.findall(r"\w+", template.casefold())
    for words in (SPECIES, ORGANS, ROUTES, PATIENTS, HEADINGS, UNITS):
        yield from re.findall(r"\w+", " ".join(words).casefold())


# --- Sentences ------------------------------------------------------------------------------------

SPECIES = ("rats", "mice", "rabbits", "dogs", "guinea pigs", "zebrafish", "monkeys")
ORGANS = ("liver", "kidney", "heart", "lung", "brain", "spleen", "pancreas", "thyroid", "retina")
ROUTES = ("oral", "intravenous", "intramuscular", "topical", "intraperitoneal", "inhaled")
PATIENTS = ("man", "woman", "boy", "girl")
UNITS = ("mg", "mg/kg", "g", "mg daily", "micrograms/kg", "ml/h")
HEADINGS = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSION")


RANGES = {
    "small": (2, 9),
    "count": (10, 48),
    "large": (50, 190),
    "days": (2, 30),
    "weeks": (2, 26),
    "age": (19, 78),
}
CHILDREN = (4, 5, 6, 7, 9, 10, 12, 13, 14, 15, 16)  # without the ages that want "an"


def _filler(word: str, names: Names) -> str:
    """Return what a lower-case placeholder stands for; none of it is a chemical or a disease."""
    rng = names.rng
    if word in RANGES:
        low, high = RANGES[word]
        return str(low + int(rng.random() * (high - low + 1)))
    if word == "percent":
        return f"{3 + int(rng.random() * 90)}%"
    if word == "dose":
        amount = pick(rng, ("0.5", "2.5", "5", "10", "20", "40", "75", "150", "300"))
        return f"{amount} {pick(rng, UNITS)}"
    if word == "patient":
        person = pick(rng, PATIENTS)
        child = person in ("boy", "girl")
        return f"a {pick(rng, CHILDREN) if child else _filler('age', names)}-year-old {person}"
    made = {"gene": names.gene, "protein": names.protein, "hospital": names.place}
    if word in made:
        return names.new(made[word])
    return pick(rng, {"species": SPECIES, "organ": ORGANS, "route": ROUTES}[word])


@dataclass
class Draft:
    """A document as far as it is written; spans are over the whole text."""

    entities: dict[str, Entity]
    text: str = ""
    mentions: list[tuple[int, int, Entity, str]] = field(default_factory=list)
    harms: dict[tuple[str, str], None] = field(default_factory=dict)
    templates: list[str] = field(default_factory=list)
    introduced: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)

    def relate(self, chemical: str, disease: str) -> None:
        """Note that the text says of one role's entity that it induces that of another."""
        for of_chemical in self.entities[chemical].concepts:
            for of_disease in self.entities[disease].concepts:
                self.harms[of_chemical, of_disease] = None

    def write(self, sentence: str, names: Names, *, short: bool = True) -> None:
        """Append a sentence with its placeholders filled; ``short`` allows abbreviations."""
        start = len(self.text)
        pieces = re.split(r"\{(\w+)\}", sentence)
        for number, piece in enumerate(pieces):
            if number % 2 == 0:
                self.text += piece
            elif piece in ROLES:
                # An abbreviation in brackets would tear "X-induced" apart.
                hyphen = pieces[number + 1].startswith("-")
                self._name(self.entities[piece], names.rng, short and not hyphen)
            else:
                self.text += self._filled(piece, names)
        self.text = self.text[:start] + self.text[start].upper() + self.text[start + 1 :]

    def _filled(self, word: str, names: Names) -> str:
        if word not in ("gene", "hospital", "organ", "protein", "species"):
            return _filler(word, names)
        # A document is about one of each of these.
        if word not in self.known:
            self.known[word] = _filler(word, names)
        return self.known[word]

    def _name(self, entity: Entity, rng: random.Random, short: bool) -> None:
        if entity.short and entity.name in self.introduced and rng.random() < 0.6:
            self._mention(entity, entity.short)
            return
        self._mention(entity, entity.name)
        if entity.short and short and entity.name not in self.introduced:
            self.introduced.add(entity.name)
            self.text += " ("
            self._mention(entity, entity.short)
            self.text += ")"

    def _mention(self, entity: Entity, name: str) -> None:
        start = len(self.text)
        self.text += name
        whole = "|".join(entity.parts) if name == entity.name else ""
        self.mentions.append((start, start + len(name), entity, whole))


def _plan(rng: random.Random) -> list[str]:
    """Return the kinds of a document's title and sentences, in order."""
    if rng.random() < 0.14:
        body = [pick(rng, ("OPENING", "PLAIN_OPENING")), "EXPOSURE", "NO_HARM", "NEITHER"]
        extra = [kind for kind in ("BESIDES", "NEITHER") if rng.random() < 0.4]
        return ["NEUTRAL_TITLE", *body, *extra, "NEUTRAL_CLOSING"]
    plan = ["TITLE_OF_HARM" if rng.random() < 0.6 else "NEUTRAL_TITLE"]
    plan.append("OPENING" if rng.random() < 0.55 else "PLAIN_OPENING")
    harm = pick(rng, ("HARM", "HARM", "HARM", "TWO_HARMS", "TWO_CULPRITS", "HARM_ACROSS"))
    if harm != "HARM_ACROSS":
        plan.append(pick(rng, ("EXPOSURE", "EXPOSURE", "BESIDES", "NEITHER")))
    plan.append(harm)
    chances = {"NEITHER": 0.45, "NO_HARM": 0.5, "REMEDY": 0.35, "BESIDES": 0.2}
    plan += [kind for kind, chance in chances.items() if rng.random() < chance][:3]
    plan.append(pick(rng, ("CLOSING_ON_HARM", "NEUTRAL_CLOSING", "NEUTRAL_CLOSING")))
    return plan


def _sentences(plan: Sequence[str], split: str, rng: random.Random) -> list[tuple[str, str]]:
    """Return (kind, template) for each kind of the plan, no template twice."""
    chosen: list[tuple[str, str]] = []
    for kind in plan:
        templates = KINDS[kind]
        held_out = split == "test" and rng.random() < HELD_OUT_SHARE
        pool = templates.held_out if held_out else templates.shared
        fresh = [template for template in pool if (kind, template) not in chosen]
        chosen.append((kind, pick(rng, fresh or pool)))
    return chosen


def draft(split: str, names: Names) -> Draft:
    """Write one document of 4 to 7 sentences below its title."""
    rng = names.rng
    plan = _plan(rng)
    chosen = _sentences(plan, split, rng)
    wanted = sorted(set(re.findall(r"\{([A-Z])\}", " ".join(template for _, template in chosen))))
    composite = rng.random() < 0.12
    entities = {
        role: names.entity(
            ROLES[role], composite=composite and role == "D", needs_concept=role in "CBDE"
        )
        for role in wanted
    }
    document = Draft(entities)
    headed = rng.random() < 0.2
    for number, (kind, template) in enumerate(chosen):
        document.templates.append(template)
        for chemical, disease in HARMS.get(kind, ()):
            document.relate(chemical, disease)
        if number == 0:
            document.write(template, names, short=False)
            document.text += "\n" if document.text.endswith("?") else ".\n"
            continue
        document.text += _heading(number, len(chosen)) if headed else ""
        for sentence in template.split("|"):
            document.write(sentence, names)
            document.text += " "
    document.text = document.text.rstrip()
    return document


def _heading(number: int, total: int) -> str:
    """Return the heading that a sentence of a structured abstract begins with, or nothing."""
    by_number = {1: "BACKGROUND: ", 2: "METHODS: ", 3: "RESULTS: ", total - 1: "CONCLUSION: "}
    return by_number.get(number, "")


def pubtator(identifier: str, document: Draft) -> str:
    """Return a document as a block of PubTator lines."""
    title, abstract = document.text.split("\n")
    lines = [f"{identifier}|t|{title}", f"{identifier}|a|{abstract}"]
    for start, end, entity, parts in document.mentions:
        columns = [identifier, str(start), str(end), document.text[start:end]]
        columns += [entity.kind.capitalize(), "|".join(entity.concepts) or "-1"]
        columns += [parts] if parts else []
        lines.append("\t".join(columns))
    lines += [f"{identifier}\tCID\t{chemical}\t{disease}" for chemical, disease in document.harms]
    return "\n".join(lines) + "\n\n"


def drafts() -> Iterator[tuple[str, str, Draft]]:
    """Yield (split, id, document) for all documents, always the same ones."""
    names = Names(random.Random(SEED))
    number = 0
    for split, size in SIZES.items():
        for _ in range(size):
            number += 1
            yield split, f"sample-{number:04d}", draft(split, names)


def files() -> dict[str, str]:
    """Return the content of each file of the sample by its name."""
    contents = {f"{split}.txt": "" for split in SIZES}
    for split, identifier, document in drafts():
        contents[f"{split}.txt"] += pubtator(identifier, document)
    return contents


def main(folder: Path) -> None:
    """Write the sample into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
