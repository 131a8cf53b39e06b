"""HTML pages of news_json by kind: openings, labels of JSON-LD, beginnings, and huge pages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fieldsmith_news_json as news_json
from fieldsmith import Example, Record, Reject, UnknownFormatError
from fieldsmith_news_json import articles
from fieldsmith_news_json.formats import looks_like_html
from fieldsmith_news_json.opening import LONGEST, first_sentences
from fieldsmith_news_json.snippets import find_in_text

pytest.importorskip("trafilatura")

HEADLINE = "Storm over Vellin"
BODY = "A storm tore roofs from forty houses along the bay on Monday."
MORE = "Power was back by noon, and the ferries sailed again on Tuesday, a spokeswoman said."
LD: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": HEADLINE,
    "author": {"@type": "Person", "name": "Jane Roe"},
}
TOP = f'<h1>{HEADLINE}</h1><p class="byline">By Jane Roe</p>'


def page(
    body: str,
    *,
    data: object = LD,
    scripts: str | None = None,
    title: str = f"{HEADLINE} | Vellin Post",
    head: str = "",
) -> str:
    wrapped = f'<script type="application/ld+json">{json.dumps(data)}</script>'
    return (
        f'<!doctype html>\n<html lang="en-IE"><head><meta charset="utf-8"><title>{title}</title>'
        f"{wrapped if scripts is None else scripts}{head}</head><body>"
        f"<header><nav>Home News Sport</nav></header><main><article>{body}</article></main>"
        "<footer>Vellin Post Ltd</footer></body></html>"
    )


def read(folder: Path, content: str | bytes, name: str = "storm.html") -> Example:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (found,) = news_json.extract_load(folder / name, {})
    assert isinstance(found, Example), found
    return found


def record(folder: Path, content: str | bytes) -> Record:
    found = read(folder, content)
    for key in ("Headline", "Influencer", "Opening Text", "Source"):
        assert (found.record or {}).get(key, "") in found.document.text
    return found.record or {}


# --- Openings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        f"{TOP}<p>{BODY}</p>",
        f"{TOP}<p>{BODY}</p><div class='paywall'>Subscribe to read on.</div>",
        f"{TOP}<p>{BODY}<div>Already a subscriber? Log in to keep reading this story.</div>",
        f"{TOP}<p>{BODY}</p><p>Jetzt weiterlesen mit einem Abo der Vellin Post, jeden Tag.</p>",
        f"{TOP}<time>Monday, 3 May 2027, 10:34, updated 11:20</time><p>{BODY}</p>",
        f"{TOP}<p>Published on Monday, 3 May 2027 at 10:34</p><p>{BODY}</p><p>{MORE}</p>",
        f"{TOP}<figure><figcaption>The bay. Photo: Vellin Post / Bo Li</figcaption></figure>"
        f"<p>{BODY}</p>",
        f"<p>By Jane Roe, who writes about the weather of the bay for the Post.</p>"
        f"<h1>{HEADLINE}</h1><p>{BODY}</p>",
        f"<h1>{HEADLINE}</h1><p>Jane Roe, political editor of the Vellin Post</p><p>{BODY}</p>",
        f"<h2>{HEADLINE}</h2><div>By Jane Roe</div><div>{BODY}</div>",
        f"{HEADLINE}<br>By Jane Roe<br>{BODY}",
        f"<span>{HEADLINE}</span> <span>By Jane Roe</span> <span>{BODY}</span>",
        f"{TOP}<p>Please enable JavaScript to read this page.</p><p>{BODY}</p>",
    ],
)  # fmt: skip
def test_the_opening_of_a_short_page_is_the_beginning_of_its_body(
    tmp_path: Path, body: str
) -> None:
    assert record(tmp_path, page(body))["Opening Text"] == BODY


@pytest.mark.parametrize(
    ("lang", "headline", "by", "body"),
    [
        ("zh", "暴风雨袭击维林", "记者 王小明", "周一早晨，一场暴风雨掀翻了海湾沿岸的屋顶。"),
        ("ja", "ヴェリンで嵐", "文・山田花子", "月曜日の朝、湾岸で嵐が屋根を吹き飛ばした。"),
        ("ru", "Шторм над Веллином", "Автор: Яна Рой", "Шторм сорвал крыши с сорока домов."),
        ("de", "Sturm über Vellin", "Von Jana Roth", "Ein Sturm hat vierzig Häuser abgedeckt."),
        ("ar", "عاصفة فوق فيلين", "بقلم جين رو", "اقتلعت عاصفة أسقف أربعين منزلا صباح الاثنين."),
        ("hi", "वेलिन पर तूफान", "लेखक: जेन रो", "सोमवार को तूफान ने चालीस घरों की छतें उड़ा दीं।"),
    ],
)
def test_short_pages_of_every_script(
    tmp_path: Path, lang: str, headline: str, by: str, body: str
) -> None:
    author = by.split(": ")[-1].split("・")[-1]
    author = author.split(" ", 1)[-1] if lang in ("zh", "de", "ar") else author
    data = {**LD, "headline": headline, "author": {"name": author}}
    short = page(f"<h1>{headline}</h1><p>{by}</p><p>{body}</p>", data=data, title=headline)
    found = record(tmp_path, short)
    assert found["Opening Text"] == body
    assert found["Influencer"] == author


@pytest.mark.parametrize(
    "body",
    [TOP, f"{TOP}<p>Subscribe to read on.</p>", f"{TOP}<p>3 May 2027, 10:34</p><p>Share Print</p>"],
)
def test_a_page_that_shows_no_body_has_no_opening(tmp_path: Path, body: str) -> None:
    assert "Opening Text" not in record(tmp_path, page(body))


@pytest.mark.parametrize(
    "line",
    [
        "By Jane Roe, Environment Correspondent.",
        "By Jane B. Roe",
        "Monday, 3 May 2027.",
        "Published at 10:34.",
        "Von Jana Roth, Vellin.",
    ],
)
def test_lines_above_the_body_are_known_without_labels(tmp_path: Path, line: str) -> None:
    body = f"<h1>{HEADLINE}</h1><p>{line}</p><p>{BODY}</p><p>{MORE}</p>"
    assert record(tmp_path, page(body, data={}, title="Post"))["Opening Text"] == BODY


@pytest.mark.parametrize(
    "body",
    [
        "By Monday, Vellin was calm again and the ferries sailed.",
        "By Monday morning the storm had passed over Vellin.",
        "Of 3,000 houses in Vellin, forty have no roof since Monday 10:30, the mayor said at noon.",
    ],
)
def test_sentences_that_look_like_such_lines_are_openings(tmp_path: Path, body: str) -> None:
    assert record(tmp_path, page(f"{TOP}<p>{body}</p><p>{MORE}</p>"))["Opening Text"] == body


def test_a_headline_without_any_label_is_not_the_opening(tmp_path: Path) -> None:
    long = "A storm with winds of ninety miles per hour swept over Vellin and the bay"
    body = f"<h1>{long}</h1><p>{BODY}</p>"
    assert record(tmp_path, page(body, data={}, title="Post"))["Opening Text"] == BODY


@pytest.mark.parametrize(
    ("description", "above", "expected"),
    [
        ("Roofs are off, and boats lie on the road to town", "", "shown"),
        (HEADLINE, "", BODY),
        (f"{HEADLINE} By Jane Roe", "", BODY),
        ("News of the bay since 1884, every day of the week.", "", BODY),
        ("A storm tore roofs from forty", "", BODY),  # cut: the sentence is taken whole
        ("A storm tore roofs from forty …", "", BODY),
    ],
)
def test_a_description_is_the_opening_only_as_a_standfirst(
    tmp_path: Path, description: str, above: str, expected: str
) -> None:
    standfirst = f"<p>{description}</p>" if expected == "shown" else ""
    tagline = "<p>News of the bay since 1884, every day of the week.</p>"
    head = f'<meta property="og:description" content="{description}">'
    body = f"{tagline}{TOP}{standfirst}<p>{BODY}</p><p>{MORE}</p>"
    found = record(tmp_path, page(body, head=head))["Opening Text"]
    assert found == (description if expected == "shown" else expected)


def test_what_the_site_says_below_the_article_is_not_the_opening(tmp_path: Path) -> None:
    tagline = "News of the bay since 1884, every day of the week."
    head = f'<meta name="description" content="{tagline}">'
    content = page(f"{TOP}<p>{BODY}</p><p>{MORE}</p>", head=head)
    content = content.replace("Vellin Post Ltd", tagline)
    assert record(tmp_path, content)["Opening Text"] == BODY


ABOVE = st.sampled_from(
    [
        '<p class="byline">By Jane Roe</p>',
        "<div>Jane Roe</div>",
        "<time>3 May 2027</time>",
        "<p>Published 3 May 2027, 10:34</p>",
        "<figure><img src=x><figcaption>The bay. Photo: Bo Li</figcaption></figure>",
        "<div><a>Share</a> <a>Print</a></div>",
        "<p>Weather</p>",
        '<aside><a href="/x">Ferries stay in port</a></aside>',
    ]
)
BELOW = st.sampled_from(
    [
        "<div class=paywall>Subscribe to read on.</div>",
        "<p>Jetzt weiterlesen mit einem Abo der Vellin Post.</p>",
        "<p>© Vellin Post 2027</p>",
        '<ul><li><a href="/y">Calm over Vellin</a></li><li><a href="/z">More</a></li></ul>',
        "",
    ]
)
PARAGRAPH = st.sampled_from(
    [
        BODY,
        MORE,
        "Nobody was hurt.",
        "A storm tore roofs from forty houses",
        f"{BODY} {MORE} " * 6,
        "“It was loud,” said Bo Li, 47, of Vellin.",
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    above=st.lists(ABOVE, max_size=4, unique=True),
    paragraphs=st.lists(PARAGRAPH, min_size=1, max_size=4, unique=True),
    below=BELOW,
    tag=st.sampled_from(["p", "div"]),
)
def test_an_opening_is_the_beginning_of_the_first_paragraph_or_none(
    tmp_path: Path, above: list[str], paragraphs: list[str], below: str, tag: str
) -> None:
    body = "".join(f"<{tag}>{paragraph}</{tag}>" for paragraph in paragraphs)
    content = page(f"<h1>{HEADLINE}</h1>{''.join(above)}{body}{below}")
    opening = record(tmp_path, content).get("Opening Text")
    whole = paragraphs[0].endswith((".", " "))
    assert opening is None or not whole or paragraphs[0].startswith(opening)
    assert opening is not None or paragraphs[0] != BODY
    assert opening is None or len(opening) <= LONGEST


WORDS = st.sampled_from(["storm", "bay", "houses", "roofs", "Dr. Oke", "ferry", "3.5", "of", "the"])
SENTENCE = st.lists(WORDS, min_size=1, max_size=40).map(lambda words: f"A {' '.join(words)}.")


@given(st.lists(SENTENCE, min_size=1, max_size=40).map(" ".join))
def test_an_opening_is_bounded_and_begins_the_text(text: str) -> None:
    found = first_sentences(text)
    assert text.startswith(found)
    assert 0 < len(found) <= 2 * LONGEST
    assert found == text or len(found) <= LONGEST or len(text.split(". ")[0]) > LONGEST / 2
    assert found.endswith(".")


@pytest.mark.parametrize("text", ["word " * 5000, "字" * 5000, "字。" * 5000, "x" * 5000])
def test_a_text_without_sentences_is_bounded_too(text: str) -> None:
    assert 0 < len(first_sentences(text)) <= LONGEST


def test_the_opening_of_an_article_is_bounded() -> None:
    row = articles.example({"paragraphs": [f"{BODY} " * 100]}, "here", None)
    assert isinstance(row, Example)
    opening = (row.record or {})["Opening Text"]
    assert opening.startswith(BODY)
    assert opening.endswith("Monday.")
    assert len(opening) <= LONGEST
    assert row.document.text.count(BODY) == 100


# --- Labels of JSON-LD ----------------------------------------------------------------------------


def script(text: str, kind: str = "application/ld+json") -> str:
    return f'<script type="{kind}">{text}</script>'


PERSON = {"@type": "Person", "@id": "#jane", "name": "Jane Roe"}
PUBLISHER = {
    "@type": "Organization",
    "@id": "#post",
    "name": "Vellin Post",
    "address": {"@id": "#address"},
}
ADDRESS = {"@type": "PostalAddress", "@id": "#address", "addressCountry": "IE"}
BY_ID = {"@type": "NewsArticle", "headline": HEADLINE, "publisher": {"@id": "#post"}}
DUMPED = json.dumps(LD)


@pytest.mark.parametrize(
    "scripts",
    [
        script(json.dumps({"@graph": [{**BY_ID, "author": {"@id": "#jane"}}, PERSON, PUBLISHER]})),
        script(json.dumps({"@graph": [PERSON, {**BY_ID, "author": [{"@id": "#jane"}]}]})),
        script(json.dumps({**BY_ID, "author": {"@id": "#jane"}})) + script(json.dumps(PERSON)),
        script(json.dumps([{**BY_ID, "author": "#jane"}, PERSON])),
        script(json.dumps({**BY_ID, "author": {"@id": "#a", "worksFor": {}}, "about": [PERSON]})
               .replace('"#a"', '"#jane"')),
        script(json.dumps({**BY_ID, "creator": {"id": "#jane"}}) + json.dumps({**PERSON})),
        script(json.dumps({"@graph": [BY_ID | {"author": {"@id": "#x"}}, {
            "@id": "#x", "givenName": "Jane", "familyName": "Roe"}]})),
        script(json.dumps({**LD, "author": {"givenName": "Jane", "familyName": "Roe"}})),
        script(json.dumps({**LD, "author": {"name": "<a href='/jr'>Jane <b>Roe</b></a>"}})),
        script(json.dumps({**LD, "author": {"name": "&lt;b&gt;Jane Roe&lt;/b&gt;"}})),
        script(json.dumps({**LD, "author": "<![CDATA[Jane Roe]]>"})),
        script(json.dumps({**LD, "author": "By Jane Roe"})),
        script(json.dumps({**LD, "author": "Roe, Jane"})),
        script(json.dumps({**LD, "author": {"name": {"@value": "Jane Roe", "@language": "en"}}})),
        script(json.dumps({**LD, "headline": f"<h1>{HEADLINE}</h1>"})),
        script(json.dumps({**LD, "headline": f"<![CDATA[{HEADLINE}]]>"})),
        script(f"//<![CDATA[\n{DUMPED}\n//]]>"),
        script(f"/*<![CDATA[*/ {DUMPED} /*]]>*/"),
        script(f"<![CDATA[{DUMPED}]]>"),
        script(f"<!--\n{DUMPED}\n-->"),
        script(f"{DUMPED};"),
        script(DUMPED.replace("}}", ",},\n}").replace('"author"', '"x": [1, ], "author"')),
        script(json.dumps({**LD, "author": {"@list": [{"name": "Jane Roe"}]}})),
        script(DUMPED.replace('"', "&quot;")),
        script('{"@type": "WebSite", "name": "x"}' + DUMPED),
        script('{"@type": "WebSite", "name": "x"},\n' + DUMPED),
        script(DUMPED + '{"broken": '),
        script(DUMPED.replace('"@type"', '"type"').replace('"author"', '"schema:author"')),
        script(DUMPED, 'application/ld+json; charset="utf-8"'),
        script(DUMPED.replace("Storm over", "Storm\\u00a0over"), "APPLICATION/LD+JSON"),
    ],
)  # fmt: skip
def test_labels_are_found_however_a_site_writes_them(tmp_path: Path, scripts: str) -> None:
    found = record(tmp_path, page(f"{TOP}<p>{BODY}</p>", scripts=scripts))
    assert found["Headline"] == HEADLINE
    assert found["Influencer"] == "Jane Roe"


@pytest.mark.parametrize("nested", [True, False])
def test_publisher_and_country_are_found_by_id(tmp_path: Path, nested: bool) -> None:
    publisher = {**PUBLISHER, "address": ADDRESS} if nested else PUBLISHER
    data = {"@graph": [BY_ID, publisher, ADDRESS]}
    found = record(tmp_path, page(f"{TOP}<p>{BODY}</p>", data=data))
    assert (found["Source"], found["Country"]) == ("Vellin Post", "Ireland")


def test_a_label_that_is_given_twice_in_two_ways_is_none(tmp_path: Path) -> None:
    twice = DUMPED.replace('"headline"', '"headline": "Calm over Vellin", "headline"')
    body = f"{TOP}<p>{BODY}</p><p>Calm over Vellin</p>"
    found = record(tmp_path, page(body, scripts=script(twice), title="Post"))
    assert "Headline" not in found
    assert found["Influencer"] == "Jane Roe"


def test_references_in_a_circle_end(tmp_path: Path) -> None:
    one, other = (
        {"@id": a, "author": {"@id": b}, "publisher": {"@id": b}} for a, b in ("xy", "yx")
    )
    data = {"@graph": [{**LD, **one}, other]}
    assert record(tmp_path, page(f"{TOP}<p>{BODY}</p>", data=data))["Headline"] == HEADLINE


MARKS = st.sampled_from("\u00ad\u200b\u200e\u200f\u202a\u202c\u2060\u2066\u2069\ufeff")


@st.composite
def marked(draw: st.DrawFn, text: str) -> str:
    pieces = [draw(st.lists(MARKS, max_size=1)) for _letter in text]
    return "".join("".join(marks) + letter for marks, letter in zip(pieces, text, strict=True))


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(shown=marked("Sturmwarnung über Vellin"), label=marked("Sturmwarnung über Vellin"))
def test_invisible_marks_in_text_or_label_do_not_hide_it(
    tmp_path: Path, shown: str, label: str
) -> None:
    data = {**LD, "headline": label}
    found = record(tmp_path, page(f"<h1>{shown}</h1><p>{BODY}</p>", data=data, title="Post"))
    assert found["Headline"] == "Sturmwarnung über Vellin"


@pytest.mark.parametrize("mark", ["&shy;", "&#173;", "&#xAD;", "&lrm;", "&rlm;", "&#8203;"])
def test_marks_written_as_entities(tmp_path: Path, mark: str) -> None:
    body = f"<h1>Storm over Vel{mark}lin</h1><p>By Jane{mark} Roe</p><p>{BODY}</p>"
    found = record(tmp_path, page(body, title="Post"))
    assert (found["Headline"], found["Influencer"]) == (HEADLINE, "Jane Roe")


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("Zoe\u0308 Oké", "Zoë Oke\u0301", "Zoe\u0308 Oké"),
        ("an Oke\u0301\nx", "OKÉ", "Oke\u0301"),
        ("می\u200cخواهم برو", "میخواهم", "می\u200cخواهم"),
        ("ab", "a\u00adb", "ab"),
        ("a\u00adbc", "ab", None),
    ],
)
def test_accents_and_marks_are_no_difference(text: str, value: str, found: str | None) -> None:
    assert find_in_text(text, value) == found


# --- What is HTML ---------------------------------------------------------------------------------

WHOLE = page(f"{TOP}<p>{BODY}</p>")


@pytest.mark.parametrize(
    "before",
    [
        '<script src="https://vellin.example/a.js"></script>\n',
        "<style>.x{color:red}</style>\n",
        "<script>if (a < b) { x('</p>') }</script><style></style>\n\n",
        "<!-- saved from url -->\n<!-- twice -->",
        "<!-- c -->\n" * 20_000,
        "Warning: Undefined variable $x in /var/www/page.php on line 12\n",
        "<br />\n<b>Warning</b>:  Undefined $x in <b>/page.php</b> on line <b>12</b><br />\n",
        "PHP Notice:  Trying to access array offset in /page.php on line 3\n\n",
        "[warning] cache is cold\n",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "\ufeff\n \n",
        "<div id='banner'></div>",
        "<link rel='stylesheet' href='a.css'>",
        "<meta name='generator' content='x'>",
    ],
    ids=lambda before: before[:20],
)
def test_a_document_is_html_whatever_stands_before_it(tmp_path: Path, before: str) -> None:
    found = record(tmp_path, before + WHOLE)
    assert found["Headline"] == HEADLINE
    assert found["Influencer"] == "Jane Roe"
    assert found["Language"] == "English"
    assert found["Opening Text"] == BODY


@pytest.mark.parametrize(
    "fragment",
    [
        f"<article><h1>{HEADLINE}</h1><p>{BODY}</p></article>",
        f"<p>{BODY}</p>",
        f"<div class='body'>{BODY}</div>",
        f"<h1>{HEADLINE}</h1>{BODY}",
        f"<table><tr><td>{BODY}</td></tr></table>",
        f"<html><body>{BODY}",
        f"<BODY><P>{BODY}",
        f"<main>\n{BODY}</main>",
        f"<head><title>x</title></head><p>{BODY}",
    ],
)
def test_a_fragment_is_html(tmp_path: Path, fragment: str) -> None:
    assert BODY in read(tmp_path, fragment).document.text


@pytest.mark.parametrize(
    "text",
    [
        "A plain text.",
        "if a<b and c>d: pass",
        "The tag <html> begins a page, and <body> holds its text.",
        "<rss version='2.0'><channel><title>x</title></channel></rss>",
        '<?xml version="1.0"?><TEI><text><body><p>x</p></body></text></TEI>',
        '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS"><article><front/></article>',
        '<?xml version="1.0"?><article><front><article-meta/></front></article>',
        '{"title": "<html><body>x</body></html>"}',
        "<jane@vellin.example> wrote:",
        "<3 hearts",
        "",
    ],
)
def test_what_is_no_html_is_left_to_others(tmp_path: Path, text: str) -> None:
    assert not looks_like_html(text.encode()) or text.startswith("{")
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UnknownFormatError):
        list(news_json.extract_load(tmp_path / "x.txt", {}))


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("gb2312", "gb18030"), ("big5", "big5"), ("windows-1251", "cp1251"), ("iso-8859-1", "cp1252"),
     ("shift_jis", "cp932"), ("euc-kr", "euc-kr"), ("no-such", "utf-8")],
)  # fmt: skip
def test_a_page_is_decoded_as_it_says(tmp_path: Path, charset: str, encoding: str) -> None:
    texts = {"gb18030": "周一早晨暴风雨", "big5": "週一早晨暴風雨", "cp1251": "Шторм",
             "cp1252": "Größe “x”", "cp932": "月曜日の嵐", "euc-kr": "월요일 폭풍"}  # fmt: skip
    text = texts.get(encoding, "Größe")
    content = f"<html><head><meta charset='{charset}'></head><body><p>{text}</p></body></html>"
    assert read(tmp_path, content.encode(encoding)).document.text == text


# --- Huge pages -----------------------------------------------------------------------------------

LAST = f"<p>{MORE}</p>"


@pytest.mark.parametrize(
    "inside",
    [
        "<div>" * 300 + "x" + "</div>" * 300,
        "<div>" * 1900 + "x" + "</div>" * 1900,
        "<b>" * 1000 + "x",
        "<ul><li>" * 500,
        "<p>" + "word " * 2_200_000 + "</p>",
        "<p>" + "x" * 11_000_000 + "</p>",
        f'<p title="{"y" * 11_000_000}">x</p>',
        "<script>" + "y" * 11_000_000 + "</script>",
        "<!-- c -->x" * 20_000,
        "<p>" + "<!-- " + "c" * 11_000_000 + "-->",
        "<p>A b c.</p>" * 30_000,
        "<ul>" + "<li><a href='/x'>Storm over Vellin</a></li> " * 5_000 + "</ul>",
        script('{"@type": "X"}') * 5_000,
        script('{"a":' * 100_000),
        script('{"@type": "Article", "headline": "' + "<a " * 300_000 + '"}'),
        "<" * 100_000,
    ],
    ids=lambda inside: inside[:24],
)
def test_the_text_of_a_huge_page_is_whole_within_a_minute(tmp_path: Path, inside: str) -> None:
    started = time.monotonic()
    found = read(tmp_path, page(f"{TOP}<p>{BODY}</p>{inside}{LAST}"))
    assert time.monotonic() - started < 60
    assert BODY in found.document.text
    assert MORE in found.document.text


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "font"])
@pytest.mark.parametrize("depth", [2500, 100_000])
def test_what_would_be_lost_is_set_aside(tmp_path: Path, tag: str, depth: int) -> None:
    (tmp_path / "x.html").write_text(page(f"<{tag}>" * depth + LAST), encoding="utf-8")
    (found,) = news_json.extract_load(tmp_path / "x.html", {})
    assert isinstance(found, Reject)
    assert "nested deeper" in found.reason
