"""The formats that news_json reads: what they mean, and what is wrong with broken files."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from paths import REAL_DATA

import fieldsmith_news_json as news_json
from fieldsmith import Example, InputError, Record, Reject, UnknownFormatError
from fieldsmith.reading import reader as reading
from fieldsmith.reading.limits import Limits
from fieldsmith.reading.reader import Reader
from fieldsmith_news_json import articles, html_pages, instruct, layout

DATA = REAL_DATA / "news"

KEYS = [
    "Country", "Headline", "Hit Sentence", "Influencer",
    "Language", "Opening Text", "Source", "URL",
]  # fmt: skip

ARTICLE: dict[str, Any] = {
    "title": "Storm over Vellin",
    "authors": ["Jane Roe", "Ann Oke", "Bo Li"],
    "publisher": "VellinPost",
    "site_name": "The Vellin Post",
    "country": "Ireland",
    "lang": "en-IE",
    "url": "https://vellin.example/storm",
    "summary": ["Roofs are off."],
    "paragraphs": ["A storm came over the bay.", "Nobody was hurt."],
}
ANSWER: Record = {
    "Country": "United States",
    "Headline": "Storm over 'Vellin'",
    "Hit Sentence": "... roofs fell. Nobody ...",
    "Influencer": "Jane Roe",
    "Language": "English",
    "Opening Text": "A storm came over…",
    "Source": "Vellin Post",
    "URL": "https://vellin.example/storm",
}
PAGE_TEXT = (
    "Skip to content Storm over 'Vellin' By Jane Roe A storm came over us; roofs fell. Nobody died."
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name is not that of a split; pytest's own begin with "test"."""
    path = tmp_path / "corpus"
    path.mkdir()
    return path


def written(folder: Path, content: str | bytes, name: str = "news.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def loaded(source: Path) -> list[Example | Reject]:
    return list(news_json.extract_load(source, {}))


def examples(source: Path) -> list[Example]:
    return [row for row in loaded(source) if isinstance(row, Example)]


def rejects(source: Path) -> list[Reject]:
    return [row for row in loaded(source) if isinstance(row, Reject)]


def article(**changes: Any) -> Example | Reject:
    return articles.example(ARTICLE | changes, "here", None)


def record_of(row: Example | Reject) -> Record:
    assert isinstance(row, Example), row
    return row.record or {}


# --- Articles -------------------------------------------------------------------------------------


def test_an_article_gives_its_record_and_a_page_that_holds_it() -> None:
    row = article()
    assert record_of(row) == {
        "Country": "Ireland",
        "Headline": "Storm over Vellin",
        "Influencer": "Jane Roe, Ann Oke and Bo Li",
        "Language": "English",
        "Opening Text": "Roofs are off.",
        "Source": "The Vellin Post",
        "URL": "https://vellin.example/storm",
    }
    assert isinstance(row, Example)
    lines = row.document.text.split("\n")
    assert lines[0] == "URL: https://vellin.example/storm"
    assert row.document.meta == {"url": "https://vellin.example/storm"}
    assert lines.index("Roofs are off.") < lines.index("A storm came over the bay.")


def test_what_is_missing_is_not_annotated_and_what_is_null_is_not_there() -> None:
    missing = {"paragraphs": ["Text."]}
    assert record_of(articles.example(missing, "", None)) == {"Opening Text": "Text.", "URL": None}
    null = article(
        title=None, authors=[], site_name=None, publisher=None, url="", hit_sentence=None
    )
    assert record_of(null) == {
        "Country": "Ireland", "Headline": None, "Hit Sentence": None, "Influencer": None,
        "Language": "English", "Opening Text": "Roofs are off.", "Source": None, "URL": None,
    }  # fmt: skip
    assert isinstance(null, Example)
    assert "None" not in null.document.text
    assert "URL" not in null.document.text


def test_keys_come_in_the_order_of_the_original() -> None:
    record = record_of(article(hit_sentence="… A storm came …"))
    assert list(record) == KEYS
    assert record["Hit Sentence"] == "A storm came"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": 7}, "title"),
        ({"authors": [1]}, "authors"),
        ({"authors": {"name": "x"}}, "authors"),
        ({"paragraphs": "", "summary": None}, "paragraphs"),
        ({"paragraphs": [" ", "\n"], "summary": []}, "paragraphs"),
        ({"country": "Atlantis"}, "country"),
        ({"lang": "xx-YY"}, "lang"),
    ],
)
def test_an_article_that_cannot_be_read_is_set_aside(changes: dict[str, Any], field: str) -> None:
    row = article(**changes)
    assert isinstance(row, Reject)
    assert (row.place, row.field) == ("here", field)


