"""Rotary position embeddings of a GGUF file, which transformers does not read from it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .gguf_header import GgufHeader

if TYPE_CHECKING:
    from .gguf_header import Numbers

_LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""The one scaling of this kind that Llama 3.1, 3.2 and 3.3 were published with."""


def rotary_parameters(rope: Mapping[str, Any], config: Any, header: GgufHeader) -> dict[str, Any]:
    """Return the ``rope_parameters`` of a config, completed from the metadata and the tensors.

    Args:
        rope: as transformers made them; for some models one mapping for each type of layer.
        config: the model's config.
        header: the file.

    Raises:
        SettingsError: the file scales positions in a way that has no counterpart here.
    """
    completed: dict[str, Any] = copy.deepcopy(dict(rope))
    # Where layers differ, the file's entries are about those with full attention.
    changed: dict[str, Any] = completed.get("full_attention", completed)
    if base := header.shape("rope.freq_base"):
        changed["rope_theta"] = base
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rotated = header.shape("rope.dimension_count") or head
    if rotated != head:
        changed["partial_rotary_factor"] = rotated / head
    changed |= _scaling(header, changed["rope_theta"], rotated)
    return completed


def _scaling(header: GgufHeader, base: float, rotated: int) -> dict[str, Any]:
    kind, factor = header.shape("rope.scaling.type"), header.shape("rope.scaling.factor")
    original = header.shape("rope.scaling.original_context_length")
    tensors = dict(header.rotary)
    frequencies = tensors.pop("rope_freqs.weight", None)
    if frequencies is not None and not tensors:
        return _llama3(header, frequencies, base, rotated)
    long, short = (tensors.get(f"rope_factors_{name}.weight") for name in ("long", "short"))
    if long is not None and short is not None and original:
        return {
            "rope_type": "longrope",
            "long_factor": long.tolist(),
            "short_factor": short.tolist(),
            "original_max_position_embeddings": original,
        }
    if tensors or (kind not in {None, "none"} and not factor):
        raise header.refuse(f"scales positions in a way that is not known here ({kind})")
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn" and original:
        return {
            "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original,
        }  # fmt: skip
    if kind not in {None, "none"}:
        raise header.refuse(f"scales positions in a way that is not known here ({kind})")
    return {}


def _llama3(header: GgufHeader, frequencies: Numbers, base: float, rotated: int) -> dict[str, Any]:
    """Return the parameters that divide the frequencies by these factors."""
    factor = float(frequencies.max())
    low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
    for index, found in enumerate(frequencies.tolist()):
        # As in Llama 3.1: short waves stay, long ones are stretched, between them it is gradual.
        waves = _LLAMA3["original_max_position_embeddings"] / (
            2 * math.pi * base ** (2 * index / rotated)
        )
        share = min(1.0, max(0.0, (waves - low) / (high - low)))
        if not math.isclose(1 / found, share + (1 - share) / factor, rel_tol=1e-3):
            raise header.refuse("scales positions in a way that is not known here (rope_freqs)")
    return {"rope_type": "llama3", "factor": factor, **_LLAMA3}
