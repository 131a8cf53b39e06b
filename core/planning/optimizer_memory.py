"""The memory of an optimiser's state."""

from __future__ import annotations

_ONE_MOMENT = ("lion", "rmsprop", "adagrad")


def optimizer_bytes(name: str) -> float:
    """Return the bytes of state that an optimiser keeps for each trained parameter.

    AdamW keeps two moments in float32 (Loshchilov and Hutter 2019), or in a byte each with a
    float32 for every 256 (Dettmers et al. 2022). A paged one may move them to main memory.
    """
    if "adafactor" in name or name == "sgd":
        return 0.0
    moments = 1 if any(word in name for word in _ONE_MOMENT) else 2
    return moments * (1 + 4 / 256 if "8bit" in name else 4)
