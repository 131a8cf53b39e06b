"""arxiv_metadata: its hooks, names and identifiers, its metric by hand, and the sample."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from paths import ROOT

import fieldsmith_arxiv_metadata as arxiv_metadata
from benchmarks import baseline_title_pages
from fieldsmith import Document, Example, Message, Prediction, Record
from fieldsmith_arxiv_metadata import identifiers, name_lists, names

SAMPLE = ROOT / "plugins" / "arxiv_metadata" / "sample"
SCHEMA = arxiv_metadata.extract_schema()
MATCHINGS = ("strict", "soft", "levenshtein", "ratcliff")
RECORD: Record = {
    "id": "1913.00001v2",
    "title": "Foxes and anticoag-\nulants",
    "authors": ["Ann-Mari van der Oke", "Bo Li3"],
    "abstract": "Foxes bleed for\nlonger than hens.",
    "doi": "10.5555/fox.1",
}
NOTHING: Record = {"id": None, "title": None, "authors": [], "abstract": None, "doi": None}
DOCUMENT = Document("1", "Foxes")


def counts(predicted: Record | None, gold: Record = RECORD) -> dict[str, tuple[float, ...]]:
    example = Example(DOCUMENT, gold)
    prediction = Prediction(DOCUMENT, record=predicted)
    return dict(arxiv_metadata.extract_metric(example, prediction, SCHEMA))


# --- Hooks ----------------------------------------------------------------------------------------


def test_the_schema_is_one_and_nobody_shares_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == ["id", "title", "authors", "abstract", "doi"]
    arxiv_metadata.extract_schema().clear()
    assert arxiv_metadata.extract_schema() == SCHEMA


@pytest.mark.parametrize(
    ("record", "valid"),
    [
        (RECORD, True),
        (NOTHING, True),
        ({}, True),
        ({"title": ""}, False),
        ({"authors": None}, False),
        ({"authors": [None]}, False),
        ({"year": 2019}, False),
    ],
)
def test_records_that_the_schema_allows(record: Record, valid: bool) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(record) == valid


def test_the_brief_prompt_names_the_fields() -> None:
    assert arxiv_metadata.extract_brief_prompt(DOCUMENT, SCHEMA) == [
        Message("system", "Extract as JSON: id, title, authors[], abstract, doi"),
        Message("user", "Foxes"),
    ]


def test_settings() -> None:
    score = [f"{key}_levenshtein" for key in ("id", "title", "authors", "abstract", "doi")]
    large = arxiv_metadata.extract_settings("llama-3.2-3b")
    assert large == {"window": "document", "score": score}
    small = arxiv_metadata.extract_settings("embedded")
    assert (small["window"], small["score"], small["max_length"]) == ("tokens", score, 2048)


def test_the_example_in_the_docstring_is_read(tmp_path: Path) -> None:
    _, data, record = (arxiv_metadata.__doc__ or "").split("::\n")
    source = tmp_path / "papers.json"
    # Its lines are broken to fit, inside of strings, too.
    source.write_text(" ".join(data.split("\n\nand")[0].split()), encoding="utf-8")
    (example,) = arxiv_metadata.extract_load(source, {})
    assert isinstance(example, Example)
    assert example.record == json.loads(record)


def test_the_import_is_light() -> None:
    code = (
        "import sys, fieldsmith_arxiv_metadata\n"
        "heavy = {'numpy', 'scipy', 'rapidfuzz', 'pdfminer', 'jsonschema', 'torch', 'regex'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("byline", "expected"),
    [
        ("Sue Oke and David Tong", ["Sue Oke", "David Tong"]),
        ("Ann Oke a , Bo W. Li b , Eva Brink d,e, ⁎", ["Ann Oke", "Bo W. Li", "Eva Brink"]),
        ("Ann Oke §,*,φ , John De Vos *, §,φ, 1", ["Ann Oke", "John De Vos"]),
        ("J. Oke ae , A. Zink h", ["J. Oke", "A. Zink"]),
        ("F. de Gas, 14 J. van der Horst, 34", ["F. de Gas", "J. van der Horst"]),
        ("K. Oke 1 * , Y. Li 1 Y. Maeno 2", ["K. Oke", "Y. Li", "Y. Maeno"]),
        ("Dr. Ann Oke, M.D., Ph.D., and Bo Li, MSc", ["Ann Oke", "Bo Li"]),
        ("Ann Oke, Ph.D. Bo R. Li, Ph.D.", ["Ann Oke", "Bo R. Li"]),
        ("Ann Oke, Fellow, IEEE, and Bo Li, Senior Member, IEEE", ["Ann Oke", "Bo Li"]),
        ("M.D. Oke, M.S. Soares", ["M.D. Oke", "M.S. Soares"]),
        ("Ann Oke [0000−0003−2196−6587] and Bo Li", ["Ann Oke", "Bo Li"]),
        ("Ann Oke ID 1,2,3 *, Bo LiID 1", ["Ann Oke", "Bo LiID"]),
        ("Luciano da F. Costa, 1 José Ortega y Gas", ["Luciano da F. Costa", "José Ortega y Gas"]),
        ("J. OKE2 and M.L.M. TACK 1", ["J. OKE2", "M.L.M. TACK"]),
        ("李明1，王芳2、张伟", ["李明1", "王芳2", "张伟"]),
        ("Иван Зорин¹, Анна Сид² и Пётр Куз", ["Иван Зорин¹", "Анна Сид²", "Пётр Куз"]),
        ("محمد علي، فاطمة حسن", ["محمد علي", "فاطمة حسن"]),
        ("नरेंद्र मोदी, अमित शाह", ["नरेंद्र मोदी", "अमित शाह"]),
        ("Nguyễn Văn An; Trần Thị Bình", ["Nguyễn Văn An", "Trần Thị Bình"]),
        ("Oke, J., Li, A. B. and Mo, C.", ["Oke, J.", "Li, A. B.", "Mo, C."]),
        ("Ann Oke\nBo Li", ["Ann Oke", "Bo Li"]),
        (
            "Bo Li and Shoji\nTanaka, Jan Willem\nde Boer",
            ["Bo Li", "Shoji\nTanaka", "Jan Willem\nde Boer"],
        ),
        ("Paulo Ro-\ncha 9 , Erik Tjong", ["Paulo Ro-\ncha", "Erik Tjong"]),
        ("Ann Oke (corresponding author), Bo Li bo@li.example", ["Ann Oke", "Bo Li"]),
        ("Ann Oke et al.", ["Ann Oke"]),
        ("By Ann Oke, Ing Li and Erik By", ["Ann Oke", "Ing Li", "Erik By"]),
        ("O'Neil Oke & Bo d'Aro", ["O'Neil Oke", "Bo d'Aro"]),
        ("1,2 * †", []),
        ("", []),
    ],
)
def test_persons_of_a_byline(byline: str, expected: list[str]) -> None:
    assert [byline[start:end] for start, end in names.persons(byline)] == expected


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("Bo Li3", ["Bo Li"]),
        ("Paulo Ro-\ncha", ["Paulo Rocha"]),
        ("Jean-\nPierre Oke", ["Jean-Pierre Oke"]),
        ("Bo LiID", ["Bo Li"]),
        ("Oke, A. B.", ["A. B. Oke"]),
        ("Oke, Ann", ["Ann Oke"]),
        ("van der Oke, Ann", ["Ann van der Oke"]),
        ("Ann Oke and Bo Li", ["Ann Oke", "Bo Li"]),
        ("Ann Oke, Jr., M.D.*", ["Ann Oke"]),
        ("Manabu Ohta.", ["Manabu Ohta"]),
        ("Ma Li", ["Ma Li"]),
        ("12", ["12"]),
    ],
)
def test_names_are_cleaned(author: str, expected: list[str]) -> None:
    assert name_lists.clean_all([author]) == expected


@pytest.mark.parametrize(
    ("authors", "expected"),
    [
        (["Oke, Ann B.", "van der Li, Bo"], ["Ann B. Oke", "Bo van der Li"]),
        (["Oke, A. B.", "Li, B. van der"], ["A. B. Oke", "B. van der Li"]),
        (["Oke, Ann B.; van der Li, Bo"], ["Ann B. Oke", "Bo van der Li"]),
        (["Oke, Ann;Li, Bo; Mo, J.-P."], ["Ann Oke", "Bo Li", "J.-P. Mo"]),
        (["Oke, Ann B. and van der Li, Bo and Mo, Jan"], ["Ann B. Oke", "Bo van der Li", "Jan Mo"]),
        (["Oke, Ann and others"], ["Ann Oke"]),
        (["Oke, Jr., Ann", "Li, Bo, III"], ["Ann Oke", "Bo Li"]),
        (["García Márquez, Gabriel"], ["Gabriel García Márquez"]),
        (["García Márquez, Gabriel José", "Oke, Ann"], ["Gabriel José García Márquez", "Ann Oke"]),
        (["García Márquez, G. J."], ["G. J. García Márquez"]),
        (["OKE, ANN", "GARCIA MARQUEZ, ROSA"], ["ANN OKE", "ROSA GARCIA MARQUEZ"]),
        (["O'Neil-Oke, Zoë Marie"], ["Zoë Marie O'Neil-Oke"]),
        (["Оке, Анна Б.", "Ли, Бо"], ["Анна Б. Оке", "Бо Ли"]),
        (["Ann Oke, Bo Li"], ["Ann Oke", "Bo Li"]),
        (["Ann Oke, Bo Li and Jan Mo"], ["Ann Oke", "Bo Li", "Jan Mo"]),
        (["Ann Oke; Bo Li"], ["Ann Oke", "Bo Li"]),
        (["Ann Oke and Bo Li"], ["Ann Oke", "Bo Li"]),
        (["Ann Oke, Ph.D.", "Bo Li, FRS"], ["Ann Oke", "Bo Li"]),
        (["Ann Oke", "Li, Bo"], ["Ann Oke", "Bo Li"]),
        (["李明, 王芳"], ["李明", "王芳"]),
        ([""], [""]),
    ],
)
def test_family_names_may_come_first(authors: list[str], expected: list[str]) -> None:
    assert name_lists.clean_all(authors) == expected


FAMILY = st.sampled_from(["Oke", "van der Li", "O'Neil", "Mo-Ro", "Étienne", "de la Cruz", "Ли"])
GIVEN = st.sampled_from(["Ann", "A. B.", "Bo Jan", "J.-P.", "Zoë M.", "Жан"])


@given(st.lists(st.tuples(FAMILY, GIVEN), min_size=1, max_size=5))
@pytest.mark.parametrize("joint", ["; ", ";", " and ", None])
def test_however_a_list_is_joined_it_has_the_same_persons(
    joint: str | None, persons: list[tuple[str, str]]
) -> None:
    entries = [f"{family}, {given}" for family, given in persons]
    given = entries if joint is None else [joint.join(entries)]
    assert name_lists.clean_all(given) == [f"{given} {family}" for family, given in persons]


@given(st.text(st.sampled_from("AbÉ李я1².,;-'’*†\n "), max_size=40))
def test_spans_of_persons_lie_in_the_text(byline: str) -> None:
    end_before = 0
    for start, end in names.persons(byline):
        assert end_before <= start < end <= len(byline)
        assert byline[start:end] == byline[start:end].strip()
        assert not byline[end : end + 1].isalnum()
        end_before = end


@given(st.text(max_size=40))
def test_cleaning_ends_and_keeps_clean_names(text: str) -> None:
    for name in name_lists.clean_all([text]):
        assert name == " ".join(name.split())


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("Ann-Mari Oke", "A.-M. OKE", True),
        ("Stephen Fenner", "S. A. Fenner", True),
        ("Sue Fenner", "Stephen Fenner", False),
        ("Ann Oke", "Ann Li", False),
        ("Oke", "Ann Oke", False),
        ("", "", True),
    ],
)
def test_one_person_by_two_names(name: str, other: str, same: bool) -> None:
    assert names.same_person(name, other) == names.same_person(other, name) == same


# --- Identifiers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("arXiv:0704.0191v2 [hep-ph]", "0704.0191"),
        ("0704.0191", "0704.0191"),
        ("arXiv: cs.CL/9809018v3", "cs/9809018"),
        ("https://arxiv.org/pdf/2104.06608v2.pdf", "2104.06608"),
        ("http://www.arxiv.org/abs/hep-th/9901001", "hep-th/9901001"),
        ("COND-MAT/9908383v1", "cond-mat/9908383"),
        ("Paper 12", "paper12"),
        ("2104.066089", "2104.066089"),
    ],
)
def test_normal_ids(text: str, normal: str) -> None:
    assert identifiers.normal_id(text) == normal
    assert identifiers.normal_id(normal) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://doi.org/10.1371/Journal. pone.0210099", "10.1371/journal.pone.0210099"),
        ("DOI 10.1002/JCB.10631.", "10.1002/jcb.10631"),
        ("DOI: http://dx.doi. org/10.3748/w.v23", "10.3748/w.v23"),
        ("(doi:10.1016/0031-9163(67)90366-5)"[1:], "10.1016/0031-9163(67)90366-5"),
        ("10.1002/(SICI)1(1998)1<1::AID>3.0.CO;2-2", "10.1002/(sici)1(1998)1<1::aid>3.0.co;2-2"),
        ("https://www.fox.example/doi/10.5555/x,", "10.5555/x"),
    ],
)
def test_normal_dois(text: str, normal: str) -> None:
    assert identifiers.normal_doi(text) == normal
    assert identifiers.normal_doi(normal) == normal


def test_identifiers_in_a_text() -> None:
    text = (
        "arXiv:0704.0191v2 [hep-ph] (doi:10.5555/a(6)7), hep-th/9901001v1; not 1200.5000 nor "
        "1.10.5555/x, but https://arxiv.org/abs/2104.06608. https://doi.org/10.5555/b.c."
    )
    assert [text[a:b] for a, b in identifiers.ids(text)] == [
        "0704.0191v2",
        "hep-th/9901001v1",
        "2104.06608",
    ]
    assert [text[a:b] for a, b in identifiers.dois(text)] == ["10.5555/a(6)7", "10.5555/b.c"]


IDENTIFIERS = ("0704.0191v2", "hep-th/9901001", "10.5555/a(6)7", "https://doi.org/10.5555/b.c.")


@given(st.lists(st.sampled_from(IDENTIFIERS) | st.text(max_size=9), max_size=6).map("".join))
def test_identifiers_of_any_text(text: str) -> None:
    for find in (identifiers.ids, identifiers.dois):
        assert all(0 <= start < end <= len(text) for start, end in find(text))
    once = identifiers.normal_doi(text)
    assert not once or identifiers.normal_doi(once) == once


# --- Metric ---------------------------------------------------------------------------------------


def test_the_gold_record_is_perfect() -> None:
    expected = dict.fromkeys(["id", "title", "abstract", "doi"], (1, 1, 1)) | {"authors": (2, 2, 2)}
    assert counts(RECORD) == {
        f"{key}_{matching}": value for key, value in expected.items() for matching in MATCHINGS
    }


@pytest.mark.parametrize("nothing", [None, {}, NOTHING])
def test_no_answer_predicts_nothing(nothing: Record | None) -> None:
    found = counts(nothing)
    assert {found[f"{key}_soft"] for key in ("id", "title", "abstract", "doi")} == {(0, 0, 1)}
    assert found["authors_levenshtein"] == (0, 0, 2)


def test_what_the_gold_does_not_have_is_wrong() -> None:
    assert set(counts(RECORD, NOTHING).values()) == {(0, 1, 0), (0, 2, 0)}


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        # Broken at the line's end or not, it is one title.
        ("title", "Foxes and anticoagulants", "strict soft levenshtein ratcliff"),
        ("title", "FOXES AND\nANTICOAGULANTS", "strict soft levenshtein ratcliff"),
        ("title", "Foxes and anticoagulants: a note", ""),
        ("title", "Foxes and anticoagulants.", "soft levenshtein ratcliff"),
        ("title", "Foxes, anticoagulants", "levenshtein"),
        ("title", "Hens", ""),
        ("abstract", "Foxes bleed for longer than hens", "soft levenshtein ratcliff"),
        ("abstract", "Foxes bleed for longer than", "levenshtein"),
        ("id", "arXiv:1913.00001", "strict soft levenshtein ratcliff"),
        # An identifier that is nearly right is wrong.
        ("id", "1913.00002", ""),
        ("doi", "https://doi.org/10.5555/FOX.1.", "strict soft levenshtein ratcliff"),
        ("doi", "10.5555/fox.2", ""),
    ],
)
def test_how_near_is_right(key: str, value: str, right: str) -> None:
    found = counts(RECORD | {key: value})
    assert " ".join(m for m in MATCHINGS if found[f"{key}_{m}"] == (1, 1, 1)) == right
    assert {found[f"{key}_{m}"][1:] for m in MATCHINGS} == {(1, 1)}


@pytest.mark.parametrize(
    ("authors", "strict"),
    [
        (["Bo Li", "Ann-Mari van der Oke 1,*"], (2, 2, 2)),
        (["BO LI and Ann-Mari van der Oke"], (2, 2, 2)),
        (["van der Oke, Ann-Mari", "Bo Li", "Bo Li"], (2, 2, 2)),
        (["Bo Li", "Eva Mo"], (1, 2, 2)),
        (["Bo", "Li"], (0, 2, 2)),
        (["12"], (0, 1, 2)),
    ],
)
def test_authors_are_a_set_of_clean_names(authors: list[str], strict: tuple[int, ...]) -> None:
    assert counts(RECORD | {"authors": authors})["authors_strict"] == strict


def test_a_key_that_is_not_annotated_is_not_counted() -> None:
    assert set(counts(RECORD, {"doi": None})) == {f"doi_{matching}" for matching in MATCHINGS}


# --- Sample ---------------------------------------------------------------------------------------


@cache
def generator() -> ModuleType:
    path = ROOT / "tools" / "samples" / "arxiv_metadata.py"
    spec = importlib.util.spec_from_file_location("arxiv_metadata_sample", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@cache
def sample() -> list[Example]:
    rows = list(arxiv_metadata.extract_load(None, {}))
    assert all(isinstance(row, Example) for row in rows)
    return [row for row in rows if isinstance(row, Example)]


def test_the_sample_is_what_its_tool_makes() -> None:
    made = generator().files()
    assert sorted(path.name for path in SAMPLE.iterdir()) == sorted(made)
    for name, content in made.items():
        assert (SAMPLE / name).read_bytes() == content.encode(), f"run the tool: {name} differs"


def test_the_sample_is_valid_and_its_gold_scores_full_marks() -> None:
    assert Counter(example.split for example in sample()) == generator().SIZES
    validator = Draft202012Validator(SCHEMA)
    for example in sample():
        record = example.record or {}
        assert validator.is_valid(record)
        scored = counts(record, record)
        assert len(scored) == 20
        assert all(matched == found == gold for matched, found, gold in scored.values()), example
        for name in record["authors"]:
            assert " ".join(name.split()) in " ".join(example.document.text.split())


def test_the_sample_is_varied() -> None:
    records = [example.record or {} for example in sample()]
    texts = [example.document.text for example in sample()]
    for key, least in (("id", 0.4), ("title", 0.01), ("authors", 0.03), ("abstract", 0.08)):
        assert sum(not record[key] for record in records) >= least * len(records), key
    openings = [
        bool(record["title"]) and text.casefold().startswith(record["title"].casefold()[:12])
        for record, text in zip(records, texts, strict=True)
    ]
    assert 0.1 < sum(openings) / len(openings) < 0.5
    assert sum("-\n" in text for text in texts) > 50
    people = [name for record in records for name in record["authors"]]
    assert sum(not name.isascii() for name in people) > 100
    assert max(Counter(people).values()) == 1
    assert max(map(len, texts)) < 1500


def test_the_baseline_reads_what_its_rules_say() -> None:
    text = (
        "Journal of Foxes 3 (2019)\n\nFoxes and anticoag-\nulants\nAnn Oke 1,* and Bo Li2\n"
        "1 Institute of Hens\nAbstract\nFoxes bleed.\nHens do not.\nKeywords: hens\n"
        "doi:10.5555/fox.1 arXiv:1913.00001v2"
    )
    assert baseline_title_pages.predict(text) == {
        "id": "1913.00001v2",
        "title": "Foxes and anticoag-\nulants",
        "authors": ["Ann Oke", "Bo Li2"],
        "abstract": "Foxes bleed.\nHens do not.",
        "doi": "10.5555/fox.1",
    }
    assert baseline_title_pages.predict("") == NOTHING
    found = baseline_title_pages.scores(
        [example for example in sample() if example.split == "test"]
    )
    assert 0.5 < found["score"].value < 0.95
