"""Small files of every format that the shipped plugins read, as a start for damage."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import medical_corpora
from medical_corpora import Annotated
from paths import ROOT

_TEXT = "Aspirin and rash. Aspirin caused rash in 3 patients."
_MEDICAL = [
    Annotated(
        str(70 + number),
        "Aspirin and rash.",
        "Aspirin caused rash in 3 patients.",
        ((0, 7, "Chemical", "C1"), (12, 16, "Disease", "D1"), (18, 25, "Chemical", "C1")),
        (("C1", "D1"),),
    )
    for number in range(3)
]
_ROWS = [
    {
        "id": str(number),
        "text": f"{_TEXT} {number}",
        "record": {"chemicals": ["Aspirin"], "diseases": ["rash"], "relations": []},
        "split": "train",
    }
    for number in range(4)
]
_CHAT = [
    {
        "messages": [
            {"role": "system", "content": "Extract as JSON."},
            {"role": "user", "content": row["text"]},
            {"role": "assistant", "content": json.dumps(row["record"])},
        ]
    }
    for row in _ROWS
]
_PRODIGY = {
    "text": _TEXT,
    "spans": [{"start": 0, "end": 7, "label": "chemicals"}],
    "answer": "accept",
}
_LABEL_STUDIO = {
    "id": 1,
    "data": {"text": _TEXT},
    "annotations": [
        {
            "result": [
                {
                    "type": "labels",
                    "from_name": "label",
                    "to_name": "text",
                    "value": {"start": 0, "end": 7, "text": "Aspirin", "labels": ["chemicals"]},
                }
            ]
        }
    ],
}
_TEI = """<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc>
<titleStmt><title>On rash</title></titleStmt><sourceDesc><biblStruct><analytic><author><persName>
<forename>Ada</forename><surname>Oke</surname></persName></author></analytic></biblStruct>
</sourceDesc></fileDesc><profileDesc><abstract><p>Rash is rare.</p></abstract></profileDesc>
</teiHeader><text><body><p>On rash. Ada Oke. Rash is rare. We saw it.</p></body></text></TEI>"""
_JATS = """<?xml version="1.0"?><article><front><article-meta><article-id>1</article-id>
<title-group><article-title>On rash</article-title></title-group><contrib-group>
<contrib contrib-type="author"><name><surname>Oke</surname><given-names>Ada</given-names></name>
</contrib></contrib-group><abstract><p>Rash is rare.</p></abstract></article-meta></front>
<body><p>We saw it.</p></body></article>"""
_NEWS = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": "Rash in Ulm",
    "author": {"@type": "Person", "name": "Ada Oke"},
    "datePublished": "2024-02-29T10:00:00Z",
}
_PAGE = (
    "<html><head><title>Rash in Ulm</title><script type='application/ld+json'>"
    f"{json.dumps(_NEWS)}</script></head><body><article><h1>Rash in Ulm</h1><p>By Ada Oke</p>"
    f"<p>{'Many people in Ulm have a rash, says the town. ' * 12}</p></article></body></html>"
)
_TURTLE = """@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
<http://example.org/d> a dcat:Dataset ; dct:title "Rashes"@en ; dct:description "Rashes in Ulm." ;
dcat:keyword "rash" ; dct:issued "2024-02-29" ; dcat:landingPage <http://example.org/p> ."""
_CKAN = {
    "success": True,
    "result": {
        "name": "rashes",
        "title": "Rashes",
        "notes": "Rashes in Ulm, counted by the town.",
        "tags": [{"name": "rash"}],
        "resources": [{"url": "http://example.org/a.csv", "format": "CSV"}],
    },
}


def _lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet

    stream = io.BytesIO()
    columns = {"id": ["1", "2"], "text": [_TEXT, _TEXT + " Again."], "chemicals": [["Aspirin"], []]}
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def _head(name: str, size: int = 20_000) -> bytes:
    """Return the beginning of a bundled sample: whole documents, which line ends part."""
    data = (ROOT / "plugins" / name).read_bytes()
    separator = b"\n\n" if b"\n\n" in data else b"\n"
    return data[: data.rfind(separator, 0, size) + 1]


def _papers() -> bytes:
    papers = json.loads((ROOT / "plugins/arxiv_metadata/sample/test.json").read_bytes())
    return json.dumps(papers[:3] if isinstance(papers, list) else papers).encode()


def sources() -> Mapping[str, tuple[str, bytes]]:
    """Return plugin and content of a small file by its name; JSON can be damaged by value."""
    found = {
        f"{number}.{'xml' if 'XML' in name else 'json' if 'JSON' in name else 'txt'}": (
            "medical_ner",
            write(_MEDICAL).encode(),
        )
        for number, (name, write) in enumerate(medical_corpora.FILES.items())
    }
    found |= {
        "tags.conll": ("medical_ner", medical_corpora.bio_tags(_MEDICAL).encode()),
        "rows.jsonl": ("medical_ner", _lines(*_ROWS)),
        "chat.jsonl": ("medical_ner", _lines(*_CHAT)),
        "prodigy.jsonl": ("medical_ner", _lines(_PRODIGY, _PRODIGY | {"text": _TEXT + "!"})),
        "studio.json": ("medical_ner", json.dumps([_LABEL_STUDIO]).encode()),
        "table.csv": ("medical_ner", f"id,text,chemicals\n1,{_TEXT},Aspirin\n2,No,\n".encode()),
        "table.parquet": ("medical_ner", _parquet()),
        "sample.txt": ("medical_ner", _head("medical_ner/sample/test.txt")),
        "paper.tei.xml": ("arxiv_metadata", _TEI.encode()),
        "paper.xml": ("arxiv_metadata", _JATS.encode()),
        "papers.json": ("arxiv_metadata", _papers()),
        "page.html": ("news_json", _PAGE.encode()),
        "news.jsonl": ("news_json", _lines({"id": "1", "text": _PAGE, "record": {}})),
        "data.ttl": ("dcat_datasets", _TURTLE.encode()),
        "ckan.json": ("dcat_datasets", json.dumps(_CKAN).encode()),
        "data.jsonl": ("dcat_datasets", _head("dcat_datasets/sample/test.jsonl")),
    }
    return found