def test_the_layout_goes_by_the_id_and_nothing_else(folder: Path) -> None:
    rows = [ARTICLE | {"id": f"a{number}"} for number in range(40)]
    one = written(folder, "".join(json.dumps(row) + "\n" for row in rows), "a.jsonl")
    other = written(folder, json.dumps(rows[::-1], indent=1), "b.json")
    texts = {row.document.id: row.document.text for row in examples(one)}
    assert {row.document.id: row.document.text for row in examples(other)} == texts
    assert len(set(texts.values())) > 30
    assert len({text.split("\n")[1] for text in texts.values()}) > 5


def test_every_variant_of_the_layout_occurs_and_holds_what_it_should() -> None:
    seen: Counter[str] = Counter()
    for number in range(300):
        text = layout.page(
            layout.Article(str(number), "HEAD", ["LEAD", "REST"], "ANN", "SITE", language="German")
        )
        lines = text.split("\n")
        assert text.count("ANN") == text.count("LEAD") == text.count("REST") == 1
        author, head, lead, rest = (
            max(number for number, line in enumerate(lines) if part in line)
            for part in ("ANN", "HEAD", "LEAD", "REST")
        )
        assert head < lead < rest
        seen["author before"] += author < head
        seen["author after"] += head < author < lead
        seen["author after the opening"] += lead < author < rest
        seen["author at the end"] += rest < author
        seen["site first"] += lines[0] == "SITE"
        seen["site in the title"] += lines[0] == "HEAD | SITE"
        seen["site last"] += "SITE" in lines[-1]
        seen["site with the author"] += "SITE" in lines[author]
        seen["menu first"] += "SITE" not in lines[0] and lines[0] != "HEAD" and author > 0
        assert "SITE" in text
    assert len(seen) == 9
    assert min(seen.values()) > 20, seen


@pytest.mark.parametrize(
    ("authors", "language", "line"),
    [
        (["A"], "English", "A"),
        (["A", "B"], "English", "A and B"),
        (["A", "B", "C"], "German", "A, B und C"),
        (["A", "B", "C"], "Japanese", "A、B、C"),
        (["A", "B", "C"], "Korean", "A, B, C"),
        (["A", "B"], "Zulu", "A and B"),
        (["A", "B"], None, "A and B"),
    ],
)
def test_by_lines(authors: list[str], language: str | None, line: str) -> None:
    assert layout.joined(authors, language) == line


# --- Instruct rows --------------------------------------------------------------------------------


def instruct_row(output: object, **others: Any) -> Example | Reject:
    return instruct.example({"instruction": PAGE_TEXT, "output": output, **others}, "here", None)


@pytest.mark.parametrize(
    "output", [ANSWER, repr(ANSWER), json.dumps(ANSWER), f"\n {ANSWER!r} \n"], ids=str
)
def test_an_answer_is_read_however_it_is_written(output: object) -> None:
    row = instruct_row(output)
    record = record_of(row)
    assert list(record) == KEYS
    assert record["Hit Sentence"] == "roofs fell. Nobody"
    assert record["Opening Text"] == "A storm came over"
    assert isinstance(row, Example)
    assert row.document.text == f"URL: {ANSWER['URL']}\n{PAGE_TEXT}"
    for key in ("Headline", "Hit Sentence", "Influencer", "Opening Text", "URL"):
        assert record[key] in row.document.text


