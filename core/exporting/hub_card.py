"""The model card of a repository on the Hugging Face hub, made of the run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data import SPLITS
from ..model.location import location
from ..runs.ability import read_ability
from ..runs.folder import Run
from ..runs.paths import without_folders
from ..runs.scorings import scorings, times_scored
from ..settings import Settings
from ..task import Task
from ..training.model_card import render, write_card
from .merged import LICENCES

_HELD_OUT = SPLITS[1:]
"""Splits whose scores are shown: what a user scored besides may have the name of a file."""

_RELATIONS = {"adapter": "adapter", "model": "finetune", "gguf": "quantized"}
_LIBRARIES = {"adapter": "peft", "model": "transformers", "gguf": "gguf"}


@dataclass(frozen=True)
class _Split:
    """Scores of one split as the card shows them."""

    name: str
    documents: int
    label: str
    metrics: Mapping[str, Mapping[str, float]]

    def shown(self, name: str) -> str:
        """Return a metric with its interval; "" if this split has none of this name."""
        found = self.metrics.get(name)
        return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})" if found else ""


def texts_for_hub(
    run: Run, task: Task, name: str, kind: str, gguf: str, exported: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return README.md, and for a causal model schema.json and grammar.lark, by name.

    Args:
        run: the run folder.
        task: plugin, settings and prompt format.
        name: of the repository, without its owner.
        kind: what is in it: "adapter", "model" or "gguf".
        gguf: name of the GGUF file; "" if there is none.
        exported: scores of the exported files by engine.
    """
    from huggingface_hub import ModelCard

    info, threshold, scored = run.info(), run.min_confidence(), scorings(run)
    base = info["base_model"]
    info["base_model"] = {**base, "name": without_folders(base["name"])}
    if kind != "adapter":
        task = replace(task, settings=replace(task.settings, tuning="full", quantize="none"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        usage = _usage(task, kind)
        write_card(
            folder,
            task,
            info,
            threshold,
            usage=usage,
            gguf=gguf,
            scorings=scored,
            ability=read_ability(run),
        )
        made = {file.name: file.read_bytes() for file in folder.iterdir()}
    body = ModelCard(made["README.md"].decode(), ignore_metadata_errors=True).text
    licence, splits = licence_of(task.settings, base), _splits(run.metrics(), threshold)
    sections = render(
        __package__,
        "hub_card.md.jinja",
        splits=splits,
        names=list(dict.fromkeys(metric for split in splits for metric in split.metrics)),
        exported=exported,
        settings=task.settings,
        leaked=_leaked(info["data"].get("leaks", ())),
        counts=info["counts"]["documents"],
        data_hash=info["data"]["sha256"],
        teachers=info["data"].get("teachers", ()),
        is_sample=info["data"]["source"] is None,
        plugin=info["plugin"]["name"],
        licence=_shown(licence),
        is_test_fresh=times_scored(scored) < 2 and not info.get("test_seen"),
        has_gazetteer=run.gazetteer_file.is_file(),
        base_is_local=kind == "adapter" and task.is_causal and "commit" not in base,
    )
    header = _header(name, kind, base, licence, _results(task, splits, info))
    made["README.md"] = f"---\n{header}\n---\n{body.rstrip()}\n{sections}".encode()
    return made


def _leaked(leaks: Sequence[Mapping[str, Any]]) -> int:
    """Return how many held-out documents other splits or domains have too; each counts once."""
    return len({(leak["held_out"], id_) for leak in leaks for id_ in leak["ids"]})


def base_folder(settings: Settings) -> Path | None:
    """Return the folder of the base model's files, which may be in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    place = Path(location(settings))
    if place.is_dir():
        return place
    cached = try_to_load_from_cache(
        settings.model, "config.json", revision=settings.revision or "main"
    )
    return Path(cached).parent if isinstance(cached, str) else None


def licence_files(folder: Path | None) -> list[Path]:
    """Return the files of a model's folder in which its licence is written."""
    found = [] if folder is None else [file for each in LICENCES for file in folder.glob(each)]
    return sorted(file for file in found if file.is_file())


def licence_of(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Return the licence of the base model as metadata of a card; {} if it is not known.

    It is what the base model's own card says; else a file of its folder, or its page on the hub.

    Args:
        settings: name the base model.
        base: the base model as run.json has it.
    """
    from huggingface_hub import ModelCard

    folder = base_folder(settings)
    card = folder / "README.md" if folder else None
    if card is not None and card.is_file():
        text = card.read_text(encoding="utf-8", errors="replace")
        said: Any = ModelCard(text, ignore_metadata_errors=True).data
        if isinstance(said.license, str):
            named = {"license": said.license, "license_name": said.license_name}
            if str(said.license_link).startswith("https://"):
                named["license_link"] = said.license_link
            return {key: value for key, value in named.items() if isinstance(value, str)}
    files = licence_files(folder)
    link = files[0].name if files else f"https://huggingface.co/{base['name']}"
    if files or "commit" in base:
        return {"license": "other", "license_name": "that-of-the-base-model", "license_link": link}
    return {}


def _shown(licence: Mapping[str, str]) -> str:
    name, link = licence.get("license_name") or licence.get("license"), licence.get("license_link")
    return f"[{name}]({link})" if link else f"`{name}`" if name else ""


def _usage(task: Task, kind: str) -> str:
    """Return how fieldsmith uses what is in the repository, as Markdown."""
    command = "    extract predict RUN_FOLDER INPUT"
    with_run = f"Whoever has the run folder:\n\n{command}"
    if not task.is_causal:
        return with_run
    if kind != "model":
        return (
            f"{with_run}\n\nor, with a server that has this model,\n\n"
            f"{command} --engine http://localhost:8000"
        )
    settings = task.settings
    names = ["prompt", "window", "max_new_tokens", "read_characters"]
    names += ["window_size", "window_overlap"] if settings.window != "document" else []
    chosen = "".join(f" \\\n        --set {name}={getattr(settings, name)}" for name in names)
    return (
        f"{with_run}\n\nWithout it, with the name of this repository as "
        f"MODEL:\n\n    extract predict INPUT --plugin {task.plugin.name} --model MODEL{chosen}\n\n"
        f"The prompt is the same; the bounds of lists, the keys that every answer has and the "
        f"threshold of\nconfidence are the run's own."
    )


def _splits(metrics: Mapping[str, Any], threshold: float) -> list[_Split]:
    return [
        _Split(name, scores["documents"], _label(name, scores, threshold), scores["metrics"])
        for name in _HELD_OUT
        if (scores := metrics.get(name)) is not None
    ]


def _label(name: str, scores: Mapping[str, Any], threshold: float) -> str:
    """Return what was scored, as the head of a column; with the threshold if the user chose it."""
    of = f" of {scores['of']}" if scores.get("of") else ""
    used = scores.get("min_confidence", threshold)
    chosen = f", `--min-confidence {used:g}`" if used != threshold else ""
    return f"{name} ({scores['documents']}{of} documents{chosen})"


def _results(task: Task, splits: Sequence[_Split], info: Mapping[str, Any]) -> list[Any]:
    """Return F1 and score of the test documents, or of those of validation, for the hub."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="text-generation",
            task_name="Information extraction",
            dataset_type=task.plugin.name,
            dataset_name=f"{split.name} documents of the training data",
            dataset_split=split.name,
            dataset_revision=info["data"]["sha256"],
            metric_type="f1" if metric.endswith("/f1") else metric,
            metric_name=metric,
            metric_value=round(value["value"], 4),
            metric_args={"documents": split.documents, "low": value["low"], "high": value["high"]},
        )
        for split in splits[-1:]
        for metric, value in split.metrics.items()
        if metric == "score" or metric.endswith("/f1")
    ]


def _header(
    name: str,
    kind: str,
    base: Mapping[str, str],
    licence: Mapping[str, str],
    results: Sequence[Any],
) -> str:
    """Return the metadata that the hub reads, as YAML."""
    from huggingface_hub import ModelCardData

    known: dict[str, Any] = dict(licence)
    if "commit" in base:
        known |= {"base_model": base["name"], "base_model_relation": _RELATIONS[kind]}
    data = ModelCardData(
        library_name=_LIBRARIES[kind],
        pipeline_tag="text-generation",
        tags=["information-extraction", "structured-output", "fieldsmith"],
        model_name=name,
        eval_results=list(results) or None,
        **known,
    )
    return data.to_yaml()
