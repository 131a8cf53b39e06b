"""Passages that name datasets and say what they are, as prose, as a list or as entries."""

from __future__ import annotations

from typing import Any

from .layout import Page, wrapped
from .tasks import distinct
from .tokenizer import sentences
from .values import LANGUAGES, Maker

_LICENCES = (
    "CC BY 4.0|CC BY-SA 3.0|CC0|MIT|Apache 2.0|GPL-3.0|CC BY-NC 4.0|ODbL|public domain|"
    "Creative Commons Attribution 4.0"
)
_FORMATS = "CSV|JSON|XML|Parquet|text|images|audio|video|graphs|JPEG|WAV|HDF5|TSV|RDF"
_TASKS = (
    "image classification,question answering,named entity recognition,machine translation,"
    "speech recognition,object detection,link prediction,sentiment analysis,summarization,"
    "semantic segmentation,information retrieval,entity linking,anomaly detection,pose estimation,"
    "relation extraction,reading comprehension,node classification,time series forecasting"
).split(",")
_ITEMS = (
    "sentences|images|documents|recordings|hours of speech|tweets|patients|videos|questions|"
    "samples|triples|graphs|records|articles|users|reviews|annotated frames|molecules"
)
_OPENINGS = (
    "We use {}.|{} is a resource for this purpose.|Our first experiments are on {}.|"
    "The {} dataset is described next.|Another source is {}.|We introduce {}.|"
    "Results on {} are given in Table 2.|{} is widely used.|We further evaluate on {} [12]."
)

_NAMES = {
    "title": "title name dataset_name",
    "acronym": "acronym short_name abbreviation",
    "creator": "creator creators authors provider",
    "issued": "issued year published release_date",
    "language": "language",
    "license": "license licence rights",
    "size": "size number_of_items extent",
    "format": "format file_format media_type",
    "task": "task tasks used_for",
    "url": "url landing_page download link homepage",
    "keywords": "keyword keywords subjects theme",
    "version": "version has_version",
    "identifier": "identifier doi id",
    "description": "description sentence summary",
}
_LISTS = {"creator", "task", "keywords"}
_CLAUSES = {
    "creator": "It was created by {}.|It is the work of {}.|{} collected it.|"
    "The data were gathered by {}.",
    "issued": "It was released in {}.|It appeared in {}.|"
    "First published in {}, it is still in use.",
    "language": "All texts are in {}.|Its language is {}.|The annotation covers {}.",
    "license": "It is available under {}.|The licence is {}.|"
    "It is distributed under the {} license.",
    "size": "It contains {}.|It consists of {}.|There are {} in it.|The collection comprises {}.",
    "format": "Files are in {} format.|It is stored as {}.|The data come as {}.",
    "task": "It is used for {}.|It serves as a benchmark for {}.|We use it for {}.",
    "url": "It can be downloaded from {} .|See {} for details.|It is hosted at {} .",
    "keywords": "It covers {}.|Its subjects are {}.|It deals with {}.",
    "version": "We use version {}.|The current release is {}.",
    "identifier": "Its identifier is {}.|It is registered as {}.|It is archived under {} .",
    "description": "{}",
}


def dataset_page(m: Maker) -> Page:
    """A passage about up to five datasets."""
    page = Page(between=m.pick("\n", "\n", "\n\n", " "))
    count = 0 if m.chance(0.06) else m.pick(1, 1, 1, 2, 2, 3, 4, 5)
    if m.room < 700:
        count = min(count, 2)
    items = [_dataset(m) for _ in range(count)]
    style = m.either("prose|prose|prose|list|entry")
    texts: list[str] = []
    for number, item in enumerate(items, start=1):
        if style == "entry":
            texts.append(_entry(m, item))
        else:
            mark = m.either(f"- |{number}. |• |* ") if style == "list" else ""
            texts.append(mark + _in_prose(m, item))
    others = m.fill(m.room - sum(map(len, texts)))
    if others and len(others) < len(items):
        others = [part for block in others for part in sentences(block)]
    blocks = list(texts)
    for block in others:
        blocks.insert(m.number(0, len(blocks)), block)
    if m.chance(0.3):
        heads = "3 Data|Datasets|4.1 Experimental setup|Data availability|Resources"
        blocks.insert(0, m.either(heads))
    width = m.number(50, 100) if m.chance(0.15) and style != "entry" else 0
    page.blocks = [wrapped(block, width) for block in blocks]
    _dataset_facts(m, page, items)
    return page


