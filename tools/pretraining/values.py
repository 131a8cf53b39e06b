"""Invented values for self-made pages: names, places, dates, amounts, addresses, identifiers."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from .tasks import distinct
from .tokenizer import Corpus, Paper, sentences

T = TypeVar("T")

_GIVEN = (
    "Ada Alan Aisha Ana Anders Anne Bao Boris Carla Chen Daniel Dario David Elena Emre Eva Farid "
    "Fatima Felix Grace Hanna Hiro Ibrahim Ilka Ines Ivan Jan Jean-Paul Jing José Karin Keiko "
    "Laura Li Lucía Luis Marek Maria Marie Mei Michael Mira Nadia Noah Olga Omar Paolo Pedro Priya "
    "Rachel Rafael Ravi Sara Sofía Søren Thomas Tomoko Uwe Vera Wei Yara Yusuf Zoë"
).split()
_FAMILY = (
    "Abbott Adeyemi Andersson Bauer Becker Bianchi Brown Castillo Chen Costa Dubois Evans Ferrari "
    "García Gupta Hansen Ito Ivanov Jansen Jones Kaya Khan Kim Kowalski Laurent Lee López Martin "
    "Meyer Müller Nakamura Nguyen Novák O'Brien Okafor Patel Petrov Quinn Rossi Ruiz Santos "
    "Sato Schmidt Silva Singh Smith Suzuki Tanaka Taylor Vargas Wagner Wang Weber Yılmaz Zhang"
).split()
_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w z".split()
_VOWELS = "a e i o u ai ea ie oo ou".split()
_CODAS = "l m n r s t x ck ld nd ng rn st".split() + [""] * 5
_ENDINGS = "ton ford ville burg stad wick mouth field dale haven berg ona aro ico ia".split()
_CITIES = (
    "Accra Amsterdam Ankara Athens Bangalore Beijing Berlin Bogotá Boston Brussels Budapest Cairo "
    "Chicago Copenhagen Dakar Delhi Dublin Geneva Hamburg Hanoi Helsinki Istanbul Jakarta Karachi "
    "Kyiv Lagos Lima Lisbon London Lyon Madrid Melbourne Milan Montreal Moscow Mumbai Munich "
    "Nairobi Oslo Paris Prague Quito Rome Santiago Seoul Singapore Stockholm Sydney Tokyo Toronto "
    "Vienna Warsaw Zagreb Zürich"
).split()
_COUNTRIES = (
    "Argentina|Australia|Austria|Belgium|Brazil|Canada|Chile|China|Colombia|Czech Republic|Denmark|"
    "Egypt|Finland|France|Germany|Ghana|Greece|Hungary|India|Indonesia|Ireland|Israel|Italy|Japan|"
    "Kenya|Korea|Mexico|Morocco|Netherlands|New Zealand|Nigeria|Norway|Pakistan|Peru|Poland|"
    "Portugal|Russia|Singapore|South Africa|Spain|Sweden|Switzerland|The Netherlands|Turkey|UK|"
    "USA|Ukraine|United Kingdom|United States|Vietnam"
)
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
LANGUAGES = (
    "Arabic|Chinese|Czech|Danish|Dutch|English|Finnish|French|German|Greek|Hindi|Hungarian|Italian|"
    "Japanese|Korean|Norwegian|Polish|Portuguese|Russian|Spanish|Swahili|Swedish|Turkish|Ukrainian"
)
SUBJECTS = (
    "Physics|Applied Mathematics|Computer Science|Biology|Molecular Genetics|Neuroscience|Botany|"
    "Statistics|Astronomy|Chemistry|Clinical Medicine|Economics|Linguistics|Geophysics|Robotics|"
    "Electrical Engineering|Psychology|Ecology|Number Theory|Public Health|Materials Science|"
    "Theoretical Physics|Mechanical Engineering|Information Systems|Pharmacology|Optics"
)
ROLES = (
    "mayor|minister of transport|spokeswoman|chief executive|professor of economics|retired nurse|"
    "head coach|lawyer|police chief|farmer|union leader|doctor|resident|opposition leader"
)
NOISE = """\
Subscribe to our newsletter
We use cookies to improve your experience. Accept all | Settings
Share on Facebook Share on Twitter Email this article
Skip to main content
Sign in | Register
Advertisement
Read more
Most read
All rights reserved.
Terms of use - Privacy policy - Contact
Follow us
Comments are closed.
Back to top
Search
""".splitlines()


@dataclass(frozen=True)
class Maker:
    """Draws values: invented ones, and pieces of the corpus.

    room: characters that the page should have, nearly.
    """

    corpus: Corpus
    random: Random
    room: int

    def chance(self, share: float) -> bool:
        """Whether something happens that does so in this share of cases."""
        return self.random.random() < share

    def pick(self, *options: T) -> T:
        """One of the arguments."""
        return self.random.choice(options)

    def either(self, options: str) -> str:
        """One of the options, which a bar parts from each other."""
        return self.random.choice(options.split("|"))

    def some(self, options: Sequence[str], low: int, high: int) -> list[str]:
        """From low to high different ones of the options."""
        return self.random.sample(options, self.number(low, high))

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        return self.random.randint(low, high)

    def digits(self, count: int) -> str:
        """Random digits."""
        return "".join(self.random.choices(string.digits, k=count))

    def word(self) -> str:
        """An invented word in lower case."""
        draw = self.random.choice
        parts = [draw(_ONSETS) + draw(_VOWELS) + draw(_CODAS) for _ in range(self.pick(1, 2, 2, 3))]
        return "".join(parts)

    # Who and where

    def name(self) -> str:
        """An invented proper name."""
        return self.word().capitalize()

    def family(self) -> str:
        """A family name."""
        return self.random.choice(_FAMILY) if self.chance(0.6) else self.name()

    def person(self) -> str:
        """A person's full name, often that of an author of the corpus."""
        if self.chance(0.4):
            authors = self.corpus.draw(self.random).authors
            if authors:
                return self.random.choice(authors)
        given = self.random.choice(_GIVEN) if self.chance(0.8) else self.name()
        middle = f" {self.pick(*string.ascii_uppercase)}." if self.chance(0.15) else ""
        return f"{given}{middle} {self.family()}"

    def people(self, low: int, high: int) -> list[str]:
        """Different persons."""
        return distinct(self.person() for _ in range(self.number(low, high)))

    def city(self) -> str:
        """A city, real or invented."""
        if self.chance(0.55):
            return self.random.choice(_CITIES)
        return self.name() + self.random.choice(_ENDINGS)

    def country(self) -> str:
        """A country."""
        return self.either(_COUNTRIES)

    def organisation(self) -> str:
        """A company, agency or club."""
        luck = self.random.random()
        if luck < 0.2:
            end = self.either("United|Council|Institute|Water|Hospital|Airport")
            return f"{self.city()} {end}"
        if luck < 0.35:
            start = self.either("National|Royal|European|Federal")
            return f"{start} {self.topic().title()} Agency"
        name = self.name() if self.chance(0.6) else self.family()
        if luck < 0.45:
            return f"{name} & {self.family()}"
        return f"{name} {self.either('Ltd|Inc.|GmbH|Group|Energy|Bank|Motors|AG||')}".strip()

    def affiliation(self) -> dict[str, str | None]:
        """Where an author works, by parts; a part may be absent."""
        subject, place = self.either(SUBJECTS), self.city()
        department = self.either(
            f"Department of {subject}|School of {subject}|Institute for {subject}|"
            f"{subject} Laboratory|Faculty of {subject}|Dept. of {subject}"
        )
        institution = self.either(
            f"University of {place}|{place} University|{self.name()} Institute|"
            f"Universität {place}|Université de {place}|{self.name()} State University|"
            f"{self.organisation()} Research|{place} University Hospital"
        )
        return {
            "department": department if self.chance(0.6) else None,
            "institution": institution,
            "city": place if self.chance(0.7) else None,
            "country": self.country() if self.chance(0.7) else None,
        }

    # When

    def year(self) -> str:
        """A year."""
        return str(self.number(1988, 2025))

    def date(self) -> str:
        """A date in one of many forms."""
        day, at, year = self.number(1, 28), self.number(0, 11), self.year()
        month = _MONTHS[at]
        return self.either(
            f"{day} {month} {year}|{month} {day}, {year}|{year}-{at + 1:02}-{day:02}|"
            f"{day:02}.{at + 1:02}.{year}|{at + 1}/{day}/{year}|{day} {month[:3]} {year}|"
            f"{month[:3]}. {day}, {year}|{month} {year}|"
            f"{self.either(DAYS)}, {month} {day}, {year}|"
            f"{year}-{at + 1:02}-{day:02}T{self.time()}:00Z|"
            f"{day}{'st' if day % 10 == 1 and day != 11 else 'th'} {month}, {year}"
        )

    def time(self) -> str:
        """A time of day."""
        return f"{self.number(0, 23):02}:{self.number(0, 59):02}"

    # How much

    def count(self) -> str:
        """A count, with or without a mark of thousands."""
        value = int(math.exp(self.random.uniform(0.7, 14)))
        return self.pick(str(value), f"{value:,}", f"{value:,}")

    def amount(self) -> str:
        """An amount of money."""
        value = self.count()
        sign = self.either("$|€|£|US$|¥")
        return self.pick(
            f"{sign}{value}",
            f"{sign}{self.number(1, 900)}.{self.digits(2)}",
            f"{self.number(2, 900)} million {self.either('euros|dollars|pounds')}",
            f"{value} {self.either('EUR|USD|GBP|CHF|euros')}",
            f"{sign}{self.number(1, 90)}.{self.number(1, 9)} {self.either('million|bn')}",
        )

    # Addresses and identifiers

    def host(self) -> str:
        """The name of a computer."""
        end = self.either("example|example.org|example.com|edu|org|com|de|ac.uk")
        return f"{self.either('||www.|mail.|cs.')}{self.word()}.{end}"

    def url(self) -> str:
        """A web address."""
        path = "/".join(self.word() for _ in range(self.number(0, 3)))
        return f"{self.either('https://|https://|http://')}{self.host()}/{path}"

    def mail(self, person: str = "") -> str:
        """An e-mail address, of this person if there is one."""
        parts = re.findall(r"[a-z]+", (person or self.person()).lower()) or [self.word()]
        first, last = parts[0], parts[-1]
        local = self.pick(last, f"{first}.{last}", first[0] + last, last + first[0])
        return f"{local}@{self.host()}"

    def phone(self) -> str:
        """A telephone number."""
        return self.pick(
            f"+{self.number(1, 99)} {self.digits(3)} {self.digits(6)}",
            f"({self.digits(3)}) {self.digits(3)}-{self.digits(4)}",
            f"0{self.digits(3)}/{self.digits(7)}",
            f"+{self.number(1, 99)}-{self.digits(2)}-{self.digits(4)}-{self.digits(4)}",
        )

    def code(self) -> str:
        """An identifier of letters and digits."""
        letters = "".join(self.random.choices(string.ascii_uppercase, k=self.number(1, 4)))
        return self.pick(
            f"{letters}-{self.digits(self.number(3, 7))}",
            letters + self.digits(self.number(2, 8)),
            f"{self.year()}/{self.digits(4)}",
            "".join(self.random.choices("0123456789abcdef", k=self.number(6, 16))),
            f"{letters}.{self.digits(3)}.{self.digits(2)}",
        )

    def doi(self) -> str:
        """A DOI without an address before it."""
        return f"10.{self.digits(self.pick(4, 4, 5))}/" + self.pick(
            f"{self.word()}.{self.year()}.{self.digits(5)}",
            f"s{self.digits(5)}-{self.digits(3)}-{self.digits(4)}-{self.number(0, 9)}",
            f"{self.word()[:3].upper()}.{self.digits(2)}.{self.digits(6)}",
            f"j.{self.word()}.{self.year()}.{self.digits(2)}.{self.digits(3)}",
            self.digits(7),
        )

    def arxiv(self) -> tuple[str, str]:
        """An arXiv id and a subject class."""
        archive = self.either("math|cs|hep-th|astro-ph|cond-mat|q-bio|quant-ph|stat")
        subject = archive + self.either("|.|.") + self.either("|CO|LG|CL|GA|AP|ME")
        subject = subject.rstrip(".") if len(subject.split(".")[-1]) != 2 else subject
        month = f"{self.number(0, 24):02}{self.number(1, 12):02}"
        version = self.either("|v1|v1|v2|v3")
        if self.chance(0.25):
            return f"{archive}/{month}{self.digits(3)}{version}", subject
        return f"{month}.{self.digits(self.pick(4, 5))}{version}", subject

    # Text

    def topic(self) -> str:
        """A word or two of the corpus that may serve as a subject."""
        words = re.findall(r"[a-z]{5,}", self.corpus.draw(self.random).text[:600])
        if not words:
            return self.word()
        start = self.random.randrange(len(words))
        return " ".join(words[start : start + self.pick(1, 1, 2)])

    def title(self) -> str:
        """The title of a paper."""
        return self.titled().title

    def titled(self) -> Paper:
        """A paper with title and authors; its text may be another paper's."""
        for _ in range(12):
            paper = self.corpus.draw(self.random)
            if paper.title and paper.authors:
                return paper
        title = f"On {self.topic()} and {self.topic()}"
        return Paper(paper.text, title, tuple(self.people(1, 4)))

    def paragraph(self, most: int = 1200) -> str:
        """Sentences of the corpus in a row, `most` characters at most."""
        text = self.corpus.draw(self.random).text
        if len(text) <= most:
            return text
        start = self.random.randrange(len(text) - most + 1)
        cut = text.find(". ", start, start + 300) if start else -1
        start = cut + 2 if cut >= 0 else 0
        text = text[start : start + most]
        end = text.rfind(". ")
        return text[: end + 1] if end > 80 else text.rsplit(" ", 1)[0]

    def sentence(self) -> str:
        """One sentence of the corpus."""
        return self.random.choice(sentences(self.paragraph(600)))

    def fill(self, room: int) -> list[str]:
        """Paragraphs with about so many characters together."""
        blocks: list[str] = []
        while room > 40:
            block = self.paragraph(min(self.number(200, 1500), max(120, room)))
            blocks.append(block)
            room -= len(block) + 1
        return blocks
