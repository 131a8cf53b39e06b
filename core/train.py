"""QLoRA on SFTTrainer: from a source of examples to an adapter in a run folder."""

from __future__ import annotations

import math
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import SPLITS, Example, Prediction, Reject
from .errors import InputError, RunError, SettingsError, nearest
from .files import write_atomically, write_json
from .plugins import Plugin, load
from .progress import meter, say
from .prompts import PromptFormat
from .rows import IGNORED, Row, Rows, build_rows
from .runs import Run
from .settings import Resolved, Settings
from .sources import read_splits
from .splits import Splits, describe, fingerprint

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel
    from trl import SFTConfig

    from .trainer import BestAdapter, ExtractionTrainer

_VERSIONS = (
    "fieldsmith", "torch", "transformers", "trl", "peft", "bitsandbytes", "datasets",
    "accelerate", "tokenizers",
)  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What is to be trained on what; run.json holds it, so that it can be gone on with.

    source: the data, or None for the plugin's bundled sample.
    """

    plugin: Plugin
    source: Path | None
    preset: str
    settings: Resolved
    allow_leaks: bool

    @staticmethod
    def of(run: Run) -> Order:
        """Return the order of an earlier training.

        Raises:
            PluginError: its plugin is not installed.
        """
        info = run.info()
        stored, data = info["plugin"], info["data"]
        return Order(
            load(stored["name"], tuple(stored["wrappers"])),
            Path(data["source"]) if data["source"] else None,
            info["preset"],
            run.settings(),
            data["allow_leaks"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entries of run.json that ``of`` reads."""
        return {
            "plugin": {
                "name": self.plugin.name,
                "distribution": self.plugin.distribution,
                "version": self.plugin.version,
                "wrappers": list(self.plugin.wrappers),
            },
            "preset": self.preset,
            "settings": self.settings.as_json(),
            "data": {
                "source": str(self.source.resolve()) if self.source else None,
                "allow_leaks": self.allow_leaks,
            },
        }


def train(run: Run, order: Order) -> None:
    """Train an adapter into a run folder, going on where an earlier attempt was killed.

    Raises:
        InputError: the source cannot be read, or leaves nothing to train on.
        LeakError: official splits share documents.
        RunError: the data is not what the run began with.
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
    say(_describe(splits))
    with meter("reading", len(splits.train), "documents") as progress:
        rows = build_rows(splits.train, plugin, prompts, settings, progress.advance)
    say(_describe_rows(rows))
    if not rows.rows:
        raise InputError(f"{source}: no window to train on{_first(rows.set_aside)}")
    if is_main_process():
        _write_books(run, order, splits, rows, data_hash, prompts)
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


def _write_books(
    run: Run,
    order: Order,
    splits: Splits,
    rows: Rows,
    data_hash: str,
    prompts: PromptFormat,
) -> None:
    """Write what is known before the first step: run.json, rejects.jsonl, trained_on.jsonl."""
    from .models import identity

    settings = order.settings.values
    run.write_rejects({"document": splits.set_aside, "window": rows.set_aside, "leaf": rows.lost})
    run.write_trained_on((e.document.id, fingerprint(e.document.text)) for e in splits.train)
    known = order.as_json()
    known["data"] |= {
        "sha256": data_hash,
        "official_splits": splits.official,
        "missing_splits": list(splits.missing),
        "leaks": [asdict(leak) for leak in splits.leaks],
    }
    run.update(
        **known,
        seed=settings.seed,
        versions=_versions(),
        device=_device(),
        base_model=identity(settings),
        counts=_counts(splits, rows),
        receipt=asdict(prompts.receipt(order.plugin)),
    )


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
    scorer = _scorer(run, plugin, settings, prompts, held_out) if held_out else None
    trainer = build_trainer(
        run.checkpoints, settings, prompts, rows.rows, held_out_rows, scorer=scorer, best=best
    )
    steps_an_epoch = -(-len(rows.rows) // (settings.batch_size * _processes()))
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


def build_trainer(
    folder: Path,
    settings: Settings,
    prompts: PromptFormat,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    *,
    scorer: Callable[[ExtractionTrainer], dict[str, float]] | None,
    best: BestAdapter,
) -> ExtractionTrainer:
    """Make the trainer: the base model in NF4, LoRA over it, the rows as they are.

    Raises:
        SettingsError: the model does not load.
    """
    from datasets import Dataset
    from transformers import PrinterCallback

    from .models import load_base, pick_device
    from .trainer import ExtractionTrainer, LengthGroupedSampler

    model = load_base(settings, quantized=settings.quantize == "nf4", device=pick_device())
    _check_modules(model, settings)
    lengths = [len(row.input_ids) for row in rows]
    trainer = ExtractionTrainer(
        model=model,
        args=training_arguments(folder, settings),
        train_dataset=Dataset.from_list([asdict(row) for row in rows]),
        eval_dataset=Dataset.from_list([asdict(row) for row in held_out]) if held_out else None,
        processing_class=prompts.tokenizer,
        peft_config=lora_config(settings),
        sampler=LengthGroupedSampler(
            lengths, settings.batch_size, settings.seed, group=settings.group_lengths
        ),
        scorer=scorer,
        best=best,
    )
    trainer.remove_callback(PrinterCallback)
    assert trainer.model is not None
    adapters: Any = trainer.model.peft_config
    for config in adapters.values():
        # A set is written in another order by each process.
        config.target_modules = sorted(config.target_modules)
    if not trainer.is_fsdp_enabled:
        # SFTTrainer casts adapters over 4-bit weights to bf16, where small updates are lost to
        # rounding, while resuming loads them as float32.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return trainer


def _check_modules(model: PreTrainedModel, settings: Settings) -> None:
    """Raise SettingsError for a module that the model does not have, or that cannot be adapted."""
    known = {name.rpartition(".")[2] for name, _module in model.named_modules() if name}
    known = {name for name in known if not name.isdigit()}
    for setting, names in (
        ("lora_targets", _targets(settings)),
        ("modules_to_save", settings.modules_to_save),
    ):
        for name in [] if names == "all-linear" else names:
            if name.rpartition(".")[2] not in known:
                raise SettingsError(
                    f"{setting}: {settings.model} has no module {name!r}; {nearest(name, known)}"
                )
    if "lm_head" in _targets(settings):  # the loss reads its weights, and would miss the adapter
        raise SettingsError("lora_targets: lm_head cannot be adapted; name it in modules_to_save")


def _targets(settings: Settings) -> str | list[str]:
    if settings.lora_targets == "all-linear":
        return settings.lora_targets
    return [name.strip() for name in settings.lora_targets.split(",") if name.strip()]


def training_arguments(folder: Path, settings: Settings) -> SFTConfig:
    """Return SFTTrainer's arguments for our settings.

    Raises:
        SettingsError: a tracker that is not installed, or a value that transformers refuses.
    """
    _check_trackers(settings, folder)
    try:
        return _training_arguments(folder, settings)
    except ValueError as error:
        raise SettingsError(f"settings: {' '.join(str(error).split())}") from error


def _check_trackers(settings: Settings, folder: Path) -> None:
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    installed = get_available_reporting_integrations()
    # Beside the checkpoints, which is transformers' default, the log would go with them.
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder.parent / "tensorboard"))
    for name in settings.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise SettingsError(f"report_to: {nearest(name, INTEGRATION_TO_CALLBACK)}")
        if name not in installed:
            raise SettingsError(f"report_to: {name} is not installed; pip install {name}")


def _training_arguments(folder: Path, settings: Settings) -> SFTConfig:
    from trl import SFTConfig

    from .models import pick_device, pick_precision

    device = pick_device()
    precision = pick_precision(settings, device)
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=settings.optimizer,
        seed=settings.seed,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device.type == "cpu",
        activation_checkpointing=settings.activation_checkpointing,
        gradient_checkpointing=False,  # the older name of the same, on by default
        max_length=None,  # rows are checked already; what is too long was set aside, not cut
        packing=False,
        pad_to_multiple_of=32,  # few shapes of batches: each costs kernels made and memory kept
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=device.type == "cuda",
        ddp_find_unused_parameters=False,  # every adapter is used in every step
        logging_strategy="steps",
        logging_steps=settings.logging_steps,
        save_strategy="no",  # Rhythm says when
        eval_strategy="no",
        report_to=settings.report_to or "none",
        disable_tqdm=True,
        prediction_loss_only=True,  # scores come from generation, not from the logits
    )


def lora_config(settings: Settings) -> LoraConfig:
    """Return the adapter's configuration (Hu et al. 2021) for our settings."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=_targets(settings),
        modules_to_save=settings.modules_to_save or None,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
    )


