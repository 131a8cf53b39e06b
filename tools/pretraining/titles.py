"""Title pages of papers: title, authors and their places, front matter, abstract, first section."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .layout import Page, cased, up_to, wrapped
from .tasks import distinct
from .values import SUBJECTS, Maker

_MARKS = {"1": "123456789", "¹": "¹²³⁴⁵⁶⁷⁸⁹", "a": "abcdefghi", "*": "*†‡§¶#∗⋆∥"}


@dataclass
class _Team:
    """The authors of a paper and what the page says about them.

    lines: the places where they work, each in one line.
    at: the place of each author.
    two_places: whether some authors work at a second place.
    """

    names: list[str]
    places: list[dict[str, str | None]]
    lines: list[str]
    at: list[int]
    mails: list[str | None]
    style: str
    with_places: bool
    with_mails: bool
    two_places: bool = False

    @property
    def used(self) -> list[int]:
        """The places that the page shows, where it shows places."""
        if self.style in ("blocks", "brackets"):
            return sorted(set(self.at))
        return list(range(len(self.lines)))


def title_page(m: Maker) -> Page:
    """The first page of a paper."""
    page = Page(between=m.pick("\n", "\n", "\n\n"))
    paper = m.titled()
    names = distinct(paper.authors[: m.number(1, 14)] if m.chance(0.8) else m.people(1, 8))
    width = 0 if m.chance(0.3) else m.number(40, 100)
    hyphens = m.random if m.chance(0.45) else None
    kinds = (
        "RESEARCH ARTICLE|Original Paper|Open Access|Review|Preprint|Letter|Draft - do not cite|"
    )
    noise = [
        m.title()[:60] if m.chance(0.3) else "",
        str(m.number(1, 900)) if m.chance(0.3) else "",
        m.either(kinds) if m.chance(0.4) else "",
        *_front_matter(m, page),
    ]
    early = [line for line in noise if line and m.chance(0.55)]
    late = [line for line in noise if line and line not in early]
    title = cased(m, paper.title)
    if m.chance(0.55):
        title = wrapped(title, m.number(25, 70), hyphens if m.chance(0.2) else None)
    page.fact("title paper_title article_title name heading", title, often=3)
    page.blocks += [*early, m.either("||||Title: ") + title]
    _authors(m, page, names)
    between = [line for line in late if m.chance(0.5)]
    page.blocks += between
    _abstract(m, page, up_to(paper.text, max(150, m.room - page.size)), width, hyphens)
    page.blocks += [line for line in late if line not in between]
    if m.room - page.size > 120:
        _body(m, page, width, hyphens)
    return page


def _front_matter(m: Maker, page: Page) -> list[str]:
    """What a page says about where and when the paper appeared, in lines."""
    lines: list[str] = []
    number, subject = m.arxiv()
    stamp, dated = m.date(), m.date()
    has_stamp, has_doi, has_journal, has_date = (m.chance(p) for p in (0.4, 0.4, 0.45, 0.4))
    if has_stamp:
        full = f"arXiv:{number} [{subject}] {stamp}"
        short = f"arXiv:{number}|arXiv: {number}  {stamp}|{number} [{subject}]"
        lines.append(m.either(f"{full}|{full}|{short}"))
    doi = m.doi()
    if has_doi:
        forms = (
            "doi:{}|DOI: {}|https://doi.org/{}|DOI {}|{}|http://dx.doi.org/{}|"
            "Digital Object Identifier {}"
        )
        lines.append(m.either(forms).format(doi))
    journal = m.pick(
        f"Journal of {m.either(SUBJECTS)}",
        f"{m.city()} Journal of {m.topic().title()}",
        f"Annals of {m.topic().title()}",
        f"{m.either(SUBJECTS)} Letters",
        f"{m.name()} Review",
        f"Proceedings of the {m.number(2, 60)}th Conference on {m.either(SUBJECTS)}",
    )
    volume, year, start = str(m.number(1, 400)), m.year(), m.number(1, 2000)
    pages = f"{start}{m.either('-|–|--')}{start + m.number(3, 40)}"
    issn = f"{m.digits(4)}-{m.digits(4)}"
    if has_journal:
        cited = m.either(
            f"{journal} {volume} ({year}) {pages}|{journal}, Vol. {volume}, pp. {pages}, {year}|"
            f"{journal} {volume}:{pages}, {year}|{journal}\nVolume {volume}, {year}, pages {pages}"
        )
        lines.append(cited)
        if m.chance(0.3):
            lines.append(f"ISSN {issn}")
            page.fact("issn", issn, often=0.5)
    publisher = f"{m.name()} {m.either('Press|Publishing|Verlag|Publishers')}"
    if m.chance(0.25):
        forms = "© {} {}. All rights reserved.|Copyright {} {}|(c) {} {}"
        lines.append(m.either(forms).format(year, publisher))
        page.fact("publisher", publisher, often=0.6)
        page.fact("copyright_year", year, often=0.3)
    if has_date:
        label = m.either("||Received |Received: |Dated: |Submitted on |Published: ")
        lines.append(m.either("({})|{}|{}").format(label + dated))
    if m.chance(0.15):
        report = m.code()
        lines.append(m.either("Report No. |Preprint ||Technical Report ") + report)
        page.fact("report_number preprint_number", report, often=0.7)
    page.fact("doi", doi if has_doi else None, often=1.5)
    page.fact("arxiv_id id identifier arxiv", number if has_stamp else None, often=1.5)
    if not has_stamp or any(f"[{subject}]" in line for line in lines):
        page.fact("category subject_class", subject if has_stamp else None, often=0.5)
    page.fact("journal published_in venue", journal if has_journal else None, often=0.8)
    page.fact("volume", volume if has_journal else None, often=0.4)
    page.fact("pages page_range", pages if has_journal else None, often=0.4)
    page.fact("year", year if has_journal else None, often=0.4)
    if has_date or not has_stamp:
        page.fact("date published submitted", dated if has_date else None, often=0.7)
    m.random.shuffle(lines)
    return lines


def _authors(m: Maker, page: Page, names: list[str]) -> None:
    """The authors' part of a title page, with what it says about them."""
    names = _formed(m, names)
    width = m.number(40, 100)
    team = _team(m, names)
    by = m.either("||||by |By |By\n|Authors: |Author(s): ")
    if team.style == "blocks":
        for name, place, mail in zip(names, team.at, team.mails, strict=True):
            parts = (name, team.lines[place], mail if team.with_mails else None)
            page.blocks.append("\n".join(filter(None, parts)))
    else:
        _in_a_row(m, page, team, by, width)
    _author_facts(m, page, team)