def _dataset(m: Maker) -> dict[str, Any]:
    """A dataset's values; about half of them None or empty."""
    words = [m.name() for _ in range(m.number(1, 3))]
    kind = m.either("Corpus|Dataset|Bank|Archive|Benchmark|Collection|Survey|Treebank|")
    title = m.pick(
        " ".join([*words, kind]).strip(),
        words[0] + m.either("QA|Net|-10k|Bench|-2.0|DB|100"),
        f"{m.topic().title()} {kind}".strip(),
        m.word().upper()[:6],
        f"{words[0]}-{m.number(1, 500)}",
    )
    acronym = "".join(word[0] for word in title.split()).upper() if title.count(" ") else None
    full: dict[str, Any] = {
        "creator": m.people(1, 3) if m.chance(0.7) else [m.organisation()],
        "issued": m.year() if m.chance(0.7) else m.date(),
        "language": m.either(LANGUAGES),
        "license": m.either(_LICENCES),
        "size": f"{m.count()} {m.either(_ITEMS)}",
        "format": m.either(_FORMATS),
        "task": m.some(_TASKS, 1, 3),
        "url": m.url(),
        "keywords": distinct(m.topic() for _ in range(m.number(1, 3))),
        "version": f"{m.number(0, 9)}.{m.number(0, 9)}",
        "identifier": m.doi(),
        "description": m.sentence(),
    }
    share = m.pick(0.3, 0.55, 0.8)
    for key in full:
        if not m.chance(0.15 if key == "description" else share):
            full[key] = [] if key in _LISTS else None
    return {"title": title, "acronym": acronym if m.chance(0.5) else None, **full}


def _shown(m: Maker, value: str | list[str]) -> str:
    """A value as a clause holds it: a list as an enumeration."""
    if isinstance(value, str):
        return value
    last = m.either(" and |, ")
    return ", ".join(value[:-1]) + last + value[-1] if len(value) > 1 else value[0]


def _entry(m: Maker, item: dict[str, Any]) -> str:
    """A dataset as lines of labels and values."""
    lines = [item["title"]] + ([f"Acronym: {item['acronym']}"] if item["acronym"] else [])
    rest: list[str] = []
    for key, value in item.items():
        if key in _CLAUSES and value:
            label = m.pick(*_NAMES[key].split()).replace("_", " ").capitalize()
            rest.append(f"{label}: {_shown(m, value)}")
    m.random.shuffle(rest)
    return "\n".join(lines + rest)


def _in_prose(m: Maker, item: dict[str, Any]) -> str:
    """A dataset in sentences, with others among them."""
    name = item["title"] + (f" ({item['acronym']})" if item["acronym"] else "")
    opening = m.either(_OPENINGS).format(name)
    subject = m.pick("It", "The dataset", "The corpus", item["title"], item["acronym"] or "It")
    clauses: list[str] = []
    for key, value in item.items():
        if key in _CLAUSES and value:
            clause = m.either(_CLAUSES[key])
            if clause.startswith("It ") and m.chance(0.5):
                clause = subject + clause[2:]
            clauses.append(clause.format(_shown(m, value)))
    m.random.shuffle(clauses)
    for at in range(len(clauses), 0, -1):
        if m.chance(0.1):
            clauses.insert(at, m.sentence())
    return " ".join([opening, *clauses])


def _dataset_facts(m: Maker, page: Page, items: list[dict[str, Any]]) -> None:
    keys = ["title", *m.some(list(_NAMES)[1:], 1, 9)]
    if m.chance(0.7):
        keys = [k for k in keys if k == "title" or any(item[k] for item in items) or m.chance(0.2)]
    if m.chance(0.3):
        m.random.shuffle(keys)
    names = {key: m.pick(*_NAMES[key].split()) for key in keys}
    if len(items) == 1 and m.chance(0.4):
        for key, called in _NAMES.items():
            page.fact(called, items[0][key], _form(key), 1.5 if key == "title" else 1)
    else:
        values = [{names[key]: item[key] for key in keys} for item in items]
        shape = {names[key]: _form(key) for key in keys}
        page.fact("datasets datasets datasets resources corpora data_sources", values, [shape], 50)
        page.fact("dataset_names names", [item["title"] for item in items], [None], 5)


def _form(key: str) -> list[None] | None:
    return [None] if key in _LISTS else None
