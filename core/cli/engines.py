"""Options that name what answers in place of our decoder, or start it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import PATH, Command

if TYPE_CHECKING:
    from ..decoding.llguidance_adapter import Vocabulary
    from ..engines.engine import Engine
    from ..exporting.merged import MergedModel
    from ..runs.folder import Run

_VLLM = "vllm"
"""In place of an address: vLLM is started for as long as the command runs."""


@dataclass(frozen=True)
class EngineOptions:
    """What the options of ``engine_options`` were set to.

    Attributes:
        names: addresses, or vllm.
        model: as the servers call it; None for the only one.
        python: what vLLM is started from.
        settings: what vLLM is started with.
    """

    names: tuple[str, ...]
    model: str | None
    python: Path | None
    settings: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether an engine is named."""
        return bool(self.names)

    def require_together(self) -> None:
        """Refuse options that exclude or need each other.

        Raises:
            click.UsageError: says which.
        """
        starts = _VLLM in self.names
        if starts and (self.python is None or len(self.names) > 1 or self.model is not None):
            raise click.UsageError(
                f"the engine {_VLLM} needs --engine-python, and excludes addresses and "
                f"--engine-model"
            )
        if not starts and (self.python is not None or self.settings):
            raise click.UsageError(
                f"--engine-python and --engine-option start the engine {_VLLM}, which is not named"
            )
        if not self.names and self.model is not None:
            raise click.UsageError("--engine-model is for --engine")

    @contextmanager
    def connected(
        self, run: Run, made: MergedModel | None = None
    ) -> Iterator[Callable[[Vocabulary], Engine]]:
        """Provide what connects to the engines; one that was started ends with the context.

        Args:
            run: a complete run.
            made: the merged run, for an engine that is started; None for one in the user's cache.
        """
        from ..engines.connect import connect

        if self.python is None:
            yield lambda vocabulary: connect(self.names, self.model, vocabulary)
            return
        from ..exporting.vllm_service import served_by_vllm

        with served_by_vllm(run, self.python, self.settings, made) as connecting:
            yield connecting


def _names_option(*, ray: bool) -> Callable[[Command], Command]:
    and_ray = " Or ray: let many processes answer, by themselves or by such servers." if ray else ""
    return click.option(
        "--engine",
        "engine_names",
        multiple=True,
        metavar="URL|vllm|ray" if ray else "URL|vllm",
        help="Let a server of vLLM or llama.cpp with this model answer, such as http://host:8000; "
        "repeatable, the load is spread. Or vllm: start one for this command by --engine-python."
        + and_ray,
    )


_OTHERS = (
    click.option(
        "--engine-model",
        "engine_model",
        metavar="NAME",
        help="The model or adapter, as the server calls it. Default: the only one it has.",
    ),
    click.option(
        "--engine-python",
        "engine_python",
        type=PATH,
        metavar="PATH",
        help="The Python of an environment with vLLM, such as ~/vllm/bin/python.",
    ),
    click.option(
        "--engine-option",
        "engine_settings",
        multiple=True,
        metavar="OPTION",
        help='Start vLLM with this option, such as "--tensor-parallel-size 2"; repeatable.',
    ),
)


def engine_options(*, named: bool = True, ray: bool = False) -> Callable[[Command], Command]:
    """Add the options of engines; the command gets them as ``engine``, an ``EngineOptions``.

    Args:
        named: whether ``--engine`` is among them. A command without it names engines in an argument
            ``engine_names``.
        ray: whether an engine may be ray, which the command has to see to.
    """
    fields = EngineOptions.__dataclass_fields__

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_collected(**given: Any) -> Any:
            engine = EngineOptions(**{name: given.pop(f"engine_{name}") for name in fields})
            engine.require_together()
            return command(engine=engine, **given)

        decorated: Command = with_collected
        for option in reversed([*([_names_option(ray=ray)] if named else []), *_OTHERS]):
            decorated = option(decorated)
        return decorated

    return add
