"""The formats that medical_ner reads: what they mean, and what is wrong with broken files."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from paths import REAL_DATA

import fieldsmith
import fieldsmith_medical_ner as medical_ner
from fieldsmith import Document, Example, InputError, Prediction, Reject, UnknownFormatError
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.plugins import load

DATA = REAL_DATA / "medical"

TITLE = "Renal and hepatic failure after Velmol."
ABSTRACT = "VELMOL (VML) caused kidney failure; tarvic acid did not."
PUBTATOR = f"""7|t|{TITLE}
7|a|{ABSTRACT}
7\t0\t25\tRenal and hepatic failure\tDisease\tD1|D2\tRenal failure|hepatic failure
7\t32\t38\tVelmol\tChemical\tMESH:C1
7\t40\t46\tVELMOL\tChemical\tC1
7\t48\t51\tVML\tChemical\tC1
7\t60\t74\tkidney failure\tDisease\tD1
7\t76\t87\ttarvic acid\tChemical\t-1
7\tCID\tC1\tD1
7\tCID\tC1\tD2
"""
BIOC = f"""<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE collection SYSTEM 'BioC.dtd'>
<collection><source>PubTator</source><date/><key>PubTator.key</key>
<document><id>7</id>
<passage><infon key="type">title</infon><offset>0</offset><text>{TITLE}</text>
<annotation id='0'><infon key="type">Disease</infon>
<infon key="CompositeRole">CompositeMention</infon><infon key="MESH">D1|D2</infon>
<location offset='0' length='25' /><text>Renal and hepatic failure</text></annotation>
<annotation id='1'><infon key="type">Disease</infon>
<infon key="CompositeRole">IndividualMention</infon><infon key="MESH">D1</infon>
<location offset='0' length='5' /><location offset='18' length='7' />
<text>Renal failure</text></annotation>
<annotation id='2'><infon key="type">Disease</infon>
<infon key="CompositeRole">IndividualMention</infon><infon key="MESH">D2</infon>
<location offset='10' length='15' /><text>hepatic failure</text></annotation>
<annotation id='3'><infon key="type">Chemical</infon><infon key="MESH">C1</infon>
<location offset='32' length='6' /><text>Velmol</text></annotation>
</passage>
<passage><infon key="type">abstract</infon><offset>40</offset><text>{ABSTRACT}</text>
<annotation id='4'><infon key="type">Chemical</infon><infon key="MESH">C1</infon>
<location offset='40' length='6' /><text>VELMOL</text></annotation>
<annotation id='5'><infon key="type">Chemical</infon><infon key="MESH">C1</infon>
<location offset='48' length='3' /><text>VML</text></annotation>
<annotation id='6'><infon key="type">Disease</infon><infon key="MESH">D1</infon>
<location offset='60' length='14' /><text>kidney failure</text></annotation>
<annotation id='7'><infon key="type">Chemical</infon><infon key="MESH">-1</infon>
<location offset='76' length='11' /><text>tarvic acid</text></annotation>
</passage>
<relation id='R0'><infon key="relation">CID</infon>
<infon key="Chemical">C1</infon><infon key="Disease">D1</infon></relation>
<relation id='R1'><infon key="relation">CID</infon>
<infon key="Chemical">C1</infon><infon key="Disease">D2</infon></relation>
</document>
</collection>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name is not that of a split; pytest's own begin with "test"."""
    path = tmp_path / "corpus"
    path.mkdir()
    return path


def rows(source: Path) -> list[Example | Reject]:
    return list(medical_ner.extract_load(source, {}))


def examples(source: Path) -> list[Example]:
    return [row for row in rows(source) if isinstance(row, Example)]


def rejects(source: Path) -> list[Reject]:
    return [row for row in rows(source) if isinstance(row, Reject)]


