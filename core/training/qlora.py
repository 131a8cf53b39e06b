"""QLoRA: the adapter's configuration, the arguments of SFTTrainer, the trainer itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import IGNORED
from ..errors import SettingsError
from ..model.adapted_modules import adapted_modules, check_modules
from ..model.importing import garbage_kept, import_model_libraries
from ..model.prompts import PromptFormat
from ..parallel import reading_processes, splits_weights
from ..parallel.fsdp import fsdp_options, shard_on_cpu
from ..parallel.processes import process_count
from ..parallel.sequence import divide_attention
from ..parallel.zero import train_on_cpu, zero_options
from ..progress import say
from ..settings import Settings
from ..windows.rows import Row
from .row_settings import sequences_of
from .schedule import count_steps

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel
    from trl import SFTConfig

    from .callbacks import BestAdapter
    from .sampler import Mixture
    from .scoring import Scoring
    from .trainer import ExtractionTrainer


def pad_multiple(device: str, settings: Settings) -> int:
    """Return the multiple of tokens that rows are padded to on a type of device.

    Each length of a batch costs memory on a CPU, see docs/plan.md. On CUDA padding costs time.
    Processes that share the tokens of a row (``sequence_parallel``) have equally many.
    """
    return math.lcm(1 if device == "cuda" else 32, settings.sequence_parallel)


def build_trainer(
    folder: Path,
    settings: Settings,
    prompts: PromptFormat,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    *,
    scorer: Scoring | None,
    best: BestAdapter,
    group: int | None = None,
    tags: Sequence[Sequence[int]] = (),
    base_name: str | None = None,
) -> ExtractionTrainer:
    """Return a trainer: the base model, in NF4 if the settings say so, with LoRA over it.

    With ``tuning`` "full" the model itself is trained.

    Args:
        folder: where checkpoints go.
        settings: the settings of the training.
        prompts: its tokenizer pads the rows.
        rows: what is trained on, as it is.
        held_out: rows whose loss is measured at the end of an epoch.
        scorer: scores held-out documents at the end of an epoch.
        best: keeps the best adapter.
        group: rows of similar length beside each other; None for the batch size.
        tags: ids of all tags of each domain, ascending; () for rows without tags.
        base_name: what an adapter calls its base model; None for where it was loaded from.

    Raises:
        SettingsError: the model does not load.
    """
    import_model_libraries()
    with garbage_kept():
        from datasets import Dataset

        from .sampler import LengthGroupedSampler
        from .trainer import ExtractionTrainer

    model = _load_trained(settings)
    sequences = sequences_of(rows, settings)
    if settings.packing:
        say(
            f"packing: {len(rows)} rows in {len(sequences)} sequences of at most "
            f"{settings.max_length} tokens"
        )
    sampler = LengthGroupedSampler(
        [len(sequence.input_ids) for sequence in sequences],
        group or settings.batch_size,
        settings.seed,
        group=settings.group_lengths,
        multiple=settings.batch_size * reading_processes(settings) if process_count() > 1 else 1,
        mixture=_mixture(sequences, settings),
    )
    if sampler.fillers:
        sequences = [*sequences, _filler(sequences)]
    kind: type[ExtractionTrainer] = ExtractionTrainer
    options: dict[str, Any] = {}
    if tags:
        from .tagging_trainer import TaggingTrainer

        kind, options = TaggingTrainer, {"tags": tags}
    trainer = kind(
        settings=settings,
        model=model,
        args=training_arguments(folder, settings, model),
        train_dataset=Dataset.from_list([_columns(row, len(tags)) for row in sequences]),
        eval_dataset=Dataset.from_list([_columns(row) for row in held_out]) if held_out else None,
        processing_class=prompts.tokenizer,
        peft_config=lora_config(settings, model) if settings.tuning == "adapter" else None,
        sampler=sampler,
        scorer=scorer,
        best=best,
        **options,
    )
    _prepare(trainer, folder, count_steps(len(sampler), settings)[1])
    trainer.base_name = base_name
    return trainer


def _filler(rows: Sequence[Row]) -> Row:
    """Return a short row without a loss, for a process that has no row where another has one."""
    shortest = min(rows, key=lambda row: len(row.input_ids))
    nothing = [IGNORED] * len(shortest.labels)
    return replace(shortest, labels=nothing, tags=nothing if shortest.tags else [])


def _load_trained(settings: Settings) -> PreTrainedModel:
    """Load the base model; what an adapter or full tuning will change in it is checked or set."""
    from ..model.devices import pick_device
    from ..model.loading import load_base

    model = load_base(
        settings,
        quantized=settings.quantize == "nf4",
        device=pick_device(),
        split=splits_weights(settings),
    )
    if settings.tuning == "full":
        train_language_model(model)
    else:
        check_modules(model, settings)
    return model


def _prepare(trainer: ExtractionTrainer, folder: Path, steps: int) -> None:
    """Set all that is set once the trainer has adapted the model.

    Args:
        trainer: the trainer.
        folder: where checkpoints go.
        steps: optimiser steps of the whole training.
    """
    from transformers import PrinterCallback

    from .compiling import compile_layers
    from .pissa import INITIAL, start_from_singular_vectors
    from .saved_adapter import adapter_start

    settings = trainer.settings
    trainer.remove_callback(PrinterCallback)
    _prepare_adapted(trainer, settings)
    if settings.lora_init == "pissa":
        trainer.initial = start_from_singular_vectors(trainer.model, folder / INITIAL)
    if settings.tuning == "adapter":
        trainer.start = adapter_start(trainer.model)
    if settings.packing:
        _prepare_packing(trainer, settings)
    compile_layers(trainer.model, settings, steps, trainer.args.device)


def _prepare_adapted(trainer: ExtractionTrainer, settings: Settings) -> None:
    """Set attention, loss and number formats of the model that is trained."""
    from ..model.attention import prompt_attention
    from .completion_loss import project_answers_alone

    adapted: Any = trainer.model
    prompt_attention(settings).prepare_training(adapted)
    if settings.sequence_parallel > 1:
        divide_attention(adapted, settings.sequence_parallel)
    project_answers_alone(adapted)  # after it, because it finds the prompt by the labels
    for config in getattr(adapted, "peft_config", {}).values():
        # A set is written in another order by each process.
        config.target_modules = sorted(config.target_modules)
    # In bf16 small updates are lost to rounding. SFTTrainer casts adapters over 4-bit weights to
    # it, while resuming loads them as float32.
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def train_language_model(model: PreTrainedModel) -> None:
    """Let all weights of the language model be trained, and none of what else a model has."""
    language: Any = model
    model.requires_grad_(False)
    for part in (language.get_decoder(), language.get_output_embeddings()):
        part.requires_grad_(True)


def _prepare_packing(trainer: ExtractionTrainer, settings: Settings) -> None:
    """Let the trainer collate packed sequences; check that the model keeps their rows apart."""
    from .packing import check_isolation, packing_collator

    args: Any = trainer.args
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    collator: Any = trainer.data_collator
    packing = packing_collator(model, collator.pad_token_id, args.pad_to_multiple_of)
    trainer.data_collator = packing
    with trainer.accelerator.autocast():
        check_isolation(model, packing, settings.model)


def _mixture(rows: Sequence[Row], settings: Settings) -> Mixture | None:
    """Return which rows an epoch reads; None for each once."""
    domains = [row.domain for row in rows]
    if settings.sampling_temperature == 1 or len({*domains}) < 2:
        return None
    from .sampler import Mixture

    return Mixture.of(domains, settings.sampling_temperature, settings.seed)


def _columns(row: Row, domains: int = 1) -> dict[str, Any]:
    """Return the columns that the trainer reads; that of the domain where several have tags."""
    columns = {name: column for name, column in asdict(row).items() if name != "domain" and column}
    return columns | ({"domain": row.domain} if domains > 1 else {})


def training_arguments(
    folder: Path, settings: Settings, model: PreTrainedModel | None = None
) -> SFTConfig:
    """Return SFTTrainer's arguments for our settings.

    Args:
        folder: where checkpoints go.
        settings: of the training.
        model: what is trained; needed where it is split among processes.

    Raises:
        SettingsError: a value that transformers refuses.
    """
    try:
        return _training_arguments(folder, settings, model)
    except ValueError as error:
        raise SettingsError(f"settings: {' '.join(str(error).split())}") from error


def _training_arguments(
    folder: Path, settings: Settings, model: PreTrainedModel | None
) -> SFTConfig:
    from trl import SFTConfig

    from ..model.devices import pick_device, pick_precision

    device = pick_device()
    precision = pick_precision(settings, device)
    sharding: dict[str, Any] = {}
    if settings.parallel == "fsdp":
        assert model is not None
        sharding = fsdp_options(settings, model, device)
    elif settings.parallel in ("zero2", "zero3"):
        sharding = zero_options(settings, precision, device)
    arguments = SFTConfig(
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
        pad_to_multiple_of=pad_multiple(device.type, settings),
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=device.type == "cuda",
        ddp_find_unused_parameters=False,  # every adapter is used in every step
        logging_strategy="steps",
        logging_steps=settings.logging_steps,
        save_strategy="no",  # SaveSchedule says when
        eval_strategy="no",
        report_to="none",  # LogFile passes on to trackers what it writes
        disable_tqdm=True,
        prediction_loss_only=True,  # scores come from generation, not from the logits
        **sharding,
    )
    if device.type == "cpu" and settings.parallel == "fsdp":
        shard_on_cpu(arguments)
    elif device.type == "cpu" and sharding:
        train_on_cpu()
    if settings.tuning == "adapter":  # routers get none, so that no loss can balance the experts
        arguments.router_aux_loss_coef = 0.0
    if arguments.n_gpu > 1:  # SFTTrainer refuses what Trainer would do with all that are visible
        arguments._n_gpu = 1
    return arguments


def lora_config(settings: Settings, model: PreTrainedModel) -> LoraConfig:
    """Return the adapter's configuration (Hu et al. 2021) for our settings and a base model."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=adapted_modules(model, settings),
        modules_to_save=settings.modules_to_save or None,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
    )
