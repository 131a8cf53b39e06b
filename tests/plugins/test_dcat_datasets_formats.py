"""The formats that dcat_datasets reads: repairs, refusals and counts."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from paths import REAL_DATA

import fieldsmith_dcat_datasets as dcat_datasets
from fieldsmith import Example, InputError, Reject, UnknownFormatError, files_in
from fieldsmith_dcat_datasets.mending import LISTS, UnreadableError, datasets, summary

DATA = REAL_DATA / "dcat"
METAMINE, MEXTRACT = DATA / "metamine", DATA / "mextract_mole"

SCHEMA = Draft202012Validator(dcat_datasets.extract_schema())

UPSTREAM = {
    "dcterms:creator": ["Ilka Tov", ""],
    "dcterms:description": "",
    "dcterms:title": " Velmar ",
    "dcterms:issued": "2016",
    "dcterms:language": "",
    "dcterms:identifier": "",
    "dcat:theme": [],
    "dcat:keyword": ["road signs"],
    "dcat:landingPage": "",
    "dcterms:hasVersion": "",
    "dcterms:format": "Image",
    "mls:task": [],
}
READ = {
    "dcterms:title": "Velmar",
    "dcterms:creator": ["Ilka Tov"],
    "dcterms:issued": "2016",
    "dcterms:language": None,
    "dcterms:identifier": None,
    "dcterms:hasVersion": None,
    "dcterms:format": "Image",
    "dcat:landingPage": None,
    "dcat:theme": [],
    "dcat:keyword": ["road signs"],
    "mls:task": [],
    "dcterms:description": None,
}
ANSWER = json.dumps([UPSTREAM])


def load(source: Path) -> list[Example | Reject]:
    return list(dcat_datasets.extract_load(source))


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "pairs.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


# --- What models write ----------------------------------------------------------------------------


def test_output_of_upstream_needs_no_repair() -> None:
    assert datasets(ANSWER) == ([READ], Counter())
    assert list(datasets(ANSWER)[0][0]) == list(READ)


@pytest.mark.parametrize(
    ("given", "expected", "mended"),
    [
        ({"dcterms:creator": "A. Tov, B. Or"}, ["A. Tov, B. Or"], "a string for a list 1"),
        ({"dcterms:creator": None}, [], "null for a list 1"),
        ({"dcterms:creator": {"name": "A"}}, ["A"], "an object for a list 1"),
        ({"dcterms:creator": [{"name": "A"}, 7]}, ["A", "7"], "an item that is no string 1"),
        ({"dcterms:language": ["English", "Dutch"]}, "English, Dutch", "a list for a string 1"),
        ({"dcterms:language": []}, None, "a list for a string 1"),
        ({"dcterms:issued": 2016}, "2016", "a number for a string 1"),
        ({"dcterms:issued": None}, None, ""),
        ({"dcterms:issued": {"@value": "2016"}}, "2016", "an object for a string 1"),
        ({"dcterms:title": "half \\ud800"}, "half \\ud800", ""),
    ],
)
def test_values_of_the_wrong_type_are_repaired(given: Any, expected: Any, mended: str) -> None:
    (read,), counts = datasets(json.dumps([{**UPSTREAM, **given}]))
    assert read[next(iter(given))] == expected
    assert summary(counts) == mended


def test_half_a_surrogate_pair_is_replaced() -> None:
    (read,), _counts = datasets('[{"dcterms:title": "half \\ud800"}]')
    assert read["dcterms:title"] == "half \ufffd"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("dcterms:landingPage", "dcat:landingPage"),
        ("http://www.w3.org/ns/dcat#landing_page", "dcat:landingPage"),
        ("title", "dcterms:title"),
        ("dcat:keywords", "dcat:keyword"),
    ],
)
def test_a_wrong_key_is_repaired(name: str, key: str) -> None:
    (read,), counts = datasets(json.dumps([{name: "x"}]))
    value = ["x"] if key in LISTS else "x"
    assert read == {"dcterms:title": None, **{key: value}}
    assert counts["a wrong key"] == 1
    assert counts["a missing key"] == 11


def test_a_right_key_wins_over_a_wrong_one_and_others_are_left_out() -> None:
    item = {"dcterms:landingPage": "wrong", **UPSTREAM, "dcterms:rights": "all"}
    assert datasets(json.dumps([item])) == ([READ], Counter({"an unknown key": 2}))


@pytest.mark.parametrize(
    ("answer", "mended"),
    [
        (f"\ufeff  {ANSWER}\n", ""),
        (f'{{"datasets": {ANSWER}}}', ""),
        (ANSWER[1:-1], "one object for a list 1"),
        (f'{{"dcat:dataset": {ANSWER}}}', "a list inside an object 1"),
        (f"```json\n{ANSWER}\n```", "code fence 1"),
        (f"Here it is:\n```\n{ANSWER}\n```\nDone.", "code fence 1"),
        (f"Here it is:\n{ANSWER}\nDone.", "text after the JSON 1, text around the JSON 1"),
        (f"<think>Is it [1]?\n[no]</think>\n{ANSWER}", "thinking before the JSON 1"),
        (f"<think>x</think>\n```json\n{ANSWER}", "code fence 1, thinking before the JSON 1"),
        (f"[{ANSWER[1:-1]}, 7, null]", "an item that is no object 2"),
        (f'[{ANSWER[1:-1]}, {{"x": 1}}]', "an object without known keys 1, an unknown key 1"),
        (ANSWER.replace('"mls:task": []', '"mls:task": [], "mls:task": []'), "a key twice 1"),
    ],
)
def test_text_around_the_list_is_removed(answer: str, mended: str) -> None:
    read, counts = datasets(answer)
    assert read == [READ]
    assert summary(counts) == mended


def test_a_string_in_the_list_is_a_title() -> None:
    (read,), counts = datasets('["Velmar"]')
    assert read == {"dcterms:title": "Velmar"}
    assert counts["a title for an object"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "No datasets were found.",
        '[{"dcterms:title": "A", "dcterms:title": "B"}]',
        ANSWER[:-1],
        ANSWER[: len(ANSWER) // 2],
        f"[{ANSWER[1:-1]}, {ANSWER[1:50]}",
        f"<think>I see {ANSWER}",
        "null",
        "7",
        '{"CategorizationThreat": [(2, "x")]}',
        '{"CategorizationThreat": [2, "x"]}',
        "[" * 100_000,
        "```json\n```",
    ],
)
def test_an_answer_without_a_whole_list_is_unreadable(answer: str) -> None:
    with pytest.raises(UnreadableError):
        datasets(answer)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*UPSTREAM, "title", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_json_is_read_is_valid_or_unreadable(value: Any) -> None:
    with contextlib.suppress(UnreadableError):
        read, _mended = datasets(json.dumps(value))
        assert SCHEMA.is_valid({"datasets": read})


# --- MetaMine's pairs -----------------------------------------------------------------------------


def test_a_folder_of_pairs(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "README.md": "about",
        "train/paper_1.json": ANSWER,
        "train/paper_1_thinking.txt": "It uses Velmar.",
        "train/paper_2.json": "[]",
        "train/paper_2.txt": "It uses none.",
        "train/paper_2_thinking.txt": "Less than the paper itself.",
        "train/paper_3.json": f"```json\n{ANSWER}\n```",
        "train/paper_4.txt": "Not annotated.",
        "train/paper_5.json": ANSWER[:-1],
        "train/paper_5_thinking.txt": "Cut off.",
        "train/paper_6.json": b"\xff",
        "train/picture.png": b"\x89PNG",
    }
    first, second, third, fourth, fifth, sixth, other = load(write(tmp_path, files))
    assert isinstance(first, Example)
    assert first.document.id == "paper_1"
    assert first.document.text == "It uses Velmar."
    assert (first.record, first.split) == ({"datasets": [READ]}, "train")
    assert isinstance(second, Example)
    assert (second.record, second.document.text) == ({"datasets": []}, "It uses none.")
    assert isinstance(third, Example)
    assert (third.document.text, third.document.meta) == ("", {"mended": "code fence 1"})
    assert isinstance(fourth, Example)
    assert (fourth.document.text, fourth.record) == ("Not annotated.", None)
    assert isinstance(fifth, Reject)
    assert (fifth.id, fifth.reason[:11]) == ("paper_5", "unreadable:")
    assert isinstance(sixth, Reject)
    assert (sixth.id, sixth.reason[:11]) == ("paper_6", "unreadable:")
    assert isinstance(other, Reject)
    assert "convert" in other.reason


def test_one_file_finds_its_text_and_is_refused_if_broken(tmp_path: Path) -> None:
    write(tmp_path, {"paper_1.json": ANSWER, "paper_1_thinking.txt": "Text.", "bad.json": "[{"})
    (example,) = load(tmp_path / "paper_1.json")
    assert isinstance(example, Example)
    assert example.document.text == "Text."
    with pytest.raises(InputError, match=r"bad\.json: unreadable"):
        load(tmp_path / "bad.json")
    with pytest.raises(UnknownFormatError):  # plain text, for the core
        load(tmp_path / "paper_1_thinking.txt")


def test_a_paper_under_two_topics_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"CV/paper_1.json": ANSWER, "NLP/paper_1.json": "[]", "NLP/paper_2.json": "[]"})
    first, second, third = load(tmp_path)
    assert isinstance(first, Example)
    assert first.record == {"datasets": [READ]}
    assert isinstance(second, Reject)
    assert "read before" in second.reason
    assert second.id == ""  # or the paper would count as one without an answer
    assert isinstance(third, Example)


def test_an_archive_is_read_in_its_order(tmp_path: Path) -> None:
    members = {
        "data/CV/paper_1.json": ANSWER.encode(),
        "data/CV/paper_1_thinking.txt": b"It uses Velmar.",
        "data/CV/paper_3.json": b"[",
        "data/CV/paper_3_thinking.txt": b"Cut off.",
        "../../paper_2_thinking.txt": "Zwölf".encode(),
        "../../paper_2.json": b"[]",
        "data/paper_4.json": b"\xff",
        "data/paper_5.json": b"[]",
        "data/._paper_6.json": b"\x00",
        "data/notes.csv": b"a,b",
    }
    rows = load(archive(tmp_path, members))
    examples = {row.document.id: row for row in rows if isinstance(row, Example)}
    assert list(examples) == ["paper_1", "paper_2", "paper_5"]
    assert examples["paper_1"].record == {"datasets": [READ]}
    assert examples["paper_2"].document.text == "Zwölf"
    assert examples["paper_5"].document.text == ""
    rejects = [row.id for row in rows if isinstance(row, Reject)]
    assert rejects == ["paper_3", "data/paper_4.json"]
    assert files_in(tmp_path) == [tmp_path / "pairs.tar.gz"]  # nothing was extracted


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    whole = archive(tmp_path, {f"paper_{n}.json": ANSWER.encode() * 50 for n in range(50)})
    broken = write(tmp_path, {"broken.tar.gz": whole.read_bytes()[:900]}) / "broken.tar.gz"
    with pytest.raises(InputError, match="broken"):
        load(broken)


@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"PAR1", b"\x1f\x8b\x08", b"[{"]))
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".gz", ".parquet"])
def test_whatever_bytes_are_refused_or_read(suffix: str, data: bytes, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"paper{suffix}"
        path.write_bytes(head + data)
        with contextlib.suppress(InputError):
            load(path)
        assert load(Path(folder)) or suffix in (".jsonl", ".gz")


@pytest.mark.parametrize(
    "text", ["\u202eright to left", "</s><|im_end|>", "<think>[{</think>", "x" * 1_000_000]
)
def test_a_text_is_not_changed(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"a.json": ANSWER, "a.txt": text})
    (example,) = load(tmp_path)
    assert isinstance(example, Example)
    assert example.document.text == text


def test_bad_rows_of_jsonl_become_rejects(tmp_path: Path) -> None:
    good = {"id": "1", "text": "Velmar.", "record": {"datasets": [READ]}}
    lines = [json.dumps(good), "{", '{"id": "2"}', '{"id": 3, "text": [], "record": {}}', ""]
    write(tmp_path, {"rows.jsonl": "\n".join(lines)})
    first, *rejects = load(tmp_path / "rows.jsonl")
    assert isinstance(first, Example)
    assert first.record == good["record"]
    assert [row.place[-2:] for row in rejects if isinstance(row, Reject)] == [":2", ":3", ":4"]


# --- MeXtract -------------------------------------------------------------------------------------

MOLE = {
    "Name": "VELMAR", "Link": "", "HF_Link": "https://velmar.example", "Year": 2019,
    "Language": "jp", "Form": "images", "Description": "Road signs.", "Volume": 12.0,
    "Authors": ["Ilka Tov"], "Tasks": ["other", "image captioning"], "License": "unknown",
}  # fmt: skip


def parquet(path: Path, answers: list[str], user: str = "") -> Path:
    user = user or "Schema Name: en\nPaper Text: A paper on VELMAR.\nOutput JSON: "
    turns = [
        [
            {"role": "system", "content": "Paper Text: no"},
            {"role": "user", "content": user},
            {"role": "assistant", "content": answer},
        ]
        for answer in answers
    ]
    names = [f"evals/en/test/{number}.json" for number in range(len(answers))]
    pyarrow.parquet.write_table(pyarrow.table({"path": names, "chat": turns}), path)
    return path


def test_a_row_of_mextract_is_mapped(tmp_path: Path) -> None:
    (example,) = load(parquet(tmp_path / "a.parquet", [json.dumps(MOLE)]))
    assert isinstance(example, Example)
    assert example.document.id == "evals/en/test/0"
    assert example.document.text == "A paper on VELMAR."
    expected = {
        "dcterms:title": "VELMAR",
        "dcterms:creator": ["Ilka Tov"],
        "dcterms:issued": "2019",
        "dcterms:language": "Japanese",
        "dcterms:format": "Image",
        "dcat:landingPage": "https://velmar.example",
        "mls:task": ["image captioning"],
        "dcterms:description": "Road signs.",
    }
    assert example.record == {"datasets": [expected]}


def test_languages_that_are_not_named_are_not_annotated(tmp_path: Path) -> None:
    answers = [{**MOLE, "Language": "multilingual"}, {**MOLE, "Language": ["Dutch", "Irish"]}]
    rows = load(parquet(tmp_path / "a.parquet", [json.dumps(answer) for answer in answers]))
    found = [(row.record or {})["datasets"][0] for row in rows if isinstance(row, Example)]
    assert "dcterms:language" not in found[0]
    assert found[1]["dcterms:language"] == "Dutch, Irish"


def test_bad_rows_of_mextract_become_rejects(tmp_path: Path) -> None:
    bad = ["{", "[]", "{}", json.dumps({**MOLE, "Num_Parameters": 7.0})]
    rows = load(parquet(tmp_path / "a.parquet", [*bad, json.dumps(MOLE)]))
    assert [type(row) for row in rows] == [*4 * [Reject], Example]
    assert all("unreadable" in row.reason for row in rows if isinstance(row, Reject))
    (row,) = load(parquet(tmp_path / "b.parquet", [json.dumps(MOLE)], user="No text."))
    assert isinstance(row, Reject)


def test_a_parquet_of_something_else_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="chat"):
        load(tmp_path / "a.parquet")


# --- Published data -------------------------------------------------------------------------------

# Published in results/*.json: gold and generated datasets of the papers that are in both and read.
PUBLISHED = {"llama": (4104, 3354), "llama_tuned": (3849, 3447), "qwen": (4112, 3036)}
OUTPUTS = {"llama": 929, "llama_tuned": 899, "qwen": 931}


def counted(system: str) -> tuple[int, int]:
    """Count the datasets of the papers of both, through the reader, file by file."""
    gold_files = {path.name: path for path in sorted((METAMINE / "gs").rglob("paper_*.json"))}
    gold = generated = 0
    for path in sorted((METAMINE / "model_outputs" / system).rglob("paper_*.json")):
        try:
            pair = [load(each)[0] for each in (gold_files[path.name], path)]
        except (KeyError, InputError):
            continue
        sizes = [len((e.record or {})["datasets"]) for e in pair if isinstance(e, Example)]
        gold, generated = gold + sizes[0], generated + sizes[1]
    return gold, generated


def counted_plainly(system: str) -> tuple[int, int]:
    """Count the same without the reader."""
    gold_files = {path.name: path for path in sorted((METAMINE / "gs").rglob("paper_*.json"))}
    gold = generated = 0
    for path in sorted((METAMINE / "model_outputs" / system).rglob("paper_*.json")):
        with contextlib.suppress(KeyError, ValueError):
            pair = [json.loads(each.read_bytes()) for each in (gold_files[path.name], path)]
            gold, generated = gold + len(pair[0]), generated + len(pair[1])
    return gold, generated


@pytest.mark.realdata("dcat/metamine")
@pytest.mark.parametrize("system", PUBLISHED)
def test_the_counts_of_available_outputs_are_exact(system: str) -> None:
    gold, generated = counted(system)
    assert (gold, generated) == counted_plainly(system)
    assert gold > generated > 300


@pytest.mark.realdata("dcat/metamine")
@pytest.mark.parametrize("system", PUBLISHED)
def test_the_published_counts_of_datasets_are_exact(system: str) -> None:
    at_hand = len(list((METAMINE / "model_outputs" / system).rglob("paper_*.json")))
    if at_hand < OUTPUTS[system]:
        pytest.skip(f"{at_hand} of the {OUTPUTS[system]} outputs that the counts are of")
    assert counted(system) == PUBLISHED[system]


@pytest.mark.realdata("dcat/metamine")
def test_all_gold_is_read_once_and_nothing_is_lost() -> None:
    rows = load(METAMINE / "gs")
    assert len(rows) > 500
    examples = [row for row in rows if isinstance(row, Example)]
    papers = {path.stem for path in (METAMINE / "gs").rglob("*.json")}
    assert {example.document.id for example in examples} == papers
    assert len(rows) == len(list((METAMINE / "gs").rglob("*.json")))
    assert all(example.document.text and SCHEMA.is_valid(example.record) for example in examples)


@pytest.mark.realdata("dcat/metamine")
@pytest.mark.parametrize("system", PUBLISHED)
def test_all_outputs_are_read_without_text_and_valid(system: str) -> None:
    rows = load(METAMINE / "model_outputs" / system)
    examples = [row for row in rows if isinstance(row, Example)]
    assert len(examples) == len(rows) > 100
    assert all(example.document.text == "" for example in examples)
    assert all(SCHEMA.is_valid(example.record) for example in examples)
    assert any("mended" in example.document.meta for example in examples)


@pytest.mark.realdata("dcat/mextract_mole")
@pytest.mark.parametrize(("name", "read", "refused"), [("test_70", 95, 16), ("valid", 91, 0)])
def test_all_rows_of_mextract_are_read(name: str, read: int, refused: int) -> None:
    rows = load(MEXTRACT / f"sft_{name}.parquet")
    assert Counter(map(type, rows)) == Counter({Example: read, Reject: refused})
    examples = [row for row in rows if isinstance(row, Example)]
    assert all(example.document.text and SCHEMA.is_valid(example.record) for example in examples)