def _scorer(
    run: Run,
    plugin: Plugin,
    settings: Settings,
    prompts: PromptFormat,
    held_out: Sequence[Example],
) -> Callable[[ExtractionTrainer], dict[str, float]]:
    """Return a function that generates for held-out documents and scores them."""
    from .evaluate import score_names, score_predictions
    from .metrics import point_scores
    from .predict import answer

    documents = [example.document for example in held_out]

    def scores(trainer: ExtractionTrainer) -> dict[str, float]:
        model = trainer.generation_model(settings)
        predictions = answer(model, plugin, settings, prompts, documents)
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


def is_main_process() -> bool:
    """Say whether this process is the one that writes files."""
    return int(os.environ.get("RANK", "0")) == 0


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _VERSIONS} | {
        "python": platform.python_version()
    }


def _device() -> dict[str, Any]:
    import torch

    from .models import pick_device

    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "type": device.type,
        "name": name,
        "threads": torch.get_num_threads(),
        "processes": _processes(),
    }


def _counts(splits: Splits, rows: Rows) -> dict[str, Any]:
    """Return the books: what was read and made, and where each of it went."""
    held = {name: len(getattr(splits, name)) for name in SPLITS}
    set_aside = len(splits.set_aside)
    return {
        "documents": {"read": sum(held.values()) + set_aside, **held, "set_aside": set_aside},
        "windows": {
            "made": rows.windows,
            "trained": len(rows.rows),
            "set_aside": len(rows.set_aside),
        },
        "tokens": {
            "trained": sum(len(row.input_ids) for row in rows.rows),
            "with_loss": sum(len(row.labels) - row.labels.count(IGNORED) for row in rows.rows),
        },
        "gold": {
            name: {
                "leaves": count,
                "learned": rows.learned[name],
                "share": round(rows.learned[name] / count, 4),
            }
            for name, count in rows.gold.items()
        },
    }


def _describe(splits: Splits) -> str:
    parts = [f"{len(getattr(splits, name))} {name}" for name in SPLITS]
    line = f"documents: {', '.join(parts)}, {len(splits.set_aside)} set aside"
    if splits.official:
        line += "; official splits"
        if splits.missing:
            line += f", no official {' and no '.join(splits.missing)}"
    for leak in splits.leaks:
        line += f"; allowed: {describe(leak)}"
    return line


def _describe_rows(rows: Rows) -> str:
    line = f"windows: {len(rows.rows)} trained, {len(rows.set_aside)} set aside"
    if rows.lost:
        line += f"; {len(rows.lost)} gold leaves are not learned (see rejects.jsonl)"
    return line
