"""The benchmark of domains trained together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.several_domains import domains_table, main
from fieldsmith.errors import RunError

PLUGINS = ("medical_ner", "dcat_datasets")


def compared(alone: float, together: float) -> dict[str, object]:
    difference = {"value": together - alone, "low": -0.1, "high": 0.2, "p_value": 0.5}
    score = {"alone": alone, "together": together, "difference": difference}
    return {"domains": {"news": {"score": score}}, "mean": {"alone": alone, "together": together}}


def test_the_table_has_means_and_intervals_over_seeds() -> None:
    made = domains_table({"1": compared(0.5, 0.6), "2": compared(0.7, 0.7)})
    _head, _rule, news, mean, end = made.split("\n")
    assert news == (
        "| news | 0.600 | 0.650 | +0.050 | -0.585 to +0.685 | -0.100 to +0.200, -0.100 to +0.200 |"
    )
    assert mean == "| mean | 0.600 | 0.650 | +0.050 | -0.585 to +0.685 |  |"
    assert end == ""
    assert "| news | 0.500 | 0.600 | +0.100 | – |" in domains_table({"1": compared(0.5, 0.6)})


@pytest.mark.slow
def test_domains_are_trained_alone_and_together_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = ("epochs=0.01", "augment_copies=0", "eval_documents=1", "score_documents=2")
    short = ("batch_size=2", "accumulation=1", "attention=sdpa", "max_new_tokens=64")
    order = (
        *("--plugins", ",".join(PLUGINS), "--seeds", "1", "--temperatures", "1,5"),
        *("--output", str(tmp_path), *(f"--set={each}" for each in (*values, *short))),
    )
    main(order)
    printed = capsys.readouterr().out
    assert (tmp_path / "several_domains.md").read_text(encoding="utf-8") in printed
    found = json.loads((tmp_path / "several_domains.json").read_text(encoding="utf-8"))
    assert list(found) == ["1", "5"]
    for temperature in found.values():
        domains = temperature["1"]["domains"]
        assert list(domains) == list(PLUGINS)
        for each in domains.values():
            assert (each["split"], each["documents"]) == ("validation", 2)
            assert f"{each['score']['together']:.3f}" in printed
    runs = {path.name: path for path in (tmp_path / "seed-1").iterdir() if path.is_dir()}
    together = "+".join(PLUGINS)
    assert runs.keys() == {*PLUGINS, together, f"{together}-T5"}
    settings = json.loads((runs[f"{together}-T5"] / "run.json").read_text())["settings"]
    assert (settings["sampling_temperature"]["value"], settings["seed"]["value"]) == (5, 1)

    weights = {name: (run / "adapter").stat().st_mtime_ns for name, run in runs.items()}
    main(order)  # what is complete is not trained again
    assert {name: (run / "adapter").stat().st_mtime_ns for name, run in runs.items()} == weights
    assert capsys.readouterr().out == printed


def test_a_training_that_fails_names_its_log(tmp_path: Path) -> None:
    order = ("--plugins", ",".join(PLUGINS), "--output", str(tmp_path), "--set=epochs=none")
    with pytest.raises(RunError, match=r"the training failed; see .*medical_ner\.log"):
        main(order)
    log = (tmp_path / "seed-1" / "medical_ner.log").read_text(encoding="utf-8")
    assert "epochs" in log
