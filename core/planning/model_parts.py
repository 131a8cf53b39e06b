"""The parts of a model that are gathered at once where its weights are divided among devices.

``fully_shard`` (FSDP2) divides each parameter by its first dimension, into shards that are padded
to one length. accelerate makes a unit of each decoder layer, one of the embeddings, one of the
head, and one of the rest; where head and embeddings share a weight, these are one unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal["quantized", "plain", "adapter"]
"""As ``Memory`` has them: weights in 4 bit, others that are not trained, and what is trained."""


@dataclass(frozen=True)
class Shape:
    """The size of a parameter.

    Attributes:
        kind: what it is.
        rows: the first dimension, which is divided.
        row: how many numbers each of them has.
        itemsize: bytes of a number.
        gathered: the same while it is gathered: no more than in the precision of the training.
    """

    kind: Kind
    rows: int
    row: int
    itemsize: int
    gathered: int

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return self.rows * self.row

    def shard(self, count: int) -> int:
        """Return the bytes of the largest of so many shards."""
        return -(-self.rows // count) * self.row * self.itemsize

    def whole(self, count: int) -> int:
        """Return the bytes of the parameter, gathered from so many shards with their padding."""
        return -(-self.rows // count) * count * self.row * self.gathered


@dataclass(frozen=True)
class Unit:
    """Parameters that are gathered at once.

    Attributes:
        shapes: how many there are of each size.
    """

    shapes: Mapping[Shape, int]

    def shard(self, count: int, *kinds: Kind) -> int:
        """Return the bytes of the parameters of some kinds that one of so many devices holds."""
        return sum(
            number * shape.shard(count)
            for shape, number in self.shapes.items()
            if shape.kind in kinds
        )

    def whole(self, count: int, *kinds: Kind) -> int:
        """Return the bytes of the parameters of some kinds, or all, gathered from so many devices.

        With them the padding is gathered.
        """
        return sum(
            number * shape.whole(count)
            for shape, number in self.shapes.items()
            if not kinds or shape.kind in kinds
        )

    def small(self, most: int) -> int:
        """Return the bytes of the parameters that have no more than so many numbers."""
        return sum(
            number * shape.whole(1)
            for shape, number in self.shapes.items()
            if shape.numbers <= most
        )


@dataclass(frozen=True)
class ModelParts:
    """A model by its units.

    Attributes:
        everything: all parameters.
        layer: the decoder layer with the most bytes.
        head: the head, and the embeddings if they share a weight.
        rest: what is in no layer and is neither head nor embeddings.
        tied: whether head and embeddings share a weight.
    """

    everything: Unit
    layer: Unit
    head: Unit
    rest: Unit
    tied: bool


def model_parts(model: Any, precision: torch.dtype) -> ModelParts:
    """Divide a model, with its adapter if it has one, into units.

    Args:
        model: parameters of 4 bit are packed in bytes, as fake tensors of them are.
        precision: numbers in which these are packed instead, so that they can be divided.
    """
    stored = precision.itemsize
    taken: set[int] = set()

    def unit(modules: Iterable[torch.nn.Module]) -> Unit:
        parameters = {id(p): p for module in modules for p in module.parameters()}
        left = parameters.keys() - taken
        taken.update(left)
        return Unit(Counter(_shape(parameters[key], stored) for key in left))

    layers = [unit([layer]) for layer in _layers(model)]
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = embeddings.weight is head.weight
    head_unit = unit([embeddings, head] if tied else [head])
    unit([embeddings])
    return ModelParts(
        everything=Unit(Counter(_shape(each, stored) for each in model.parameters())),
        layer=max(layers, key=lambda layer: layer.whole(1), default=Unit({})),
        head=head_unit,
        rest=unit([model]),
        tied=tied,
    )


def _layers(model: Any) -> Iterator[torch.nn.Module]:
    """Yield the decoder layers, by the names of their classes that transformers keeps whole."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    return (module for module in model.modules() if type(module).__name__ in names)


def _shape(parameter: torch.nn.Parameter, stored: int) -> Shape:
    if parameter.dtype == torch.uint8:
        return Shape("quantized", -(-parameter.nbytes // stored), 1, stored, stored)
    kind: Kind = "adapter" if parameter.requires_grad else "plain"
    rows = max(1, parameter.shape[0] if parameter.dim() else 1)
    itemsize = parameter.itemsize
    return Shape(kind, rows, parameter.numel() // rows, itemsize, min(itemsize, stored))
