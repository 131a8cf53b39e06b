"""Install the trained adapter in the run folder, with tokenizer, receipt and model card."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ..files import write_atomically, write_json
from ..model.prompts import PromptFormat
from ..runs.folder import Run

if TYPE_CHECKING:
    from .trainer import ExtractionTrainer


def install_adapter(run: Run, trainer: ExtractionTrainer, prompts: PromptFormat) -> None:
    """Write the best adapter, or the last where none was scored, into the run's folder."""
    best = trainer.best
    partial = run.folder / ".adapter"
    shutil.rmtree(partial, ignore_errors=True)
    if best.score is not None:
        shutil.copytree(best.folder(run.checkpoints), partial)
    else:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(partial))
    prompts.tokenizer.save_pretrained(str(partial))
    info = run.info()
    write_json(partial / "receipt.json", info["receipt"])
    write_atomically(partial / "README.md", _model_card(info))
    steps = trainer.state.global_step or best.last_step
    run.update(
        training={
            "steps": steps,
            "best_step": best.step,
            "best_score": best.score,
            **best.chosen,
        }
    )
    os.replace(partial, run.adapter)
    run.drop_checkpoints()


def _model_card(info: dict[str, Any]) -> str:
    settings = {name: entry["value"] for name, entry in info["settings"].items()}
    plugin, base = info["plugin"], info["base_model"]["name"]
    documents, windows = info["counts"]["documents"]["train"], info["counts"]["windows"]["trained"]
    return f"""---
library_name: peft
tags: [information-extraction, qlora]
---
# {plugin["name"]}

A LoRA adapter for `{base}` that turns documents into records of the plugin
`{plugin["name"]}` ({plugin["distribution"]} {plugin["version"]}).

- rank {settings["lora_rank"]}, alpha {settings["lora_alpha"]}, base weights {settings["quantize"]}
- prompts are read {"as a prefix (prefix_lm)" if settings["prefix_lm"] else "causally"}
- {documents} training documents, {windows} windows
- prompt, schema and tokenizer are pinned by `receipt.json`
"""
