"""A plugin's own tests: the checks of ``extract check`` as cases of a pytest test.

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
from .authoring.plugin_under_test import PluginUnderTest
from .authoring.registry import CheckFunction


def parametrize_with_checks(
    plugin: str,
    with_names: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each check, with a function ``check`` to call.

    The plugin is loaded by the first check that runs, and its sample is read once for all of them.

    Args:
        plugin: the name of an installed plugin.
        with_names: plugins that wrap its hooks, as for ``--with``.
        expected_failures: names of checks that the plugin cannot meet, each with the reason. They
            count as expected failures (xfail); one that passes fails, so that the list stays true.

    Raises:
        PluginError: ``expected_failures`` has an unknown name, or no reason.
    """
    reasons = known_reasons(expected_failures or {})
    tested = PluginUnderTest(plugin, tuple(with_names))
    cases = [
        pytest.param(_case(check, tested, reasons.get(name_of(check))), id=name_of(check))
        for check in CHECKS
    ]
    return pytest.mark.parametrize("check", cases)


def _case(check: CheckFunction, tested: PluginUnderTest, reason: str | None) -> Callable[[], None]:
    def run() -> None:
        __tracebackhide__ = True
        result = run_check(check, tested, reason)
        if result.state == "skip":
            pytest.skip(result.detail)
        elif result.state == "expected":
            pytest.xfail(result.detail)
        elif result.state == "fail":
            pytest.fail(f"{result.what}: {result.detail}", pytrace=False)

    return run