def _team(m: Maker, names: list[str]) -> _Team:
    places = [m.affiliation() for _ in range(m.pick(1, 1, 2, 2, 3, 4))]
    lines = [", ".join(value for value in place.values() if value) for place in places]
    lines = [line + (f" {m.digits(5)}" if m.chance(0.15) else "") for line in lines]
    last = len(lines) - 1
    at = [min(i, last) if m.chance(0.7) else m.number(0, last) for i in range(len(names))]
    mails = [m.mail(name) if m.chance(0.7) else None for name in names]
    style = m.either("plain|plain|marks|marks|marks|blocks|brackets|degrees")
    if style == "blocks" and len(names) > 6:
        style = "plain"
    with_places = style in ("marks", "blocks") or m.chance(0.6)
    return _Team(names, places, lines, at, mails, style, with_places, m.chance(0.45))


def _in_a_row(m: Maker, page: Page, team: _Team, by: str, width: int) -> None:
    """Lay out the authors in a row, then their places, then their addresses."""
    names, lines, at = team.names, team.lines, team.at
    shown = list(names)
    signs = _marks(m, len(lines))
    if team.style == "marks":
        star = m.either("||*|,*|†")
        team.two_places = len(lines) > 1 and m.chance(0.25)
        shown = [f"{name}{signs[at[i]]}{star if i == 0 else ''}" for i, name in enumerate(names)]
        if team.two_places:
            last = len(lines) - 1
            shown = [s + "," + signs[m.number(0, last)] if m.chance(0.4) else s for s in shown]
    elif team.style == "brackets":
        shown = [f"{name} ({lines[place]})" for name, place in zip(names, at, strict=True)]
    elif team.style == "degrees":
        shown = [name + m.either("|, PhD|, MD|, MSc| PhD|, M.D., Ph.D.") for name in names]
    page.blocks.append(by + _joined(m, shown, width))
    if team.style == "brackets":
        team.with_places = True  # already: behind the names
    elif team.with_places:
        marked = team.style == "marks"
        rows = [
            (s + m.either("| ") if marked else "") + line
            for s, line in zip(signs, lines, strict=True)
        ]
        page.blocks.append(m.either("\n|\n|; ").join(rows))
    if team.with_mails:
        head = m.either("|E-mail: |Email: |e-mail addresses: |{|Contact: ")
        row = m.either(", |; | ").join(mail for mail in team.mails if mail)
        page.blocks.append(head + row + ("}" if head == "{" else ""))


def _author_facts(m: Maker, page: Page, team: _Team) -> None:
    names, used = team.names, team.used
    listed = [team.lines[i] for i in used] if team.with_places else []
    sent = [mail for mail in team.mails if mail] if team.with_mails else []
    page.fact("authors author_names creators written_by", names, [None], 3)
    page.fact("first_author author lead_author", names[0], often=0.6)
    page.fact("last_author senior_author", names[-1], often=0.4)
    if len(names) > 1:
        page.fact("second_author", names[1], often=0.3)
    page.fact("affiliations institutions addresses", listed, [None])
    page.fact("emails email_addresses contacts", sent, [None], 0.7)
    page.fact("email contact_email corresponding_email", sent[0] if sent else None, often=0.5)
    whom = m.either("authors|authors|creators|people")
    if team.style in ("marks", "blocks", "brackets") and not team.two_places:
        rows = [
            {"name": name, "affiliation": team.lines[i], "email": mail if team.with_mails else None}
            for name, i, mail in zip(names, team.at, team.mails, strict=True)
        ]
        keys = ["affiliation"]
        if team.style == "blocks":
            keys = m.some(("affiliation", "email"), 1, 2)
        keys = ["name", *keys]
        page.fact(whom, [{key: row[key] for key in keys} for row in rows], [_shape(keys)], 1.2)
    else:
        split = [name.rsplit(" ", 1) for name in names if " " in name and "," not in name]
        if len(split) == len(names):
            first, last = m.either("first last|given_name family_name|given surname").split()
            page.fact(whom, [{first: a, last: b} for a, b in split], [_shape([first, last])], 0.8)
    if team.with_places:
        keys = m.some(("department", "institution", "city", "country"), 2, 4)
        parts = [{key: team.places[i][key] for key in keys} for i in used]
        page.fact("affiliations institutions", parts, [_shape(keys)], 0.6)
        page.fact("country", team.places[used[0]]["country"], often=0.3)