@pytest.mark.parametrize(
    "output",
    [
        "__import__('os').system('touch /tmp/evil')",
        "{'Headline': __import__('os')}",
        "{'Headline': open('x').read()}",
        "{'Headline': nan}",
        "{'Headline': ['a']}",
        "{" * 5_000,
        "{'a': " * 5_000 + "1" + "}" * 5_000,
        "{'Headline': " + "-" * 50_000 + "1}",
        "{'Headline': '" + "x" * 200_000 + "'}x",
        "{'Headline': 'x\\",
        "{'Headline': 'x\0'}",
        "{'Headline', 'URL'}",
        "{'Headline': 'a', 'Headline': 'b'}",
        '{"Headline": "a", "Headline": "b"}',
        "",
        "{'Headline': 'a' 'b' +}",
        "[1]",
        '{"Headline": 3}',
        '{"Country": "Atlantis"}',
        ["x"],
        7,
    ],
    ids=lambda output: str(output)[:30],
)
def test_an_answer_that_is_none_is_set_aside(output: object) -> None:
    row = instruct_row(output)
    assert isinstance(row, Reject)
    assert row.place == "here"
    assert "\n" not in row.reason
    assert len(row.reason) < 250


def test_odd_escapes_are_read_without_a_warning() -> None:
    assert record_of(instruct_row(r"{'Headline': 'a\d'}")) == {"Headline": r"a\d"}


def test_a_row_without_an_answer_is_a_page_to_predict_on() -> None:
    row = instruct.example({"id": 7, "instruction": PAGE_TEXT}, "here", None)
    assert isinstance(row, Example)
    assert (row.document.id, row.document.text, row.record) == ("7", PAGE_TEXT, None)


@pytest.mark.parametrize("empty", [None, "", "...", " … "])
def test_an_empty_value_is_null(empty: str | None) -> None:
    assert record_of(instruct_row({"Hit Sentence": empty})) == {"Hit Sentence": None}


@pytest.mark.parametrize("form", ["object", "list", "lines"])
def test_json_files_are_read_in_three_shapes(folder: Path, form: str) -> None:
    rows = [{"instruction": f"Page {number}", "output": repr(ANSWER)} for number in range(3)]
    text = {
        "object": json.dumps(rows[0], indent=1),
        "list": json.dumps(rows, indent=1),
        "lines": "\ufeff" + "\r\n\r\n".join(map(json.dumps, rows)),
    }[form]
    found = loaded(written(folder, text, "x.json"))
    assert len(found) == (1 if form == "object" else 3)
    assert all(isinstance(row, Example) for row in found)
    assert len({row.document.id for row in found if isinstance(row, Example)}) == len(found)


# --- HTML -----------------------------------------------------------------------------------------

LD = {
    "@graph": [
        {"@type": "WebSite", "name": "wrong"},
        {
            "@type": ["NewsArticle"],
            "headline": "Storm &amp; flood over Vellin",
            "author": [{"@type": "Person", "name": "Jane Roe"}, {"name": "Ann Oke"}],
            "publisher": {"name": "VP", "address": {"addressCountry": "IE"}},
            "description": "Roofs are off, and boats lie on the road to town.",
        },
    ]
}
PAGE = f"""<!DOCTYPE html><html lang="en-IE"><head><title>Storm | Vellin Post</title>
<meta charset="utf-8"><link rel="canonical" href="https://vellin.example/storm">
<meta property="og:site_name" content="Vellin Post">
<script type="application/ld+json">{json.dumps(LD)}</script><style>p {{}}</style></head>
<body><nav><a href="/">Home</a> <a>News</a></nav><div hidden>Jane Roe is hidden</div>
<p style="display: none">Secret</p><script>var x = "Secret";</script><h1>Storm &amp; <i>flood</i>
 over Vellin</h1><p>By <a>Jane Roe</a> and <a>Ann Oke</a></p><!-- Secret -->
<p>Roofs are off, and boats lie on the road to town.</p><p>Nobody was hurt in the storm on Monday.
</p></body></html>"""


def test_a_page_takes_its_split_from_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for name in ("the-driving-test.html", "test/storm.html"):
        written(tmp_path, PAGE, name)
    found = [row for row in news_json.extract_load(tmp_path, {}) if isinstance(row, Example)]
    assert sorted((row.document.id, row.split) for row in found) == [
        ("test/storm.html", "test"),
        ("the-driving-test.html", None),
    ]


