"""The ensemble: how tags and gazetteer are combined with the generated answer."""

from __future__ import annotations

import pytest
from tag_examples import SCHEMA, TEXT, tags_of

from fieldsmith.data import Record
from fieldsmith.schema.records import first_problem
from fieldsmith.settings import Settings
from fieldsmith.tagging.ensemble import Shares, combine
from fieldsmith.tagging.gazetteer import Counted, FieldNames, Gazetteer


def combined(
    record: Record, sure: dict[str, float], **spans: list[tuple[str, float]]
) -> tuple[Record, dict[str, float]]:
    tags = {field: tags_of(values) for field, values in spans.items()}
    record, confidence = combine(TEXT, record, sure, tags, SCHEMA, Gazetteer({}), Shares())
    assert first_problem(record, SCHEMA) is None
    assert all(0 < value <= 1 for value in confidence.values())
    return record, confidence


def test_a_list_gains_what_is_likely_and_each_value_has_both_tagss() -> None:
    record = {"title": None, "names": ["ZINC OXIDE", "study"], "pairs": []}
    sure = {"/title": 1.0, "/names/0": 0.8, "/names/1": 0.6}
    spots = [("Zinc oxide", 0.4), ("salts", 0.9), ("iron-based", 0.49)]
    found, confidence = combined(record, sure, names=spots, title=[])
    assert found == {"title": None, "names": ["ZINC OXIDE", "study", "salts"], "pairs": []}
    wanted = {"/title": 1.0, "/names/0": 0.52, "/names/1": 0.18, "/names/2": 0.63}
    assert confidence == pytest.approx(wanted, abs=1e-5)
    assert record["names"] == ["ZINC OXIDE", "study"], "what was given stays as it was"


@pytest.mark.parametrize(
    ("written", "sure", "spot", "wanted"),
    [
        ("a study", 0.9, ("salts", 0.3), ("a study", 0.27)),
        ("a study", 0.6, ("salts", 0.3), ("salts", 0.21)),
        ("A STUDY", 0.6, ("a study", 0.7), ("A STUDY", 0.67)),
        # Of "a study of" the spot holds seven characters in ten.
        ("a study of", 0.9, ("a study", 0.3), ("a study of", 0.27 + 0.7 * 0.7 * 0.3)),
        ("a study of", 0.6, ("a study", 0.5), ("a study", 0.3 * 0.7 * 0.6 + 0.35)),
        (None, 0.6, ("salts", 0.6), (None, 0.46)),  # of 0.6 and of 1 - 0.6
        (None, 0.6, ("salts", 0.85), ("salts", 0.595)),
    ],
)
def test_a_string_is_that_of_the_surer_tags(
    written: str | None,
    sure: float,
    spot: tuple[str, float],
    wanted: tuple[str | None, float],
) -> None:
    record: Record = {"title": written, "names": [], "pairs": []}
    found, confidence = combined(record, {"/title": sure}, title=[spot])
    assert found["title"] == wanted[0]
    assert confidence["/title"] == pytest.approx(wanted[1], abs=1e-5)


def test_what_the_schema_would_not_have_does_not_join() -> None:
    record = {"title": None, "names": ["Zinc", "iron", "study"], "pairs": []}
    sure = {"/title": 0.5, "/names/0": 0.5, "/names/1": 0.5, "/names/2": 0.5}
    spots = [("salts", 0.9), ("study", 0.8)]
    found, confidence = combined(record, sure, names=spots, title=[("salts", 0.9)])
    assert found == {**record, "title": "salts"}, "of four names one is too many"
    wanted = {"/title": 0.63, "/names/0": 0.15, "/names/1": 0.15, "/names/2": 0.71}
    assert confidence == pytest.approx(wanted, abs=1e-5)
    unannotated: Record = {"pairs": []}
    assert combined(unannotated, {}, names=[("salts", 0.9)]) == (unannotated, {})


def test_the_likeliest_joins_as_far_as_the_schema_has_it() -> None:
    record = {"names": ["Zinc", "iron"], "pairs": []}
    sure = {"/names/0": 1.0, "/names/1": 1.0}
    spots = [("salts", 0.6), ("study", 0.9), ("oxide", 0.8)]
    found, confidence = combined(record, sure, names=spots)
    assert found["names"] == ["Zinc", "iron", "study"]
    assert confidence["/names/2"] == pytest.approx(0.63)


def test_a_list_that_is_null_gains_what_is_likely() -> None:
    record: Record = {"names": None, "pairs": []}
    found, confidence = combined(record, {"/names": 0.7}, names=[("salts", 0.9)])
    assert found["names"] == ["salts"]
    assert confidence == {"/names/0": pytest.approx(0.63)}
    assert combined(record, {"/names": 0.7}, names=[]) == (record, {"/names": 0.7})


@pytest.mark.parametrize(
    ("names", "written", "spans", "wanted"),
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
def test_a_list_gains_what_the_gazetteer_knows(
    names: dict[str, tuple[int, int]],
    written: dict[str, float],
    spans: list[tuple[str, float]],
    wanted: dict[str, float],
) -> None:
    counted = FieldNames({form: Counted(*counts) for form, counts in names.items()})
    gazetteer = Gazetteer({"names": counted})
    record: Record = {"title": None, "names": list(written), "pairs": []}
    sure = {f"/names/{number}": value for number, value in enumerate(written.values())}
    tags = {"names": tags_of(spans)}
    found, confidence = combine(TEXT, record, sure, tags, SCHEMA, gazetteer, Shares())
    assert first_problem(found, SCHEMA) is None
    assert found["names"] == list(wanted)
    assert list(confidence.values()) == pytest.approx(list(wanted.values()), abs=1e-5)


def test_the_weights_are_those_of_the_settings_or_the_defaults() -> None:
    assert Shares.initial(Settings()) == Shares()
    fixed = Settings(tag_share=0.25, gazetteer_share=0.0)
    assert Shares.initial(fixed) == Shares(tags=0.25, gazetteer=0.0)


@pytest.mark.parametrize(("tags", "wanted"), [(0.0, 0.9), (0.5, 0.5), (1.0, 0.1)])
def test_a_weight_decides_which_signal_counts(tags: float, wanted: float) -> None:
    record: Record = {"title": None, "names": ["salts"], "pairs": []}
    found, confidence = combine(
        TEXT,
        record,
        {"/names/0": 0.9},
        {"names": tags_of([("salts", 0.1)])},
        SCHEMA,
        Gazetteer({}),
        Shares(tags=tags),
    )
    assert found["names"] == ["salts"]
    assert confidence["/names/0"] == pytest.approx(wanted, abs=1e-5)
