"""The lexicon: what training documents call a value, counted, found again, and heard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invented_plugins import shipped_prompts
from tag_examples import SCHEMA, TEXT, told
from tiny_model import Trained, Workplace, random_model

from fieldsmith import Document, Example, Record
from fieldsmith.errors import RunError
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.model.prefix_attention import PrefixAttention
from fieldsmith.runs.folder import Run
from fieldsmith.schema.records import first_problem
from fieldsmith.tagging.decoder import Spotter
from fieldsmith.tagging.gazetteer import _WORDS, Counted, Lexicon, Names, form_of


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
    lexicon = Lexicon.counted(CORPUS, SCHEMA)
    assert list(lexicon.fields) == ["names"], "neither a string nor what objects hold"
    assert dict(lexicon.of("names").counted) == {
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
    assert lexicon.of("title").share("salts") is None


def test_a_share_is_between_what_is_counted_and_a_half() -> None:
    assert Counted(0, 0).share == 0.5
    assert Counted(3, 3).share == pytest.approx(3.5 / 4)
    assert Counted(0, 9).share == pytest.approx(0.05)
    names = Lexicon.counted(CORPUS, SCHEMA).of("names")
    assert names.share(" ZINC\tOxide") == pytest.approx(2.5 / 4)
    assert names.share("zinc oxidation") is None


def test_forms_are_equal_but_for_case_and_layout() -> None:
    assert form_of("Folic\n  Acid ") == form_of("folic acid") == "folic acid"
    assert form_of("cafe\u0301 ibu\u00adprofen") == form_of("Caf\u00e9 ibuprofen")
    assert form_of("IL\u20116") == form_of("IL-6") != form_of("IL 6")
    assert form_of("") == form_of(" ") == form_of("\u00ad") == ""
    assert list(Names({"": Counted(1, 1)}).likely("\u00ad a")) == []


def test_names_are_found_where_they_stand_whole() -> None:
    names = Names(
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
    lexicon = Lexicon.counted([example(long, names=[long, "w1 w2"])], SCHEMA)
    assert list(lexicon.of("names").counted) == ["w1 w2"]


def test_the_most_frequent_words_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _WORDS > 1000
    monkeypatch.setattr("fieldsmith.tagging.gazetteer._WORDS", 2)
    texts = ["b a c", "c b a x", "c"]
    kept = Lexicon.counted([example(text, names=[]) for text in texts], SCHEMA)
    assert list(kept.of("names").counted) == ["c", "a"]


@pytest.mark.parametrize(
    ("names", "written", "spots", "wanted"),
    [
        # Nothing is known: the mean of both opinions, as ever.
        ({}, {"salts": 0.9}, [("salts", 0.9)], {"salts": 0.9}),
        # What is known has half of the say.
        ({"salts": (9, 9)}, {"salts": 0.9}, [("salts", 0.9)], {"salts": 0.925}),
        ({"salts": (0, 9)}, {"salts": 0.9}, [("salts", 0.9)], {"salts": 0.475}),
        # A name that both passed over joins the list, whatever letters it has here.
        ({"zinc oxide": (99, 99)}, {}, [("Zinc oxide", 0.1)], {"Zinc oxide": 0.035 + 0.4975}),
        ({"salts": (9, 9)}, {}, [("salts", 0.4)], {"salts": 0.14 + 0.475}),
        # All together it has to be one rather than not.
        ({"zinc oxide": (9, 9)}, {}, [], {}),
        ({"zinc oxide": (1, 9)}, {}, [("Zinc oxide", 0.4)], {}),
    ],
)
def test_a_list_hears_what_is_known(
    names: dict[str, tuple[int, int]],
    written: dict[str, float],
    spots: list[tuple[str, float]],
    wanted: dict[str, float],
) -> None:
    counted = Names({form: Counted(*counts) for form, counts in names.items()})
    lexicon = Lexicon({"names": counted})
    spotter = Spotter(random_model(), SCHEMA, shipped_prompts(), attention=PrefixAttention(), lexicon=lexicon)
    record: Record = {"title": None, "names": list(written), "pairs": []}
    sure = {f"/names/{number}": value for number, value in enumerate(written.values())}
    found, confidence = spotter.join(TEXT, record, sure, {"names": told(spots)})
    assert first_problem(found, SCHEMA) is None
    assert found["names"] == list(wanted)
    assert list(confidence.values()) == pytest.approx(list(wanted.values()), abs=1e-5)


def test_a_lexicon_is_written_and_read(run: Path) -> None:
    lexicon = Lexicon.counted(CORPUS, SCHEMA)
    place = Run(run)
    lexicon.write(place.lexicon_file)
    read = Lexicon.read(place.lexicon_file)
    assert read is not None
    assert read.as_json() == lexicon.as_json()
    place.lexicon_file.unlink()
    assert Lexicon.read(place.lexicon_file) is None


def test_null_says_that_there_is_nothing() -> None:
    examples = [example("zinc", names=["zinc"]), example("zinc", names=None), example("zinc")]
    assert Lexicon.counted(examples, SCHEMA).of("names").counted == {"zinc": Counted(1, 2)}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"names": 1}', '{"names": {"a": [1]}}', '{"n": "a"}', '{"n": {"a": [1, -1]}}',
     '{"n": {"a": [2, 1]}}', '{"n": {"a": [0, Infinity]}}', '{"n": {"a": "12"}}'],
)  # fmt: skip
def test_a_damaged_lexicon_is_one_line(run: Path, text: str) -> None:
    Run(run).lexicon_file.write_text(text)
    with pytest.raises(RunError, match=r"lexicon\.json: cannot be read: "):
        Lexicon.read(Run(run).lexicon_file)


def test_a_run_hears_the_lexicon_of_its_training_documents(
    trained: Trained, workplace: Workplace
) -> None:
    stored = json.loads(Run(trained.run).lexicon_file.read_text())
    assert list(stored) == ["chemicals", "diseases"]
    text = (workplace.corpus / "train.txt").read_text().casefold()
    assert all(form in text for form in stored["chemicals"])
    name, (values, _stands) = max(stored["chemicals"].items(), key=lambda item: item[1][0])
    assert values > 1
    heard = Extractor.load(trained.run, min_confidence=0.0)(f"Here {name} was given.")
    assert name in (heard.record or {})["chemicals"]
    for silent in ({"adapter": False}, {"constrained": False}):
        spotter = Extractor.load(trained.run, **silent).spotter
        assert spotter is None or not spotter._lexicon.fields


def test_a_training_without_it_writes_none(workplace: Workplace, tmp_path: Path) -> None:
    workplace.train(tmp_path / "run", gazetteer=False, max_steps=1)
    assert Lexicon.read(Run(tmp_path / "run").lexicon_file) is None
