"""``extract label``: let a large model label documents."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import PATH, map_option, with_option
from .terminal import printable

if TYPE_CHECKING:
    from ..data import Document, Reject
    from ..labelling.budget import Budget
    from ..labelling.documents import Labelling
    from ..plugins import Plugin


@dataclass(frozen=True)
class _Asked:
    """What the options say of teacher and samples."""

    teacher: str
    model: str | None
    licence: str
    samples: int
    temperature: float | None
    concurrency: int
    assignments: tuple[str, ...]

    def require_together(self) -> None:
        """Refuse options that exclude or need each other.

        Raises:
            click.UsageError: says which.
        """
        from ..labelling.chat_teacher import is_address

        if is_address(self.teacher):
            if self.model is None:
                raise click.UsageError("--teacher-model is missing: name the model of the server")
            if self.samples > 1 and self.temperature == 0:
                raise click.UsageError("--samples at --temperature 0 would all be the same")
        elif self.samples > 1 or self.temperature is not None:
            raise click.UsageError(
                "--samples and --temperature are for a server; a model of this machine gives its "
                "most probable answer, with a confidence for each value"
            )

    def labelling(self, plugin: Plugin, budget: Budget) -> Labelling:
        """Connect to the server, or load the model.

        Raises:
            SettingsError: the address, the model or a setting is wrong.
        """
        from ..engines.connect import KEY
        from ..labelling.chat_teacher import ChatTeacher, is_address
        from ..labelling.connect import local_extractor, server_task
        from ..labelling.documents import Labelling
        from ..labelling.local_teacher import LocalTeacher
        from ..settings import parse_assignments

        chosen = parse_assignments(self.assignments)
        if not is_address(self.teacher):
            extractor = local_extractor(plugin, self.teacher, chosen)
            return Labelling(
                LocalTeacher(extractor, budget, self.model), extractor.task, self.licence
            )
        task = server_task(plugin, chosen)
        default = 0.7 if self.samples > 1 else 0.0
        teacher = ChatTeacher(
            self.teacher,
            self.model or "",
            plugin.schema,
            budget,
            key=os.environ.get(KEY, ""),
            temperature=default if self.temperature is None else self.temperature,
            most_tokens=task.settings.max_new_tokens,
            concurrency=self.concurrency,
        )
        return Labelling(teacher, task, self.licence, self.samples)


@click.command("label")
@click.argument("inputs", nargs=-1, required=True, metavar="DOCS...")
@click.option("--plugin", required=True, metavar="NAME", help="The plugin of the domain.")
@click.option(
    "--teacher",
    required=True,
    metavar="URL|MODEL",
    help="The model that labels: a server with OpenAI's route for chats, such as "
    "http://host:8000/v1, or a model of the Hugging Face hub, a folder or a file.",
)
@click.option(
    "--teacher-model",
    metavar="NAME",
    help="The model, as the server calls it; of a model of this machine, what rows call it.",
)
@click.option(
    "--licence",
    required=True,
    metavar="ID",
    help="The licence or terms of the teacher, such as apache-2.0, llama3.1 or openai, in "
    "any spelling; docs/label.md has the table. Stands in each row, and training keeps to it.",
)
@click.option(
    "--output",
    type=PATH,
    required=True,
    help="Write rows to this JSONL file; the same command resumes after an interruption.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Label the first N documents alone, and write only these; the command without it goes "
    "on with the rest.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 100),
    default=1,
    metavar="N",
    help="Ask a server N times; values on which most samples agree are kept, and the share that "
    "agrees is their confidence. Default: 1.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Temperature of a server's answers. Default: 0, or 0.7 with several samples.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=8,
    metavar="N",
    help="Requests to a server at the same time. Default: 8.",
)
@click.option(
    "--budget",
    type=click.IntRange(0),
    metavar="TOKENS",
    help="Stop before all answers kept for this output have cost more tokens than this.",
)
@click.option(
    "--budget-cost",
    type=click.FloatRange(0),
    metavar="MONEY",
    help="The same in money, by --price-in and --price-out.",
)
@click.option(
    "--price-in",
    type=click.FloatRange(0),
    metavar="MONEY",
    help="Price of a million tokens that the teacher reads.",
)
@click.option(
    "--price-out",
    type=click.FloatRange(0),
    metavar="MONEY",
    help="Price of a million tokens that the teacher writes.",
)
@click.option(
    "--agreement",
    type=PATH,
    metavar="GOLD",
    help="Print the teacher's scores against the labelled documents of this path that are among "
    "DOCS, by id.",
)
@click.option(
    "--pairs",
    type=PATH,
    help="Write the labelled documents as triples of instruction, input and output, too.",
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set one setting.")
@map_option
@with_option
def command(
    inputs: tuple[str, ...],
    plugin: str,
    output: Path,
    agreement: Path | None,
    pairs: Path | None,
    mapping: tuple[str, ...],
    wrappers: tuple[str, ...],
    limit: int | None,
    budget: int | None,
    budget_cost: float | None,
    price_in: float | None,
    price_out: float | None,
    **options: Any,
) -> None:
    """Let a large model label documents: rows of id, text and record to train on.

    A value that has to stand in the document is written as it stands there, or left out and
    counted. Records are valid against the schema; documents without one are listed with the reason
    and the raw answer in OUTPUT.failures.jsonl. Answers are kept in OUTPUT.answers.jsonl, so that
    none is asked for twice. The key of a server is in the environment (FIELDSMITH_ENGINE_KEY).

    \b
    Example:
      extract label --plugin NAME notes/ --teacher http://localhost:8000 \\
          --teacher-model qwen3-32b --licence apache-2.0 --output labels.jsonl
      extract label --plugin NAME gold.jsonl --teacher https://api.example.com/v1 \\
          --teacher-model large --licence openai --output labels.jsonl --samples 5 \\
          --budget 2000000 --agreement gold.jsonl
      extract label --plugin NAME notes/ --teacher MODEL --licence own --output labels.jsonl
      extract train --plugin NAME --data labels.jsonl
    """
    from ..dataset.inputs import open_inputs
    from ..dataset.teacher_licences import known_licence
    from ..dataset.teacher_names import doubt
    from ..errors import BudgetError, InputError
    from ..extraction.resumable_file import BUSY
    from ..files.locks import locked
    from ..labelling.answer_file import open_answers
    from ..labelling.budget import Budget, Prices
    from ..labelling.label import LabelFiles, label, summary
    from ..plugins import load
    from ..progress import meter
    from ..source_names import parse_names

    licence = known_licence(options.pop("licence"))
    asked, files = _Asked(licence=licence.id, **_by_field(options)), LabelFiles(output, pairs)
    asked.require_together()
    if budget_cost is not None and price_in is None and price_out is None:
        raise click.UsageError("--budget-cost needs --price-in and --price-out")
    files.require(inputs)
    loaded = load(plugin, wrappers, parse_names(mapping))
    prices = Prices(price_in or 0.0, price_out or 0.0)
    with ExitStack() as stack:
        stack.enter_context(locked(files.answers, BUSY))
        rows = stack.enter_context(open_inputs(loaded, inputs, files.all()))
        ids = _ids_of_gold(loaded, islice(rows, limit), agreement)
        answers = stack.enter_context(open_answers(files.answers))
        spending = Budget(answers.spent, tokens=budget, cost=budget_cost, prices=prices)
        labelling = asked.labelling(loaded, spending)
        if why := doubt(labelling.teacher.model, licence):
            message = f"{why}; extract train refuses these labels until you accept that"
            click.echo(printable(f"note (licence): {message}"), err=True)
        count = rows.count if limit is None else min(limit, rows.count)
        progress = stack.enter_context(meter("labelling", count, "documents"))
        counts = label(labelling, islice(rows, limit), answers, files, progress.advance)
        for line in summary(counts, files, answers, prices.cost(answers.spent)):
            click.echo(line, err=True)
    if agreement and counts.labelled:
        _print_agreement(loaded, output, agreement, ids)
    if spending.is_exhausted:
        raise BudgetError(
            f"{output}: the budget is spent before all documents were labelled; repeat the command "
            f"with a larger one, which goes on where it was"
        )
    if not counts.labelled:
        raise InputError(f"{output}: no document was labelled; {files.failures} says why")


def _by_field(options: dict[str, Any]) -> dict[str, Any]:
    return {"model": options.pop("teacher_model"), **options}


def _ids_of_gold(plugin: Plugin, rows: Iterable[Document | Reject], gold: Path | None) -> set[str]:
    """Return the ids of the documents that gold is wanted for, before any answer is paid for.

    Raises:
        InputError: there is no gold for any.
    """
    from ..extraction.prediction_file import id_of

    if gold is None:
        return set()
    from ..evaluation.external import gold_of

    ids = {id_of(row) for row in rows}
    return set(gold_of(plugin, gold, None, ids))


def _print_agreement(plugin: Plugin, output: Path, gold: Path, ids: set[str]) -> None:
    from ..evaluation.external import evaluate_predictions
    from .score_tables import print_scores

    print_scores(evaluate_predictions(plugin, output, gold, ids=ids))
