"""Check that a plugin follows its contract: the list of all checks, and how they run.

``extract check`` and ``fieldsmith.testing`` run the same list, the first in another process, which
can be ended if code of the plugin never returns. No model is loaded; prompts and answers are
tokenised as for the embedded model.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import FieldsmithError, PluginError, did_you_mean
from ..plugin_code.calls import (
    Limits,
    author_line,
    describe_error,
    limited_calls,
    plugins_on_a_terminal,
)
from ..plugin_code.other_process import ProcessEndedError, Tell, running
from ..progress import log_to_stderr
from . import (
    checks_cases,
    checks_loader,
    checks_metric,
    checks_module,
    checks_prompt,
    checks_schema,
)
from .failures import SkippedError
from .plugin_under_test import PluginUnderTest
from .registry import CheckFunction, checks_of

CHECKS = checks_of(
    checks_module, checks_schema, checks_loader, checks_prompt, checks_metric, checks_cases
)
"""Every check, in the order in which they run."""


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        state: "expected" is a failure that was announced; "skip" means that another failure made
            the check impossible.
        what: name of the check.
        detail: what was found, and what to do.
        debug: the traceback of a failure.
    """

    state: Literal["ok", "fail", "expected", "skip"]
    what: str
    detail: str
    debug: str = ""


def name_of(check: CheckFunction) -> str:
    """Return the name of a check in listings and in ``expected_failures``."""
    return check.__name__.removeprefix("check_")


def promise_of(check: CheckFunction) -> str:
    """Return in one line what a check makes sure of."""
    return (check.__doc__ or "").strip().partition("\n")[0]


def check_plugin(
    name: str,
    with_names: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Run every check on a plugin.

    Args:
        name: the name of an installed plugin.
        with_names: plugins that wrap its hooks.
        expected_failures: names of checks that the plugin cannot meet, each with the reason.

    Raises:
        PluginError: ``expected_failures`` has an unknown name, or no reason.
    """
    reasons = known_reasons(expected_failures or {})
    tested = PluginUnderTest(name, tuple(with_names))
    return [run_check(check, tested, reasons.get(name_of(check))) for check in CHECKS]


def check_in_other_process(
    name: str, with_names: Sequence[str] = (), limits: Limits | None = None
) -> list[CheckResult]:
    """Run every check on a plugin as ``check_plugin`` does, but in another process.

    A check in which the plugin ends the process, or does not let it go on, is a failure; those
    after it are skipped.

    Args:
        name: the name of an installed plugin.
        with_names: plugins that wrap its hooks.
        limits: what its code may take, in each check.
    """
    found: list[CheckResult] = []
    arguments = (name, list(with_names), asdict(limits or Limits()))
    with running(report_checks, *arguments, shows_errors=True) as reports:
        try:
            for report in reports:
                found.append(CheckResult(**report))  # noqa: PERF401  # those before an error count
        except ProcessEndedError as error:
            stopped, *rest = [name_of(check) for check in CHECKS[len(found) :]]
            detail = str(error).replace("\n", " ")
            found.append(CheckResult("fail", stopped, detail, f"{detail}\n"))
            why = f"the check {stopped} was stopped"
            found += [CheckResult("skip", what, why) for what in rest]
    return found


def report_checks(
    tell: Tell, name: str, with_names: Sequence[str], limits: Mapping[str, Any]
) -> None:
    """Tell the result of each check of a plugin; called in the other process."""
    tested = PluginUnderTest(name, tuple(with_names), Limits(**limits))
    with log_to_stderr(), plugins_on_a_terminal():
        for check in CHECKS:
            tell(asdict(run_check(check, tested)))


def known_reasons(expected_failures: Mapping[str, str]) -> Mapping[str, str]:
    """Return the expected failures if every name is that of a check and has a reason.

    Raises:
        PluginError: a name is unknown, or has no reason.
    """
    names = list(map(name_of, CHECKS))
    for name, reason in expected_failures.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise PluginError(f"expected_failures: no check is called {name!r}; {hint}")
        if not reason or not isinstance(reason, str):
            raise PluginError(f"expected_failures: say why {name} is expected to fail")
    return expected_failures


def run_check(
    check: CheckFunction, tested: PluginUnderTest, reason: str | None = None
) -> CheckResult:
    """Run one check. An exception that a line of the plugin raises is a failure, too.

    Args:
        check: the check.
        tested: the plugin.
        reason: why the check is expected to fail, if it is.
    """
    what = name_of(check)
    failure: Exception
    try:
        with limited_calls(tested.limits):
            detail = check(tested)
    except SkippedError as skipped:
        return CheckResult("skip", what, str(skipped))
    except FieldsmithError as error:
        failure = error
        message = str(error)
    except MemoryError as error:
        failure = error
        message = "it takes more memory than there is; yield rows as they are read"
    except Exception as error:
        if not author_line(error):
            raise  # a bug of fieldsmith
        failure = error
        message = f"{describe_error(error)}; correct that line, or report what is wrong there"
    else:
        if reason is None:
            return CheckResult("ok", what, detail)
        detail = f"it was expected to fail ({reason}) and passes: remove the expectation"
        return CheckResult("fail", what, detail)
    debug = "".join(traceback.format_exception(failure))
    if reason is None:
        return CheckResult("fail", what, message, debug)
    return CheckResult("expected", what, f"{reason} ({message})", debug)
