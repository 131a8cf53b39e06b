"""The model card of an adapter, and what other engines need to enforce the form of its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..data import Document, Message
from ..decoding.list_bounds import bound_lists
from ..decoding.partial_json import schema_requiring
from ..decoding.schema_to_lark import LarkRules, refers_to_spans
from ..files import write_atomically, write_json
from ..runs.ability import Measured, ability_section
from ..runs.paths import without_folders
from ..runs.scorings import Scoring
from ..runs.scorings_card import scorings_section
from ..schema.navigation import field_list
from ..task import Task
from ..text.grounding import SEGMENT

_MARK = "{document}"
_OTHER = f"Another text of 20 words,\nwhich may change nothing else. {'It goes on. ' * 200}."


_USAGE = "    extract predict RUN_FOLDER INPUT"


def write_card(
    folder: Path,
    task: Task,
    info: dict[str, Any],
    min_confidence: float,
    *,
    base_folder: str = "",
    usage: str = _USAGE,
    gguf: str = "",
    scorings: Sequence[Scoring] = (),
    ability: Measured = MappingProxyType({}),
) -> None:
    """Write README.md, and for a causal model schema.json and grammar.lark.

    Args:
        folder: the adapter's folder.
        task: plugin, settings and prompt format.
        info: what run.json holds.
        min_confidence: values below it are left out by ``extract predict``.
        base_folder: where the script in the card finds the base model; "" for its name.
        usage: Markdown that says how fieldsmith uses the model.
        gguf: name of the GGUF file that the model is; "" for a folder of transformers.
        scorings: of the run on held-out documents.
        ability: figures of general tasks.
    """
    schema = bound_lists(
        schema_requiring(info["answered"], task.schema), info.get("longest_lists", {})
    )
    rules = LarkRules(schema).text
    if task.is_causal:
        write_json(folder / "schema.json", schema)
        write_atomically(folder / "grammar.lark", rules)
    write_atomically(
        folder / "README.md",
        render(
            __package__,
            "model_card.md.jinja",
            header=_header(task, info),
            snippet=_snippet(task, info, base_folder, has_spans=refers_to_spans(rules)),
            messages=_as_json(_messages(task)) if gguf else "",
            usage=usage,
            gguf=gguf,
            info=info,
            teachers=info.get("data", {}).get("teachers", []),
            settings=task.settings,
            is_causal=task.is_causal,
            fields=field_list(task.schema),
            min_confidence=min_confidence,
            test_set=scorings_section(scorings, info.get("test_seen", ())),
            ability=ability_section(ability),
            base_is_on_hub="commit" in info["base_model"],
        ),
    )


def render(package: str, template: str, **values: object) -> str:
    """Return a Jinja template of a package, filled with values."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=False,  # Markdown and Python, no HTML
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["literal"] = _literal
    environment.filters["shown"] = without_folders
    text = resources.files(package).joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(values)


def _as_json(messages: list[Message] | None) -> str:
    return json.dumps([asdict(each) for each in messages or ()], ensure_ascii=False, indent=2)


def _literal(value: object) -> str:
    """Return a value as Python writes it, with the items of a list on lines of their own."""
    if isinstance(value, list):
        return "[\n" + "".join(f"    {item!r},\n" for item in value) + "]"
    return repr(value)


def _header(task: Task, info: dict[str, Any]) -> str:
    """Return the metadata that the Hugging Face hub reads, as YAML."""
    from huggingface_hub import ModelCardData

    base = info["base_model"]
    hub: dict[str, Any] = {}
    if "commit" in base:
        hub = {
            "base_model": base["name"],
            "license": "other",
            "license_name": "that-of-the-base-model",
            "license_link": f"https://huggingface.co/{base['name']}",
        }
    data = ModelCardData(
        library_name="transformers" if task.settings.tuning == "full" else "peft",
        pipeline_tag="text-generation",
        tags=["information-extraction", "structured-output", "fieldsmith"],
        **hub,
    )
    return data.to_yaml()


def _snippet(task: Task, info: dict[str, Any], base_folder: str, *, has_spans: bool) -> str:
    """Return a script that answers one text; "" where a prompt or the model does not allow one."""
    messages = _messages(task)
    if messages is None or not task.is_causal:
        return ""
    from ..model.architecture import auto_class
    from ..model.location import read_config

    return render(
        __package__,
        "plain_generation.py.jinja",
        base=base_folder or info["base_model"]["name"],
        commit=info["base_model"].get("commit"),
        loader=auto_class(read_config(task.settings)).__name__,
        settings=task.settings,
        messages=[asdict(message) for message in messages],
        end=task.prompts.end,
        end_text=json.dumps(task.prompts.tokenizer.convert_ids_to_tokens(task.prompts.end)),
        segment=SEGMENT.pattern if has_spans else "",
    ).strip()


def _messages(task: Task) -> list[Message] | None:
    """Return the prompt with a mark for the document's text; None where that is not all it has."""
    mark, other = (
        task.prompts.accepted(task.messages(Document("document", text))) for text in (_MARK, _OTHER)
    )
    filled = [replace(each, content=each.content.replace(_MARK, _OTHER)) for each in mark]
    return mark if filled == other else None