def page(folder: Path, content: str | bytes = PAGE, name: str = "storm.html") -> Example:
    pytest.importorskip("trafilatura")
    (found,) = examples(written(folder, content, name))
    return found


def test_a_page_gives_what_a_reader_sees_and_what_its_metadata_says(folder: Path) -> None:
    found = page(folder)
    assert found.document.text.split("\n") == [
        "URL: https://vellin.example/storm",
        "Storm | Vellin Post",
        "Home News",
        "Storm & flood over Vellin",
        "By Jane Roe and Ann Oke",
        "Roofs are off, and boats lie on the road to town.",
        "Nobody was hurt in the storm on Monday.",
    ]
    assert found.record == {
        "Country": "Ireland",
        "Headline": "Storm & flood over Vellin",
        "Influencer": "Jane Roe and Ann Oke",
        "Language": "English",
        "Opening Text": "Roofs are off, and boats lie on the road to town.",
        "Source": "Vellin Post",
        "URL": "https://vellin.example/storm",
    }
    assert found.document.id == "storm.html"


def test_packed_and_otherwise_encoded_pages_are_the_same(folder: Path) -> None:
    plain = page(folder)
    assert page(folder, gzip.compress(PAGE.encode()), "a.html.gz").record == plain.record
    assert page(folder, b"\xef\xbb\xbf \n" + PAGE.encode(), "b.htm").record == plain.record
    assert page(folder, "<!-- x --> " + PAGE, "c.html").record == plain.record
    assert page(folder, PAGE.encode("utf-16"), "d.html").document.text == plain.document.text


@pytest.mark.parametrize(
    ("old", "new", "key", "value"),
    [
        ("<h1>Storm", "<h1>Calm", "Headline", None),
        ("<a>Jane Roe</a> and <a>Ann Oke</a>", "Jane Roe; 3 May", "Influencer", "Jane Roe"),
        ("By <a>Jane Roe</a> and <a>Ann Oke</a>", "By Ann Oke", "Influencer", None),
        ("| Vellin Post</title>", "</title>", "Source", None),
        ('lang="en-IE"', "", "Language", None),
        ('{"addressCountry": "IE"}', '"Main street"', "Country", None),
        ("vellin.example", "vellin.ie", "Country", "Ireland"),
        ("https://vellin.example/storm", "javascript:alert(1)", "URL", None),
    ],
)  # fmt: skip
def test_a_label_must_be_in_the_text(
    folder: Path, old: str, new: str, key: str, value: str | None
) -> None:
    assert old in PAGE
    record = page(folder, PAGE.replace(old, new)).record or {}
    assert record.get(key) == value
    assert (key in record) == (value is not None or key == "URL")


def test_a_page_without_metadata_is_still_read(folder: Path) -> None:
    found = page(folder, "<html><body><p>Hello <b>you</b>.</p></body></html>")
    assert (found.document.text, found.record) == ("Hello you.", {"URL": None})


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "[" * 100_000,
        '{"@type": "Article", "author": 7, "headline": {}, "publisher": [null, 3]}',
        '{"@type": 7, "@graph": "x"}',
        '[[{"@type": "Article", "author": [[["x"]]], "description": ["y"]}]]',
    ],
    ids=lambda data: data[:20],
)
def test_broken_metadata_does_no_harm(folder: Path, data: str) -> None:
    changed = PAGE.replace(json.dumps(LD), data)
    assert "Storm & flood over Vellin" in page(folder, changed).document.text


def test_hostile_pages_are_read_or_set_aside(folder: Path) -> None:
    pytest.importorskip("trafilatura")
    for number, body in enumerate(
        (
            "<div>" * 20_000 + "deep",
            "x" * 1_000_000,
            "a\0b<|eot_id|>\u202eabc",
            "<p>" + "word " * 200_000,
            "",
            "<script>only()</script>",
            '<!ENTITY x SYSTEM "file:///etc/passwd">&x;',
        )
    ):
        written(folder, f"<html><body>{body}", f"{number}.html")
    found = loaded(folder)
    assert len(found) == 7
    assert all("root:" not in row.document.text for row in found if isinstance(row, Example))
    assert sum(isinstance(row, Reject) for row in found) >= 2


