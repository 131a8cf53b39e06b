"""The formats that arxiv_metadata reads: what they mean, and what is wrong with broken files."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from drawn_pages import pdf_of_objects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import REAL_DATA
from pdf_files import line, pdf_of

import fieldsmith
import fieldsmith_arxiv_metadata as arxiv_metadata
from fieldsmith import Example, InputError, Record, Reject, UnknownFormatError
from fieldsmith.dataset.inputs import open_inputs
from fieldsmith.plugins import load
from fieldsmith.reading import reader
from fieldsmith.reading.limits import Limits
from fieldsmith_arxiv_metadata.pages import PAGE_CHARACTERS, beginning, first_page

DATA = REAL_DATA / "arxiv"

TEI = """<?xml version="1.0" ?>
<tei xml:space="preserve"><teiHeader><fileDesc xml:id="_1"/></teiHeader><text xml:lang="en">
<front><lb/>
    <note type="doctype">R E P O R T<lb/></note>
    <docTitle>
    <titlePart>Foxes &amp; anticoag-<lb/>ulants<lb/></titlePart>
    </docTitle>
    By <byline><docAuthor>Ann-Mari van der Oke 1,2 , Bo Li3<lb/> and Zoë Ro-<lb/>cha, M.D.<lb/>
    </docAuthor></byline>
    <byline><affiliation>1 Hen House</affiliation></byline>
    <div type="abstract">Abstract. Foxes bleed for<lb/> longer than hens.<lb/></div>
    <byline><docAuthor>A.-M. van der Oke</docAuthor></byline>
    <idno>arXiv:q-bio.TO/9913001v2 [q-bio.TO]</idno>
    <idno>https://doi.org/10.5555/fox. 1.</idno>
