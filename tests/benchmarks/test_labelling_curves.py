"""The simulation of labelling: its sums, its tables, and one small case from end to end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy import stats
from tiny_model import SETTINGS, Workplace, as_yaml, contents, embedded_recipe

from benchmarks.labelling_curves import Sizes, _section, draw, main
from benchmarks.learning_curves import (
    area,
    curves_table,
    documents_at,
    interval,
    saved,
    savings_text,
    summary,
)
from fieldsmith import Document, Example
from fieldsmith.errors import InputError

RISING = [(10, 0.2), (20, 0.4), (40, 0.5)]
SLOW = [(10, 0.2), (20, 0.3), (40, 0.4)]


def test_the_area_is_the_mean_score_over_the_documents() -> None:
    assert area(RISING) == pytest.approx((10 * 0.3 + 20 * 0.45) / 30)
    assert area([(10, 0.2)]) == 0.2


def test_documents_are_saved_up_to_the_last_score_of_random_choice() -> None:
    assert documents_at(RISING, 0.4) == 20
    assert documents_at(RISING, 0.3) == pytest.approx(15)
    assert documents_at(RISING, 0.6) is None
    assert saved(RISING, SLOW) == pytest.approx(20)
    assert saved(SLOW, RISING) is None


def test_an_interval_is_that_of_students_t() -> None:
    values = [0.01, 0.03, 0.02]
    low, high = interval(values) or (0.0, 0.0)
    wanted = stats.t.interval(0.95, 2, loc=0.02, scale=stats.sem(values))
    assert (low, high) == pytest.approx(wanted)
    assert interval([0.5]) is None


def test_strategies_are_compared_within_a_seed() -> None:
    curves = {
        "1": {"random": SLOW, "both": RISING},
        "2": {"random": RISING, "both": [(10, 0.2), (20, 0.4), (40, 0.6)]},
    }
    found = summary(curves)
    assert found["both"]["curve"] == [[10, 0.2], [20, 0.4], [40, 0.55]]
    assert found["both"]["better"] == 2
    assert found["both"]["saved"] == [20.0, 10.0]
    assert found["both"]["difference"] == pytest.approx(
        (area(RISING) - area(SLOW) + area(curves["2"]["both"]) - area(RISING)) / 2, abs=1e-4
    )
    assert "difference" not in found["random"]
    made = curves_table(found).splitlines()
    assert made[0].startswith("| strategy | seeds | 10 | 20 | 40 |")
    assert "| 2 of 2 | 20, 10 | +15 | -48 to +78 |" in made[3]


def test_documents_saved_have_an_interval_over_the_seeds_that_reach_the_level() -> None:
    flat = [(10, 0.2), (20, 0.3), (40, 0.2)]
    curves = {
        "1": {"random": SLOW, "both": RISING},  # saves 20
        "2": {"random": RISING, "both": [(10, 0.2), (20, 0.4), (40, 0.6)]},  # saves 10
        "3": {"random": RISING, "both": SLOW},  # does not come to the level
        "4": {"random": flat, "both": RISING},  # there is no level to come to
    }
    found = summary(curves)
    both = found["both"]
    assert (both["compared"], both["not_reached"], both["no_level"]) == (4, 1, 1)
    assert both["saved"] == [20.0, 10.0, None]
    assert both["saved_mean"] == 15.0
    wanted = stats.t.interval(0.95, 1, loc=15, scale=stats.sem([20, 10]))
    assert both["saved_interval"] == pytest.approx(wanted, abs=0.05)
    assert "| 20, 10, never | +15 | -48 to +78 |" in curves_table(found)
    text = savings_text(found)
    assert "Seeds in which it is not: both in 1 of 3." in text
    assert "Left out: 1 of 4 seeds, in which random choice ends no higher than it began." in text


def test_of_fewer_than_two_seeds_that_reach_the_level_no_interval_is_said() -> None:
    curves = {"1": {"random": SLOW, "both": RISING}, "2": {"random": RISING, "both": SLOW}}
    found = summary(curves)
    assert (found["both"]["saved_mean"], found["both"]["saved_interval"]) == (20.0, None)
    assert "| 20, never | +20 | – |" in curves_table(found)
    never = summary({"2": curves["2"]})["both"]
    assert (never["saved_mean"], never["saved_interval"], never["not_reached"]) == (None, None, 1)


def test_results_of_an_earlier_version_are_shown_with_what_is_new() -> None:
    entry = {
        "sizes": {"pool": 80, "scored": 40, "validation": 10, "rounds": 2},
        "set": [],
        "curves": json.loads(json.dumps({"1": {"random": SLOW, "both": RISING}})),
        "summary": {"both": {"seeds": 1, "saved": [20.0]}},
    }
    assert "| 1 of 1 | 20 | +20 | – |" in _section("medical_ner", entry)


def examples(first: int, count: int) -> Sequence[Example]:
    numbers = range(first, first + count)
    return [Example(Document(str(number), f"Text {number}."), {"a": []}) for number in numbers]


def test_the_parts_of_a_seed_share_no_document_and_repeat() -> None:
    sizes = Sizes(start=4, step=3, rounds=2, pool=15, validation=5, scored=6)
    train, held_out = examples(0, 20), examples(100, 12)
    drawn = draw(train, held_out, held_out, sizes, seed=3)
    parts = drawn.pool, drawn.validation, drawn.scored
    ids = [example.document.id for part in parts for example in part]
    assert len(set(ids)) == len(ids) == 15 + 5 + 6
    assert draw(train, held_out, held_out, sizes, seed=3) == drawn
    assert draw(train, held_out, held_out, sizes, seed=4) != drawn
    with pytest.raises(InputError, match="has 9 documents"):
        draw(train[:9], held_out, held_out, sizes, seed=3)


def test_a_pool_in_which_strategies_would_be_the_same_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = ("--start", "30", "--step", "20", "--rounds", "2", "--pool", "90")
    with pytest.raises(SystemExit):
        main(["--data", "nowhere", *sizes])
    assert "the last choice is among 40" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_case_from_end_to_end_and_again(workplace: Workplace, tmp_path: Path) -> None:
    corpus = tmp_path / "data" / "medical" / "bc5cdr"
    shutil.copytree(workplace.corpus, corpus)
    values = {**embedded_recipe(), **SETTINGS, "epochs": 2, "eval_documents": 4}
    values["model"] = str(workplace.model)
    sizes = {"start": 8, "step": 4, "rounds": 1, "pool": 20, "validation": 3, "scored": 4}
    output = tmp_path / "curves"
    arguments = [
        *("--data", str(tmp_path / "data"), "--only", "medical_ner", "--seeds", "1"),
        *("--strategies", "random,both", "--output", str(output)),
        *(part for name, size in sizes.items() for part in (f"--{name}", str(size))),
        *(part for name, each in values.items() for part in ("--set", f"{name}={as_yaml(each)}")),
    ]
    main(arguments)
    found = json.loads((output / "labelling_curves.json").read_text(encoding="utf-8"))
    case = found["cases"]["medical_ner"]
    curves = case["curves"]["1"]
    assert {name: [count for count, _score in curve] for name, curve in curves.items()} == {
        "random": [8, 12],
        "both": [8, 12],
    }
    assert case["summary"]["both"]["seeds"] == 1
    assert "| both | 1 |" in (output / "labelling_curves.md").read_text(encoding="utf-8")
    before = contents(output)
    main(arguments)
    assert contents(output) == before
