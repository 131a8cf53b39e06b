"""QLoRA on SFTTrainer: from a source of examples to an adapter in a run folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..data import Example, Prediction, Reject
from ..dataset.issues import find_in_splits, findings_of_training, refuse_unsound
from ..dataset.loading import read_splits
from ..dataset.splits import Splits
from ..errors import (
    FieldsmithError,
    InputError,
    OutOfMemoryError,
    RunError,
    SettingsError,
    did_you_mean,
)
from ..files import write_atomically, write_json
from ..model.out_of_memory import give_back, is_out_of_memory
from ..model.prompts import PromptFormat
from ..plugins import Plugin
from ..progress import meter, say
from ..runs.folder import Run
from ..runs.job import Order
from ..runs.receipt import receipt_of
from ..settings import Settings
from ..tagging.gazetteer import Lexicon
from ..tagging.labels import Tags
from ..windows.rows import Row, Rows, build_rows
from .backoff import lowered, note_lowering, smaller, with_settings
from .distributed import is_main_process, process_count
from .manifest import describe_rows, describe_splits, write_books
from .qlora import build_trainer
from .schedule import count_steps

if TYPE_CHECKING:
    from .trainer import ExtractionTrainer


Estimate = Callable[[Settings, Sequence[Row]], str]
"""Says how much memory a training on some rows was estimated to take; "" where nothing is known."""


def train(
    run: Run,
    order: Order,
    accepted: Collection[str] = (),
    estimate: Estimate = lambda _settings, _rows: "",
) -> None:
    """Train an adapter into a run folder, going on where an earlier attempt was killed.

    Splits and ids that are unsound are refused; a run that has begun is gone on with.

    accepted: names of the findings that the user accepts beside what the order allows.
    estimate: what to say of the planned memory where memory is short.

    Raises:
        InputError: the source cannot be read, is unsound, or leaves nothing to train on.
        LeakError: official splits share documents.
        OutOfMemoryError: the memory does not hold the training; it can be gone on with.
        RunError: the data is not what the run began with.
        SchemaError: answers cannot be held to the plugin's schema.
        SettingsError: the model does not load or does not fit the settings.
    """
    from ..model.loading import load_tokenizer, quieten

    quieten()
    if run.is_complete():
        run.drop_checkpoints()  # a kill may have come between the two
        return
    plugin, settings = order.plugin, order.settings.values
    splits, data_hash = read_splits(plugin, order.source, allow_leaks=True)
    source = str(order.source or f"{plugin.name}'s sample")
    has_begun = run.data_hash() is not None
    accepted = {*accepted, "leaks"} if order.allow_leaks else accepted
    if not splits.train:
        raise InputError(f"{source}: holds no document to train on{_first(splits.set_aside)}")
    if not has_begun:
        refuse_unsound(source, find_in_splits(splits, accepted))
    _check_score(order, splits.train)
    prompts = PromptFormat(load_tokenizer(settings))
    _refuse_changes(run, plugin, settings, prompts, data_hash)
    say(describe_splits(splits))
    with meter("reading", len(splits.train), "documents") as progress:
        rows = build_rows(splits.train, plugin, prompts, settings, progress.advance)
    say(describe_rows(rows))
    if not rows.rows:
        raise InputError(f"{source}: no window to train on{_first(rows.set_aside)}")
    # What stands in no text is not trained on, and the books say how much that is.
    found = findings_of_training(splits, rows.lost, plugin.schema, {*accepted, "unlearnable"})
    for finding in found:
        say(finding.line)
    lexicon = None
    if settings.gazetteer and settings.tagging_weight:
        lexicon = Lexicon.counted(splits.train, plugin.schema)
    elif settings.gazetteer:
        say("gazetteer: none is made, for it is heard beside tags alone (tagging_weight)")
    if is_main_process():
        write_books(run, order, splits, rows, data_hash, prompts, found)
        if lexicon:
            lexicon.write(run.lexicon_file)
    _fit(run, order, prompts, rows, splits, lexicon, estimate)


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
            raise SettingsError(
                f"score: unknown metric name {name!r}; {did_you_mean(name, counted)}"
            )


def _refuse_changes(
    run: Run, plugin: Plugin, settings: Settings, prompts: PromptFormat, data_hash: str
) -> None:
    """Raise RunError where a run is gone on with over other data, another prompt or base model."""
    from ..model.loading import identity

    if run.data_hash() is None:  # it was not begun, or killed before anything was trained
        return
    info = run.info()
    if run.data_hash() != data_hash:
        changed = "the data"
    elif info["base_model"] != identity(settings):
        changed = f"the base model {settings.model}"
    else:
        receipt_of(prompts, plugin).check(info["receipt"], str(run.folder))
        return
    raise RunError(f"{run.folder}: {changed} changed since this run began; train anew (--output)")


def _first(rejects: Sequence[Reject]) -> str:
    return f"; the first of {len(rejects)} set aside: {rejects[0].reason}" if rejects else ""


def _fit(
    run: Run,
    order: Order,
    prompts: PromptFormat,
    rows: Rows,
    splits: Splits,
    lexicon: Lexicon | None,
    estimate: Estimate,
) -> None:
    """Train; where the memory is short and the order allows it, again with a smaller batch.

    Raises:
        OutOfMemoryError: it is short, and nothing more is to be made smaller.
    """
    asked = order.settings.values
    settings = lowered(run, asked)
    held_out = splits.validation[: asked.eval_documents]
    as_they_are = replace(asked, augment_copies=0, tagging_weight=0.0)
    tags = Tags(order.plugin.schema, prompts).ids if asked.tagging_weight else []
    held_out_rows = build_rows(held_out, order.plugin, prompts, as_they_are).rows
    while True:
        scorer = None
        if held_out:
            scorer = _scorer(order.plugin, settings, prompts, held_out, rows.answered, lexicon)
        short = _attempt(run, asked, settings, prompts, rows, held_out_rows, scorer, tags)
        if short is None:
            return
        give_back()  # here nothing refers to the attempt any more, the error's frames included
        changed = smaller(settings, scoring=short.scoring)
        if not (order.auto_batch and changed) or process_count() > 1:
            planned = estimate(settings, rows.trained)
            raise OutOfMemoryError(_advice(run, settings, planned, short, changed))
        before = {name: getattr(settings, name) for name in changed}
        note_lowering(run, short.step, before, changed)
        settings = with_settings(settings, changed)
        say(f"{short.told}: going on with {_shown(changed)} in place of {_shown(before)}")


@dataclass(frozen=True)
class _Short:
    """Where the memory was short: at which step, and while it did what."""

    step: int
    scoring: bool

    @property
    def told(self) -> str:
        doing = "scoring after" if self.scoring else "training after"
        return f"out of memory while {doing} step {self.step}"


def _shown(settings: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _advice(
    run: Run, settings: Settings, planned: str, short: _Short, changed: Mapping[str, int]
) -> str:
    """Say in one line what was short, what the plan counts, and what to do."""
    line = f"{run.folder}: {short.told}, with batch_size {settings.batch_size}"
    if planned:
        line += f"; {planned}"
    if changed and process_count() == 1:
        return f"{line}; go on with: extract train --resume {run.folder} --auto-batch"
    return (
        f"{line}; see extract plan, train anew with --set activation_checkpointing=true, a smaller "
        f"max_length or a smaller model, or go on where there is more memory: "
        f"extract train --resume {run.folder}"
    )


def _attempt(
    run: Run,
    asked: Settings,
    settings: Settings,
    prompts: PromptFormat,
    rows: Rows,
    held_out: Sequence[Row],
    scorer: Callable[[ExtractionTrainer], dict[str, float]] | None,
    tags: Sequence[int],
) -> _Short | None:
    """Train from the newest checkpoint, or from the start; return where the memory was short.

    The best adapter is left in place where it was not.

    asked: the settings before any were made smaller.
    """
    from .callbacks import BestAdapter, LogFile, Rhythm

    best = BestAdapter(settings.patience)
    checkpoint = run.last_checkpoint()
    step = best.load(checkpoint) if checkpoint else 0
    trainer = None
    try:
        trainer = build_trainer(
            run.checkpoints,
            settings,
            prompts,
            rows.trained,
            held_out,
            scorer=scorer,
            best=best,
            group=asked.batch_size,  # so that each step reads the same rows
            tags=tags,
        )
        steps_an_epoch, total = count_steps(len(rows.trained), settings)
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
    except (MemoryError, RuntimeError, FieldsmithError) as error:
        if not is_out_of_memory(error):
            raise
        done = trainer.state.global_step if trainer else step
        return _Short(max(done, step), trainer is not None and trainer.scoring)
    return None


def _scorer(
    plugin: Plugin,
    settings: Settings,
    prompts: PromptFormat,
    held_out: Sequence[Example],
    answered: Sequence[str],
    lexicon: Lexicon | None,
) -> Callable[[ExtractionTrainer], dict[str, float]]:
    """Return a function that generates for held-out documents and scores them.

    answered: keys of the root that every answer has.
    lexicon: what is heard beside the tags.
    """
    from ..evaluation.threshold import best_threshold
    from ..extraction.extractor import Extractor

    documents = [example.document for example in held_out]

    def scores(trainer: ExtractionTrainer) -> dict[str, float]:
        model = trainer.generation_model(settings)
        extractor = Extractor.around(model, plugin, settings, prompts, answered, lexicon)
        predictions = extractor.predict(documents)
        threshold, result = best_threshold(plugin, settings, held_out, predictions)
        shown = {name: value for name, value in result.items() if name.endswith(("score", "/f1"))}
        return shown | {"min_confidence": threshold}

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
    run.update(
        training={
            "steps": steps,
            "best_step": best.step,
            "best_score": best.score,
            "min_confidence": best.threshold,
        }
    )
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
- prompts are read {"as a prefix (prefix_lm)" if settings["prefix_lm"] else "causally"}
- {documents} training documents, {windows} windows
- prompt, schema and tokenizer are pinned by `receipt.json`
"""
