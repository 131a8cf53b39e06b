"""``extract engine-check``: compare a server's answers with those of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .engines import EngineOptions, engine_options
from .options import PATH, json_option, trust_option
from .terminal import console, printable, table


@click.command("engine-check")
@click.argument("run", type=PATH)
@click.argument("engine_names", nargs=-1, required=True, metavar="URL...|vllm")
@engine_options(named=False)
@click.option(
    "--data",
    type=PATH,
    metavar="PATH",
    help="Answer documents of this path. Default: the run's validation documents, or those of test "
    "where it has none. Nothing is scored, so that no test set is used.",
)
@click.option(
    "--documents",
    "most",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many documents are answered, at most.",
)
@click.option(
    "--tie",
    type=click.FloatRange(0),
    metavar="X",
    help="Log-probabilities that differ by less are a tie. Default: 0.05; numbers of 16 bits or "
    "less want more.",
)
@trust_option
@json_option
def command(
    run: Path,
    engine: EngineOptions,
    data: Path | None,
    most: int,
    tie: float | None,
    trusted: bool,
    as_json: bool,
) -> None:
    """Answer documents by RUN and by a server, and list every record that differs with its cause.

    In place of a URL, vllm starts a server with the merged run, from --engine-python.

    A tie is a place where two tokens are so equally probable that rounding decides between them.
    The exit code is 1 if records differ for another reason.

    \b
    Example:
      extract engine-check runs/first http://localhost:8000
      extract engine-check runs/first http://localhost:8000 --documents 100 --json
      extract engine-check runs/first vllm --engine-python ~/vllm/bin/python
    """
    from ..errors import RunError
    from ..exporting.engine_check import TIE, check_engine
    from ..exporting.rescoring import documents_to_score
    from ..extraction.extractor import Extractor, checked_task, require_servable
    from ..model.library_output import quieten
    from ..runs.folder import Run

    quieten()
    opened = Run.open(run, trusted=trusted)
    opened.require_complete()
    require_servable(opened, checked_task(opened))
    chosen = documents_to_score(opened, data, most)
    documents = [example.document for example in chosen.examples][:most]
    extractor = Extractor.load(run, trusted=trusted)
    with engine.connected(opened) as connect:
        answering = connect(extractor.vocabulary)
        found = check_engine(extractor, answering, documents, TIE if tie is None else tie)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        if found.differences:
            columns = ("window", "cause", "gap", "run", found.engine)
            made = table("", "document", *columns, text=("cause", "run", found.engine))
            for each in found.differences:
                gap = "" if each.gap is None else f"{each.gap:.3f}"
                cells = (each.id, each.window, each.cause, gap, each.ours, each.theirs)
                made.add_row(*map(printable, cells))
            console().print(made)
        count = len(found.differences)
        ties = sum(each.cause == "tie" for each in found.differences)
        click.echo(
            f"{found.documents} documents, {found.windows} windows: {found.windows - count} equal "
            f"records, {ties} ties, {count - ties} other differences"
        )
    if not found.holds:
        raise RunError(
            f"{engine.names[0]}: answers otherwise than the run; see that the server has its model "
            f"(extract merge), numbers of 32 bits, and a version that reads our grammars"
        )
