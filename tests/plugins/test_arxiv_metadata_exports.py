"""What others export of papers: GROBID's results, JATS, Atom, OAI-PMH and BibTeX."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fieldsmith_arxiv_metadata as arxiv_metadata
from fieldsmith import Example, InputError, Record, Reject
from fieldsmith_arxiv_metadata.pages import PAGE_CHARACTERS

RECORD: Record = {
    "id": "1913.00001v2",
    "title": "Foxes & hens: a study",
    "authors": ["Ann B. Oke", "Bo van der Li"],
    "abstract": "Foxes bleed. Hens do not.",
    "doi": "10.5555/fox.1",
}


def rows(source: Path) -> list[Example | Reject]:
    return list(arxiv_metadata.extract_load(source, {}))


def written(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def only(folder: Path, name: str, content: str) -> Example:
    (found,) = rows(written(folder, name, content))
    assert isinstance(found, Example), found
    for key, value in (found.record or {}).items():
        for each in value if isinstance(value, list) else [value]:
            assert each in found.document.text, key
    return found


# --- GROBID's results -----------------------------------------------------------------------------


def grobid(record: Record, prefix: str = "", body: str = "<p>Foxes are red.</p>") -> str:
    """Return a record as GROBID writes it, with a prefix for all elements."""
    people = "".join(
        f'<author><persName><forename type="first">{escape(first)}</forename>'
        f"<surname>{escape(last)}</surname></persName>"
        '<affiliation key="aff0"><orgName>Hen House</orgName></affiliation></author>'
        for first, last in (name.split(" ", 1) for name in record.get("authors", ()))
    )
    kinds = {"id": "arXiv", "doi": "DOI"}
    idnos = "".join(
        f'<idno type="{kind}">{escape(record[key])}</idno>'
        for key, kind in kinds.items()
        if key in record
    )
    title = f'<title level="a" type="main">{escape(record.get("title", ""))}</title>'
    abstract = f"<div><p>{escape(record.get('abstract', ''))}</p></div>"
    text = (
        f"<TEI><teiHeader xml:lang='en'><fileDesc><titleStmt>{title}</titleStmt>"
        f"<sourceDesc><biblStruct><analytic>{people}{title}</analytic><monogr/>{idnos}"
        f"</biblStruct></sourceDesc></fileDesc><profileDesc><abstract>{abstract}</abstract>"
        f"</profileDesc></teiHeader><text><body>{body}</body><back><listBibl><biblStruct><analytic>"
        "<author><persName><surname>Mo</surname></persName></author></analytic></biblStruct>"
        "</listBibl></back></text></TEI>"
    )
    if prefix:
        text = text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        text = text.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:")
    name = f"xmlns:{prefix}" if prefix else "xmlns"
    start = f"<{prefix}:TEI" if prefix else "<TEI"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{start} {name}="http://www.tei-c.org/ns/1.0"'
        + (text.removeprefix(start))
    )


@pytest.mark.parametrize("prefix", ["", "tei", "ns0"])
def test_a_result_of_grobid_is_read(tmp_path: Path, prefix: str) -> None:
    found = only(tmp_path, "fox.grobid.tei.xml", grobid(RECORD, prefix))
    assert found.document.id == "fox.grobid.tei.xml"
    assert found.record == RECORD
    assert found.document.text.endswith("Foxes are red.")
    assert "Mo" not in found.document.text


@pytest.mark.parametrize("missing", list(RECORD))
def test_what_grobid_did_not_find_is_not_annotated(tmp_path: Path, missing: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != missing}
    assert only(tmp_path, "fox.tei.xml", grobid(record)).record == record


def test_a_corpus_of_results_and_a_result_without_anything(tmp_path: Path) -> None:
    other = {**RECORD, "doi": "10.5555/hen.2"}
    papers = "".join(grobid(record).partition("?>\n")[2] for record in (RECORD, other))
    first, second = rows(written(tmp_path, "a.xml", f"<teiCorpus>{papers}</teiCorpus>"))
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert (first.document.id, second.document.id) == ("10.5555/fox.1", "10.5555/hen.2")
    (nothing,) = rows(written(tmp_path, "b.xml", grobid({})))
    assert isinstance(nothing, Reject)
    assert "neither title nor authors" in nothing.reason


def test_a_long_body_ends_with_the_page(tmp_path: Path) -> None:
    body = "<p>Foxes are red.</p>" * 1000
    found = only(tmp_path, "a.xml", grobid(RECORD, body=body))
    assert len(found.document.text) <= PAGE_CHARACTERS


LINE = st.text(st.sampled_from("aBé ξ李&<>'\"-."), min_size=1, max_size=30).map(
    lambda text: " ".join(text.split())
)
FOUND = LINE.filter(lambda text: any(map(str.isalpha, text)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(title=FOUND, abstract=FOUND, prefix=st.sampled_from(["", "tei"]))
def test_whatever_grobid_writes_comes_back(
    tmp_path: Path, title: str, abstract: str, prefix: str
) -> None:
    record = {"title": title, "authors": ["Ann Oke"], "abstract": abstract}
    for form in (grobid(record, prefix), jats(record, prefix)):
        assert only(tmp_path, "a.xml", form).record == record


# --- JATS -----------------------------------------------------------------------------------------


def jats(record: Record, prefix: str = "") -> str:
    people = "".join(
        '<contrib contrib-type="author"><name><surname>'
        f"{escape(last)}</surname><given-names>{escape(first)}</given-names></name>"
        '<xref ref-type="aff" rid="aff1">1</xref></contrib>'
        for first, last in (name.split(" ", 1) for name in record.get("authors", ()))
    )
    ids = "".join(
        f'<article-id pub-id-type="{kind}">{escape(record[key])}</article-id>'
        for key, kind in {"id": "arxiv", "doi": "doi"}.items()
        if key in record
    )
    title = escape(record.get("title", ""))
    abstract = escape(record.get("abstract", ""))
    text = (
        f"<article><front><journal-meta/><article-meta>{ids}<title-group><article-title>{title}"
        '<xref ref-type="fn" rid="f1">*</xref></article-title></title-group>'
        f"<contrib-group>{people}"
        '<contrib contrib-type="editor"><name><surname>Ed</surname></name></contrib>'
        '</contrib-group><abstract abstract-type="graphical"><p>A fox.</p></abstract>'
        f"<abstract><title>Abstract</title><p>{abstract}</p></abstract></article-meta></front>"
        "<body><sec><title>Introduction</title><p>Foxes are red.</p></sec></body></article>"
    )
    if prefix:
        text = text.replace("</", "\0").replace("<", f"<{prefix}:").replace("\0", f"</{prefix}:")
        text = text.replace("article>", f'article xmlns:{prefix}="urn:x">', 1)
    return text


@pytest.mark.parametrize("prefix", ["", "j"])
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        '<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.2" "j.dtd">{}',
        "<pmc-articleset>{}</pmc-articleset>",
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><metadata>{}'
        "</metadata></record></ListRecords></OAI-PMH>",
    ],
)
def test_jats_is_read(tmp_path: Path, around: str, prefix: str) -> None:
    found = only(tmp_path, "fox.nxml", around.format(jats(RECORD, prefix)))
    assert found.record == RECORD
    assert found.document.text.endswith("Introduction\nFoxes are red.")


def test_several_articles_have_their_own_ids(tmp_path: Path) -> None:
    articles = jats(RECORD) + jats({**RECORD, "doi": "10.5555/hen.2"})
    found = rows(written(tmp_path, "a.xml", f"<set>{articles}</set>"))
    assert [row.document.id for row in found if isinstance(row, Example)] == [
        "10.5555/fox.1",
        "10.5555/hen.2",
    ]


# --- Labels ---------------------------------------------------------------------------------------

ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">ArXiv Query</title>
<entry><id>http://arxiv.org/abs/1913.00001v2</id><title>Foxes &amp; hens:
  a study</title><summary>  Foxes bleed. Hens do not.
</summary><author><name>Ann B. Oke</name></author><author><name>Bo van der Li</name></author>
<arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.5555/fox.1</arxiv:doi></entry></feed>"""
OAI = """<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>
<record><header><identifier>oai:arXiv.org:1913.00001</identifier></header><metadata>{}</metadata>
</record></ListRecords></OAI-PMH>"""
OAI_ARXIV = """<arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>1913.00001</id><authors>
<author><keyname>Oke</keyname><forenames>Ann B.</forenames></author>
<author><keyname>van der Li</keyname><forenames>Bo</forenames></author></authors>
<title>Foxes &amp; hens: a study</title><doi>10.5555/fox.1</doi>
<abstract> Foxes bleed. Hens do not. </abstract></arXiv>"""
OAI_RAW = """<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>1913.00001</id>
<version version="v1"/><title>Foxes &amp; hens: a study</title>
<authors>Ann B. Oke and Bo van der Li</authors><doi>10.5555/fox.1</doi>
<abstract>Foxes bleed. Hens do not.</abstract></arXivRaw>"""
OAI_DC = """<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Foxes &amp; hens: a study</dc:title>
<dc:creator>Oke, Ann B.</dc:creator><dc:creator>van der Li, Bo</dc:creator>
<dc:description>Foxes bleed. Hens do not.</dc:description><dc:description>7 pages</dc:description>
<dc:identifier>http://arxiv.org/abs/1913.00001</dc:identifier>
<dc:identifier>doi:10.5555/fox.1</dc:identifier></oai_dc:dc>"""
BIBTEX = r"""@article{oke1913foxes,
  title = {Foxes {\&} {H}ens: a study}, author = {Oke, Ann B. and van der Li, Bo and others},
  eprint = {1913.00001}, archivePrefix = {arXiv}, doi = {10.5555/FOX.1},
  abstract = {Foxes bleed. Hens do not.}
}
@book{mo, title = "Zo{\"e}'s hens", author = "{The Hen Group}"}
"""
LABELS = {
    "atom.xml": ATOM,
    "oai.xml": OAI.format(OAI_ARXIV),
    "raw.xml": OAI.format(OAI_RAW),
    "dc.xml": OAI.format(OAI_DC),
    "papers.bib": BIBTEX,
    "papers.txt.data": BIBTEX,
}
TEXT = (
    "arXiv:1913.00001v2 [q-bio.TO]\nFoxes & Hens: a study\nAnn B. Oke, Bo van der Li\n"
    "Foxes bleed. Hens do not.\nhttps://doi.org/10.5555/fox.1"
)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("page", ["1913.00001.txt", "arXiv_1913.00001v2.text"])
def test_labels_belong_to_the_text_with_their_id(tmp_path: Path, name: str, page: str) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    written(folder, name, LABELS[name])
    written(folder, page, TEXT)
    written(folder, "other.txt", "Hens")
    other, paper = sorted(
        (row for row in rows(folder) if isinstance(row, Example)), key=lambda row: bool(row.record)
    )
    assert (other.document.id, other.record) == ("other.txt", None)
    record = paper.record or {}
    assert (record["title"] or "").casefold() == RECORD["title"].casefold()
    assert {**record, "title": RECORD["title"]} == RECORD


