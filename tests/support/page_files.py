"""Small files under the names that the pages of the documentation use."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrated_data import dataset_pairs, papers_as_json
from paths import ROOT
from pdf_files import line, pdf_of
from stand_in_arxiv import PAPERS
from tiny_model import documents, write_corpus, write_documents

from fieldsmith.data import Example
from fieldsmith.dataset.loading import read_examples
from fieldsmith.files import write_jsonl
from fieldsmith.plugins import load

_PLUGINS = ROOT / "plugins"

_WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "<w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:body></w:document>"
)
_PAGE = (
    '<!doctype html><html lang="en-IE"><head><title>{0} | Vellin Post</title>'
    '<script type="application/ld+json">{{"@context": "https://schema.org", '
    '"@type": "NewsArticle", "headline": "{0}"}}</script></head>'
    "<body><article><h1>{0}</h1><p>A storm tore roofs from {1} houses on Monday.</p></article>"
    "</body></html>"
)
_TEI = (
    '<?xml version="1.0" ?>\n<tei><teiHeader><fileDesc/></teiHeader><text><front>'
    "<docTitle><titlePart>On foxes, part {0}</titlePart></docTitle> By <byline><docAuthor>Ann Oke"
    '</docAuthor></byline> <div type="abstract">Abstract. Foxes of kind {0} bleed.</div>'
    "</front></text></tei>"
)

_SHOWN = {
    "id": "1",
    "text": "Velmol was given.",
    "record": {"chemicals": ["Velmol"], "diseases": [], "relations": []},
}
"""The document that a page shows an answer to."""

_READ = {**_SHOWN, "id": "notes.txt", "text": "Velmol was given twice."}
"""One with the id of a file that a page reads."""


def write_page_files(folder: Path) -> None:
    """Write what any page may name."""
    _write_medical(folder)
    _write_other_domains(folder)
    for name in ("labels", "models"):
        (folder / name).mkdir()


def _write_medical(folder: Path) -> None:
    write_corpus(folder / "corpus")
    with (folder / "corpus" / "train.txt").open("a", encoding="utf-8") as file:
        file.write("\n" + documents(1, seed=7, first=8701013)[0] + "\n")
    shutil.copytree(folder / "corpus", folder / "bc5cdr")
    shutil.copytree(folder / "corpus", folder / "CDR_Data")
    for name in ("unseen.txt", "NCBItestset_corpus.txt"):
        write_documents(folder / name, documents(4, seed=5, first=501))
    found = read_examples(load("medical_ner"), folder / "corpus")
    rows = [_row(example) for example in found if isinstance(example, Example)]
    rows = [row for row in rows if row["id"] != _SHOWN["id"]]
    for name, some in {
        "labels.jsonl": rows,
        "mine.jsonl": [*rows, _SHOWN],
        "gold.jsonl": [*rows[:6], _SHOWN, _READ],
        "theirs.jsonl": [{"id": row["id"], "record": row["record"]} for row in rows],
        "documents.jsonl": [{"id": row["id"], "text": row["text"]} for row in rows[:6]],
    }.items():
        write_jsonl(folder / name, some)
    texts = [row["text"] for row in rows]
    write_jsonl(folder / "unseen.jsonl", rows[:2])
    (folder / "new.txt").write_text(texts[1], encoding="utf-8")
    write_texts(folder / "folder", texts[:3])
    write_texts(folder / "notes", texts[:24])
    write_texts(folder / "pool", [f"{text} A new one." for text in texts[:12]])
    (folder / "notes.txt").write_text(texts[0], encoding="utf-8")
    _write_tables(folder, rows)
    _write_kinds(folder, rows)


def _row(example: Example) -> dict[str, Any]:
    found = {"id": example.document.id, "text": example.document.text, "record": example.record}
    return found | ({"split": example.split} if example.split else {})


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """Write a text file for each text."""
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")


def _write_tables(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``rows.csv`` and ``rows.parquet`` with columns of their own names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["doc_id", "body", "drugs"])
        for row in rows:
            table.writerow([row["id"], row["text"], json.dumps(row["record"]["chemicals"])])
    columns = {
        name: [row[key] for row in rows[:6]] for name, key in (("id", "id"), ("body", "text"))
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")


def _write_kinds(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a document of each kind, and a folder of PDFs with their labels."""
    text = rows[0]["text"].replace("\n", " ")
    (folder / "paper.pdf").write_bytes(pdf_of(line(72, 700, text)))
    (folder / "page.html").write_text(f"<html><body><p>{text}</p></body></html>", encoding="utf-8")
    with zipfile.ZipFile(folder / "letter.docx", "w") as letter:
        letter.writestr("word/document.xml", _WORD.format(text))
    pdfs = folder / "folder-of-pdfs"
    pdfs.mkdir()
    for number, row in enumerate(rows[:3]):
        (pdfs / f"{number}.pdf").write_bytes(pdf_of(line(72, 700, row["text"].replace("\n", " "))))
    labels = [{"path": f"{n}.pdf", "record": row["record"]} for n, row in enumerate(rows[:3])]
    write_jsonl(pdfs / "labels.jsonl", labels)
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.write(pdfs / "0.pdf", "0.pdf")


def _write_other_domains(folder: Path) -> None:
    shutil.copyfile(_PLUGINS / "news_json" / "sample" / "train.jsonl", folder / "articles.jsonl")
    dataset_pairs(folder, 24)
    shutil.copytree(folder / "pairs", folder / "gs")
    with tarfile.open(folder / "pairs.tar.gz", "w:gz") as archive:
        archive.add(folder / "pairs", "pairs")
    papers_as_json(folder, 40)
    for name in ("html", "tei"):
        (folder / name).mkdir()
    for number in range(24):
        page = _PAGE.format(f"Storm number {number}", number)
        (folder / "html" / f"{number}.html").write_text(page, encoding="utf-8")
    for number in range(60):  # one of ten is for the test
        (folder / "tei" / f"{number}.xml").write_text(_TEI.format(number), encoding="utf-8")
    shutil.rmtree(folder / "papers")


def add_rows(file: Path, count: int) -> None:
    """Add rows like the first one of a file."""
    first = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    with file.open("a", encoding="utf-8") as rows:
        for number in range(count):
            text = f"No. {number}. {first['text']}"
            rows.write(json.dumps({**first, "id": f"more-{number}", "text": text}) + "\n")


def add_conversations(file: Path, count: int) -> None:
    """Add conversations like the first one of a file."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    with file.open("a", encoding="utf-8") as rows:
        rows.writelines(first.replace("two", str(number + 3)) + "\n" for number in range(count))


def write_papers(folder: Path, first: int, count: int) -> None:
    """Write PDFs of invented papers and their labels."""
    folder.mkdir(exist_ok=True)
    with (folder / "labels.jsonl").open("a", encoding="utf-8") as labels:
        for number in range(first, first + count):
            paper = replace(PAPERS[0], title=f"On foxes, part {number}")
            (folder / f"p{number}.pdf").write_bytes(paper.pdf())
            record = {"title": paper.title, "authors": list(paper.authors)}
            labels.write(json.dumps({"path": f"p{number}.pdf", "record": record}) + "\n")