def test_a_page_that_takes_too_much_is_one_line_and_the_next_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trafilatura")
    written(folder, PAGE + "<p>x" * 2_000_000, "a.html")
    written(folder, PAGE + "<div>" * 1_000_000, "b.html")
    written(folder, PAGE, "c.html")
    limits = Limits(memory=320 << 20)
    with Reader(limits) as limited:
        own = SimpleNamespace(process=os.getpid(), reader=limited)
        monkeypatch.setattr(reading, "_own", own)
        large, deep, example = loaded(folder)
        with pytest.raises(InputError, match=r"/a\.html: .*320 MiB"):
            loaded(folder / "a.html")
    assert isinstance(large, Reject)
    assert "320 MiB of memory" in large.reason
    assert isinstance(deep, Reject)
    assert "nested deeper than 2048 levels" in deep.reason
    assert isinstance(example, Example)


def test_entities_of_a_page_do_not_multiply(folder: Path) -> None:
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    declared = f'<!DOCTYPE html [<!ENTITY a0 "ha">{entities}]>'
    assert len(page(folder, f"{declared}<html><body><p>A laugh: &a12;").document.text) < 5_000


def test_without_the_extra_a_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    monkeypatch.setattr(html_pages, "read_within_limits", lambda path, read: read(path))
    with pytest.raises(InputError, match=r"storm\.html: reading HTML needs the extra `html`"):
        loaded(written(folder, PAGE, "storm.html"))


def test_a_packed_file_that_is_too_large_or_broken_is_rejected(folder: Path) -> None:
    pytest.importorskip("trafilatura")
    large = written(folder, gzip.compress(PAGE.encode() + b" " * (64 << 20), 1), "large.html.gz")
    (reject,) = rejects(large)
    assert reject.reason == "more than 64 MiB, which no page has"
    cut = written(folder, gzip.compress(PAGE.encode())[:200], "cut.html.gz")
    with pytest.raises(InputError, match=r"cut\.html\.gz: cannot be read"):
        loaded(cut)


# --- Sources --------------------------------------------------------------------------------------


def test_a_folder_is_read_file_by_file_and_what_is_strange_is_set_aside(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "test").mkdir()
    written(folder, json.dumps(ARTICLE), "train/a.jsonl")
    written(folder, json.dumps(ARTICLE), "test/a.jsonl")  # the same again, for the leak check
    written(folder, json.dumps(ARTICLE) + "\n" + json.dumps(ARTICLE), "b.jsonl")
    written(folder, "plain text", "c.txt")
    written(folder, "# About", "README.md")
    written(folder, b'[{"paragraphs": ["x"]}, \xff]', "d.json")
    found = loaded(folder)
    assert [row.split for row in found if isinstance(row, Example)] == [None, "test", "train"]
    reasons = {Path(row.place.split(":")[0]).name: row.reason for row in found
               if isinstance(row, Reject)}  # fmt: skip
    assert set(reasons) == {"b.jsonl", "c.txt", "d.json"}
    assert "id" in reasons["b.jsonl"]
    assert loaded(folder) == found


def test_a_bad_line_costs_itself_alone(folder: Path) -> None:
    good = json.dumps(ARTICLE).encode()
    twice = b'{"paragraphs": ["x"], "title": "A", "title": "B"}'
    bad = [b"{", b"7", b"\xff\xfe", twice, b'{"paragraphs": [7]}', b"[" * 100_000]
    path = written(folder, b"\n".join([good, *bad, b"", good.replace(b"Storm", b"Calm")]))
    found = loaded(path)
    assert [isinstance(row, Example) for row in found] == [True] + [False] * 6 + [True]
    assert [row.place for row in found if isinstance(row, Reject)] == [
        f"{path}:{number}" for number in range(2, 8)
    ]


