"""Texts of DOCX and HTML files, and of what gzip and zip compress, whatever the plugin."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from drawn_pages import columns
from name_lists import PLUGIN

from fieldsmith import Document, InputError, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.dataset.row_json import row_as_json, row_of_json
from fieldsmith.plugins import load
from fieldsmith.progress import log_to_stderr
from fieldsmith.reading import archives
from fieldsmith.reading.docx import read_docx
from fieldsmith.reading.html import read_html
from fieldsmith.reading.limits import Limits

HTML = (
    b"<html><head><title>Foxes</title></head><body><p>They <b>sleep</b>.</p><p>So</p></body></html>"
)


def read(*paths: Path) -> list[Document | Reject]:
    return list(read_inputs(PLUGIN, list(map(str, paths))))


def zip_of(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # That of OpenDocument is told by its first bytes, and so is not compressed.
            stored = zipfile.ZIP_STORED if name == "mimetype" else None
            archive.writestr(name, content, stored)
    return stream.getvalue()


def test_a_word_file_is_a_line_a_paragraph(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx", reason="python-docx is not installed")
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Acme Ltd"
    document.sections[0].footer.paragraphs[0].text = "Page"
    document.add_heading("On foxes", 0)
    document.add_paragraph("Foxes\tsleep.").add_run(" They\nwake.")
    table = document.add_table(2, 2)
    for row, column, text in ((0, 0, "Name"), (0, 1, "Age"), (1, 1, "3")):
        table.cell(row, column).text = text
    document.add_paragraph("The end.")
    stream = io.BytesIO()
    document.save(stream)
    (tmp_path / "a.docx").write_bytes(stream.getvalue())
    text = "Acme Ltd\n\nOn foxes\nFoxes\tsleep. They\nwake.\nName\tAge\n\t3\nThe end.\n\nPage"
    assert read(tmp_path / "a.docx") == [Document("a.docx", text, {"path": "a.docx"})]


BODY = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:body>{}</w:body>'
    "</w:document>"
)
KEPT = {
    "a change": "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old"
    "</w:delText></w:r></w:del></w:p>",
    "a move": "<w:p><w:moveFrom><w:r><w:t>new</w:t></w:r></w:moveFrom></w:p>"
    "<w:p><w:moveTo><w:r><w:t>new</w:t></w:r></w:moveTo></w:p>",
    "a control": "<w:sdt><w:sdtContent><w:p><w:r><w:t>new</w:t></w:r></w:p></w:sdtContent></w:sdt>",
    "tab stops": '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>new</w:t>'
    "</w:r></w:p>",
    "a field": "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:t>new</w:t></w:r></w:p>",
    "two forms of one": "<w:p><w:r><mc:AlternateContent><mc:Choice><w:t>new</w:t></mc:Choice>"
    "<mc:Fallback><w:t>new</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>",
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_what_a_word_file_shows_is_read(body: str) -> None:
    content = zip_of({"word/document.xml": BODY.format(body).encode()})
    assert read_docx(content, Limits()).text == "new"


HIDDEN = {
    "a run": "<w:p><w:r><w:t>new</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>old</w:t><w:tab/>"
    '<w:sym w:font="Symbol" w:char="F061"/></w:r></w:p>',
    "not hidden": '<w:p><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>new</w:t></w:r></w:p>',
    "formerly hidden": "<w:p><w:r><w:rPr><w:rPrChange><w:rPr><w:vanish/></w:rPr></w:rPrChange>"
    "</w:rPr><w:t>new</w:t></w:r></w:p>",
    "the end of a paragraph": "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:t>ne</w:t>"
    "</w:r></w:p><w:p><w:pPr><w:rPr><w:specVanish/></w:rPr></w:pPr><w:r><w:t>w</w:t></w:r></w:p>",
    "a style": '<w:p><w:r><w:t>new</w:t></w:r><w:r><w:rPr><w:rStyle w:val="Secret"/></w:rPr>'
    "<w:t>old</w:t></w:r></w:p>",
    "a style that is based on one": '<w:p><w:pPr><w:pStyle w:val="Below"/></w:pPr><w:r><w:t>old'
    "</w:t></w:r></w:p><w:p><w:r><w:t>new</w:t></w:r></w:p>",
    "a style that shows again": '<w:p><w:r><w:rPr><w:rStyle w:val="Shown"/></w:rPr><w:t>new</w:t>'
    "</w:r></w:p>",
    "two styles that cancel each other": '<w:p><w:pPr><w:pStyle w:val="Below"/></w:pPr><w:r><w:rPr>'
    '<w:rStyle w:val="Secret"/></w:rPr><w:t>new</w:t></w:r></w:p>',
    "shown in a hidden style": '<w:p><w:pPr><w:pStyle w:val="Below"/></w:pPr><w:r><w:rPr><w:vanish'
    ' w:val="false"/></w:rPr><w:t>new</w:t></w:r></w:p>',
    "a table": '<w:p><w:r><w:t>new</w:t></w:r></w:p><w:tbl><w:tblPr><w:tblStyle w:val="Grid"/>'
    "</w:tblPr><w:tr><w:tc><w:p><w:r><w:t>old</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
    "a drawing": "<w:p><w:r><w:t>new</w:t></w:r><w:r><w:drawing><inline><docPr hidden='1'/>"
    "<w:txbxContent><w:p><w:r><w:t>old</w:t></w:r></w:p></w:txbxContent></inline></w:drawing>"
    "<w:pict><shape style='width:1pt;visibility:hidden'><w:t>old</w:t></shape></w:pict></w:r>"
    "</w:p>",
}
STYLES = """<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"/>
<w:style w:type="character" w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="character" w:styleId="Shown"><w:basedOn w:val="Secret"/><w:rPr><w:vanish
w:val="off"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Above"><w:rPr><w:vanish w:val="1"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Below"><w:basedOn w:val="Above"/></w:style>
<w:style w:type="table" w:styleId="Grid"><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="character" w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style></w:styles>"""


@pytest.mark.parametrize("body", HIDDEN.values(), ids=HIDDEN)
def test_what_word_hides_is_left_out(body: str) -> None:
    parts = {"word/document.xml": BODY.format(body), "word/styles.xml": STYLES}
    content = zip_of({name: part.encode() for name, part in parts.items()})
    assert read_docx(content, Limits()).text == "new"


@pytest.mark.parametrize(
    ("styles", "text"),
    [
        (
            "<w:docDefaults><w:rPrDefault><w:rPr><w:vanish/></w:rPr></w:rPrDefault></w:docDefaults>",
            "",
        ),
        (
            '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:rPr><w:vanish/>'
            "</w:rPr></w:style>",
            "",
        ),
        ("<w:style><w:rPr><w:vanish/></w:rPr></w:style>", "old"),
    ],
)
def test_hidden_by_default_is_hidden(styles: str, text: str) -> None:
    head, _, _ = STYLES.partition("<w:style ")
    shown = "<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>new</w:t></w:r>"
    body = BODY.format(f"<w:p><w:r><w:t>old</w:t></w:r>{shown}</w:p>")
    parts = {"word/document.xml": body, "word/styles.xml": f"{head}{styles}</w:styles>"}
    content = zip_of({name: part.encode() for name, part in parts.items()})
    assert read_docx(content, Limits()).text == f"{text}new"


def test_the_body_may_have_a_number() -> None:
    body = BODY.format("<w:p><w:r><w:t>new</w:t></w:r></w:p>")
    assert read_docx(zip_of({"word/document2.xml": body.encode()}), Limits()).text == "new"


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ('w:font="Symbol" w:char="F061"', "TNF-α"),
        ('w:font="Symbol" w:char="00B3"', "TNF-≥"),
        ('w:font="Symbol" w:char="F02B"', "TNF-+"),
        *(
            (f'w:font="Symbol" w:char="F0{ord(char):02X}"', f"TNF-{shown}")
            for char, shown in zip("\"$'*-@\\^~`", "∀∃∋∗−≅∴⊥∼\ufffd", strict=True)
        ),
        ('w:font="Wingdings" w:char="F0E0"', "TNF-\ufffd"),
        ('w:font="Symbol" w:char="D800"', "TNF-\ufffd"),
        ('w:font="Symbol"', "TNF-\ufffd"),
    ],
)
def test_symbols_are_the_characters_that_they_show(symbol: str, text: str) -> None:
    body = BODY.format(f"<w:p><w:r><w:t>TNF-</w:t><w:sym {symbol}/></w:r></w:p>")
    content = zip_of({"word/document.xml": body.encode()})
    assert read_docx(content, Limits()).text == text


BROKEN = {
    "rubbish": (b"PK\x03\x04 rubbish", "the DOCX file cannot be read"),
    "broken XML": (zip_of({"word/document.xml": b"<a>"}), "cannot be read (no element found"),
    "a workbook": (zip_of({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "save it as PDF"),
    "no text": (zip_of({"word/document.xml": BODY.format("").encode()}), "holds no text"),
    "entities": (zip_of({"word/document.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'}), "a DTD"),
    "an old file": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office, which is not read; save it"),
    "OpenDocument": (
        zip_of({"mimetype": b"application/vnd.oasis.opendocument.text"}),
        "OpenDocument or EPUB, which is not read",
    ),
}


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_a_word_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "a.docx"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert says in str(caught.value)


def test_a_word_file_that_unpacks_to_too_much_is_refused() -> None:
    content = zip_of({"word/document.xml": bytes(3 << 20)})
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        read_docx(content, Limits(file_bytes=1 << 20))


@pytest.mark.parametrize("name", ["a.html", "a.dat", "page"])
def test_html_is_the_text_that_it_shows(tmp_path: Path, name: str) -> None:
    pytest.importorskip("trafilatura", reason="the extra html is not installed")
    (tmp_path / name).write_bytes(HTML)
    assert read(tmp_path / name) == [Document(name, "Foxes\nThey sleep.\nSo", {"path": name})]


@pytest.mark.parametrize(
    "hidden",
    [
        "<p style='visibility: hidden'>old <b>old</b></p>",
        "<p style='VISIBILITY:collapse'>old</p>",
        "<p style='color:red; display : none !important;display:block'>old</p>",
        "<p style='opacity: 0.0'>old</p>",
        "<p style='content-visibility:hidden'>old</p>",
        "<p hidden='until-found'>old</p>",
        "<p style='visibility:hidden'>old <b style='visibility:visible'>in</b> old</p>",
        "<p style='display:none;display:block;opacity:0.5;mso-display:none'>in</p>",
        "<p aria-hidden='true'>in</p>",
    ],
)
def test_what_a_page_hides_by_itself_is_left_out(hidden: str) -> None:
    pytest.importorskip("trafilatura", reason="the extra html is not installed")
    page = f"<html><body><p>new</p>{hidden}<p>end</p></body></html>"
    shown = "new\nin\nend" if "in</" in hidden else "new\nend"
    assert read_html(page.encode(), Limits()).text == shown


def test_markdown_and_text_stay_as_they_are(tmp_path: Path) -> None:
    for name, text in (("a.md", "# Foxes\n\n*sleep*"), ("b.txt", "<html>%PDF-1.7"), ("c", "plain")):
        (tmp_path / name).write_text(text)
        assert read(tmp_path / name) == [Document(name, text, {"path": name})]


def test_gzip_holds_a_file_of_any_kind(tmp_path: Path) -> None:
    for name, content in (("a.txt.gz", b"Foxes"), ("b.lst.gz", b"names\nAda\n")):
        (tmp_path / name).write_bytes(gzip.compress(content))
    assert read(tmp_path / "a.txt.gz") == [Document("a.txt.gz", "Foxes", {"path": "a.txt.gz"})]
    assert read(tmp_path / "b.lst.gz") == [Document("line 2", "Ada")]


def test_each_file_of_an_archive_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    outside = tmp_path.parent / "outside.txt"
    drawing = columns(2)
    members = {
        "in/paper.pdf": drawing.content(),
        "../outside.txt": b"plain",
        "/etc/absolute.txt": b"absolute",
        "names.lst": b"names\nAda\n\n",
        "rows.jsonl": b'{"id": "r", "text": "row"}\n',
        "inner.zip": zip_of({"a.txt": b"a"}),
        "inner.txt.gz": gzip.compress(b"b"),
        "strange.xyz": b"?",
        "README.md": b"about the data",
        ".hidden.txt": b"hidden",
        "__MACOSX/in.txt": b"added",
        "folder/": b"",
    }
    file = tmp_path / "all.zip"
    file.write_bytes(zip_of(members))
    with log_to_stderr():
        found = read(file)
    said = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    names = "README.md, .hidden.txt, __MACOSX/in.txt"
    why = "3 files passed over (hidden, about the data, or links)"
    assert said == [f"all.zip: {why}: {names}"]
    assert [(type(row).__name__, row.id) for row in found] == [
        ("Document", "all.zip/in/paper.pdf"),
        ("Document", "all.zip/../outside.txt"),
        ("Document", "all.zip//etc/absolute.txt"),
        ("Document", "line 2"),
        ("Reject", ""),
        ("Document", "r"),
        ("Reject", "all.zip/inner.zip"),
        ("Reject", "all.zip/inner.txt.gz"),
        ("Reject", "all.zip/strange.xyz"),
    ]
    paper, empty, strange = found[0], found[4], found[-1]
    assert isinstance(paper, Document)
    assert paper.text.split() == [word.text for word in drawing.words]
    assert paper.words
    assert isinstance(empty, Reject)
    assert empty.place == "all.zip/names.lst:3"
    assert isinstance(strange, Reject)
    assert strange.reason.startswith("all.zip/strange.xyz: in no format")
    assert not outside.exists()


def test_the_plugin_reads_what_it_knows_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"a.html": HTML}))
    (row,) = read_inputs(load("news_json"), [str(tmp_path / "a.zip")])
    assert row.id == "a.zip/a.html"
    assert isinstance(row, Document)
    assert row.text == "Foxes\nThey sleep.\nSo"


@pytest.mark.parametrize("name", ["arxiv_metadata", "dcat_datasets", "medical_ner", "news_json"])
def test_every_plugin_that_ships_reads_all_kinds(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    pytest.importorskip("trafilatura", reason="the extra html is not installed")
    body = BODY.format("<w:p><w:r><w:t>Foxes sleep.</w:t></w:r></w:p>").encode()
    files = {
        "a.pdf": columns(5, [0]).content(),
        "b.docx": zip_of({"[Content_Types].xml": b"", "word/document.xml": body}),
        "c.html": HTML,
        "d.txt": b"Foxes sleep.",
        "e.txt.gz": gzip.compress(b"Foxes sleep."),
    }
    for path, content in {**files, "f.zip": zip_of(files)}.items():
        (tmp_path / path).write_bytes(content)
    found = list(read_inputs(load(name), [str(tmp_path)]))
    inside = [f"f.zip/{path}" for path in files if path != "e.txt.gz"]
    assert [row.id for row in found if isinstance(row, Document)] == [*files, *inside]
    assert [row.id for row in found if isinstance(row, Reject)] == ["f.zip/e.txt.gz"]
    assert [bool(row.words) for row in found if isinstance(row, Document)] == [
        row.id.endswith(".pdf") for row in found if isinstance(row, Document)
    ]


REFUSED = {
    "rubbish": (b"PK\x03\x04 rubbish", "the zip file cannot be unpacked (File is not a zip file)"),
    "half of gzip": (gzip.compress(b"text")[:-9], "the gzip file cannot be unpacked"),
    "nothing in it": (zip_of({}), "no document in it"),
    "tar": (bytes(257) + b"ustar" + bytes(250), "tar, which is not read; unpack it"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_an_archive_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.dat"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(file)
    assert says in str(caught.value)
    (reject,) = read(tmp_path / "in")
    assert isinstance(reject, Reject)
    assert (reject.id, says in reject.reason) == ("a.dat", True)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    most = Limits(unpacked_bytes=1 << 20, members=3)
    bombs = {
        "gzip": gzip.compress(bytes(2 << 20)),
        "zip": zip_of({"a": bytes(700_000), "b": bytes(700_000)}),
    }
    for kind, content in bombs.items():
        (tmp_path / kind).write_bytes(content)
        (tmp_path / f"of {kind}").mkdir()
        with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
            archives.unpack(tmp_path / kind, kind, tmp_path / f"of {kind}", most)
    (tmp_path / "many").write_bytes(zip_of(dict.fromkeys("abcd", b"")))
    with pytest.raises(InputError, match="more than 3 files"):
        archives.unpack(tmp_path / "many", "zip", tmp_path / "of zip", most)


def test_two_members_of_one_name_are_told_apart(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.txt", "two")
    (tmp_path / "a.zip").write_bytes(stream.getvalue())
    first, second = read(tmp_path / "a.zip")
    assert isinstance(first, Document)
    assert isinstance(second, Reject)
    assert "has the same name" in second.reason


@pytest.mark.parametrize(
    ("module", "name", "content", "extra"),
    [
        ("pdfminer.pdfpage", "a.pdf", b"%PDF-1.7", "pdf"),
        ("trafilatura", "a.html", HTML, "html"),
    ],
)
def test_without_an_extra_one_line_says_so(
    module: str, name: str, content: bytes, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldsmith.reading import kinds

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"pip install 'fieldsmith\[{extra}\]'"):
        kinds.read(content, extra.upper(), Limits())


def test_documents_of_pages_go_through_json_and_others_are_what_they_were(tmp_path: Path) -> None:
    pytest.importorskip("pdfminer", reason="the extra pdf is not installed")
    (tmp_path / "a.pdf").write_bytes(columns(4).content())
    (paged,) = read(tmp_path / "a.pdf")
    assert isinstance(paged, Document)
    again = row_of_json(row_as_json(paged))
    assert isinstance(again, Document)
    assert (again, again.words) == (paged, paged.words)
    assert row_as_json(Document("1", "text")) == {"id": "1", "text": "text", "meta": {}}
    for row in (Document("1", "text", {"url": "u"}), Reject("a:1", "x", "why", "1")):
        assert row_of_json(row_as_json(row)) == row
