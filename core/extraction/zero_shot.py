"""Ask a model that was not trained: schema, the domain's prompt, and shots if they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..data import Document, Example
from ..errors import InputError
from ..model.devices import free_memory, pick_device
from ..model.fitting import choose_preset, count_parameters, fit_to_positions, positions_of
from ..model.library_output import quieten
from ..model.loading import load_for_inference
from ..model.location import identity, read_config
from ..model.prompts import PromptFormat
from ..model.quantization import stored_quantization
from ..model.tokenizer import load_tokenizer
from ..plugins import Plugin
from ..progress import say
from ..runs.receipt import receipt_of
from ..settings import EMBEDDED, Resolved, Settings, resolve
from ..task import Task
from .extractor import Extractor
from .prediction_file import hash_of
from .shots import choose_shots, shot_examples, without_texts


@dataclass(frozen=True)
class ZeroShot:
    """What a model is asked without a run.

    Attributes:
        plugin: the domain.
        settings: model, prompt, windows and decoding.
        shots: how many worked examples stand before each document.
        shots_data: where they come from; None for the plugin's bundled sample.
    """

    plugin: Plugin
    settings: Settings
    shots: int = 0
    shots_data: Path | None = None

    @staticmethod
    def of(
        plugin: Plugin,
        preset: str | None,
        chosen: Mapping[str, object],
        *,
        shots: int = 0,
        shots_data: Path | None = None,
    ) -> ZeroShot:
        """Resolve the settings.

        Args:
            plugin: the domain.
            preset: name or file of a preset; None for what follows from the model.
            chosen: what the user set, by name; ``model`` among it unless the preset names one.
            shots: how many worked examples stand before each document.
            shots_data: where they come from; None for the plugin's bundled sample.

        Raises:
            SettingsError: a setting or the preset is wrong, or the model has no config.
        """
        model = chosen.get("model")
        if isinstance(model, str) and model != EMBEDDED and Path(model).exists():
            # As runs store it: the same model from any working directory.
            chosen = {**chosen, "model": str(Path(model).resolve())}
        found = choose_preset(preset, chosen)
        resolved = resolve(found, plugin.name, plugin.settings(found.name), chosen)
        return ZeroShot(plugin, _without_training(fit_to_positions(resolved)), shots, shots_data)

    def examples(
        self, asked: Iterable[Document], among: Sequence[Example] | None = None
    ) -> Sequence[Example]:
        """Return the documents that shots are chosen from: none has the text of one asked about.

        Args:
            asked: the documents that the model is asked about; not read if no shots are wanted.
            among: labelled documents; None for those of ``shots_data``.

        Raises:
            InputError: the data cannot be read, or nothing is left.
        """
        if not self.shots:
            return ()
        labelled = shot_examples(self.plugin, self.shots_data) if among is None else among
        found = without_texts(labelled, asked)
        if not found:
            raise InputError(
                "no labelled document is left to make a shot of: documents that are asked about "
                "are none, nor are the test and validation documents of data that names splits; "
                "name others by --shots-data"
            )
        return found

    def load(
        self,
        examples: Sequence[Example] = (),
        *,
        constrained: bool = True,
        min_confidence: float | None = None,
    ) -> Extractor:
        """Choose the shots, load the model, and say that nothing was trained.

        Args:
            examples: what shots are chosen from.
            constrained: whether answers are constrained to the schema and the text.
            min_confidence: values below it are left out; None for 0.

        Raises:
            GrammarError, SchemaError: answers cannot be constrained to the plugin's schema.
            SettingsError: the model does not load, or has no chat template.
        """
        quieten()
        settings = self.settings
        task = Task(self.plugin, settings, PromptFormat(load_tokenizer(settings)))
        context = positions_of(read_config(settings)) or 1 << 30
        shots = choose_shots(task, examples, self.shots, context)
        said = f"{len(shots)} of {self.shots} shots" if self.shots else "no shots"
        reason = f" (no more fit into {context} tokens)" if len(shots) < self.shots else ""
        say(
            f"zero-shot: nothing was trained; {settings.model} is asked by the prompt of "
            f"{self.plugin.name} with {said}{reason}"
        )
        extractor = Extractor.around(
            load_for_inference(settings, None),
            replace(task, shots=shots),
            self.plugin.schema.get("properties", ()),
        )
        return replace(
            extractor,
            grammars=extractor.grammars if constrained else None,
            ensemble=extractor.ensemble if constrained else None,
            min_confidence=min_confidence or 0.0,
        )


def say_fewer_shots(extractor: Extractor) -> None:
    """Say how many windows were asked with fewer shots than others, if any were."""
    fewer = sum(n for used, n in extractor.asked_with.items() if used < len(extractor.task.shots))
    if fewer:
        say(
            f"shots: {fewer} of {extractor.asked_with.total()} windows were asked with fewer, "
            f"because they are long"
        )


def key_without_run(task: Task, inputs: str, options: Mapping[str, object]) -> str:
    """Return a hash of all that decides a predictions file; the receipt covers the shots.

    Args:
        task: plugin, settings, prompt format and shots.
        inputs: the hash of the documents.
        options: how the extractor was loaded.
    """
    settings = task.settings
    decided = task.plugin.name, asdict(receipt_of(task)), asdict(settings), identity(settings)
    return hash_of([*decided, inputs, options])


def _without_training(resolved: Resolved) -> Settings:
    """Return the settings without what a recipe chooses for the training, unless the user did.

    - The full prompt: a large model needs the instructions, and a small one has no rows to learn
      the fields from. The embedded model knows its brief prompt alone.
    - The weights as they are, if they fit: quantising costs accuracy that only a training over
      quantised weights wins back.
    """
    settings, origins = resolved.values, resolved.origins
    if settings.model != EMBEDDED and origins["prompt"] != "user":
        settings = replace(settings, prompt="full")
    if settings.quantize != "none" and origins["quantize"] != "user" and _fits(settings):
        settings = replace(settings, quantize="none")
    return settings


def _fits(settings: Settings) -> bool:
    """Say whether the weights can be had unquantised in under half of the memory that is free."""
    config = read_config(settings)
    if stored_quantization(config):
        return False
    device = pick_device()
    width = 2 if device.type == "cuda" else 4
    return count_parameters(config, settings) * width < free_memory(device) / 2
