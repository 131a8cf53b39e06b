"""The kit in a plugin's own tests: a case a check, and what it says of each."""

from __future__ import annotations

import subprocess
import sys

import pytest
from installed_plugins import GOOD, Site

from fieldsmith.authoring.checks import CHECKS, name_of
from fieldsmith.errors import PluginError
from fieldsmith.testing import parametrize_with_checks

CASES = """
from fieldsmith.testing import parametrize_with_checks

@parametrize_with_checks("good", expected_failures={expected})
def test_the_contract(check):
    check()
"""

INI = "[pytest]\nfilterwarnings = ignore\n"


def tried(site: Site, source: str = GOOD, expected: str = "None") -> str:
    """Return what pytest says of a plugin's tests, run where the plugin is installed."""
    site.install("good", source)
    (site.path / "test_good.py").write_text(CASES.format(expected=expected), encoding="utf-8")
    (site.path / "pytest.ini").write_text(INI, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rAxX", "-vv", "--no-header", "-p", "no:cacheprovider"],
        cwd=site.path,
        env={"PYTHONPATH": str(site.path), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_each_check_is_a_case(site: Site) -> None:
    said = tried(site)
    for check in CHECKS:
        assert f"test_the_contract[{name_of(check)}]" in said
    assert " failed" not in said
    assert f"{len(CHECKS) - 1} passed, 1 skipped" in said  # its sample is no file


def test_a_failure_is_its_line_and_an_expected_one_is_none(site: Site) -> None:
    twice = GOOD.replace('"{name}-{number}"', '"{name}"')
    said = tried(
        site,
        twice.replace("document.text)", "document.text.lower())"),
        expected='{"ids_are_unique": "the source has none", "loads": "it is new"}',
    )
    lines = said.splitlines()
    assert any("XFAIL" in line and "ids_are_unique" in line for line in lines)
    assert any("[prompt_holds_the_document] FAILED" in line for line in lines)
    assert "put document.text into a message as it is" in said
    assert any("[loads] FAILED" in line for line in lines)
    assert "it was expected to fail (it is new) and passes" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"promt_fits": "too long"}, "no check is called 'promt_fits'; did you mean prompt_fits?"),
        ({"check_loads": "new"}, "no check is called 'check_loads'"),
        ({"prompt_fits": ""}, "say why prompt_fits is expected to fail"),
    ],
)
def test_a_mistyped_expectation_is_refused(expected: dict[str, str], message: str) -> None:
    with pytest.raises(PluginError, match=message.replace("?", r"\?")):
        parametrize_with_checks("good", expected_failures=expected)


def test_a_plugin_that_is_not_there_is_a_failure_of_one_check() -> None:
    mark = parametrize_with_checks("no_such_plugin")
    loads, light, *_rest = (case.values[0] for case in mark.args[1])
    with pytest.raises(pytest.fail.Exception, match="no plugin is called 'no_such_plugin'"):
        loads()
    with pytest.raises(pytest.skip.Exception, match="the plugin cannot be used"):
        light()


def test_our_own_plugins_are_held_to_it_in_the_same_way() -> None:
    mark = parametrize_with_checks("medical_ner")
    cases = {case.id: case.values[0] for case in mark.args[1]}
    assert list(cases) == list(map(name_of, CHECKS))
    cases["metric_is_full_for_gold"]()