def _shape(keys: list[str]) -> dict[str, None]:
    return dict.fromkeys(keys)


def _formed(m: Maker, names: list[str]) -> list[str]:
    """The names in one form: as they are, with initials, family name first, in capitals."""
    luck = m.random.random()
    if luck < 0.65:
        return names
    formed: list[str] = []
    for name in names:
        *given, family = name.split()
        if luck < 0.8:
            formed.append(" ".join([*(f"{part[0]}." for part in given), family]))
        elif luck < 0.9:
            formed.append(name.upper())
        elif luck < 0.95:
            formed.append(f"{' '.join(given)} {family.upper()}".strip())
        else:
            formed.append(f"{family}, {' '.join(given)}" if given else family)
    return distinct(formed)


def _joined(m: Maker, parts: list[str], width: int) -> str:
    """The authors in a row, lines broken between them."""
    separator = m.pick(", ", ", ", ", ", "; ", " · ", " ", "\n", ",\n", "  ", " - ", " | ")
    if any("," in part for part in parts):
        separator = m.either("; |\n| · ")
    last = separator
    if separator in (", ", "; ", ",\n") and m.chance(0.5):
        last = m.either(" and |, and | & |\nand ")
    text = ""
    for number, part in enumerate(parts):
        if number:
            joint = last if number == len(parts) - 1 else separator
            line = len(text) - text.rfind("\n") - 1
            text += joint.rstrip() + "\n" if line + len(part) > width else joint
        text += part
    return text


def _marks(m: Maker, count: int) -> list[str]:
    """The signs that tie names to places, all of one style."""
    style = m.either("1|1|¹|a|*|^1| 1|(1)")
    if style in _MARKS:
        return list(_MARKS[style][:count])
    return [style.replace("1", str(number + 1)) for number in range(count)]


def _abstract(m: Maker, page: Page, text: str, width: int, hyphens: Random | None) -> None:
    """The abstract, with keywords before or behind it, and a subject classification."""
    keywords = distinct([m.topic() for _ in range(m.number(2, 6))] if m.chance(0.35) else [])
    shown = classes = ""
    if keywords:
        head = m.either("Keywords: |Key words: |KEYWORDS\n|Keywords— |Index Terms—|Keywords ")
        shown = head + m.either(", |; | · ").join(keywords)
    if m.chance(0.15):
        code = f"{m.number(10, 97)}{m.either('A|B|D|G|P')}{m.number(10, 99)}"
        classes = m.either("MSC: |2000 Mathematics Subject Classification: |PACS: ") + code
        page.fact("classification msc", code, often=0.5)
    if m.chance(0.9):
        abstract = wrapped(text, width, hyphens)
        head = m.either(
            "Abstract\n|Abstract\n|ABSTRACT\n|Abstract. |Abstract: |Abstract—|Summary\n|SUMMARY: |"
            "||Abstract |A B S T R A C T\n"
        )
        if m.chance(0.25):
            page.blocks.append(shown)
            shown = ""
        page.blocks.append(head + abstract)
        page.fact("abstract summary abstract_text", abstract, often=2.2)
        if len(abstract) > 300 and not hyphens:
            page.fact("abstract_first_sentence", wrapped(up_to(text, 1), width), often=0.3)
    else:
        page.fact("abstract summary", None)
    page.fact("keywords key_words index_terms", keywords, [None])
    page.blocks += [shown, classes]


def _body(m: Maker, page: Page, width: int, hyphens: Random | None) -> None:
    """The paper's first section, as far as there is room, and perhaps references."""
    page.blocks.append(m.either("1 Introduction|1. Introduction|INTRODUCTION|I. INTRODUCTION|"))
    page.blocks += [wrapped(block, width, hyphens) for block in m.fill(m.room - page.size)]
    if m.chance(0.4):
        page.blocks.insert(-1, str(m.number(1, 30)))
    if m.chance(0.2):
        page.blocks.append("References")
        for number in range(1, m.number(1, 5) + 1):
            other = m.titled()
            authors = ", ".join(other.authors[:3])
            page.blocks.append(f"[{number}] {authors}. {other.title}. {m.year()}.")