def test_a_first_line_that_is_broken_costs_itself_alone(folder: Path) -> None:
    path = written(folder, '{"paragraphs": [\n' + json.dumps(ARTICLE))
    reject, good = loaded(path)
    assert isinstance(reject, Reject)
    assert reject.place == f"{path}:1"
    assert isinstance(good, Example)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("Just a text.", UnknownFormatError),
        ("", UnknownFormatError),
        ('{"title": "no text"}', UnknownFormatError),
        ('[{"paragraphs": ["x"]},\n}', InputError),
        ('[{"paragraphs": ["x"], "title": "A", "title": "B"}]', InputError),
        ('{"paragraphs": ["x"], "title": "A", "title": "A"}', InputError),
        (b'[{"paragraphs": ["x"]}, "\xff"]', InputError),
        ('[{"paragraphs": ' + "[" * 100_000, InputError),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    folder: Path, content: str | bytes, error: type[Exception]
) -> None:
    path = written(folder, content, "x.json")
    with pytest.raises(error, match=r"x\.json") as caught:
        loaded(path)
    assert "\n" not in str(caught.value)


def test_a_missing_source_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        loaded(folder / "nowhere")


def test_rows_are_read_as_they_are_asked_for(folder: Path) -> None:
    path = written(folder, json.dumps(ARTICLE) + "\n" + "{" * 10)
    rows = iter(news_json.extract_load(path, {}))
    assert isinstance(next(rows), Example)


CONTROL = st.sampled_from(["<|eot_id|>", "\0", "\u202e", "\ud800", "…", "\n", "{", "'", '"', "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.lists(CONTROL).map("".join),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMED = st.sampled_from(
    [*ARTICLE, *KEYS, "id", "instruction", "output", "hit_sentence", "topics", "publishing_date"]
)


@given(row=st.dictionaries(NAMED, VALUES, max_size=8))
@example(row={"paragraphs": ["\ud800"]})
@settings(max_examples=200)
def test_any_row_is_an_example_or_set_aside(row: dict[str, Any]) -> None:
    for form in (articles, instruct):
        assert isinstance(form.example(row, "here", None), Example | Reject)


@given(data=st.binary() | st.text().map(lambda text: f"<html>{text}".encode())
       | st.text().map(lambda text: f'{{"paragraphs": ["{text}"]}}'.encode()))  # fmt: skip
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_as_expected(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data, "news")
    with contextlib.suppress(InputError, UnknownFormatError):
        assert all(isinstance(row, Example | Reject) for row in loaded(path))


# --- Real data ------------------------------------------------------------------------------------


@pytest.mark.realdata("news/fundus")
def test_every_article_is_read_and_its_record_is_in_its_page() -> None:
    found = loaded(DATA / "fundus" / "articles.jsonl")
    assert len(found) == 193
    filled: Counter[str] = Counter()
    for row in found:
        record = record_of(row)
        filled.update(key for key in record if record[key])
        assert isinstance(row, Example)
        for key in ("Headline", "Influencer", "Opening Text", "Source", "URL"):
            assert (record.get(key) or "") in row.document.text
    assert filled == {
        "Country": 193, "Headline": 193, "Influencer": 189, "Language": 187,
        "Opening Text": 193, "Source": 193, "URL": 193,
    }  # fmt: skip


@pytest.mark.realdata("news/fundus")
def test_every_page_is_read_and_its_labels_are_in_it() -> None:
    pytest.importorskip("trafilatura")
    found = loaded(DATA / "fundus" / "html")
    assert len(found) == 40
    filled: Counter[str] = Counter()
    for row in found:
        record = record_of(row)
        filled.update(key for key in record if record[key])
        assert isinstance(row, Example)
        for key in ("Headline", "Influencer", "Opening Text", "Source", "URL"):
            assert (record.get(key) or "") in row.document.text
    # What the extractor takes for the first paragraph may change with its version.
    assert filled.pop("Opening Text") >= 35
    assert filled == {
        "Country": 29, "Headline": 39, "Influencer": 34, "Language": 38, "Source": 33, "URL": 39,
    }  # fmt: skip


@pytest.mark.realdata("news/synergpus")
def test_the_original_record_is_read() -> None:
    (row,) = loaded(DATA / "synergpus" / "example_record.json")
    record = record_of(row)
    assert list(record) == KEYS
    assert isinstance(row, Example)
    standing_keys = [key for key in KEYS if record[key] in row.document.text]
    assert standing_keys == ["Headline", "Hit Sentence", "Influencer", "URL"]
    assert not any("..." in record[key] for key in KEYS)
