"""``extract plugins``: list the installed plugins; show one's schema, prompts and sample."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from .. import plugins
from ..data import Example
from ..fetch_source import FetchSource
from ..plugin_code.calls import Limits, limited_calls
from ..plugins import Installed, Plugin
from ..settings import EMBEDDED
from .options import json_option, with_option
from .plugin_states import states_of
from .plugin_tables import print_plugin, print_plugins


@click.command()
@click.argument("name", required=False)
@with_option
@json_option
def command(name: str | None, wrappers: tuple[str, ...], as_json: bool) -> None:
    """List the installed plugins; or show the schema, the prompts and a sample of one.

    \b
    Example:
      extract plugins
      extract plugins NAME
      extract plugins NAME --json
    """
    if name is None and wrappers:
        raise click.UsageError("--with needs the name of the plugin whose hooks are wrapped")
    if name is None:
        entries = plugins.find()
        states = states_of(entries)
        listing = [_row(entry, state) for entry, state in zip(entries, states, strict=True)]
        click.echo(json.dumps(listing, indent=2)) if as_json else print_plugins(listing)
    else:
        with limited_calls(Limits()):
            details = _details(plugins.load(name, wrappers))
        click.echo(json.dumps(details, indent=2)) if as_json else print_plugin(details)


def _row(entry: Installed, state: str) -> dict[str, str]:
    return {
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "description": entry.description,
        "state": state,
    }


def _details(plugin: Plugin) -> dict[str, Any]:
    from ..dataset.row_json import row_as_json

    example = next((row for row in plugin.load(None) if isinstance(row, Example)), None)
    prompt = plugin.prompt(example.document) if example else []
    brief_prompt = plugin.brief_prompt(example.document) if example else []
    # Without words, which a text of no pages has not.
    document = {"document": row_as_json(example.document)} if example else {}
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "description": plugin.description,
        "wrappers": list(plugin.wrappers),
        "schema": plugin.schema,
        "sample": {**asdict(example), **document} if example else None,
        "prompt": [asdict(message) for message in prompt],
        "brief_prompt": [asdict(message) for message in brief_prompt],
        "settings": plugin.settings(EMBEDDED),
        "sources": {name: _source(source) for name, source in plugin.sources().items()},
    }


def _source(source: FetchSource) -> dict[str, Any]:
    options = [f"--{option}" for option in source.options]
    return {"about": source.about, "service": source.service, "options": options}
