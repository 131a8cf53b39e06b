"""``extract cases``: check that a run finds what it must in a user's own texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import PATH, json_option, min_confidence_option, trust_option
from .terminal import console, printable, table


@click.command()
@click.argument("run", type=PATH)
@click.argument("cases", type=PATH, required=False, metavar="[CASES.YAML]")
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the results as JUnit XML, for services of continuous integration.",
)
@min_confidence_option
@trust_option
@json_option
def command(
    run: Path,
    cases: Path | None,
    junit: Path | None,
    min_confidence: float | None,
    trusted: bool,
    as_json: bool,
) -> None:
    """Check that RUN finds in some texts what it must, and nothing that it must not.

    The file is YAML: a list of cases, each with name, text, reason, and must, must_not or empty
    (docs/cases.md). Without one, the cases that the plugin ships are used. The exit code is 1 if a
    case does not hold.

    \b
    Example:
      extract cases runs/first
      extract cases runs/first cases.yaml
      extract cases runs/first cases.yaml --junit cases.xml
    """
    from ..evaluation.cases import find_cases, results_object, run_cases, write_junit
    from ..extraction.extractor import Extractor
    from ..files import require_output
    from ..model.library_output import quieten
    from ..runs.folder import Run
    from ..runs.job import plugin_of

    if junit is not None:
        require_output(junit)
    quieten()
    opened = Run.open(run, trusted=trusted)
    opened.require_complete()
    plugin = plugin_of(opened)
    chosen, file = find_cases(plugin, cases)
    extractor = Extractor.load(run, min_confidence=min_confidence, trusted=trusted)
    results = run_cases(extractor, chosen)
    if junit is not None:
        write_junit(junit, results, plugin.name)
    found = results_object(results, file)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        print_results(found)
    fail_unless_all_hold(found)


def print_results(found: dict[str, Any]) -> None:
    """Print what does not hold and why it matters, and how many cases hold."""
    made = table(
        "", "case", "field", "what", "why it matters", text=("field", "what", "why it matters")
    )
    for result in found["cases"]:
        for number, fault in enumerate(result["faults"]):
            first = number == 0
            made.add_row(
                printable(result["name"]) if first else "",
                printable(fault["field"]),
                printable(fault["what"]),
                printable(result["reason"]) if first else "",
            )
    if made.row_count:
        console().print(made)
    click.echo(f"{found['hold']} of {found['of']} cases hold ({printable(found['file'])})")


def fail_unless_all_hold(found: dict[str, Any]) -> None:
    """End the command with 1 if a case does not hold."""
    if found["hold"] < found["of"]:
        click.get_current_context().exit(1)
