"""Long passages: what is asked for stands somewhere in paragraphs of other text."""

from __future__ import annotations

from collections.abc import Callable

from .layout import Page, up_to, wrapped
from .tasks import distinct
from .tokenizer import sentences
from .values import Maker

_HEADINGS = (
    "Introduction,Methods,Results,Discussion,Conclusion,Background,Related work,Experiments,"
    "Materials and Methods,Data,Evaluation,Limitations,Acknowledgements,Conclusions,Proof,"
    "Preliminaries,Main results,Case report,Statistical analysis,Overview,Future work"
).split(",")
_LABELS = "Note|Summary|Conclusion|Warning|Key finding|Remark|Objective|Result"
_ORDINALS = "first second third fourth fifth sixth seventh".split()

# Names, the value and the sentences that hold it.
_NEEDLES: tuple[tuple[str, Callable[[Maker], str], str], ...] = (
    ("email contact", Maker.mail, "Contact: {}.|Write to {} for details.|Correspondence to {}."),
    ("doi", Maker.doi, "The data are at doi:{}.|See https://doi.org/{} for more.|DOI: {}"),
    ("url link website", Maker.url, "See {} .|The code is at {} .|Available from {} ."),
    ("date deadline", Maker.date, "This was on {}.|The date is {}.|Received {}."),
    ("code secret reference", Maker.code, "The code is {}.|Reference: {}.|Ticket {} was opened."),
    ("phone telephone", Maker.phone, "Call {}.|Phone: {}."),
    ("amount cost funding", Maker.amount, "The work was paid with {}.|The cost was {}."),
    ("person name editor", Maker.person, "The editor was {}.|We thank {}.|Edited by {}."),
    ("city place", Maker.city, "The meeting was held in {}.|All samples come from {}."),
    ("grant grant_number", Maker.code, "Supported by grant {}.|Funded under No. {}."),
)


def passage_page(m: Maker) -> Page:
    """Paragraphs, perhaps in sections, with values and a labelled sentence put among them."""
    page = Page(between=m.pick("\n", "\n\n"))
    paragraphs = m.fill(m.room)[:14] or [m.paragraph(300)]
    _hide(m, page, paragraphs)
    width = m.number(50, 110) if m.chance(0.25) else 0
    shown = [wrapped(paragraph, width) for paragraph in paragraphs]
    headings = _sections(m, page, paragraphs, shown) if m.chance(0.45) else []
    page.fact("sections headings section_titles outline", headings, [None], 1.5)
    label = m.either(_LABELS)
    sentence = m.sentence()
    labelled = m.chance(0.4)
    if labelled:
        shown.insert(m.number(0, len(shown)), f"{label}{m.either(': |. | - ')}{sentence}")
    name = _key(label)
    if name not in (heading.lower() for heading in headings):
        page.fact(name, sentence if labelled else None, often=1.5)
    if not headings and not labelled:
        _ask_by_place(m, page, paragraphs, shown)
    page.blocks = shown
    return page


def _key(heading: str) -> str:
    return heading.lower().replace(" ", "_")


def _hide(m: Maker, page: Page, paragraphs: list[str]) -> None:
    """Put values of one to four kinds at the ends of paragraphs."""
    for names, draw, templates in m.random.sample(_NEEDLES, m.pick(1, 2, 2, 3, 4)):
        if m.chance(0.25):
            page.fact(names, None)
            continue
        values = distinct(draw(m) for _ in range(m.pick(1, 1, 1, 2, 3)))
        places = sorted(m.random.choices(range(len(paragraphs)), k=len(values)))
        for at, value in zip(places, values, strict=True):
            # At the end, so that values of one paragraph stay in their order.
            sentence = m.either(templates).format(value)
            paragraphs[at] = " ".join([*sentences(paragraphs[at]), sentence])
        page.fact(names, values[0], often=2)
        several = [f"{n}s" if n[-1] not in "sy" else f"{n}_list" for n in names.split()]
        page.fact(" ".join(several), values, [None], 1.5)


def _sections(m: Maker, page: Page, paragraphs: list[str], shown: list[str]) -> list[str]:
    """Put headings before some of the paragraphs; return them."""
    most = len(shown)
    headings = m.some(_HEADINGS, min(2, most), min(most, 8))
    starts = sorted(m.random.sample(range(most), len(headings)))
    style = m.either("{}|{}|## {}|{n} {}|{n}. {}|{}:")
    if m.chance(0.15):
        headings = [heading.upper() for heading in headings]
    ends = [*starts[1:], most]
    for number, (heading, start, end) in enumerate(zip(headings, starts, ends, strict=True)):
        name = _key(heading)
        content = page.between.join(shown[start:end])
        page.fact(f"{name} {name}_text text_of_{name}", content, often=0.8)
        page.fact(f"{name}_first_sentence", up_to(paragraphs[start], 1), often=0.5)
        shown[start] = f"{style.format(heading, n=number + 1)}\n{shown[start]}"
    return headings


def _ask_by_place(m: Maker, page: Page, paragraphs: list[str], shown: list[str]) -> None:
    """Ask for paragraphs and sentences by where they stand."""
    count = len(paragraphs)
    for number in m.random.sample(range(min(7, count)), min(2, count)):
        name = f"{_ORDINALS[number]}_paragraph"
        page.fact(name, shown[number], often=0.7)
        page.fact(f"{name}_first_sentence", up_to(paragraphs[number], 1), often=0.8)
    page.fact("last_paragraph", shown[-1], often=0.6)
    if 1 < count <= 10:
        firsts = [up_to(paragraph, 1) for paragraph in paragraphs]
        page.fact("first_sentences topic_sentences", firsts, [None], 0.8)
    page.fact("last_sentence", sentences(paragraphs[-1])[-1], often=0.8)
    page.fact("first_sentence", up_to(paragraphs[0], 1), often=0.8)
