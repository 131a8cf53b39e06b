"""``extract merge``: make a plain model folder of a run, and score it again."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ..exporting.kinds import CONVERTED, QUANTISED
from .domains import require_own_run
from .engines import EngineOptions, engine_options
from .options import PATH, again_option, command_line, json_option, trust_option
from .terminal import console, printable, table


@click.command()
@click.argument("run", type=PATH)
@click.option("--output", type=PATH, required=True, metavar="DIR", help="The folder to make.")
@click.option(
    "--dtype",
    type=click.Choice(["bf16", "fp16", "fp32"]),
    help="Numbers of the weights. Default: those of the base model's files.",
)
@click.option(
    "--gguf",
    type=click.Choice([*CONVERTED, *QUANTISED]),
    metavar="KIND",
    help="Also write a GGUF file for llama.cpp, and score that: f16, bf16, f32 or q8_0; with "
    "llama.cpp installed also q4_k_m, q5_k_m or q6_k.",
)
@click.option(
    "--score-on",
    type=PATH,
    metavar="PATH",
    help="Score on every labelled document of this path. Default: the run's validation documents, "
    "or those of test where it has none.",
)
@click.option(
    "--documents",
    "most",
    type=click.IntRange(0),
    metavar="N",
    help="Score at most so many of the run's own documents; 0: all. Default: the run's setting "
    "score_documents.",
)
@engine_options()
@click.option("--no-score", is_flag=True, help="Do not score; export.json then has no score.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Fail if the score falls by more than this. Default: 0.01.",
)
@again_option
@trust_option
@json_option
def command(
    run: Path,
    output: Path,
    dtype: str | None,
    gguf: str | None,
    score_on: Path | None,
    most: int | None,
    engine: EngineOptions,
    no_score: bool,
    tolerance: float | None,
    again: str | None,
    trusted: bool,
    as_json: bool,
) -> None:
    """Merge the adapter of RUN into its base model: a folder that any engine loads.

    The folder has weights (safetensors), tokenizer, chat template, generation config, JSON Schema,
    grammar, and a card with a script. It is loaded again and answers the same documents as the run;
    with --gguf, llama.cpp answers them with the GGUF file; with --engine, a server that has the
    folder, such as vLLM. export.json has the scores before and after and their difference with its
    95 % interval. The exit code is 1 if the score falls by more than the tolerance.

    What was made before is not made again, but scored.

    \b
    Example:
      extract merge runs/first --output models/first
      extract merge runs/first --output models/first --gguf q8_0
      extract merge runs/first --output models/first --engine vllm --engine-python ~/vllm/bin/python
      extract merge runs/first --output models/first --dtype bf16 --score-on gold/ --json
    """
    from ..evaluation.recording import ScoringRequest, recorded
    from ..exporting.gguf_file import require_converter, write_gguf
    from ..exporting.merged import merge
    from ..exporting.rescoring import TOLERANCE, Comparison, documents_to_score
    from ..model.library_output import quieten
    from ..runs.folder import Run

    if no_score and (score_on or most is not None or tolerance is not None or engine or again):
        raise click.UsageError(
            "--no-score excludes --score-on, --documents, --tolerance, --engine and --again"
        )
    quieten()
    require_own_run(run)
    opened = Run.open(run, trusted=trusted)
    opened.require_complete()
    if gguf is not None:
        require_converter(gguf)
    chosen = None if no_score else documents_to_score(opened, score_on, most)
    engines = ["transformers"]
    with ExitStack() as stack:
        recorder = None
        if chosen is not None:
            request = ScoringRequest(command_line(), again)
            recorder = stack.enter_context(
                recorded(opened, chosen, f"{chosen.name}:merge", request)
            )
        made = merge(opened, output, dtype)
        file = write_gguf(output, gguf) if gguf is not None else None
        if chosen is not None and recorder is not None:
            comparison = Comparison(opened, chosen)
            made = made.with_scores("transformers", comparison.merged(output))
            if file is not None:
                made = made.with_scores(file.kind, comparison.gguf(output, file))
                engines.append(file.kind)
            if engine:
                with engine.connected(opened, made) as connect:
                    name, scores = comparison.by_engine(output, connect)
                made = made.with_scores(name, scores)
                engines.append(name)
            recorder.stamp(comparison.summary)
            recorder.keep()
    if as_json:
        click.echo(json.dumps(made.record, ensure_ascii=False))
    elif chosen is not None:
        _print_scores(made.record["scores"], engines)
    if chosen is not None:
        made.require_score(engines, TOLERANCE if tolerance is None else tolerance)
    click.echo(str(file.path if file else output), err=as_json)


def _print_scores(scores: dict[str, Any], engines: list[str]) -> None:
    """Print F1 by name of the run and of some engines, and how many records are equal."""
    before = scores["transformers"]["before"]["metrics"]
    made = table("", "", "run", *("merged" if each == "transformers" else each for each in engines))
    for name in [*(name for name in before if name.endswith("/f1")), "score"]:
        after = [scores[engine]["after"]["metrics"][name]["value"] for engine in engines]
        values = [before[name]["value"], *after]
        made.add_row(printable(name.removesuffix("/f1")), *(f"{value:.3f}" for value in values))
    console().print(made)
    for engine in engines:
        found = scores[engine]
        difference, of = found["difference"], f" of {found['of']}" if "of" in found else ""
        click.echo(
            f"{engine}: {found['documents']}{of} documents of {printable(found['split'])}, "
            f"{found['equal']} with equal records; difference {difference['value']:+.3f} "
            f"({difference['low']:+.3f} to {difference['high']:+.3f})"
        )
