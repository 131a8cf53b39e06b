"""Try one way of sharing a training: two real steps of the embedded model, and what is saved."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data import IGNORED
from ..model.devices import pick_device
from ..model.library_output import quieten
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..parallel.processes import is_main_process
from ..parallel.whole_weights import held_bytes
from ..settings import Settings
from ..windows.rows import Row

_TOKENS, _PROMPT, _ROWS = 48, 16, 8


def _settings(parallel: Any, quantize: Any, offload: Any) -> Settings:
    return Settings(
        parallel=parallel,
        quantize=quantize,
        offload=offload,
        # DeepSpeed has no other on a CPU.
        precision="fp32" if pick_device().type == "cpu" else "auto",
        max_steps=2,
        logging_steps=2,
        batch_size=2,
        accumulation=1,
        learning_rate=1e-3,
        warmup=0,
        scheduler="constant",
        lora_dropout=0,
    )


def _rows() -> Sequence[Row]:
    """Return rows of tokens that mean nothing, each with an answer."""
    rows = []
    for number in range(_ROWS):
        ids = [100 + (7 * number + 3 * place) % 500 for place in range(_TOKENS)]
        rows.append(Row(ids, [IGNORED] * _PROMPT + ids[_PROMPT:]))
    return rows


def run_trial(parallel: str, quantize: str, offload: str, result: Path) -> None:
    """Train two steps, save the adapter and check it, as one of the processes that do so.

    Args:
        parallel: the way to try; a setting, as the next two.
        quantize: "nf4" or "none".
        offload: "none" or "params".
        result: the file to write: the loss of the last step, the bytes of the weights, and those
            that the first process holds.

    Raises:
        FieldsmithError: what is tried does not work.
    """
    quieten()
    from .callbacks import BestAdapter
    from .qlora import build_trainer

    settings = _settings(parallel, quantize, offload)
    prompts = PromptFormat(load_tokenizer(settings))
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(
            Path(folder), settings, prompts, _rows(), [], scorer=None, best=BestAdapter(0)
        )
        trainer.train()
        state = trainer.whole_state()
        held, whole = held_bytes(trainer.model)
        if is_main_process():
            trainer.save_trained(Path(folder) / "adapter", state)
            loss = next(line["loss"] for line in trainer.state.log_history if "loss" in line)
            found = {"loss": loss, "bytes": whole, "held": held}
            result.write_text(json.dumps(found), encoding="utf-8")
