"""The plugin under test: what the checks use of it, each loaded once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import Counts, Document, Example, Message, Reject
from ..errors import FieldsmithError, PluginError, SettingsError
from ..plugin_code.calls import Limits
from ..plugin_code.installed import chosen, find
from ..plugin_code.other_process import ProcessEndedError
from ..plugins import Plugin, load
from ..schema.records import first_problem
from ..settings import EMBEDDED, Settings
from ..settings import resolve as resolve_settings
from ..task import Task
from ..windows.rows import DocumentWindows, Rows, build_rows
from .clean_process import SCORED, CleanProcess, run_clean
from .embedded_prompts import embedded_prompts
from .failures import SkippedError, explained
from .metric_answers import answers, count_answer

if TYPE_CHECKING:
    from ..model.prompts import PromptFormat

PROBE = Document("probe", "A probe.")


@dataclass(frozen=True)
class PluginUnderTest:
    """A plugin by name, and the wrappers around it.

    What depends on something that another check reports raises ``SkippedError``.

    Attributes:
        limits: what its code may take, in each check.
    """

    name: str
    wrappers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def loading(self) -> Plugin | PluginError:
        """The plugin, or why it cannot be loaded."""
        try:
            entry = chosen(self.name, find())
            # First in another process, because the import may end the process that it is in.
            if entry.target and isinstance(self._clean, ProcessEndedError):
                fault = str(self._clean).removeprefix(f"{entry.title}: ")
                return PluginError(f"{entry.title}: {fault}")
            return load(self.name, self.wrappers)
        except PluginError as error:
            return error

    @property
    def plugin(self) -> Plugin:
        """The plugin."""
        if isinstance(self.loading, PluginError):
            raise SkippedError("the plugin cannot be used")
        return self.loading

    @property
    def fields(self) -> list[str]:
        """The properties of its schema."""
        return list(self.plugin.schema.get("properties", ()))

    @property
    def module(self) -> str:
        """The module that the plugin's entry point names."""
        (target,) = (entry.target for entry in find() if entry.name == self.name)
        return target.partition(":")[0].strip()

    @property
    def _module_file(self) -> Path | None:
        _ = self.plugin
        file = getattr(sys.modules.get(self.module), "__file__", None)
        return Path(file) if file else None

    @property
    def source_files(self) -> list[Path]:
        """The Python files of the plugin's module or package."""
        file = self._module_file
        if file is None:
            raise SkippedError("its module has no source")
        return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]

    @cached_property
    def sample_files(self) -> list[Path]:
        """The files named ``sample…`` beside the plugin's module, or in a folder so named."""
        file = self._module_file
        found = sorted(file.parent.glob("sample*")) if file else []
        inside = (sorted(path.rglob("*")) if path.is_dir() else [path] for path in found)
        files = (path for paths in inside for path in paths if path.is_file())
        return [path for path in files if path.suffix not in (".py", ".pyc")]

    @cached_property
    def settings(self) -> Settings:
        """The settings of a training with the embedded model."""
        try:
            return settings_under(EMBEDDED, self.plugin)
        except (SettingsError, PluginError) as error:
            raise SkippedError("its settings cannot be used") from error

    @property
    def prompts(self) -> PromptFormat:
        """How the embedded model's tokenizer writes prompts."""
        return embedded_prompts()

    @cached_property
    def _sample(self) -> list[Example | Reject]:
        try:
            return list(self.plugin.load(None))
        except FieldsmithError:  # the check of the sample reports it
            return []

    @property
    def rows(self) -> list[Example | Reject]:
        """The rows of the sample."""
        if not self._sample:
            raise SkippedError("its sample cannot be read")
        return self._sample

    @cached_property
    def examples(self) -> list[Example]:
        """The labelled documents of the sample whose records are valid."""
        found = [
            row
            for row in self.rows
            if isinstance(row, Example)
            and isinstance(row.record, dict)
            and first_problem(row.record, self.plugin.schema) is None
        ]
        if not found:
            raise SkippedError("its sample holds no labelled document")
        return found

    @property
    def scored(self) -> list[Example]:
        """The examples that the metric and the prompts are tried on."""
        return self.examples[:SCORED]

    @cached_property
    def whole_documents(self) -> tuple[Rows, list[DocumentWindows]]:
        """The rows of the examples, each read whole and however long, and their windows."""
        made: list[DocumentWindows] = []
        whole = replace(
            Settings(), window="document", max_length=sys.maxsize, prompt=self.settings.prompt
        )
        task = Task(self.plugin, whole, self.prompts)
        return build_rows(self.examples, task, visit=made.append), made

    @cached_property
    def counts(self) -> dict[str, list[dict[str, Counts]]] | PluginError:
        """The metric's counts of each kind of answer, or what is wrong with them."""
        try:
            return {
                kind: [count_answer(self.plugin, each, make(each)) for each in self.scored]
                for kind, make in answers(self.plugin.schema).items()
            }
        except PluginError as error:
            return error

    @cached_property
    def _clean(self) -> CleanProcess | PluginError:
        try:
            return run_clean(self.module, self.name, self.wrappers, self.limits.seconds)
        except PluginError as error:
            return error

    @property
    def clean_process(self) -> CleanProcess:
        """What a clean process finds of the plugin; ``PluginError`` if it could not use it."""
        if isinstance(self._clean, PluginError):
            raise self._clean
        return self._clean

    def prompts_of(self, document: Document) -> list[list[Message]]:
        """Return the full and the brief prompt of a document.

        Raises:
            PluginError: a hook failed, or returned no messages; names the hook and the document.
        """
        made = []
        for hook in ("prompt", "brief_prompt"):
            with explained(
                f"extract_{hook} fails for a document with the text {document.text[:40]!r} and "
                f"meta {dict(document.meta)!r}",
                "use the document's text as it is, and meta.get(…) for what may be missing",
            ):
                made.append(getattr(self.plugin, hook)(document))
        return made


def settings_under(preset: str, plugin: Plugin) -> Settings:
    """Return the settings of a training under a preset. Raises SettingsError or PluginError."""
    return resolve_settings(preset, plugin.name, plugin.settings(preset), {}).values
