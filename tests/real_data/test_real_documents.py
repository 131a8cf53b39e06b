"""Real documents of every kind: each record is valid, each verbatim leaf is at its offsets.

They are read where the data lies beside the project, and skipped where it does not.
"""

from __future__ import annotations

import csv
import itertools
import json
import lzma
import tarfile
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree

import pytest
import torch
from invented_plugins import plugin_of, shipped_prompts
from paths import REAL_DATA

from fieldsmith import Document, Message, Schema, field_list
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.model.library_output import quieten
from fieldsmith.model.loading import load_base
from fieldsmith.plugins import Plugin, load
from fieldsmith.schema.navigation import is_verbatim
from fieldsmith.schema.pointers import leaves
from fieldsmith.schema.records import first_problem
from fieldsmith.settings import Settings
from fieldsmith.task import Task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.realdata("arxiv", "dcat", "medical", "news", "text"),
]

_VERBATIM = {"type": ["string", "null"], "x-source": "verbatim"}
_NAMES = {"type": "array", "items": {"type": "string", "x-source": "verbatim"}}
_TEXT = {"type": ["string", "null"]}

SCHEMAS: Mapping[str, Schema] = {
    "page": {
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "authors", "abstract"],
        "properties": {
            "title": _VERBATIM,
            "authors": _NAMES,
            "abstract": _VERBATIM,
            "year": {"type": ["integer", "null"]},
        },
    },
    "datasets": {
        "type": "object",
        "additionalProperties": False,
        "required": ["datasets"],
        "properties": {
            "datasets": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["title", "creator", "issued"],
                    "properties": {
                        "title": _TEXT,
                        "creator": {"type": "array", "items": {"type": "string"}},
                        "issued": _TEXT,
                        "size": {"type": ["number", "null"]},
                    },
                },
            }
        },
    },
    "news": {
        "type": "object",
        "additionalProperties": False,
        "required": ["headline", "by", "language"],
        "properties": {
            "headline": _VERBATIM,
            "by": _NAMES,
            "language": {"enum": ["English", "German", "French", None]},
            "place": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        },
        "$defs": {
            "place": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"name": _VERBATIM, "abroad": {"type": "boolean"}},
            }
        },
    },
}


def _abstracts() -> Iterator[str]:
    files = sorted((REAL_DATA / "medical").rglob("*.txt"))
    for file in files:
        for row in load("medical_ner").load(file):
            if not hasattr(row, "reason"):
                yield row.document.text


def _title_pages() -> Iterator[str]:
    for file in sorted((REAL_DATA / "arxiv" / "grobid_header" / "tei").rglob("*.xml")):
        source = file.read_text(encoding="utf-8").replace("<lb/>", "\n")
        try:
            yield "".join(ElementTree.fromstring(source).itertext()).strip()
        except ElementTree.ParseError:
            continue


def _papers() -> Iterator[str]:
    for file in sorted((REAL_DATA / "text" / "craft" / "articles").rglob("*.txt")):
        yield file.read_text(encoding="utf-8")


def _records() -> Iterator[str]:
    for file in sorted((REAL_DATA / "arxiv" / "arxiv_archive").rglob("*.tsv.xz")):
        with lzma.open(file, "rt", encoding="utf-8", newline="") as stream:
            for row in itertools.islice(csv.DictReader(stream, delimiter="\t"), 20):
                yield f"{row['title']}\n{row['author_text']}\n\n{row['abstract']}"


def _dataset_prose() -> Iterator[str]:
    root = REAL_DATA / "dcat" / "metamine"
    for file in sorted(root.rglob("*_thinking.txt")):
        yield file.read_text(encoding="utf-8", errors="replace")
    for archive in sorted(root.rglob("*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members:
                if member.name.endswith("_thinking.txt") and (
                    stream := members.extractfile(member)
                ):
                    yield stream.read().decode("utf-8", "replace")


def _news() -> Iterator[str]:
    for line in (REAL_DATA / "news" / "fundus" / "articles.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        yield "\n".join([row["title"], *row["authors"], *row["paragraphs"]])


SOURCES: Mapping[str, tuple[Callable[[], Iterator[str]], int, str]] = {
    "abstracts": (_abstracts, 350, "medical"),
    "title pages": (_title_pages, 200, "page"),
    "papers": (_papers, 30, "page"),
    "records": (_records, 120, "page"),
    "dataset prose": (_dataset_prose, 120, "datasets"),
    "news": (_news, 180, "news"),
}
"""Kind of document: how to read it, how many, and the schema that it is asked by."""


def documents(kind: str) -> list[Document]:
    """Return documents of a kind; long ones are cut: what counts is what their text holds."""
    read, count, _schema = SOURCES[kind]
    texts = itertools.islice((text for text in read() if text.strip()), count)
    return [Document(f"{kind} {n}", text[:2500]) for n, text in enumerate(texts)]


def _plugin(schema: str) -> Plugin:
    if schema == "medical":
        return load("medical_ner")
    asked = Message("system", f"Extract as JSON: {field_list(SCHEMAS[schema])}")
    return plugin_of(SCHEMAS[schema], [asked])


def held(extractor: Extractor, found: list[Document]) -> int:
    """Check each record and its offsets; return how many leaves of verbatim fields there are."""
    verbatim = 0
    for prediction in extractor.predict(found):
        text, schema = prediction.document.text, extractor.task.schema
        assert prediction.record is not None, (prediction.document.id, prediction.error)
        assert first_problem(prediction.record, schema) is None
        assert prediction.ungrounded == 0
        assert prediction.windows[0] == prediction.windows[1]
        for pointer, leaf in leaves(prediction.record):
            grounding = prediction.grounding[pointer]
            for start, end in grounding.spans if grounding.status == "verbatim" else ():
                assert text[start:end] == leaf
            if isinstance(leaf, str) and is_verbatim(pointer, schema):
                assert grounding.status == "verbatim", (pointer, leaf)
                assert text[slice(*prediction.spans[pointer])] == leaf
                verbatim += 1
        assert all(0 < c <= 1 for c in prediction.confidence.values())
    return verbatim


def _extractor(schema: str, *, random: bool) -> Extractor:
    quieten()
    settings = Settings(
        window="tokens", window_size=256, max_new_tokens=96, quantize="none", eval_batch_size=32
    )
    plugin, prompts = _plugin(schema), shipped_prompts()
    model = load_base(settings, quantized=False, device=torch.device("cpu"))
    if random:
        torch.manual_seed(1)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return Extractor.around(model, Task(plugin, settings, prompts))


def test_there_are_a_thousand_of_them() -> None:
    assert sum(len(documents(kind)) for kind in SOURCES) >= 1000


@pytest.mark.parametrize("random", [False, True], ids=["shipped", "random"])
@pytest.mark.parametrize("kind", SOURCES)
def test_untuned_and_random_models_answer_with_valid_grounded_records(
    kind: str, random: bool
) -> None:
    found = documents(kind)
    extractor = _extractor(SOURCES[kind][2], random=random)
    verbatim = held(extractor, found)
    assert verbatim or SOURCES[kind][2] == "datasets"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    """A short training of the shipped model on the bundled sample."""
    from command import extract

    run = tmp_path_factory.mktemp("tuned") / "run"
    answer = extract("train", "--plugin", "medical_ner", "--output", run, "--set=epochs=2")
    assert answer.code == 0, answer.errors
    return Extractor.load(run)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_tuned_model_answers_with_valid_grounded_records(tuned: Extractor, kind: str) -> None:
    assert held(tuned, documents(kind))