def written(folder: Path, content: str | bytes, name: str = "corpus.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def only(folder: Path, content: str | bytes) -> Example:
    (example,) = examples(written(folder, content))
    return example


# --- PubTator -------------------------------------------------------------------------------------


def test_pubtator_gives_the_whole_example(folder: Path) -> None:
    path = written(folder, PUBTATOR)
    spans_of_harm = ((0, 25), (60, 74))
    spans_of_drug = ((32, 38), (40, 46), (48, 51))
    assert rows(path) == [
        Example(
            fieldsmith.Document("7", f"{TITLE} {ABSTRACT}"),
            {
                "chemicals": ["Velmol", "VML", "tarvic acid"],
                "diseases": ["Renal and hepatic failure", "kidney failure"],
                "relations": [{"chemical": "Velmol", "disease": "Renal and hepatic failure"}],
            },
            {
                "/chemicals/0": ((32, 38), (40, 46)),
                "/chemicals/1": ((48, 51),),
                "/chemicals/2": ((76, 87),),
                "/diseases/0": ((0, 25),),
                "/diseases/1": ((60, 74),),
                "/relations/0/chemical": spans_of_drug,
                "/relations/0/disease": spans_of_harm,
            },
            None,
            f"{path}:1",
        )
    ]


def test_line_ends_marks_and_blank_lines_change_nothing(folder: Path) -> None:
    plain = only(folder, PUBTATOR)
    dos = only(folder, "\ufeff" + PUBTATOR.replace("\n", "\r\n"))
    assert dos == plain
    blank = only(folder, "\n" + PUBTATOR + "\n\n")
    assert (blank.record, blank.mentions) == (plain.record, plain.mentions)
    assert blank.place.endswith(":2")


def test_offsets_are_code_points_and_no_other_line_break_splits(folder: Path) -> None:
    text = "1|t|β-velmol \U0001f48a\n1|a|One\u2028two\x85velmol\n1\t0\t8\tβ-velmol\tChemical\tC1\n"
    example = only(folder, text + "1\t19\t25\tvelmol\tChemical\tC1\n")
    assert example.document.text == "β-velmol \U0001f48a One\u2028two\x85velmol"
    assert example.record == {"chemicals": ["β-velmol", "velmol"]}


def test_names_come_in_order_of_the_text(folder: Path) -> None:
    head, *annotations = PUBTATOR.split("\n7\t")
    shuffled = "\n7\t".join([head, *reversed([line.strip() for line in annotations])]) + "\n"
    assert only(folder, shuffled).record == only(folder, PUBTATOR).record


@pytest.mark.parametrize("joined", ["D1|D2", "D1+D2", " D1 | MESH:D2 ", "OMIM:D1|D2"])
def test_ways_to_write_several_concepts(folder: Path, joined: str) -> None:
    assert only(folder, PUBTATOR.replace("D1|D2", joined)) == only(folder, PUBTATOR)


def test_relations_in_file_order_and_each_once(folder: Path) -> None:
    text = (
        "1|t|a b c\n1|a|\n1\t0\t1\ta\tChemical\tA\n1\t2\t3\tb\tDisease\tB\n1\t4\t5\tc\tDisease\tC\n"
        "1\tCID\tA\tC\n1\tCID\tMESH:A\tMESH:B\n1\tCID\tA\tC\n"
    )
    assert (only(folder, text).record or {})["relations"] == [
        {"chemical": "a", "disease": "c"},
        {"chemical": "a", "disease": "b"},
    ]


def test_ncbi_has_diseases_alone(folder: Path) -> None:
    text = (
        "\n1|t|skin tumour\n1|a|APC and DMD.\n1\t0\t11\tskin tumour\tDiseaseClass\tD012878\n"
        "1\t12\t15\tAPC\tSpecificDisease\tD011125 \n1\t20\t23\tDMD\tModifier\tOMIM:310200\n\n"
        "2|t|colon and other cancers\n2|a|x\n"
        "2\t0\t23\tcolon and other cancers  \tCompositeMention\tD003110 | D009369+D1\n\n"
        "3|t|Nothing\n3|a|here\n\n1|t|skin tumour\n1|a|again\n1\t0\t4\tskin\tModifier\tD1\n"
    )
    found = examples(written(folder, text))
    assert [example.document.id for example in found] == ["1", "2", "3", "1"]
    assert [example.record for example in found] == [
        {"diseases": ["skin tumour", "APC", "DMD"]},
        {"diseases": ["colon and other cancers"]},
        {"diseases": []},
        {"diseases": ["skin"]},
    ]


def test_documents_without_annotations(folder: Path) -> None:
    bare = "8|t|Nothing\n8|a|here\n"
    assert only(folder, bare).record is None
    first, second = examples(written(folder, bare + PUBTATOR))
    assert first.record == {"chemicals": [], "diseases": [], "relations": []}
    assert second.record


def test_types_of_other_taggers_are_counted_and_passed_over(folder: Path) -> None:
    more = PUBTATOR + "7\t0\t5\tRenal\tGene\t1956\n7\t0\t5\tRenal\tSpecies\t9606\n"
    example = only(folder, more)
    assert example.passed_over == ("mention of Gene", "mention of Species")
    assert content(example) == content(only(folder, PUBTATOR))


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("76\t87\ttarvic", "76\t987\ttarvic", 8, "76-987 is no span of the text, which has 96"),
        ("76\t87\ttarvic", "76\t76\ttarvic", 8, "76-76 is no span"),
        ("76\t87\ttarvic", "75\t86\ttarvic", 8, "the mention is 'tarvic acid', but the text at"),
        ("76\t87\ttarvic", "-6\t87\ttarvic", 8, "6 columns that are neither a mention"),
        ("76\t87\ttarvic", f"76\t{'9' * 5000}\ttarvic", 8, "neither a mention"),
        ("76\t87\ttarvic", "76\t²\ttarvic", 8, "neither a mention"),
        ("\tChemical\t-1", "", 8, "a mention without a type"),
        ("7\t76\t87", "8\t76\t87", 8, "document '8' is below document 7"),
        ("7\t76\t87\ttarvic acid\t", "8 76 87 tarvic acid ", 8, "document '8' is below"),
        ("\tChemical\t-1", "\tChemcial\t-1", 8, "type of mention 'Chemcial'; did you mean chem"),
        ("7\tCID\tC1\tD1", "7\tCID\tC1", 9, "3 columns"),
        ("7\tCID\tC1\tD1", "7\tCID\tC1\t-1", 9, "joins one chemical and one disease"),
        ("7\tCID\tC1\tD1", "7\tCID\tC1\tD9", 9, "names disease 'D9', which no mention"),
        ("7\tCID\tC1\tD1", "7\tCID\tC1\tC1", 9, "names disease 'C1', which no mention"),
        (f"7|a|{ABSTRACT}\n", "", 1, "document 7 has no abstract line"),
        ("7|t|", "6|t|", 2, "document '7' is below document 6"),
        (f"7|t|{TITLE}\n", "", 1, "document 7 has no title line"),
        ("7\tCID\tC1\tD2\n", "7\tCID\tC1\tD2\n8|t|cut", 11, "document 8 has no abstract line"),
        (f"7|a|{ABSTRACT}\n", f"7|a|{ABSTRACT}\n7|a|x\n", 3, "second abstract"),
    ],
)
def test_a_document_of_broken_pubtator_is_set_aside(
    folder: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in PUBTATOR
    good = re.sub(r"(?m)^7", "9", PUBTATOR)
    path = written(folder, PUBTATOR.replace(old, new, 1) + "\n" + good)
    check_one_set_aside(path, f"{path}:{line}", says)


def check_one_set_aside(path: Path, place: str, says: str) -> None:
    """Check that one document is set aside with its place, yet predicted, and another one read."""
    (reject,) = rejects(path)
    assert reject.place == place
    assert says in reject.reason
    assert "\n" not in reject.reason
    assert reject.document is not None
    assert reject.document.id == reject.id
    assert reject.document.text.startswith((TITLE, ABSTRACT[:8], "cut", " VELMOL"))
    read = examples(path)
    assert [example.document.text for example in read][-1] == f"{TITLE} {ABSTRACT}"
    # Prediction needs no annotation.
    predicted = list(read_inputs(load("medical_ner"), [str(path)]))
    assert predicted == [
        row.document for row in rows(path) if isinstance(row, Example) or row.document
    ]


def test_pubtator_of_another_encoding(folder: Path) -> None:
    path = written(folder, "1|t|Sjögren\n1|a|x\n".encode("latin-1"))
    with pytest.raises(InputError, match=r":1: byte 6 is not UTF-8"):
        rows(path)


# --- BioC -----------------------------------------------------------------------------------------


def content(example: Example) -> tuple[object, ...]:
    return example.document, example.record, dict(example.mentions), example.split


def test_bioc_is_equal_to_pubtator(folder: Path) -> None:
    path = written(folder, BIOC)
    (example,) = examples(path)
    assert content(example) == content(only(folder, PUBTATOR))
    assert example.place == f"{path}:3"


def test_bioc_parts_add_what_the_composite_does_not_say(folder: Path) -> None:
    unsaid = BIOC.replace(">D1|D2<", ">-1<")
    assert content(only(folder, unsaid)) == content(only(folder, BIOC))


def test_bioc_part_outside_a_composite_is_a_mention(folder: Path) -> None:
    alone = BIOC.replace("CompositeMention", "IndividualMention")
    record = only(folder, alone).record or {}
    assert record["diseases"] == ["Renal and hepatic failure", "hepatic failure", "kidney failure"]


def test_bioc_gaps_between_passages_are_one_space(folder: Path) -> None:
    gap = BIOC.replace("<offset>40", "<offset>42")
    for offset in (40, 48, 60, 76):
        gap = gap.replace(f"offset='{offset}'", f"offset='{offset + 2}'")
    assert content(only(folder, gap)) == content(only(folder, BIOC))


def test_bioc_without_annotations(folder: Path) -> None:
    bare = "<collection><document><id>1</id><passage><offset>0</offset><text>A &lt; &#x3b2;</text>"
    example = only(folder, bare + "</passage></document></collection>")
    assert (example.document.text, example.record) == ("A < β", None)


def test_bioc_in_its_declared_encoding(folder: Path) -> None:
    text = BIOC.replace("UTF-8", "ISO-8859-1").replace("tarvic acid did", "tarvic acid dïd")
    example = only(folder, text.encode("latin-1"))
    assert example.document.text.endswith("tarvic acid dïd not.")


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-jp", "windows-1252", "gb18030", "koi8-r"])
def test_bioc_in_an_encoding_that_the_parser_does_not_know(folder: Path, encoding: str) -> None:
    words = "caf\u00e9" if encoding == "windows-1252" else "\u0410\u0411"
    text = BIOC.replace("UTF-8", encoding).replace("tarvic acid did", f"tarvic acid {words} did")
    # Long enough that some character is cut by the pieces that the file is read in.
    long = text.replace("did not.", "did not. " + words * 70_000)
    example = only(folder, long.encode(encoding))
    assert example.document.text.endswith(f"tarvic acid {words} did not. " + words * 70_000)
    assert example.record == only(folder, BIOC).record


def test_bioc_that_is_not_in_its_encoding(folder: Path) -> None:
    path = written(folder, BIOC.replace("UTF-8", "shift_jis").encode() + b"<!-- \xff\xff -->")
    with pytest.raises(InputError, match="is not in the encoding that it declares"):
        rows(path)


def test_bioc_is_read_in_pieces(folder: Path) -> None:
    start, end = BIOC.index("<document>"), BIOC.index("</collection>")
    many = BIOC[:start] + BIOC[start:end] * 200 + BIOC[end:]
    assert len(many) > 3 * 65536
    found = examples(written(folder, many))
    assert len(found) == 200
    assert all(content(example) == content(found[0]) for example in found)


BOMB = """<!DOCTYPE collection [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>"""
DOCTYPE = "<!DOCTYPE collection SYSTEM 'BioC.dtd'>"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("<id>7</id>", "", 3, "a document without id"),
        ("<offset>40</offset>", "", 18, "a text without offset"),
        ("<offset>40</offset>", "<offset>4e1</offset>", 18, "'4e1' is no offset or length"),
        ("<offset>40</offset>", f"<offset>{'9' * 5000}</offset>", 18, "is no offset or length"),
        ("<location offset='76' length='11' />", "", 25, "an annotation without a location"),
        ("<text>tarvic acid</text>", "", 25, "an annotation without text"),
        ("offset='76'", "", 26, "'' is no offset or length"),
        ("offset='76'", "offset='75'", 25, "the mention is 'tarvic acid', but the text at"),
        ("offset='76'", "offset='6'", 25, "6-17 is no span of the text that holds"),
        ("length='11'", "length='99'", 25, "76-175 is no span of the text"),
        ("length='11'", "length='0'", 25, "76-76 is no span of the text"),
        ('<infon key="type">Chemical</infon><infon key="MESH">-1<', "<infon><", 25, "a type"),
        ('<infon key="relation">CID</infon>\n', "", 28, "a relation without a kind"),
        ('<infon key="Chemical">C1</infon>', "", 28, "joins one chemical and one disease"),
        ('<infon key="Disease">D2</infon>', '<infon key="Disease">D9</infon>', 30, "disease 'D9'"),
    ],
)
def test_a_document_of_broken_bioc_is_set_aside(
    folder: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in BIOC
    good = BIOC[BIOC.index("<document>") : BIOC.index("</collection>")].replace(">7<", ">9<")
    path = written(
        folder, BIOC.replace(old, new, 1).replace("</collection>", f"{good}</collection>")
    )
    check_one_set_aside(path, f"{path}:{line}", says)


def test_an_offset_that_counts_from_the_passage_finds_no_name_elsewhere(folder: Path) -> None:
    alike = BIOC.replace("Renal and", "VELMOL or").replace("Renal", "VELMO")
    moved = alike.replace("offset='40' length='6'", "offset='0' length='6'")
    (reject,) = rejects(written(folder, moved))
    assert "0-6 is no span of the text that holds" in reject.reason


def test_annotations_where_the_dtd_has_none_are_not_lost(folder: Path) -> None:
    (reject,) = rejects(written(folder, BIOC.replace("passage>", "paragraph>", 2)))
    assert reject.id == "7"
    assert "annotations in <paragraph>, which a document does not have" in reject.reason


def test_a_passage_without_text_is_none(folder: Path) -> None:
    bare = BIOC.replace(
        "</passage>\n<relation", "</passage><passage><offset>99</offset></passage>\n<relation"
    )
    assert content(only(folder, bare)) == content(only(folder, BIOC))


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        (DOCTYPE, BOMB, 1, "the entity 'a' is not read"),
        (
            DOCTYPE,
            '<!DOCTYPE collection [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            1,
            "the entity 'x' is not read",
        ),
        ("tarvic acid did", "&secret; did", 18, "the entity 'secret' is not read"),
        ("</document>\n</collection>\n", "", 32, "broken XML (no element found)"),
        ("</passage>\n<relation", "<relation", 31, "broken XML (mismatched tag)"),
        ("encoding='UTF-8'", "encoding='klingon-8'", 1, "the encoding 'klingon-8' cannot be read"),
        ("encoding='UTF-8'", "encoding='base64'", 1, "the encoding 'base64' cannot be read"),
        ("encoding='UTF-8'", "encoding='undefined'", 1, "the encoding 'undefined' cannot be"),
        ("encoding='UTF-8'", "encoding='utf-16'", 1, "broken XML"),
    ],
)
def test_a_broken_file_of_bioc_is_refused(
    folder: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in BIOC
    path = written(folder, BIOC.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        rows(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert says in message
    assert "\n" not in message


def test_bioc_nested_without_end(folder: Path) -> None:
    path = written(folder, "<collection><document>" + "<a>" * 100_000)
    with pytest.raises(InputError, match="broken XML"):
        rows(path)


# --- Instruct -------------------------------------------------------------------------------------

WANTED = {
    "chemicals": "chemicals",
    "diseases": "diseases",
    "relations": "influences between the chemicals and diseases",
}
CUES = {"chemicals": "chemicals", "diseases": "diseases", "relations": "influences"}
TEXT = "Velmol caused portal vasalgia. The vasalgia passed.\n\nNo VELMOL, no tarvic acid."


def prompt(field: str, abstract: str = TEXT) -> str:
    return (
        "The following article contains technical terms including diseases, drugs and chemicals. "
        f"Create a list only of the {WANTED[field]} mentioned.\n\n{abstract}\n\n"
        f"List of extracted {CUES[field]}:\n"
    )


def jsonl(*pairs: tuple[str, str]) -> str:
    rows = ({"prompt": asked, "completion": answer} for asked, answer in pairs)
    return "".join(json.dumps(row) + "\n" for row in rows)


THREE = (
    (prompt("chemicals"), "- tarvic acid\n- velmol\n- VELMOL\n- zinc"),
    (prompt("diseases"), "- vasalgia\n- portal vasalgia"),
    (prompt("relations"), "- Chemical velmol influences disease portal vasalgia"),
)


def test_three_prompts_make_one_document(folder: Path) -> None:
    path = written(folder, jsonl(*THREE))
    (example,) = examples(path)
    assert example.document.text == TEXT
    assert example.document.id.startswith("abstract-")
    assert len(example.document.id) == len("abstract-") + 12
    assert example.record == {
        "chemicals": ["Velmol", "tarvic acid", "zinc"],
        "diseases": ["portal vasalgia", "vasalgia"],
        "relations": [{"chemical": "Velmol", "disease": "portal vasalgia"}],
    }
    drug = ((0, 6), (56, 62))
    assert example.mentions == {
        "/chemicals/0": drug,
        "/chemicals/1": ((67, 78),),
        "/diseases/0": ((14, 29),),
        "/diseases/1": ((35, 43),),
        "/relations/0/chemical": drug,
        "/relations/0/disease": ((14, 29),),
    }
    assert (example.split, example.place) == (None, f"{path}:1")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", []),
        ("- ", []),
        ("- velmol | vasalgia", [{"chemical": "Velmol", "disease": "vasalgia"}]),
        (
            "- velmol | vasalgia\n- Velmol | Vasalgia\n- gold | itch",
            [
                {"chemical": "Velmol", "disease": "vasalgia"},
                {"chemical": "gold", "disease": "itch"},
            ],
        ),
    ],
)
def test_answers_about_influences(folder: Path, answer: str, expected: object) -> None:
    example = only(folder, jsonl(*THREE[:2], (prompt("relations"), answer)))
    assert (example.record or {})["relations"] == expected


def test_an_abstract_is_once_in_each_split_that_has_a_prompt_of_it(folder: Path) -> None:
    chemicals, diseases, relations = THREE
    written(folder, jsonl(chemicals, diseases, chemicals), "train_run.jsonl")
    written(folder, jsonl(relations), "test_run.jsonl")
    written(folder, jsonl(relations), "validation.jsonl")
    found = examples(folder)
    assert [(example.split, Path(example.place).name) for example in found] == [
        ("test", "test_run.jsonl:1"),
        ("train", "train_run.jsonl:1"),
        ("validation", "validation.jsonl:1"),
    ]
    assert len({repr((example.document, example.record)) for example in found}) == 1


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_abstract_without_one_of_the_prompts(folder: Path, missing: int) -> None:
    pairs = [pair for number, pair in enumerate(THREE) if number != missing]
    field = list(WANTED)[missing]
    example = only(folder, jsonl(*pairs))
    whole = only(folder, jsonl(*THREE))
    assert whole.record
    assert example.document == whole.document
    assert example.record == {key: whole.record[key] for key in WANTED if key != field}
    assert example.mentions == {
        pointer: spans
        for pointer, spans in whole.mentions.items()
        if not pointer.startswith(f"/{field}/")
    }
    prediction = Prediction(example.document)
    schema = medical_ner.extract_schema()
    counted = medical_ner.extract_metric(example, prediction, schema)
    assert counted
    assert not [name for name in counted if name.startswith(field)]


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ((prompt("chemicals").removesuffix("List of extracted chemicals:\n"), ""), "cut"),
        (("Name the capital of France.", "Paris"), "another shape"),
        ((prompt("chemicals", "Other"), "velmol"), "'velmol' is no item"),
        ((prompt("relations", "Other"), "- velmol causes pain"), "- chemical | disease"),
        ((prompt("chemicals"), "- another"), "a second, different answer"),
        ((prompt("chemicals", "\ud800"), ""), "surrogate"),
    ],
)
def test_rows_that_are_set_aside(folder: Path, pair: tuple[str, str], says: str) -> None:
    (reject,) = rejects(written(folder, jsonl(*THREE, pair)))
    assert reject.place.endswith("corpus.txt:4")
    assert says in reject.reason


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": "x"', "broken JSON"),
        ('{"prompt": "x"}', "an object with the strings 'prompt' and 'completion'"),
        ('{"prompt": 1, "completion": ""}', "an object with the strings"),
        (
            '{"prompt": "x", "prompt": "x", "completion": ""}',
            "broken JSON: an object has a key twice",
        ),
        ("[1]", "an object with the strings"),
        ("[" * 100_000, "broken JSON"),
    ],
)
def test_a_broken_row_of_instruct_is_set_aside(folder: Path, line: str, says: str) -> None:
    path = written(folder, jsonl(*THREE[:1]) + line + "\n" + jsonl(*THREE))
    (reject,) = rejects(path)
    assert reject.place == f"{path}:2"
    assert reject.reason.startswith(says)
    assert "\n" not in reject.reason
    assert content(only(folder, jsonl(*THREE))) == content(examples(path)[0])


