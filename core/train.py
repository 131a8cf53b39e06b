"""QLoRA on SFTTrainer: from a source of examples to an adapter in a run folder."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .books import describe_rows, describe_splits, write_books
from .data import Example, Prediction, Reject
from .errors import InputError, RunError, SettingsError, nearest
from .files import write_atomically, write_json
from .orders import Order
from .plugins import Plugin
from .processes import is_main_process, process_count
from .progress import meter, say
from .prompts import PromptFormat
from .qlora import build_trainer
from .rows import Rows, build_rows
from .runs import Run
from .settings import Settings
from .sources import read_splits

if TYPE_CHECKING:
    from .trainer import ExtractionTrainer


def train(run: Run, order: Order) -> None:
    """Train an adapter into a run folder, going on where an earlier attempt was killed.

    Raises:
        InputError: the source cannot be read, or leaves nothing to train on.
        LeakError: official splits share documents.
        RunError: the data is not what the run began with.
        SchemaError: answers cannot be held to the plugin's schema.
        SettingsError: the model does not load or does not fit the settings.
    """
    from .models import load_tokenizer, quieten

    quieten()
    if run.is_complete():
        run.drop_checkpoints()  # a kill may have come between the two
        return
    plugin, settings = order.plugin, order.settings.values
    splits, data_hash = read_splits(plugin, order.source, allow_leaks=order.allow_leaks)
    source = order.source or f"{plugin.name}'s sample"
    if not splits.train:
        raise InputError(f"{source}: holds no document to train on{_first(splits.set_aside)}")
    _check_score(order, splits.train)
    prompts = PromptFormat(load_tokenizer(settings))
    _refuse_changes(run, plugin, settings, prompts, data_hash)
    say(describe_splits(splits))
    with meter("reading", len(splits.train), "documents") as progress:
        rows = build_rows(splits.train, plugin, prompts, settings, progress.advance)
    say(describe_rows(rows))
    if not rows.rows:
        raise InputError(f"{source}: no window to train on{_first(rows.set_aside)}")
    if is_main_process():
        write_books(run, order, splits, rows, data_hash, prompts)
    _fit(run, plugin, settings, prompts, rows, splits.validation[: settings.eval_documents])


def _check_score(order: Order, examples: Sequence[Example]) -> None:
    """Raise SettingsError where the user's ``score`` names what the plugin does not count."""
    if order.settings.origins["score"] != "user":
        return  # a plugin names all of its metrics; a data set may lack the gold of some
    counted = {
        name
        for example in examples
        for name in order.plugin.metric(example, Prediction(example.document))
    }
    for name in order.settings.values.score:
        if name not in counted:
            raise SettingsError(f"score: unknown metric name {name!r}; {nearest(name, counted)}")


def _refuse_changes(
    run: Run, plugin: Plugin, settings: Settings, prompts: PromptFormat, data_hash: str
) -> None:
    """Raise RunError where a run is gone on with over other data, another prompt or base model."""
    from .models import identity

    if run.data_hash() is None:  # it was not begun, or killed before anything was trained
        return
    info = run.info()
    if run.data_hash() != data_hash:
        changed = "the data"
    elif info["base_model"] != identity(settings):
        changed = f"the base model {settings.model}"
    else:
        prompts.receipt(plugin).check(info["receipt"], str(run.folder))
        return
    raise RunError(f"{run.folder}: {changed} changed since this run began; train anew (--output)")


def _first(rejects: Sequence[Reject]) -> str:
    return f"; the first of {len(rejects)} set aside: {rejects[0].reason}" if rejects else ""


def _fit(
    run: Run,
    plugin: Plugin,
    settings: Settings,
    prompts: PromptFormat,
    rows: Rows,
    held_out: Sequence[Example],
) -> None:
    """Train from the newest checkpoint, or from the start, and leave the best adapter in place."""
    from .trainer import BestAdapter, LogFile, Rhythm

    held_out_rows = build_rows(held_out, plugin, prompts, settings).rows
    best = BestAdapter(settings.patience)
    checkpoint = run.last_checkpoint()
    step = best.load(checkpoint) if checkpoint else 0
    scorer = _scorer(plugin, settings, prompts, held_out) if held_out else None
    trainer = build_trainer(
        run.checkpoints, settings, prompts, rows.rows, held_out_rows, scorer=scorer, best=best
    )
    steps_an_epoch = -(-len(rows.rows) // (settings.batch_size * process_count()))
    steps_an_epoch = -(-steps_an_epoch // settings.accumulation)
    total = settings.max_steps or math.ceil(steps_an_epoch * settings.epochs)
    if is_main_process():
        run.cut_log(step)
    if checkpoint:
        say(f"going on from step {step} of {total}")
    with meter("training", total, "steps") as progress:
        progress.resume(step)
        trainer.add_callback(
            Rhythm(settings.checkpoint_steps, steps_an_epoch, score=scorer is not None)
        )
        trainer.add_callback(LogFile(run.log_file, progress))
        if not best.exhausted() and step < total:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        elif checkpoint:  # killed after the last step: its weights are all that is wanted
            trainer.load_weights(checkpoint)
    if is_main_process():
        _install_adapter(run, trainer, prompts)


def _scorer(
    plugin: Plugin, settings: Settings, prompts: PromptFormat, held_out: Sequence[Example]
) -> Callable[[ExtractionTrainer], dict[str, float]]:
    """Return a function that generates for held-out documents and scores them."""
    from .evaluate import score_names, score_predictions
    from .metrics import point_scores
    from .predict import Extractor

    documents = [example.document for example in held_out]

    def scores(trainer: ExtractionTrainer) -> dict[str, float]:
        model = trainer.generation_model(settings)
        predictions = Extractor.around(model, plugin, settings, prompts).predict(documents)
        counts = score_predictions(plugin, held_out, predictions).counts
        result = point_scores(counts, score_names(settings, counts))
        return {name: value for name, value in result.items() if name.endswith(("score", "/f1"))}

    return scores


def _install_adapter(run: Run, trainer: ExtractionTrainer, prompts: PromptFormat) -> None:
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
    write_atomically(partial / "README.md", _card(info))
    steps = trainer.state.global_step or best.last_step
    run.update(training={"steps": steps, "best_step": best.step, "best_score": best.score})
    os.replace(partial, run.adapter)
    run.drop_checkpoints()


def _card(info: dict[str, Any]) -> str:
    """Return the adapter's model card."""
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
- {documents} training documents, {windows} windows
- prompt, schema and tokenizer are pinned by `receipt.json`
"""
