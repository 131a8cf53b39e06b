"""A plugin's own tests: the checks of ``extract check`` as cases of a test of pytest.

::

    from fieldsmith.testing import parametrize_with_checks

    @parametrize_with_checks("recipes")
    def test_the_contract(check):
        check()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from .authoring.checks import CHECKS, known_reasons, name_of, run_check
from .authoring.plugin_under_test import Subject


def parametrize_with_checks(
    plugin: str,
    with_names: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each check, with a function ``check`` to call.

    The plugin is loaded by the first check that runs, its sample read once for all of them.

    plugin: the name of an installed plugin.
    with_names: wrappers around its hooks, as ``--with`` names them.
    expected_failures: names of checks that the plugin cannot meet, each with the reason. They
        count as expected failures (xfail); one that passes fails, so that the list stays true.

    Raises:
        PluginError: there is no check of that name, or no reason is given.
    """
    reasons = known_reasons(expected_failures or {})
    subject = Subject(plugin, tuple(with_names))
    cases = [
        pytest.param(_case(check, subject, reasons.get(name_of(check))), id=name_of(check))
        for check in CHECKS
    ]
    return pytest.mark.parametrize("check", cases)


def _case(
    check: Callable[[Subject], str], subject: Subject, reason: str | None
) -> Callable[[], None]:
    def run() -> None:
        __tracebackhide__ = True
        found = run_check(check, subject, reason)
        if found.state == "skip":
            pytest.skip(found.detail)
        elif found.state == "expected":
            pytest.xfail(found.detail)
        elif found.state == "fail":
            pytest.fail(f"{found.what}: {found.detail}", pytrace=False)

    return run
