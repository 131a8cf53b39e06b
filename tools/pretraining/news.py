"""News pages: a headline, a byline and paragraphs between a site's menus, notices and links."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .layout import Page, cased, up_to, wrapped
from .tasks import distinct
from .values import DAYS, LANGUAGES, NOISE, ROLES, Maker

_SECTIONS = (
    "World,Politics,Business,Sport,Culture,Science,Health,Technology,Local,Opinion,Weather,Travel,"
    "Environment,Economy,Education,Lifestyle,Money,Video,Podcasts,Archive"
).split(",")
_AGENCIES = "AP|Reuters|AFP|dpa|EFE|ANSA|Xinhua|PTI"

# Braces: p a person, q a person who is quoted, c a city, o an organisation, n a number, a an
# amount, d a weekday, r a role, u a topic.
_HEADLINES = """\
{o} to cut {n} jobs in {c}
Fire destroys warehouse in {c}
{c} votes against new airport
{p} steps down after {n} years
{n} injured as train leaves rails near {c}
Why {c} is running out of water
{o} buys rival for {a}
'We will not leave': {c} waits for help
{p} wins prize for {u}
Storm leaves {n} homes without power
What the {u} plan means for {c}
Court stops {o} in dispute over {u}
{o}: profit falls to {a}
How {p} became the face of {u}
""".splitlines()
_NEWS = """\
{o} said on {d} that it would invest {a} in {c}.
“We did not expect so many people,” said {q}, a {r}.
"This is a good day for {c}," {q} told reporters on {d}.
{p}, {r}, declined to comment.
According to {q}, the talks will go on until {d}.
About {n} people gathered in {c} to protest against the plan.
The damage is put at {a}, the fire service said.
It is the {n}th time that {c} has been hit since records began.
“There is no money for {u},” {q} said.
Shares of {o} fell by {n} percent.
The court in {c} is to decide on {d}.
Critics of {u} say that {a} is not enough.
{q} added: “Nobody asked us.”
Police in {c} are looking for witnesses.
A report by {o} lists {n} cases in which rules were broken.
In {c}, {n} schools stayed closed on {d}.
{p} had been in office for {n} years.
The {r} of {c}, {p}, promised help of up to {a}.
Buses between {c} and {c} will run every {n} minutes.
Whether {o} will agree is open.
""".splitlines()
_GERMAN = """\
{o} will in {c} {n} Stellen streichen.
„Damit hat niemand gerechnet“, sagte {q} am Montag.
Rund {n} Menschen kamen nach {c}.
Die Kosten werden auf {a} geschätzt.
{p} wollte sich dazu nicht äußern.
In {c} bleibt die Brücke bis auf Weiteres gesperrt.
""".splitlines()
_FRENCH = """\
La société {o} va investir {a} à {c}.
« Nous ne partirons pas », a déclaré {q}.
Environ {n} personnes se sont réunies à {c}.
{p} n'a pas souhaité répondre.
Les travaux doivent durer {n} mois.
""".splitlines()
_SPANISH = """\
La empresa {o} anunció que cerrará su planta en {c}.
«No lo esperábamos», dijo {q}.
Unas {n} personas salieron a las calles de {c}.
Las obras costarán {a}.
{p} no quiso hacer comentarios.
""".splitlines()
_ITALIAN = """\
Il comune di {c} ha deciso di chiudere {n} scuole.
«Non ce lo aspettavamo», ha detto {q}.
I danni ammontano a {a}.
{p} non ha voluto commentare.
""".splitlines()
_FOREIGN = (_GERMAN, _FRENCH, _SPANISH, _ITALIAN)


@dataclass
class _Named:
    """What the sentences of a story name, in order."""

    quoted: list[str] = field(default_factory=list)
    amounts: list[str] = field(default_factory=list)


@dataclass
class _Story:
    """What a news page may say; what it does not say is emptied while it is laid out."""

    headline: str
    writers: list[str]
    date: str
    place: str
    country: str
    agency: str
    language: str
    source: str
    section: str
    teaser: str = ""
    paragraphs: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    url: str = ""
    links: list[str] = field(default_factory=list)


def news_page(m: Maker) -> Page:
    """An article as a web page's text shows it."""
    page = Page(between=m.pick("\n", "\n", "\n\n"))
    source = m.either(
        f"The {m.city()} Post|{m.city()} Herald|Daily {m.name()}|{m.name()} News|"
        f"Radio {m.city()}|{m.name()}.{m.either('com|net|example')}"
    )
    section = m.pick(*_SECTIONS)
    menu = m.some(_SECTIONS, 3, 8)
    shares = (0.65, 0.45, 0.75, 0.7, 0.5)
    has_source, has_section, has_date, has_byline, has_place = (m.chance(p) for p in shares)
    headline = m.title() if m.chance(0.4) else _one_of(m, _HEADLINES)
    foreign = m.chance(0.2)
    templates = m.random.choice(_FOREIGN) if foreign else _NEWS
    told = m.chance(0.75)
    if foreign and told:
        headline = _one_of(m, templates).rstrip(".")
    story = _Story(
        headline=cased(m, headline) if m.chance(0.4) else headline,
        writers=m.people(1, 3)[: m.pick(1, 1, 1, 2, 3)],
        date=m.date(),
        place=m.city(),
        country=m.country(),
        agency=m.either(_AGENCIES),
        language=m.either(LANGUAGES),
        source=source if has_source else "",
        section=section if has_section else "",
    )
    page.blocks = [*_top(m, story, menu, section), story.headline]
    if m.chance(0.25):
        story.teaser = _one_of(m, templates)
        page.blocks.append(story.teaser)
    page.blocks += _byline(m, story, has_byline, has_date)
    named = _Named()
    room = max(120, m.room - page.size - 100)
    story.paragraphs = _paragraphs(m, templates if told else (), named, room)
    _dateline(m, story, has_place)
    width = m.number(50, 100) if m.chance(0.15) else 0
    story.paragraphs = [wrapped(paragraph, width) for paragraph in story.paragraphs]
    page.blocks += [*story.paragraphs, *_bottom(m, story, source)]
    _news_facts(page, story)
    if m.room < 2500:
        body = page.between.join(story.paragraphs)
        page.fact("body text article_text content", body, often=0.8)
        if told:
            page.fact("quoted people_quoted speakers", distinct(named.quoted), [None], 0.8)
            page.fact("amounts sums money", distinct(named.amounts), [None], 0.8)
    return page