def test_labels_of_bibtex_are_found_by_their_key(tmp_path: Path) -> None:
    written(tmp_path, "papers.bib", BIBTEX)
    written(tmp_path, "Mo.txt", "Zoë's hens\nThe Hen Group\ndoi:10.5555/x.2")
    (found,) = rows(tmp_path)
    assert isinstance(found, Example)
    # It has neither abstract nor DOI: that the page has a DOI is not annotated.
    assert found.record == {"title": "Zoë's hens", "authors": ["The Hen Group"]}


@pytest.mark.parametrize("name", LABELS)
def test_labels_without_texts_say_where_to_put_them(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, LABELS[name])
    for source in (path, tmp_path):
        with pytest.raises(InputError, match="without their texts; put it into a folder") as error:
            rows(source)
        assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("@article{a, title={x}", "premature end of file"),
        ("@article{a, title={x}, title={y}}", "duplicate title"),
        ("@article{a, title={x}}\n@article{a, title={y}}", "repeated bibliography entry"),
        ("@article{a, title={" + "{" * 3000 + "}" * 3000 + "}}", "broken BibTeX"),
    ],
)
def test_broken_bibtex_is_one_line(tmp_path: Path, content: str, says: str) -> None:
    written(tmp_path, "a.txt", "Foxes")
    path = written(tmp_path, "a.bib", content)
    with pytest.raises(InputError) as error:
        rows(tmp_path)
    assert str(error.value).startswith(f"{path}: broken BibTeX (")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_extra_bibtex_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pybtex.database.input.bibtex", None)
    written(tmp_path, "a.txt", "Foxes")
    written(tmp_path, "a.bib", BIBTEX)
    with pytest.raises(InputError, match=r"pip install 'fieldsmith\[bibtex\]'"):
        rows(tmp_path)


def test_markdown_to_predict_on_is_a_page(tmp_path: Path) -> None:
    found = only(tmp_path, "paper.md", "# Foxes\n" + "word " * 5000)
    assert (found.document.id, found.record) == ("paper.md", None)
    assert len(found.document.text) <= PAGE_CHARACTERS


def test_broken_xml_labels_are_one_line(tmp_path: Path) -> None:
    written(tmp_path, "a.txt", "Foxes")
    path = written(tmp_path, "atom.xml", ATOM[:-20])
    with pytest.raises(InputError, match="broken XML") as error:
        rows(tmp_path)
    assert str(error.value).startswith(f"{path}:")
