"""``extract serve``: answer documents by HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .domains import domains_in
from .engines import EngineOptions, engine_options
from .options import PATH, min_confidence_option, trust_option
from .zero_shot import ZeroShotOptions, zero_shot_options

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..decoding.llguidance_adapter import Vocabulary
    from ..engines.engine import Engine
    from ..extraction.extractor import Extractor
    from ..runs.folder import Run

KEY = "FIELDSMITH_SERVER_KEY"
"""Environment variable with the keys of the server, separated by commas."""


@click.command("serve")
@click.argument("runs", nargs=-1, type=PATH, metavar="[RUN]...")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 for all of this machine.",
)
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 for any that is free.",
)
@min_confidence_option
@engine_options()
@click.option(
    "--queue",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Requests that wait or are answered at the same time; others get 429.",
)
@click.option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="After so long a request gets 504.",
)
@click.option(
    "--max-mb",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    metavar="MB",
    help="Longer bodies get 413.",
)
@click.option(
    "--max-tokens",
    default=100_000,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Longer documents get 413.",
)
@trust_option
@zero_shot_options(
    "Without a run: take the shots from this path, the training documents where it names splits. "
    "Default: the training documents of the plugin's sample."
)
def command(
    runs: tuple[Path, ...],
    host: str,
    port: int,
    min_confidence: float | None,
    engine: EngineOptions,
    queue: int,
    timeout: float,
    max_mb: float,
    max_tokens: int,
    trusted: bool,
    zero_shot: ZeroShotOptions,
) -> None:
    """Answer documents by HTTP with one or more runs, each of another plugin.

    For a run of several domains, each is served, by one model. Without a run, --plugin and --model
    serve a model that was not trained.

    POST /v1/PLUGIN/extract takes {"text": ...}, {"texts": [...]} or {"documents": [{"id": ...,
    "text": ...}]} and gives lines as `extract predict` writes them; POST /v1/PLUGIN/files takes
    uploaded files. /v1/chat/completions and /v1/models are for OpenAI's clients, /metrics for
    Prometheus, / is a page for people.

    Keys in FIELDSMITH_SERVER_KEY, separated by commas, have to be sent as bearer token. SIGTERM or
    Ctrl-C ends the server, after the requests that have begun. It needs the extra 'serve'.

    \b
    Example:
      extract serve runs/first
      extract serve runs/papers runs/news --port 8080
      extract serve runs/together
      FIELDSMITH_SERVER_KEY=... extract serve runs/first --host 0.0.0.0
      extract serve runs/first --engine http://localhost:8001
      extract serve --plugin NAME --model MODEL --shots 2
    """
    if not runs:
        if not zero_shot.given():
            raise click.UsageError("give a run; or --plugin and --model")
        zero_shot.require_complete()
    elif zero_shot.plugin is not None or zero_shot.given():
        raise click.UsageError("--plugin and --model are for a model without a run")
    runs = tuple(run / name if name else run for run in runs for name in domains_in(run) or [""])
    if engine and len(runs) != 1:
        raise click.UsageError("--engine wants one RUN, of one domain")
    require_installed()
    from ..model.library_output import quieten
    from ..runs.folder import Run
    from ..serving.guard import Limits
    from ..serving.server import listen, serve

    limits = Limits(
        body_bytes=round(max_mb * 1e6), requests=queue, seconds=timeout, document_tokens=max_tokens
    )
    keys = [key.strip() for key in os.environ.get(KEY, "").split(",") if key.strip()]
    quieten()
    opened = [Run.open(run, trusted=trusted) for run in runs]
    _require_different_plugins(opened)
    asked = None if runs else zero_shot.load()
    with ExitStack() as stack:
        address = stack.enter_context(listen(host, port))
        if asked is not None:
            answering = asked.load(asked.examples(()), min_confidence=min_confidence)
            serve({asked.settings.model: answering}, address, limits, keys)
            return
        connect = stack.enter_context(engine.connected(opened[0])) if engine else None
        serve(_extractors(opened, connect, min_confidence), address, limits, keys)


def require_installed() -> None:
    """Raise SettingsError where what a server needs is not installed."""
    from importlib.util import find_spec

    from ..errors import SettingsError

    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if not find_spec(name)]
    if missing:
        raise SettingsError(f"{', '.join(missing)}: not installed; pip install 'fieldsmith[serve]'")


def _require_different_plugins(runs: list[Run]) -> None:
    from ..errors import RunError

    served: dict[str, Run] = {}
    for run in runs:
        name = run.info()["plugin"]["name"]
        if name in served:
            raise RunError(
                f"{served[name].folder} and {run.folder}: both are runs of {name}; serve them at "
                f"two ports"
            )
        served[name] = run


def _extractors(
    runs: list[Run], connect: Callable[[Vocabulary], Engine] | None, min_confidence: float | None
) -> dict[str, Extractor]:
    """Return what answers, by the run; domains that were trained together share their model."""
    from ..extraction.extractor import Extractor

    if connect is not None:
        return {str(runs[0].folder): Extractor.by_engine(runs[0], connect, min_confidence)}
    found: dict[str, Extractor] = {}
    models: dict[tuple[Path, str], PreTrainedModel] = {}
    for run in runs:
        key = _weights(run) if "together" in run.info() else (run.folder, "")
        extractor = Extractor.load(
            run.folder,
            min_confidence=min_confidence,
            trusted=run.trusted,
            model=models.get(key),
        )
        models[key] = extractor.model
        found[str(run.folder)] = extractor
    return found


def _weights(run: Run) -> tuple[Path, str]:
    """Return what is equal for domains that have the same weights: their folder, and hashes."""
    run.require_complete()
    hashes = run.receipt().get("files", {})
    weights = {name: value for name, value in hashes.items() if name.endswith(".safetensors")}
    return run.folder.parent, json.dumps(weights, sort_keys=True)