def test_an_abstract_is_predicted_once_whatever_its_answers(folder: Path) -> None:
    odd = [(prompt("chemicals", "Other"), "zinc"), (prompt("diseases", "Other"), "gout")]
    odd += [(prompt("chemicals"), "velmol"), (prompt("relations", "Third"), "- a\n- b")]
    path = written(folder, jsonl(*odd, *THREE), "corpus.jsonl")
    found = list(read_inputs(load("medical_ner"), [str(path)]))
    texts = [row.text for row in found if isinstance(row, Document)]
    assert sorted(texts) == sorted(["Other", "Third", TEXT])


# --- Which format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.xml", "x.jsonl", "x", "x.txt"])
@pytest.mark.parametrize("text", [PUBTATOR, "\n \n" + PUBTATOR, BIOC.strip(), jsonl(*THREE)])
def test_the_format_is_recognised_by_content(folder: Path, name: str, text: str) -> None:
    assert len(examples(written(folder, text, name))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A plain text | with bars.",
        "<html><body>No corpus</body></html>",
        '{"id": "1", "text": "the core\'s own format"}\n',
        "\x00\x01\x02",
    ],
)
def test_an_unknown_format(folder: Path, text: str) -> None:
    path = written(folder, text)
    with pytest.raises(UnknownFormatError, match=r"in no format that the plugin reads|is empty"):
        medical_ner.extract_load(path, {})  # at once, before anything is read
    written(folder, PUBTATOR, "good.txt")
    (reject,) = rejects(folder)
    assert reject.place == str(path)
    assert len(examples(folder)) == 1


