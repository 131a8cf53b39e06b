"""Gold says no more than its source does: what is not annotated, in parts, or without a reading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import extract
from hypothesis import given
from hypothesis import strategies as st

import fieldsmith_medical_ner as medical_ner
from fieldsmith import Document, Example, Reject
from fieldsmith.dataset.inputs import read_inputs
from fieldsmith.plugins import load
from fieldsmith_medical_ner.annotations import AnnotatedText, Annotation, Fault
from fieldsmith_medical_ner.mentions import mentions_of
from fieldsmith_medical_ner.types import Types

TITLE = "Velmol-induced tarvitis in two patients."
ABSTRACT = "Velmol was given for gronia. Tarvitis followed on day 3."
TEXT = f"{TITLE} {ABSTRACT}"
MENTIONS = {
    "Chemical": [(0, 6, "Velmol", "C1"), (41, 47, "Velmol", "C1")],
    "Disease": [(15, 23, "tarvitis", "D2"), (62, 68, "gronia", "D3")],
    "Species": [(31, 39, "patients", "9606")],
}


def pubtator(name: str, *kinds: str, relation: str = "", separator: str = "\t") -> str:
    lines = [f"{name}|t|{TITLE}", f"{name}|a|{ABSTRACT}"]
    for kind in kinds:
        for start, end, surface, concept in MENTIONS[kind]:
            lines.append(separator.join([name, str(start), str(end), surface, kind, concept]))
    if relation:
        lines.append(separator.join([name, relation, "C1", "D2"]))
    return "\n".join(lines) + "\n\n"


def read(source: Path) -> list[Example]:
    found = list(medical_ner.extract_load(source, {}))
    assert all(isinstance(row, Example) for row in found), found
    return [row for row in found if isinstance(row, Example)]


def written(folder: Path, content: str, name: str = "corpus.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


# What a corpus does not annotate


@pytest.mark.parametrize(
    ("kinds", "relation", "fields"),
    [
        (["Chemical", "Disease"], "CID", ["chemicals", "diseases", "relations"]),
        (["Chemical", "Disease"], "", ["chemicals", "diseases"]),
        (["Chemical", "Disease"], "Positive_Correlation", ["chemicals", "diseases"]),
        (["Chemical"], "", ["chemicals"]),
        (["Disease"], "", ["diseases"]),
        (["Disease", "Species"], "", ["diseases"]),
        (["Species"], "", []),
        ([], "", []),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_fields_of_a_file_are_what_any_of_its_documents_has(
    tmp_path: Path, kinds: list[str], relation: str, fields: list[str], order: int
) -> None:
    parts = [pubtator(str(number), kind) for number, kind in enumerate(kinds)]
    parts += [pubtator("8", *kinds, relation=relation), pubtator("9")]
    own = {"8": kinds, "9": []} | {str(number): [kind] for number, kind in enumerate(kinds)}
    for example in read(written(tmp_path, "".join(parts[::order]))):
        record, annotated = example.record or {}, own[example.document.id]
        assert sorted(record) == fields
        if "chemicals" in fields:
            assert record["chemicals"] == (["Velmol"] if "Chemical" in annotated else [])
        if "diseases" in fields:
            assert record["diseases"] == (["tarvitis", "gronia"] if "Disease" in annotated else [])


@pytest.mark.parametrize("ending", ["pubtator", "brat"])
def test_files_of_one_document_are_one_corpus(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "corpus"
    for name, kind in (("1", "Chemical"), ("2", "Disease"), ("3", "")):
        kinds = [kind] if kind else []
        if ending == "brat":
            written(folder, TEXT, f"{name}.txt")
            lines = [
                f"T{at}\t{kind} {start} {end}\t{surface}\n"
                for each in kinds
                for at, (start, end, surface, _concept) in enumerate(MENTIONS[each])
            ]
            written(folder, "".join(lines), f"{name}.ann")
        else:
            written(folder, pubtator(name, *kinds), f"{name}.txt")
    # A corpus of its own in a folder of its own, and a file of several documents.
    written(folder / "other", pubtator("7", "Species"), "7.txt")
    written(folder, pubtator("8", "Chemical") + pubtator("9"), "9.pubtator")
    assert {example.document.id: example.record for example in read(folder)} == {
        "1": {"chemicals": ["Velmol"], "diseases": []},
        "2": {"chemicals": [], "diseases": ["tarvitis", "gronia"]},
        "3": {"chemicals": [], "diseases": []},
        "7": None,
        "8": {"chemicals": ["Velmol"]},
        "9": {"chemicals": []},
    }


def test_a_text_without_annotations_beside_it_is_not_annotated(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    written(folder, TEXT, "1.txt")
    written(folder, "T1\tChemical 0 6\tVelmol\n", "1.ann")
    written(folder, TEXT, "2.txt")
    first, second = medical_ner.extract_load(folder, {})
    assert isinstance(first, Example)
    assert first.record == {"chemicals": ["Velmol"]}
    assert isinstance(second, Reject)


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    content = pubtator("1", "Chemical", "Disease", "Species", relation="Association")
    corpus = written(tmp_path, content + pubtator("2", "Species") + pubtator("3", "Chemical"))
    answer = extract("audit", "--plugin", "medical_ner", "--data", corpus)
    assert answer.errors.count("passed over: mention of Species (2), relation Association (1)") == 1


# Discontinuous mentions

PARTS = "Pain was noted first in the left and later in the right lower abdomen of both patients."


def in_brat(folder: Path, *lines: str, text: str = PARTS) -> Path:
    path = written(folder, text, "1.txt")
    written(folder, "".join(f"{line}\n" for line in lines), "1.ann")
    return path


@pytest.mark.parametrize(
    ("spans", "surface", "names"),
    [
        ("0 4;62 69", "Pain abdomen", None),
        ("0 4;62 69", "Pain ... abdomen", None),
        ("0 4;50 55;62 69", "Pain right abdomen", None),
        ("50 55;56 61", "right lower", ["right lower"]),  # parts of one run, as at a line break
        ("56 61;50 55", "right lower", ["right lower"]),
        ("50 61", "right lower", ["right lower"]),
        ("50 61", "right  lower", ["right lower"]),
    ],
)
def test_what_is_between_parts_is_no_gold(
    tmp_path: Path, spans: str, surface: str, names: list[str] | None
) -> None:
    (example,) = read(in_brat(tmp_path, f"T1\tDisease {spans}\t{surface}"))
    # The only disease cannot be written, so that the field is not known: it is not empty.
    assert example.record == ({"diseases": names} if names else None)
    assert example.passed_over == (() if names else ("discontinuous mention",))
    (beside,) = read(in_brat(tmp_path, f"T1\tDisease {spans}\t{surface}", "T2\tDisease 0 4\tPain"))
    assert (beside.record or {})["diseases"] == ["Pain", *(names or [])]


@pytest.mark.parametrize("surface", ["Pain", "abdomen Pain", "Pain was abdomen", ""])
def test_the_text_of_parts_is_compared(tmp_path: Path, surface: str) -> None:
    (reject,) = medical_ner.extract_load(in_brat(tmp_path, f"T1\tDisease 0 4;62 69\t{surface}"), {})
    assert isinstance(reject, Reject)
    assert "the text at 0-4, 62-69 is 'Pain … abdomen'" in reject.reason


def test_relations_of_discontinuous_mentions(tmp_path: Path) -> None:
    text = f"Velmol. {PARTS}"
    mentions = ("T1\tChemical 0 6\tVelmol", "T2\tDisease 8 12;70 77\tPain abdomen")
    relation = "R1\tCID Arg1:T1 Arg2:T2"
    (example,) = read(in_brat(tmp_path, *mentions, relation, text=text))
    assert example.record == {"chemicals": ["Velmol"]}
    assert example.passed_over == ("discontinuous mention", "relation of a discontinuous mention")
    # Another mention of the same concept is a run of text, and stands for it.
    notes = ("N1\tReference T2 MESH:D7\tpain", "T3\tDisease 58 63\tright", "N2\tReference T3 D7\tx")
    (named,) = read(in_brat(tmp_path, *mentions, relation, *notes, text=text))
    assert named.record == {
        "chemicals": ["Velmol"],
        "diseases": ["right"],
        "relations": [{"chemical": "Velmol", "disease": "right"}],
    }


def test_chained_parts_of_pubannotation(tmp_path: Path) -> None:
    row = {
        "sourceid": "1",
        "sourcedb": "made up",
        "text": PARTS,
        "denotations": [
            {"id": "T1", "span": {"begin": 0, "end": 4}, "obj": "_FRAGMENT"},
            {"id": "T2", "span": {"begin": 62, "end": 69}, "obj": "Disease"},
            {"id": "T3", "span": {"begin": 0, "end": 4}, "obj": "Disease"},
            {
                "id": "T4",
                "obj": "Disease",
                "span": [{"begin": 0, "end": 4}, {"begin": 62, "end": 69}],
            },
        ],
        "relations": [{"pred": "_lexicallyChainedTo", "subj": "T2", "obj": "T1"}],
    }
    (example,) = read(written(tmp_path, json.dumps(row)))
    assert example.record == {"diseases": ["Pain"]}
    assert example.passed_over == ("discontinuous mention",) * 2


@given(text=st.text(min_size=1, max_size=12), data=st.data())
def test_a_mention_is_the_text_at_its_parts_or_none(text: str, data: st.DataObject) -> None:
    ends = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(ends, ends), max_size=3))
    spans = tuple((min(pair), max(pair)) for pair in pairs)
    annotation = Annotation("Disease", spans, None, (), "x")
    try:
        found = mentions_of(AnnotatedText("1", text, (annotation,)), Types({}))
    except Fault:
        return
    for mention in found.mentions:
        taken = {at for start, end in spans for at in range(start, end)}
        between = set(range(mention.start, mention.end)) - taken
        assert not "".join(text[at] for at in between).strip()


# brat


def test_the_rest_of_brat(tmp_path: Path) -> None:
    path = in_brat(
        tmp_path,
        "T1\tChemical 0 6\tVelmol",
        "T2\tDisease 15 23\ttarvitis",
        "T3\tGene 31 39\tpatients",
        "E1\tHarm:T3 Cause:T1 Theme:T2",
        "A1\tNegation E1",
        "M1\tSpeculation E1",
        "*\tEquiv T1 T2",
        "#1\tAnnotatorNotes T1\tread twice",
        "N1\tReference T1 MESH:C1\tVelmol",
        "",
        "R1\tCID Arg1:T1 Arg2:T2\t",
        text=TEXT,
    )
    (example,) = read(path)
    assert example.document == Document("1", TEXT)
    assert example.record == {
        "chemicals": ["Velmol"],
        "diseases": ["tarvitis"],
        "relations": [{"chemical": "Velmol", "disease": "tarvitis"}],
    }
    assert example.passed_over == ("mention of Gene", "relation Harm")
    # By the name of the annotations it is the same document.
    assert read(path.with_suffix(".ann"))[0].document == example.document


def test_offsets_of_brat_count_each_character_of_the_file(tmp_path: Path) -> None:
    text = "\ufeffFirst line.\r\nSecond line.\r\nVelmol caused\r\ntarvitis."
    at = text.index("Velmol")
    folder = tmp_path / "corpus"
    (example,) = read(
        in_brat(
            folder,
            f"T1\tChemical {at} {at + 6}\tVelmol",
            f"T2\tDisease {at + 7} {at + 13};{at + 15} {at + 23}\tcaused tarvitis",
            text=text,
        )
    )
    assert example.document.text == text
    assert example.record == {"chemicals": ["Velmol"], "diseases": ["caused\r\ntarvitis"]}
    assert list(read_inputs(load("medical_ner"), [str(folder)])) == [Document("1", text)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("T1 Chemical 0 6 Velmol", "separate columns by tabs"),
        ("T1\tChemical 0\tVelmol", "no annotation of brat"),
        ("T1\tChemical 0 6;\tVelmol", "no annotation of brat"),
        (f"T1\tChemical 0 {'6' * 5000}\tVelmol", "no offset or length"),
        ("T1\tChemical 0 7\tVelmol", "but the text at 0-7 is 'Velmol-'"),
        ("T1\tChemical 6 0\tVelmol", "6-0 is no span"),
        ("T1\tChemicl 0 6\tVelmol", "did you mean chemical?"),
        ("R1\tCID Arg1:T1 Arg2:T2", "annotation 'T1', which is not in the document"),
        ("plain text", "no annotation of brat"),
    ],
)
def test_brat_that_cannot_be_used_is_set_aside(tmp_path: Path, line: str, says: str) -> None:
    path = in_brat(tmp_path, line, text=TEXT)
    (reject,) = medical_ner.extract_load(path, {})
    assert isinstance(reject, Reject)
    assert reject.place == f"{path.with_suffix('.ann')}:1"
    assert says in reject.reason
    assert list(read_inputs(load("medical_ner"), [str(path)])) == [Document("1", TEXT)]


# Loose PubTator

STRICT = pubtator("1", "Chemical", "Disease", relation="CID") + pubtator("2", "Disease")


def loose(*changes: tuple[str, str]) -> str:
    content = STRICT
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    return content


@pytest.mark.parametrize(
    "content",
    [
        loose(("\t", " ")),
        loose(("\t", "    ")),
        loose(("\t", "  \t ")),
        loose(("\n1\t", "\n  1 "), ("\t", " ")),
        loose(("\tgronia\tDisease", "\tgronia Disease")),
        "# made up\n\n" + loose(("\n1\t0", "\n# mentions\n1\t0")),
        loose((" given for", "\ngiven\nfor")),
        loose((" two patients", "\ntwo patients")),
        loose((" two patients", "\ntwo patients"), (" day 3", "\nday 3"), ("\t", " ")),
        loose(("\tD3\n", "\t-\n")),
        loose(("\tD3\n", "\n")),
        loose(("\n\n", "\n")),
        loose(("\n\n", "\n\n\n\n")),
        loose(("\n", "\r\n")),
        loose(("CID\tC1\tD2", "CID\tD2\tC1")),
        loose(("CID\tC1\tD2", "cid\tMESH:C1\tmesh:D2\tNovel")),
    ],
)
def test_loose_pubtator_is_read_where_one_reading_is_possible(tmp_path: Path, content: str) -> None:
    wanted = [(row.document, row.record, row.mentions) for row in read(written(tmp_path, STRICT))]
    found = read(written(tmp_path, content, "loose.txt"))
    assert [(row.document, row.record, row.mentions) for row in found] == wanted


@pytest.mark.parametrize("joined", ["D2;D3", "D2|D3", "D2+D3", "MESH:D2, OMIM:D3"])
def test_ids_that_are_joined(tmp_path: Path, joined: str) -> None:
    content = STRICT.replace("CID\tC1\tD2", f"CID\tC1\t{joined}")
    first, _second = read(written(tmp_path, content))
    assert (first.record or {})["relations"] == [
        {"chemical": "Velmol", "disease": "tarvitis"},
        {"chemical": "Velmol", "disease": "gronia"},
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("1\t0\t6\tVelmol\tChemical\tC1", "1 0 5 Velmol Chemical C1", "the text at 0-5 is 'Velmo'"),
        ("1\t0\t6\tVelmol\tChemical\tC1", "1 0 6 Velmol", "a mention without a type"),
        ("1\t0\t6\tVelmol\tChemical\tC1", "1,0,6,Velmol,Chemical,C1", "separate them by tabs"),
        ("1\t0\t6\tVelmol\tChemical\tC1", "1|0|6|Velmol|Chemical|C1", "separate them by tabs"),
        ("1\t0\t6\tVelmol\tChemical\tC1", "1 | 0 | 6 | Velmol", "separate them by tabs"),
        ("1\tCID\tC1\tD2", "1 CID C1", "neither a mention"),
        ("1\tCID\tC1\tD2", "\nMore text below it.", "neither a mention"),
    ],
)
def test_loose_pubtator_without_one_reading_is_set_aside(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in STRICT
    path = written(tmp_path, STRICT.replace(old, new))
    reject, good = medical_ner.extract_load(path, {})
    assert isinstance(reject, Reject)
    assert says in reject.reason
    assert isinstance(good, Example)
    # No column of an annotation becomes a part of the text.
    assert list(read_inputs(load("medical_ner"), [str(path)])) == [
        Document(name, TEXT) for name in "12"
    ]


def test_pubtator_below_something_else_is_no_plain_text(tmp_path: Path) -> None:
    path = written(tmp_path, "Exported by hand\nid text\n" + STRICT)
    reject, *found = medical_ner.extract_load(path, {})
    assert isinstance(reject, Reject)
    assert reject.place == f"{path}:1"
    assert "begin with a title line" in reject.reason
    assert len(found) == 2