def _told(m: Maker, template: str, named: _Named) -> str:
    """A sentence with its braces filled."""
    draws: dict[str, Callable[[], str]] = {
        "p": m.person,
        "q": m.person,
        "c": m.city,
        "o": m.organisation,
        "a": m.amount,
        "n": lambda: str(m.number(2, 900)),
        "d": lambda: m.either(DAYS),
        "r": lambda: m.either(ROLES),
        "u": m.topic,
    }
    kept = {"q": named.quoted, "a": named.amounts}

    def value(match: re.Match[str]) -> str:
        sign = match.group(1)
        drawn = draws[sign]()
        kept.get(sign, []).append(drawn)
        return drawn

    return re.sub(r"\{(\w)\}", value, template)


def _one_of(m: Maker, templates: Sequence[str]) -> str:
    return _told(m, m.random.choice(templates), _Named())


def _top(m: Maker, story: _Story, menu: list[str], section: str) -> list[str]:
    """Return the lines above the headline."""
    head: list[str] = []
    if m.chance(0.35):
        head.append(m.pick("\n", " | ", " ", " / ").join(menu))
    if story.source:
        both = f"{story.source} - {section}" if story.section else story.source
        head.append(m.pick(story.source, story.source, both))
    if m.chance(0.15):
        head.append(m.either("|Language: |Edition: ") + story.language)
    else:
        story.language = ""
    head += m.some(NOISE, 0, 3) if m.chance(0.5) else []
    m.random.shuffle(head)
    if story.section and not any(section in line for line in head):
        head.append(
            m.either(f"{section}|{section.upper()}|Home > {section}|Home / News / {section}")
        )
    # The menu may name it, too.
    story.section = section if any(section in line for line in head) else ""
    return head


