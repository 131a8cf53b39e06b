"""Options of a prediction by the actors of a Ray cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from .options import Command

if TYPE_CHECKING:
    from ..extraction.ray_predictions import RayJob
    from ..runs.folder import Run

RAY = "ray"
"""What ``--engine`` is set to for actors of Ray."""

_FLAGS = {
    "actors": "--actors",
    "gpus_per_actor": "--gpus-per-actor",
    "ray_address": "--ray-address",
}


@dataclass(frozen=True)
class RayOptions:
    """What the options of ``ray_options`` were set to; None where they were not.

    Attributes:
        actors: how many actors answer.
        gpus_per_actor: GPUs of each.
        ray_address: of the cluster.
    """

    actors: int | None
    gpus_per_actor: float | None
    ray_address: str | None

    def require_ray(self, engines: tuple[str, ...]) -> None:
        """Refuse options that have no meaning with the engines that are named.

        Raises:
            click.UsageError: one of these is given without ``--engine ray``.
        """
        given = [flag for name, flag in _FLAGS.items() if getattr(self, name) is not None]
        if given and RAY not in engines:
            raise click.UsageError(f"{', '.join(given)} wants --engine {RAY}")

    def job(
        self,
        run: Run,
        mapping: tuple[str, ...],
        min_confidence: float | None,
        servers: tuple[str, ...],
        server_model: str | None,
    ) -> RayJob:
        """Return what the cluster is asked to do; arguments are those of ``RayJob``."""
        from ..extraction.ray_predictions import RayJob

        return RayJob(
            run,
            mapping,
            min_confidence,
            self.ray_address,
            self.actors,
            self.gpus_per_actor,
            servers,
            server_model,
        )


_OPTIONS = (
    click.option(
        "--actors",
        type=click.IntRange(1),
        metavar="N",
        help="With --engine ray: how many processes answer. Default: one for each GPU, or, "
        "without any, for each CPU; of those that ask servers, two for each server.",
    ),
    click.option(
        "--gpus-per-actor",
        type=click.FloatRange(0),
        metavar="G",
        help="With --engine ray: GPUs of each process, such as 0.5 for two on a GPU. Default: 1, "
        "or 0 if the cluster has none or servers answer.",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="With --engine ray: a cluster that this machine is a part of, as host:port, or auto. "
        "Default: one that is started on this machine and stopped at the end.",
    ),
)


def ray_options(command: Command) -> Callable[..., Any]:
    """Add the options of Ray; the command gets them as one ``RayOptions``, named ``ray``."""

    @functools.wraps(command)
    def with_collected(**given: Any) -> Any:
        collected = {each.name: given.pop(each.name) for each in fields(RayOptions)}
        return command(ray=RayOptions(**collected), **given)

    decorated: Command = with_collected
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
