"""Write base and adapter of a run as one model folder, which plain transformers loads."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..data import Document
from ..errors import OutputError, RunError, SettingsError
from ..extraction.extractor import checked_task, require_servable
from ..extraction.prediction_file import hash_of
from ..files import is_left_over, require_writable, temporary_beside, write_json, writing
from ..files.locks import locked
from ..model.devices import pick_device
from ..model.loading import DTYPES, load_for_inference
from ..model.location import location, read_config
from ..progress import say
from ..runs.ability import read_ability
from ..runs.file_schemas import EXPORT
from ..runs.folder import Run
from ..runs.paths import without_folders
from ..runs.reading import read_object
from ..runs.receipt import receipt_of
from ..runs.scorings import scorings
from ..task import Task
from ..training.model_card import write_card

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RECORD = "export.json"
"""In an exported folder: what it was made of, its files, and its scores."""

PROBE = "probe.json"
"""In an exported folder: a prompt as messages and as tokens, to compare an engine with."""

_PROBE = Document("probe", "Probe: 5 mg of α-X,\n“twice” daily.", {})
LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
"""Names of files in which a base model says by what licence it may be used."""


@dataclass(frozen=True)
class MergedModel:
    """A model folder that was made of a run.

    Attributes:
        folder: the folder.
        record: what its export.json holds.
    """

    folder: Path
    record: dict[str, Any]

    @staticmethod
    def open(folder: Path) -> MergedModel:
        """Open a folder that ``merge`` has written.

        Raises:
            RunError: it is none; names the file and the key.
        """
        return MergedModel(folder, read_object(folder / RECORD, EXPORT))

    def with_scores(self, engine: str, scores: Mapping[str, Any]) -> MergedModel:
        """Write the scores of one engine to export.json, beside those of others."""
        known = {**self.record["scores"], engine: dict(scores)}
        write_json(self.folder / RECORD, {**self.record, "scores": known})
        return MergedModel.open(self.folder)

    def require_score(self, engines: Sequence[str], tolerance: float) -> None:
        """Raise RunError if the score of one of some engines is further below that of the run."""
        for engine in engines:
            drop = -float(self.record["scores"][engine]["difference"]["value"])
            if drop > tolerance:
                raise RunError(
                    f"{self.folder}: its score by {engine} is {drop:.3f} below that of the run, "
                    f"more than the tolerance of {tolerance:g}; do not use it"
                )


def merge(run: Run, output: Path, dtype: str | None = None) -> MergedModel:
    """Merge the adapter of a run into its base model and write the result to a folder.

    The adapter is merged into the weights that it was trained over: those of a 4-bit base are
    dequantised first. A folder that was made of the same run by the same dtype is kept as it is.

    Args:
        run: the run folder.
        output: the folder to make.
        dtype: bf16, fp16 or fp32; None for that of the base model's files.

    Raises:
        OutputError: the folder contains something else, or cannot be written.
        PluginError: the plugin is not installed any more.
        RunError: the run is not complete, not as it was trained, or no other engine can answer as
            it was trained.
        SettingsError: the base model does not load, or does not fit into the dtype.
    """
    task = checked_task(run)
    require_servable(run, task)
    dtype = dtype or _stored_dtype(task)
    key = merged_key(run, dtype)
    require_writable(output.parent)
    with locked(output, "another process writes this folder; wait until it has ended"):
        if (output / RECORD).is_file():
            made = MergedModel.open(output)
            if made.record["key"] != key:
                raise OutputError(
                    f"{output}: was made of another run or by another --dtype; choose another "
                    f"--output"
                )
            say(f"{output}: was made of this run before, and stays as it is")
            return made
        _clear(output)
        partial = temporary_beside(output)
        try:
            with writing(output):
                partial.mkdir()
                _write_model(partial, task, run, dtype)
                _write_texts(partial, task, run)
                write_json(partial / RECORD, _record(partial, task, run, dtype, key))
                os.replace(partial, output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return MergedModel.open(output)


def _stored_dtype(task: Task) -> str:
    """Return the name of the dtype of the base model's files."""
    config: Any = read_config(task.settings)
    stored = getattr(config.get_text_config(decoder=True), "dtype", None) or config.dtype
    return next((name for name, dtype in DTYPES.items() if dtype == stored), "fp32")


def merged_key(run: Run, dtype: str) -> str:
    """Return a hash of all that decides about the exported files."""
    info = run.info()
    weights = sorted(run.adapter.glob("*.safetensors"))
    return hash_of([__version__, info["receipt"], info["base_model"], dtype], weights)


def _clear(output: Path) -> None:
    """Refuse a folder that contains something else; delete what a killed merge has left."""
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is no folder; choose another --output")
    if output.is_dir() and any(output.iterdir()):
        raise OutputError(f"{output}: exists already and is no export; choose another --output")
    for path in output.parent.glob(".*.new"):
        if is_left_over(path.name, output.name):
            shutil.rmtree(path, ignore_errors=True)


def _write_model(folder: Path, task: Task, run: Run, dtype: str) -> None:
    """Write weights, config and generation config."""
    from transformers import GenerationConfig

    settings = replace(task.settings, merge="yes")
    if pick_device().type == "cpu":
        settings = replace(settings, precision="fp32")  # rounded once, after the sum
    model: Any = load_for_inference(settings, run.adapter)
    model = model.to(DTYPES[dtype])
    _require_finite(model, dtype)
    tokenizer = task.prompts.tokenizer
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=sorted(task.prompts.stops),
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=task.settings.max_new_tokens,
    )
    model.config.name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _require_finite(model: PreTrainedModel, dtype: str) -> None:
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise SettingsError(
                f"--dtype {dtype}: the weights of {name} do not fit into it; choose bf16 or fp32"
            )


def _write_texts(folder: Path, task: Task, run: Run) -> None:
    """Write card, schema, grammar, receipt and prompt probe, and copy the base model's licence."""
    whole = replace(task, settings=replace(task.settings, tuning="full", quantize="none"))
    threshold, measured = run.min_confidence(), read_ability(run)
    write_card(folder, whole, run.info(), threshold, scorings=scorings(run), ability=measured)
    messages = task.messages(_PROBE)
    probe = {
        "messages": [asdict(message) for message in task.prompts.accepted(messages)],
        "token_ids": task.prompt(_PROBE),
    }
    write_json(folder / PROBE, probe)
    write_json(folder / "receipt.json", asdict(receipt_of(task)))
    base = Path(location(task.settings))
    for pattern in LICENCES if base.is_dir() else ():
        for file in sorted(base.glob(pattern)):
            if file.is_file():
                shutil.copyfile(file, folder / file.name)


def _record(folder: Path, task: Task, run: Run, dtype: str, key: str) -> dict[str, Any]:
    base, files = run.info()["base_model"], {}
    for file in sorted(folder.iterdir()):
        with file.open("rb") as stream:
            files[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "fieldsmith": __version__,
        "plugin": task.plugin.name,
        "base_model": {**base, "name": without_folders(base["name"])},
        "dtype": dtype,
        "key": key,
        "files": files,
        "scores": {},
    }