</front></text></tei>
"""
PAGE = (
    "R E P O R T\nFoxes & anticoag-\nulants\nBy Ann-Mari van der Oke 1,2 , Bo Li3\nand Zoë Ro-\n"
    "cha, M.D.\n1 Hen House Abstract. Foxes bleed for\nlonger than hens.\nA.-M. van der Oke "
    "arXiv:q-bio.TO/9913001v2 [q-bio.TO] https://doi.org/10.5555/fox. 1."
)
ROW: dict[str, Any] = {
    "id": "1913.00001",
    "title": "Foxes",
    "authors": ["Bo Li", "Ann Oke"],
    "abstract": "Foxes bleed.",
    "doi": None,
    "article_text": "arXiv:1913.00001v2\nFoxes\nBo Li2, Ann Oke\nAbstract\nFoxes bleed.",
}
LABEL = {
    "id": "1913.00001",
    "authors": "Z. Ok\\'e and B. Li",
    "authors_parsed": [["Oké", "Z.", ""], ["Li", "B.", "Jr"]],
    "title": "Foxes\n  and hens",
    "abstract": "  Foxes\nbleed.\n",
    "doi": "10.5555/FOX.1",
    "categories": "q-bio.TO",
}


def rows(source: Path) -> list[Example | Reject]:
    return list(arxiv_metadata.extract_load(source, {}))


def examples(source: Path) -> list[Example]:
    found = rows(source)
    assert all(isinstance(row, Example) for row in found), found
    return [row for row in found if isinstance(row, Example)]


def written(folder: Path, name: str, content: str | bytes | Iterable[object]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    elif not isinstance(content, bytes):
        content = "".join(json.dumps(row) + "\n" for row in content).encode()
    path.write_bytes(content)
    return path


def as_list(*found: object) -> str:
    return json.dumps(list(found))


# --- The first page -------------------------------------------------------------------------------


def test_a_text_is_cut_at_a_page_or_a_word() -> None:
    page = "word " * 200
    assert first_page(page + "\f" + page) == page.strip()
    assert first_page("Cover\f" + page + "\fmore") == "Cover\n" + page.strip()
    long = first_page("word " * 5000)
    assert PAGE_CHARACTERS - 5 <= len(long) <= PAGE_CHARACTERS
    assert long.endswith("word")
    assert first_page("x" * 10**6) == "x" * PAGE_CHARACTERS
    assert first_page(" \f \n") == ""


@given(st.text(st.sampled_from("ab \n\f"), max_size=200))
def test_nothing_is_added(text: str) -> None:
    assert first_page(text).split() == text.replace("\f", "\n").split()


@given(st.text(st.sampled_from("ab \r\n\f\ufeff"), max_size=200))
@hypothesis.example("Cover\f" + "word " * 200 + "\fmore")
@hypothesis.example("word " * 200 + "\fmore")
@hypothesis.example("\n" * 10_000 + "word\r\n" * 9_000)
def test_the_beginning_of_a_text_is_as_it_is(text: str) -> None:
    found = beginning(text)
    assert text.startswith(found)
    assert len(found.lstrip()) <= PAGE_CHARACTERS
    if len(text) < 1500:
        assert found.split() == first_page(text).split()


def test_offsets_of_a_text_file_are_those_of_the_file(tmp_path: Path) -> None:
    text = "\ufeff\r\n  Foxes\r\nZoë Ham\r\n"
    (found,) = examples(written(tmp_path, "a.txt", text.encode()))
    assert found.document.text == text.rstrip()


# --- Rows with texts ------------------------------------------------------------------------------


def test_a_list_and_lines_give_the_same_examples(tmp_path: Path) -> None:
    listed = written(tmp_path, "papers.json", as_list(ROW))
    lines = written(tmp_path, "papers.jsonl", [ROW])
    (example,), (other,) = examples(listed), examples(lines)
    assert (example.document, example.record) == (other.document, other.record)
    assert example.document.id == "1913.00001"
    assert example.record == {
        "id": "1913.00001v2",
        "title": "Foxes",
        "authors": ["Bo Li2", "Ann Oke"],
        "abstract": "Foxes bleed.",
        "doi": None,
    }
    assert (example.place, other.place) == (f"{listed}: item 1", f"{lines}:1")


def test_official_splits_come_from_names(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        written(tmp_path, f"{name}.json", as_list(ROW | {"id": name}))
    assert [example.split for example in examples(tmp_path)] == ["test", "train", "validation"]


def test_what_is_absent_is_not_annotated(tmp_path: Path) -> None:
    text = {"article_text": "Foxes"}
    source = as_list(
        text, text | {"title": "", "authors": None}, text | {"id": 7, "authors": "Ann Oke"}
    )
    bare, empty, joined = examples(written(tmp_path, "p.json", source))
    assert (bare.document.id, bare.record) == ("p-1", None)
    assert empty.record == {"title": None, "authors": []}
    assert joined.record == {"id": "7", "authors": ["Ann Oke"]}


def test_authors_in_one_string_are_split(tmp_path: Path) -> None:
    row = ROW | {"authors": "Bo Li, Ann van der Oke and 李明"}
    (example,) = examples(written(tmp_path, "p.json", as_list(row)))
    assert (example.record or {})["authors"] == ["Bo Li2", "Ann van der Oke", "李明"]


@pytest.mark.parametrize(
    "authors",
    ["Oke, Ann; Li, Bo", "Oke, Ann and Li, Bo", ["Oke, Ann", "Li, Bo"], ["Ann Oke", "Bo Li"]],
)
def test_gold_has_the_names_as_the_page_has_them(tmp_path: Path, authors: object) -> None:
    for page, expected in (
        ("Foxes\nAnn Oke, Bo Li", ["Ann Oke", "Bo Li"]),
        ("Foxes\nOke, Ann; Li, Bo1", ["Oke, Ann", "Li, Bo1"]),
    ):
        row = ROW | {"authors": authors, "article_text": page}
        (example,) = examples(written(tmp_path, "p.json", as_list(row)))
        found = (example.record or {})["authors"]
        assert found == expected or authors == ["Ann Oke", "Bo Li"]


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        (7, "", "an object is wanted, not int"),
        ({"title": "x"}, "article_text", "wanted as a string"),
        (ROW | {"article_text": " \n"}, "article_text", "not empty"),
        (ROW | {"title": 7}, "title", "a string or null is wanted, not int"),
        (ROW | {"authors": [7]}, "authors", "a list of names"),
        (ROW | {"authors": {"a": 1}}, "authors", "a list of names"),
        (ROW | {"abstract": ["x"]}, "abstract", "not list"),
    ],
)
def test_a_bad_row_is_set_aside(tmp_path: Path, row: object, field: str, says: str) -> None:
    path = written(tmp_path, "p.json", as_list(row, ROW))
    bad, good = rows(path)
    assert isinstance(good, Example)
    assert isinstance(bad, Reject)
    assert (bad.place, bad.field) == (f"{path}: item 1", field)
    assert says in bad.reason


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.json", '[{"a": 1}, {', "p.json: broken JSON"),
        ("p.json", '[\n{"a": 1},\n{', "p.json:3: broken JSON"),
        ("p.json", "[" * 100_000, "broken JSON"),
        ("p.data", "[1, 2]", "in no format"),
        ("p.json", '[{"a":' + "[" * 100_000, "broken JSON"),
        ("p.jsonl", '{"article_text": "x"}\n{"article_text": ', "p.jsonl:2: broken JSON"),
        ("p.jsonl", b'{"article_text": "x"}\n{"article_text": "\xff"}', "p.jsonl:2: not UTF-8"),
        ("p.json", b'[{"article_text": "\xff"}]', "not UTF-8"),
        ("p.json", '[{"id": "7", "title": "A", "title": "B"}]', "the key 'title' is given twice"),
        ("p.json", '[{"id": "7", "id": "7"}]', "the key 'id' is given twice"),
        ("p.json", '[{"article_text": "x", "a": [{"b": 1, "b": 1}]}]', "the key 'b' is given"),
        ("p.jsonl", '{"article_text": "x"}\n{"a": 1, "a": 2}', "p.jsonl:2: broken JSON: the key"),
        ("p.bin", b"\0\1\2", "in no format that the plugin reads"),
        ("p.txt", " \n", "the file holds no text"),
        ("p.txt", b"a\0b", "NUL"),
        ("p.pdf", b"%PDF-1.7\nrubbish", "the PDF cannot be read"),
        ("p.xml", "<tei><text/></tei>", "TEI without <front>"),
        ("p.xml", "<tei><front>", "p.xml:1: broken XML (no element found)"),
        ("p.xml", "<tei><front>\n&x;</front></tei>", "p.xml:2: broken XML (undefined entity)"),
        ("p.xml", '<!DOCTYPE t [<!ENTITY x "y">]><tei><front>&x;</front></tei>', "the entity 'x'"),
        ("p.xml", '<?xml version="1.0" encoding="no"?><tei><front/></tei>', "broken XML"),
        (
            "p.xml",
            "<tei><front>" + "<a>" * 300 + "x" + "</a>" * 300,
            "p.xml:1: elements are nested",
        ),
    ],
)
def test_a_broken_file_is_one_line(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    path = written(tmp_path, f"data/{name}", content)
    with pytest.raises(InputError) as caught:
        rows(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert says in message
    assert "\n" not in message
    # In a folder it is set aside, and the others are read.
    written(tmp_path, "data/z.json", as_list(ROW))
    found = rows(tmp_path / "data")
    assert isinstance(found[-1], Example)
    assert isinstance(found[-2], Reject)
    assert found[-2].place == str(path)


def test_unknown_files_and_notes_in_a_folder(tmp_path: Path) -> None:
    written(tmp_path, "a.bin", b"\0")
    written(tmp_path, "README.md", "# Papers")
    written(tmp_path, "b.json", as_list(ROW))
    unknown, _ = rows(tmp_path)
    assert isinstance(unknown, Reject)
    assert "in no format" in unknown.reason
    with pytest.raises(UnknownFormatError):
        rows(tmp_path / "a.bin")
    with pytest.raises(InputError, match="no such file"):
        rows(tmp_path / "nothing")


@given(data=st.binary(max_size=60), start=st.sampled_from([b"", b"[{", b"<tei>", b"%PDF-1.4\n"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_file_holds(tmp_path: Path, data: bytes, start: bytes) -> None:
    for name in ("x.json", "x.txt"):
        with suppress(InputError):
            rows(written(tmp_path, name, start + data))


@given(text=st.text(max_size=60), names=st.lists(st.text(max_size=20), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_row_holds(tmp_path: Path, text: str, names: list[str]) -> None:
    row = {"id": text, "title": text, "authors": names, "doi": text, "article_text": text}
    found = rows(written(tmp_path, "x.json", as_list(row, row | {"authors": text})))
    assert len(found) == 2


@pytest.mark.parametrize("piece", ["A. ", "10.1234/)", "doi:", "a, ", "é-\n", "(", "* ", "李明 1 "])
def test_long_texts_do_not_hang(tmp_path: Path, piece: str) -> None:
    long = piece * (200_000 // len(piece))  # in quadratic time it would be minutes
    row = ROW | {"article_text": long, "title": long, "doi": long, "id": long, "authors": long}
    (example,) = examples(written(tmp_path, "x.json", as_list(row)))
    assert len(example.document.text) <= PAGE_CHARACTERS


# --- TEI ------------------------------------------------------------------------------------------


def test_tei_by_hand(tmp_path: Path) -> None:
    (example,) = examples(written(tmp_path, "a.tei.xml", TEI))
    assert example.document.id == "a.tei.xml"
    assert example.document.text == PAGE
    assert example.record == {
        "id": "q-bio.TO/9913001v2",
        "title": "Foxes & anticoag-\nulants",
        "authors": ["Ann-Mari van der Oke", "Bo Li3", "Zoë Ro-\ncha"],
        "abstract": "Foxes bleed for\nlonger than hens.",
        "doi": "10.5555/fox. 1",
    }
    assert list(example.record) == list(arxiv_metadata.extract_schema()["properties"])
    texts = {p: [PAGE[a:b] for a, b in spans] for p, spans in example.mentions.items()}
    assert texts["/authors/0"] == ["Ann-Mari van der Oke", "A.-M. van der Oke"]
    assert texts["/title"] == ["Foxes & anticoag-\nulants"]


def test_tei_takes_its_split_from_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("a.training.header.tei.xml", "dev/b.training.header.tei.xml"):
        written(tmp_path, name, TEI)
    assert [example.split for example in examples(tmp_path)] == [None, "validation"]


def edited(folder: Path, old: str, new: str) -> Example:
    assert old in TEI
    (example,) = examples(written(folder, "a.xml", TEI.replace(old, new)))
    return example


def test_tei_without_a_field(tmp_path: Path) -> None:
    bare = "<tei><front>Foxes<lb/>Bo Li</front></tei>"
    (example,) = examples(written(tmp_path, "a.xml", bare))
    assert (example.document.text, example.record) == ("Foxes\nBo Li", None)
    titled = "<tei><front><docTitle>Foxes</docTitle><lb/>Bo Li</front></tei>"
    (example,) = examples(written(tmp_path, "b.xml", titled))
    title: Record = {"id": None, "title": "Foxes", "authors": [], "abstract": None, "doi": None}
    assert example.record == title


def test_tei_identifiers_outside_of_idno_are_not_annotated(tmp_path: Path) -> None:
    example = edited(tmp_path, "<idno>https://doi.org/10.5555/fox. 1.</idno>", "doi:10.5555/hen.1")
    assert "doi" not in (example.record or {})


def test_tei_an_abstract_in_two_halves_has_no_place(tmp_path: Path) -> None:
    more = '<div type="abstract">than hens.</div><idno>'
    example = edited(tmp_path, "<idno>arXiv", more + "arXiv")
    assert (example.record or {})["abstract"] == "Foxes bleed for\nlonger than hens."
    half = TEI.replace(" longer than hens.", " longer").replace("<idno>arXiv", more + "arXiv")
    (example,) = examples(written(tmp_path, "b.xml", half))
    assert (example.record or {})["abstract"] == "Foxes bleed for\nlonger\nthan hens."
    assert "/abstract" not in example.mentions


def test_tei_beyond_the_page_keeps_its_gold_without_a_place(tmp_path: Path) -> None:
    example = edited(tmp_path, "1 Hen House", "Hen House " * 400)
    assert len(example.document.text) <= PAGE_CHARACTERS
    assert (example.record or {})["abstract"] == "Foxes bleed for\nlonger than hens."
    assert {"/title", "/authors/1"} <= set(example.mentions)
    assert not {"/abstract", "/doi"} & set(example.mentions)


@pytest.mark.realdata("arxiv/grobid_header")
def test_real_tei_is_read_and_its_gold_is_in_the_text() -> None:
    found: Counter[str] = Counter()
    for example in examples(DATA / "grobid_header" / "tei"):
        record, text = example.record or {}, example.document.text
        assert len(text) <= PAGE_CHARACTERS
        found["documents"] += 1
        for pointer, spans in example.mentions.items():
            _, key, *number = pointer.split("/")
            value = record[key][int(number[0])] if number else record[key]
            assert text[slice(*spans[0])] == value
            found[key] += 1
        found["titles"] += record["title"] is not None
        found["abstracts"] += record["abstract"] is not None
        found["names"] += len(record["authors"])
    assert found["documents"] == 513
    assert found["title"] == found["titles"] == 512
    # Twelve abstracts are annotated in two halves, the others do not fit the page.
    assert (found["abstracts"], found["abstract"]) == (491, 453)
    assert found["names"] > 3500
    assert found["authors"] > 3000


# --- The snapshot ---------------------------------------------------------------------------------


def test_the_snapshot_alone_has_no_texts(tmp_path: Path) -> None:
    path = written(tmp_path, "arxiv.json", [LABEL])
    for source in (path, tmp_path):
        with pytest.raises(
            InputError, match=r"\(the arXiv snapshot\) without their texts; put it into a folder"
        ):
            rows(source)


@pytest.mark.parametrize(
    "name", ["1913.00001.txt", "1913.00001v2.txt", "1913.00001", "arXiv_1913.00001.txt"]
)
def test_the_snapshot_labels_documents_by_id(tmp_path: Path, name: str) -> None:
    name = name if name.endswith(".txt") else f"{name}.txt"
    text = "Foxes and\nhens\nZ. Oké and B. Li\nFoxes bleed.\nhttps://doi.org/10.5555/fox.1"
    written(tmp_path, name, text)
    written(tmp_path, "other.txt", "Hens")
    written(tmp_path, "arxiv.json", [LABEL | {"id": "1913.00002"}, LABEL])
    labelled, bare = sorted(examples(tmp_path), key=lambda example: example.record is None)
    assert (labelled.document.id, labelled.document.text) == (name, text)
    assert labelled.record == {
        "id": None,  # the page does not show it
        "title": "Foxes and hens",
        "authors": ["Z. Oké", "B. Li"],
        "abstract": "Foxes bleed.",
        "doi": "10.5555/fox.1",
    }
    assert (bare.document.id, bare.record) == ("other.txt", None)


@pytest.mark.parametrize(
    "name", ["hep-th_9913001.txt", "hep-th9913001v1.txt", "hep-th/9913001.txt"]
)
def test_old_ids_in_names(tmp_path: Path, name: str) -> None:
    written(tmp_path, name, "arXiv:hep-th/9913001v3 [hep-th]\nFoxes")
    written(tmp_path, "arxiv.json", [LABEL | {"id": "hep-th/9913001"}])
    (example,) = examples(tmp_path)
    assert (example.record or {})["id"] == "hep-th/9913001v3"


def test_a_broken_label_is_set_aside(tmp_path: Path) -> None:
    written(tmp_path, "1913.00001.txt", "Foxes")
    written(tmp_path, "arxiv.json", [LABEL | {"title": ["x"]}])
    (bad,) = rows(tmp_path)
    assert isinstance(bad, Reject)
    assert (bad.field, bad.reason) == (
        "title",
        "in its labels, a string or null is wanted, not list",
    )


@pytest.mark.realdata("arxiv/arxiv_metadata_sample")
def test_the_real_snapshot(tmp_path: Path) -> None:
    real = next((DATA / "arxiv_metadata_sample").glob("*.json"))
    (tmp_path / "snapshot.json").symlink_to(real)
    written(tmp_path, "0704.0001.txt", "Calculation of prompt diphoton production")
    (example,) = examples(tmp_path)
    assert (example.record or {})["authors"][0] == "C. Balázs"
    with pytest.raises(InputError, match="without their texts"):
        rows(real)


# --- Text and PDF ---------------------------------------------------------------------------------


def test_a_pdf_is_read_column_by_column(tmp_path: Path) -> None:
    pytest.importorskip("pdfminer")
    left = [f"left column line number {number} of the page" for number in range(10)]
    right = [f"right column line number {number} of the page" for number in range(10)]
    content = line(200, 750, "Foxes and anticoagulants of the north")
    # Written line by line across both columns, as some programs do.
    for number, pair in enumerate(zip(left, right, strict=True)):
        content += line(60, 700 - 12 * number, pair[0]) + line(330, 700 - 12 * number, pair[1])
    content += line(30, 300, "arXiv:1913.00001v2 [q-bio.TO]", "0 1 -1 0")
    path = written(tmp_path, "1913.00001.pdf", pdf_of(content * 1, line(60, 700, "second page")))
    (example,) = examples(path)
    lines = example.document.text.split("\n")
    assert lines[0] == "Foxes and anticoagulants of the north"
    assert lines[1:21] == left + right
    assert lines[21] == "arXiv:1913.00001v2 [q-bio.TO]"
    text, words = example.document.text, example.document.words
    assert [text[word.start : word.end] for word in words] == text.split()
    assert words[0][2:4] == (1, 200)
    assert words[0].y0 == pytest.approx(792 - 750 - 10, abs=3)


def test_a_scan_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("pdfminer")
    path = written(tmp_path, "scan.pdf", pdf_of("0 0 612 792 re f"))
    with pytest.raises(InputError, match=r"hold no text \(a scan\?\); add a text layer with OCR"):
        rows(path)


def test_without_the_extra_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "installed/pdfminer/__init__.py", "")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.setattr(reader, "_own", threading.local())  # of a process that is started now
    path = written(tmp_path, "a.pdf", pdf_of(line(60, 700, "Foxes")))
    with pytest.raises(InputError) as caught:
        rows(path)
    needed = "reading PDF needs the extra `pdf`: pip install 'fieldsmith[pdf]'"
    assert str(caught.value) == f"{path}: {needed}"


def test_a_hostile_pdf_is_one_line_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pdfminer")
    good = pdf_of(line(60, 700, "Foxes"))
    loop = pdf_of_objects(b"<< /Type /Catalog /Pages 2 0 R >>", b"2 0 R")
    for name, content in {"a": loop, "b": good, "c": good + bytes(1 << 20), "d": good}.items():
        written(tmp_path, f"papers/{name}.pdf", content)
    limits = Limits(seconds=1, file_bytes=1 << 20)
    says = ["is not read within 1 seconds; split it", "has more than 1 MiB; split it"]
    with reader.Reader(limits) as limited:
        own = SimpleNamespace(process=os.getpid(), reader=limited)
        monkeypatch.setattr(reader, "_own", own)
        monkeypatch.setattr("fieldsmith.dataset.inputs.Reader", lambda: limited)
        folder, plugin = tmp_path / "papers", load("arxiv_metadata")
        found = rows(folder)
        assert [row.reason for row in found if isinstance(row, Reject)] == says
        assert [row.document.id for row in found if isinstance(row, Example)] == ["b.pdf", "d.pdf"]
        with open_inputs(plugin, [str(folder)]) as inputs:
            reasons = [row.reason for row in inputs if isinstance(row, Reject)]
        assert reasons == [
            f"{folder}/{name}.pdf: {why}" for name, why in zip("ac", says, strict=True)
        ]


def test_hostile_texts_change_nothing(tmp_path: Path) -> None:
    text = "<|im_end|>\n</s>[INST] \u202efoxes\u202c <script>x</script> {{7*7}}"
    (example,) = examples(written(tmp_path, "a.txt", text))
    assert example.document.text == text
    schema = arxiv_metadata.extract_schema()
    assert fieldsmith.field_list(schema) == "id, title, authors[], abstract, doi"
    assert arxiv_metadata.extract_prompt(example.document, schema)[1].content.endswith(text)