def test_a_missing_source(folder: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        medical_ner.extract_load(folder / "none", {})
    with pytest.raises(InputError, match="contains no file"):
        medical_ner.extract_load(folder, {})


def test_a_folder_is_read_in_order_and_lazily(folder: Path) -> None:
    for name in ("README", "LICENSE.txt", "SOURCE.md", "licence"):
        written(folder, "about the data", name)
    (folder / "devel").mkdir()
    written(folder, PUBTATOR, "CDR_TestSet.txt")
    written(folder, PUBTATOR, "devel/corpus.txt")
    written(folder, BIOC, "CDR_TrainingSet.xml")
    written(folder, "9|t|br\xe9ken\n".encode("latin-1"), "z.txt")
    found = iter(medical_ner.extract_load(folder, {}))
    splits = [next(found) for _ in range(3)]
    assert [row.split for row in splits if isinstance(row, Example)] == [
        "test",
        "train",
        "validation",
    ]
    (broken,) = found  # and no file after it is lost
    assert isinstance(broken, Reject)
    assert "byte 6 is not UTF-8" in broken.reason


# --- The corpora themselves -----------------------------------------------------------------------


@pytest.mark.realdata("medical/bc5cdr")
@pytest.mark.parametrize(
    ("name", "spans", "relations"),
    [("Training", (5203, 4182), 1013), ("Development", (5347, 4244), 982)],
)
def test_bc5cdr(name: str, spans: tuple[int, int], relations: int) -> None:
    folder = DATA / "bc5cdr"
    pubtator = examples(folder / f"CDR_{name}Set.PubTator.txt")
    bioc = examples(folder / f"CDR_{name}Set.BioC.xml")
    assert len(pubtator) == len(bioc) == 500
    assert {example.split for example in pubtator} == {None}  # a file alone is all there is
    # The composites' parts, which BioC lists besides, add no span; so nothing differs.
    different = [a for a, b in zip(pubtator, bioc, strict=True) if content(a) != content(b)]
    assert different == []
    counts: Counter[str] = Counter()
    for example in pubtator:
        assert set(example.record or {}) == {"chemicals", "diseases", "relations"}
        counts["relations"] += len((example.record or {})["relations"])
        for pointer, found in example.mentions.items():
            counts[pointer.split("/")[1] + pointer.count("/") * "/"] += len(found)
    assert (counts["chemicals//"], counts["diseases//"]) == spans
    # Fewer than the CIDs (1038 and 1012): two that share a composite's name are one.
    assert counts["relations"] == relations


@pytest.mark.realdata("medical/ncbi_disease")
def test_ncbi_disease() -> None:
    found = rows(DATA / "ncbi_disease")
    splits = Counter(row.split for row in found if isinstance(row, Example))
    assert splits == {"train": 593, "validation": 100, "test": 100}
    spans = sum(
        len(places) for row in found if isinstance(row, Example) for places in row.mentions.values()
    )
    assert spans == 5145 + 787 + 960
    ids = [row.document.id for row in found if isinstance(row, Example)]
    assert len(ids) - len(set(ids)) == 1


@pytest.mark.realdata("medical/medical_ner_instruct")
@pytest.mark.parametrize(
    ("version", "abstracts", "splits"),
    [
        ("20251106", 999, {"train": 991, "validation": 273, "test": 280}),
        ("20251111", 1000, {"train": 996, "validation": 277, "test": 270}),
    ],
)
def test_instruct_splits_of_the_model_project(
    version: str, abstracts: int, splits: dict[str, int]
) -> None:
    found = rows(DATA / f"medical_ner_instruct/splits_{version}")
    assert all(isinstance(row, Example) for row in found)
    assert len({row.document.id for row in found if isinstance(row, Example)}) == abstracts
    assert Counter(row.split for row in found if isinstance(row, Example)) == splits


@pytest.mark.realdata("medical/bc5cdr")
def test_official_splits_come_from_file_names() -> None:
    splits = Counter(example.split for example in examples(DATA / "bc5cdr"))
    assert splits == {"train": 1000, "validation": 1000}  # PubTator and BioC of 500 documents each