def _byline(m: Maker, story: _Story, has_byline: bool, has_date: bool) -> list[str]:
    """Return the by-line: authors, date and other parts, in any order."""
    by = m.either("By |by |BY ||Written by |Author: |Text: |Von |Par |Por ")
    byline = by + m.either(", | and | & ").join(story.writers)
    role = m.pick("", "", "", ", Staff Writer", " | Correspondent", f" in {m.city()}")
    stamp = m.either("||Published: |Published on |Updated |Posted |Last modified: ") + story.date
    stamp += f" {m.time()}" if m.chance(0.3) and ":" not in story.date else ""
    lines: list[str] = []
    if has_byline and has_date and m.chance(0.3):
        lines.append(f"{byline}{m.pick(' | ', ' - ', ', ', ' · ')}{stamp}")
    else:
        lines += [byline + role] if has_byline else []
        lines += [stamp] if has_date else []
        m.random.shuffle(lines)
    other = m.pick("3 min read", "Share", f"Photo: {m.person()}", f"{m.number(0, 99)} comments")
    lines += [other] if m.chance(0.3) else []
    if not has_byline:
        story.writers = []
    if not has_date:
        story.date = ""
    return lines


def _paragraphs(m: Maker, templates: Sequence[str], named: _Named, room: int) -> list[str]:
    """Paragraphs of sentences made from the templates, each used once, and of the corpus."""
    left = m.some(templates, len(templates), len(templates)) if templates else []
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < room:
        count = m.pick(1, 1, 2, 2, 3, 4)
        parts = [_told(m, left.pop(), named) if left else m.sentence() for _ in range(count)]
        paragraphs.append(" ".join(parts))
        if templates and m.chance(0.15):
            paragraphs.append(up_to(m.paragraph(500), 300))
    return paragraphs


def _dateline(m: Maker, story: _Story, has_place: bool) -> None:
    """Put place, country and agency before the first paragraph, or none of them."""
    if not has_place:
        story.place = story.country = story.agency = ""
        return
    full = f"{story.place}, {story.country}"
    where = m.pick(story.place, story.place.upper(), full, full)
    if not m.chance(0.4):
        story.agency = ""
    behind = f" ({story.agency})" if story.agency else ""
    behind += m.either(" — | - | -- |: | – ")
    story.paragraphs[0] = where + behind + story.paragraphs[0]
    story.place = where.split(",")[0]
    story.country = story.country if "," in where else ""


def _bottom(m: Maker, story: _Story, source: str) -> list[str]:
    """Return the lines below the article."""
    lines: list[str] = []
    if m.chance(0.25):
        story.topics = distinct(m.topic().title() for _ in range(m.number(1, 5)))
        head = m.either("Topics: |Tags: |More on: |Filed under: ")
        lines.append(head + m.pick(", ", " | ", " ").join(story.topics))
    if m.chance(0.2):
        story.url = m.url()
        lines.append(m.either("|Source: |URL: |Link: ") + story.url)
    if m.chance(0.3):
        story.links = distinct(_one_of(m, _HEADLINES) for _ in range(m.number(1, 4)))
        lines += [m.either("Related|Read also:|More stories|Most popular"), *story.links]
    if m.chance(0.5):
        lines += m.some(NOISE, 1, 4)
    if m.chance(0.2):
        story.source = source
        lines.append(m.either(f"© {m.year()} {source}|Copyright {source}. All rights reserved."))
    return lines


def _news_facts(page: Page, story: _Story) -> None:
    writer = story.writers[0] if story.writers else None
    first = story.paragraphs[0]
    page.fact("headline title heading", story.headline, often=3)
    page.fact("byline authors writers journalists influencer", story.writers, [None], 1.2)
    page.fact("author byline reporter influencer", writer, often=1.0)
    page.fact("date published publishing_date publication_date", story.date or None, often=2)
    page.fact("source publisher newspaper site_name", story.source or None, often=1.5)
    page.fact("section category rubric", story.section or None, often=0.6)
    page.fact("location place city dateline_city", story.place or None, often=0.8)
    page.fact("country", story.country or None, often=0.6)
    page.fact("agency news_agency", story.agency or None, often=0.4)
    page.fact("lead first_paragraph opening_text intro", first, often=2)
    page.fact("opening_sentence first_sentence", up_to(first, 1), often=0.8)
    if len(story.paragraphs) > 1:
        page.fact("second_paragraph", story.paragraphs[1], often=0.4)
        page.fact("last_paragraph closing_text", story.paragraphs[-1], often=0.5)
    page.fact("standfirst teaser subtitle", story.teaser or None, often=0.6)
    page.fact("topics tags keywords", story.topics, [None], 0.8)
    page.fact("url link", story.url or None, often=0.8)
    page.fact("related related_stories more_links", story.links, [None], 0.6)
    page.fact("language", story.language or None, often=0.4)
