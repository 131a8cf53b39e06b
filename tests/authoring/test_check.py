"""The checks of a plugin's contract: what is listed, what is reported, and how they run.

What each of them finds stands in the table of test_faults.py.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap

import pytest
from installed_plugins import GOOD, SAMPLE_FILE, TOY, Site
from paths import ROOT

from fieldsmith import hookspecs
from fieldsmith.authoring.checks import (
    CHECKS,
    CheckResult,
    check_plugin,
    name_of,
    promise_of,
)
from fieldsmith.authoring.checks_module import HEAVY
from fieldsmith.hookspecs import PROJECT

PAGE = ROOT / "docs" / "plugins.md"


def found(site: Site, old: str = "", new: str = "", **reasons: str) -> dict[str, CheckResult]:
    """Return the checks of the good plugin, changed in one place, by their names."""
    assert old in GOOD
    site.install("good", GOOD.replace(old, new, 1))
    (site.path / "sample.jsonl").write_text(SAMPLE_FILE, encoding="utf-8")
    return {check.what: check for check in check_plugin("good", expected_failures=reasons)}


def test_a_plugin_that_keeps_to_its_contract(here: Site) -> None:
    checks = found(here)
    assert {what: check.state for what, check in checks.items()} == {
        name_of(check): "ok" for check in CHECKS
    }
    assert checks["loads"].detail == "good (good-plugin 1.0)"
    assert checks["sample_is_valid"].detail == "4 documents: 4 train, 0 validation, 0 test"
    told = checks["gold_is_replayable"].detail
    assert "9 of 9 leaves and objects are learned, 1 leaves as the text" in told
    assert checks["metric_is_lower_for_wrong"].detail == "F1 names 0.00, town 0.00"


def test_what_the_text_does_not_hold_is_reported_and_no_fault(here: Site) -> None:
    check = found(here, '["Bob", "CY"]', '["Bob", "Eve"]')["gold_is_replayable"]
    assert check.state == "ok"
    assert "8 of 9 leaves" in check.detail
    assert "1 are lost, the first /names/1 of sample:2: not in the text" in check.detail


def test_a_failure_that_is_expected_is_none_and_one_that_passes_is_reported(here: Site) -> None:
    checks = found(
        here,
        '"day": null}\n{"note": "Nobody',
        '"day": 7}\n{"note": "Nobody',
        sample_is_valid="one row is wrong on purpose",
        ids_are_unique="they are not",
    )
    assert checks["sample_is_valid"].state == "expected"
    assert checks["sample_is_valid"].detail.startswith("one row is wrong on purpose (1 of its 4")
    assert checks["ids_are_unique"].state == "fail"
    assert "passes: remove the expectation" in checks["ids_are_unique"].detail


def test_a_bug_of_ours_is_no_failure_of_a_plugin(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldsmith.authoring.checks_schema._TYPING", 7)
    here.install("good", GOOD)
    with pytest.raises(TypeError):
        check_plugin("good")


def test_each_check_promises_something_in_a_line() -> None:
    promises = list(map(promise_of, CHECKS))
    assert len(promises) > 10
    assert all(promise.endswith(".") and len(promise) < 90 for promise in promises)
    assert len(set(promises)) == len(promises)


# The command


def test_the_help_lists_exactly_the_checks_that_run_and_ours_pass_them(site: Site) -> None:
    answer = site.extract("check", "medical_ner", "--json")
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
    shown = json.loads(answer.stdout)
    assert shown["ok"] is True
    assert {check["state"] for check in shown["checks"]} == {"ok"}
    listing = site.extract("check", "--help").stdout.partition("Checks:\n")[2]
    assert re.findall(r"^  (\w+)", listing, re.MULTILINE) == [
        check["what"] for check in shown["checks"]
    ]
    flat = " ".join(listing.split())
    assert [check for check in CHECKS if promise_of(check) not in flat] == []


def test_a_check_that_fails_is_a_line_and_exit_code_1(site: Site) -> None:
    site.install("toy", TOY.replace("do it NOW", "NOW \x1b[2J"))
    answer = site.extract("check", "toy")
    assert answer.returncode == 1
    assert answer.stderr == ""
    failed = [line for line in answer.stdout.splitlines() if line.startswith("fail")]
    assert any(
        line.startswith("fail  schema_is_closed: the schema at /properties/loud: ")
        for line in failed
    )
    (full,) = (line for line in failed if "metric_is_full_for_gold" in line)
    assert "loud: F1 of the gold records against themselves is 0.400; it counts 1 matched" in full
    assert "\x1b" not in answer.stdout


def test_the_checks_as_json(site: Site) -> None:
    answer = site.extract("check", "medical_nre", "--json")
    assert answer.returncode == 1
    shown = json.loads(answer.stdout)
    assert shown["ok"] is False
    check, *rest = shown["checks"]
    assert (check["state"], check["what"]) == ("fail", "loads")
    assert "did you mean medical_ner?" in check["detail"]
    assert {each["state"] for each in rest} == {"skip"}


def test_a_wrapper_is_checked_with_the_plugin_that_it_wraps(here: Site) -> None:
    wrapper = (
        '"""Half."""\nimport fieldsmith\n\n\n@fieldsmith.hookimpl(wrapper=True)\n'
        "def extract_metric(example, prediction, schema):\n"
        '    return {**(yield), "half": (2, 1, 1)}\n'
    )
    here.install("good", GOOD)
    here.install("half", wrapper)
    (failed,) = (check for check in check_plugin("good", ["half"]) if check.state == "fail")
    assert failed.what == "metric_counts"
    assert "'half'" in failed.detail


# The page


def hooks() -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(hook)
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, f"{PROJECT}_spec")
    }


@pytest.mark.parametrize("name", hooks())
def test_the_page_has_each_hook_as_it_is(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"### `{name}`")[2].partition("\n### ")[0]
    assert f"def {name}{hooks()[name]}:".replace("'", "") in section
    doc = inspect.getdoc(getattr(hookspecs, name)) or ""
    assert textwrap.indent(doc, "    ") in section


def test_the_page_has_no_hook_that_is_not_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^### `(extract_\w+)`", page, re.MULTILINE) == list(hooks())


def test_the_page_lists_the_checks() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {name: promise for name, promise in rows if name in map(name_of, CHECKS)}
    assert listed == {name_of(check): promise_of(check) for check in CHECKS}
    assert list(listed) == list(map(name_of, CHECKS))


def test_the_page_names_what_may_not_be_imported() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sentence = page.partition("may be imported with the module:")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == HEAVY
