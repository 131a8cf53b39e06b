"""The gazetteer: counts of training documents' values, found again and used in prediction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tag_examples import SCHEMA
from tiny_model import Trained, Workplace

from fieldsmith import Document, Example
from fieldsmith.errors import RunError
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.runs.folder import Run
from fieldsmith.tagging.gazetteer import _WORDS, Counted, FieldNames, Gazetteer, form_of


def example(text: str, **record: object) -> Example:
    return Example(Document(text, text), dict(record))


CORPUS = [
    example("Zinc  Oxide and salts.", names=["Zinc Oxide"], title="salts"),
    example("zinc\noxide, salts; Salts!", names=["zinc\noxide", "salts"]),
    example("ZINC OXIDE is no zinc oxidation of salts.", names=[]),
    example("Zinc oxide and salts.", title=None),
    example("Salts of 12 C12 and 12 things.", names=["iron"], pairs=[{"drug": "things"}]),
    example("Of C12, 12.", names=[]),
]


def test_documents_are_counted_where_the_field_is_annotated() -> None:
    gazetteer = Gazetteer.count(CORPUS, SCHEMA)
    assert list(gazetteer.fields) == ["names"], "neither a string nor what objects hold"
    assert dict(gazetteer.field("names").counted) == {
        "iron": Counted(1, 1),  # it differs from its text
        "salts": Counted(1, 4),
        "zinc oxide": Counted(2, 3),
        # Words of two documents or more; no numbers, no marks.
        "zinc": Counted(0, 3),
        "of": Counted(0, 3),
        "and": Counted(0, 2),
        "c12": Counted(0, 2),
        "oxide": Counted(0, 3),
    }
    assert gazetteer.field("title").share("salts") is None


def test_a_share_is_between_what_is_counted_and_a_half() -> None:
    assert Counted(0, 0).share == 0.5
    assert Counted(3, 3).share == pytest.approx(3.5 / 4)
    assert Counted(0, 9).share == pytest.approx(0.05)
    names = Gazetteer.count(CORPUS, SCHEMA).field("names")
    assert names.share(" ZINC\tOxide") == pytest.approx(2.5 / 4)
    assert names.share("zinc oxidation") is None


def test_forms_are_equal_but_for_case_and_layout() -> None:
    assert form_of("Folic\n  Acid ") == form_of("folic acid") == "folic acid"
    assert form_of("cafe\u0301 ibu\u00adprofen") == form_of("Caf\u00e9 ibuprofen")
    assert form_of("IL\u20116") == form_of("IL-6") != form_of("IL 6")
    assert form_of("") == form_of(" ") == form_of("\u00ad") == ""
    assert list(FieldNames({"": Counted(1, 1)}).likely("\u00ad a")) == []


def test_names_are_found_as_whole_words() -> None:
    names = FieldNames(
        {
            "renal failure": Counted(4, 5),
            "acute renal failure": Counted(1, 1),
            "renal": Counted(1, 9),
            "ache": Counted(2, 2),
            "亜鉛": Counted(2, 2),
            "fish": Counted(1, 2),
        }
    )
    text = "Acute renal\nfailure; a headache, ache. 酸化亜鉛を, ﬁsh"
    found = [text[slice(*span)] for span in names.likely(text)]
    assert found == ["Acute renal\nfailure", "renal\nfailure", "ache", "亜鉛", "ﬁsh"]


def test_what_is_as_long_as_a_sentence_is_no_name() -> None:
    long = " ".join(f"w{number}" for number in range(13))
    gazetteer = Gazetteer.count([example(long, names=[long, "w1 w2"])], SCHEMA)
    assert list(gazetteer.field("names").counted) == ["w1 w2"]


def test_the_most_frequent_words_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _WORDS > 1000
    monkeypatch.setattr("fieldsmith.tagging.gazetteer._WORDS", 2)
    texts = ["b a c", "c b a x", "c"]
    kept = Gazetteer.count([example(text, names=[]) for text in texts], SCHEMA)
    assert list(kept.field("names").counted) == ["c", "a"]


def test_a_gazetteer_is_written_and_read(run: Path) -> None:
    gazetteer = Gazetteer.count(CORPUS, SCHEMA)
    place = Run(run)
    gazetteer.write(place.gazetteer_file)
    read = Gazetteer.read(place.gazetteer_file)
    assert read is not None
    assert read.as_json() == gazetteer.as_json()
    place.gazetteer_file.unlink()
    assert Gazetteer.read(place.gazetteer_file) is None


def test_null_says_that_there_is_nothing() -> None:
    examples = [example("zinc", names=["zinc"]), example("zinc", names=None), example("zinc")]
    assert Gazetteer.count(examples, SCHEMA).field("names").counted == {"zinc": Counted(1, 2)}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"names": 1}', '{"names": {"a": [1]}}', '{"n": "a"}', '{"n": {"a": [1, -1]}}',
     '{"n": {"a": [2, 1]}}', '{"n": {"a": [0, Infinity]}}', '{"n": {"a": "12"}}'],
)  # fmt: skip
def test_a_damaged_gazetteer_is_one_line(run: Path, text: str) -> None:
    Run(run).gazetteer_file.write_text(text)
    with pytest.raises(RunError, match=r"gazetteer\.json: cannot be read: "):
        Gazetteer.read(Run(run).gazetteer_file)


def test_a_run_uses_the_gazetteer_of_its_training_documents(
    trained: Trained, workplace: Workplace
) -> None:
    stored = json.loads(Run(trained.run).gazetteer_file.read_text())
    assert list(stored) == ["chemicals", "diseases"]
    text = (workplace.corpus / "train.txt").read_text().casefold()
    assert all(form in text for form in stored["chemicals"])
    name, (values, _stands) = max(stored["chemicals"].items(), key=lambda item: item[1][0])
    assert values > 1
    found = Extractor.load(trained.run, min_confidence=0.0)(f"Here {name} was given.")
    assert name in (found.record or {})["chemicals"]
    for silent in (
        Extractor.load(trained.run, adapter=False),
        Extractor.load(trained.run, constrained=False),
    ):
        assert silent.ensemble is None or silent.ensemble.gazetteer is None


@pytest.mark.slow
def test_a_training_without_it_writes_none(workplace: Workplace, tmp_path: Path) -> None:
    workplace.train(tmp_path / "run", gazetteer=False, max_steps=1)
    assert Gazetteer.read(Run(tmp_path / "run").gazetteer_file) is None
