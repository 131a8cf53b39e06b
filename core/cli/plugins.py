"""``extract plugins``: what is installed, and one plugin's schema, prompt and sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from .. import plugins
from ..data import Example
from ..plugins import Installed, Plugin
from ..settings import EMBEDDED
from . import printable

LAYOUT = "\n\t"


@click.command()
@click.argument("name", required=False)
@click.option(
    "--with", "with_names", multiple=True, metavar="NAME", help="Wrap the hooks by this plugin too."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def command(name: str | None, with_names: tuple[str, ...], as_json: bool) -> None:
    """List the installed plugins; or show the schema, the prompt and a sample of one.

    \b
    Example:
      extract plugins
      extract plugins NAME
      extract plugins NAME --json
    """
    if name is None and with_names:
        raise click.UsageError("--with needs the name of the plugin whose hooks are wrapped")
    if name is None:
        listing = [_row(entry) for entry in plugins.find()]
        click.echo(json.dumps(listing, indent=2) if as_json else _table(listing))
        return
    shown = _view(plugins.load(name, with_names))
    click.echo(json.dumps(shown, indent=2) if as_json else _page(shown))


def _row(entry: Installed) -> dict[str, str]:
    return {
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "description": entry.description,
        "state": plugins.state_of(entry),
    }


def _view(plugin: Plugin) -> dict[str, Any]:
    """Return what there is to see of a plugin, ready for JSON."""
    example = next((row for row in plugin.load(None) if isinstance(row, Example)), None)
    messages = plugin.prompt(example.document) if example else []
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "description": plugin.description,
        "wrappers": list(plugin.wrappers),
        "schema": plugin.schema,
        "sample": asdict(example) if example else None,
        "prompt": [asdict(message) for message in messages],
        "settings": plugin.settings(EMBEDDED),
    }


def _table(rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return (
            "No plugin is installed; one is found by its entry point of the group extract.plugins."
        )
    columns = ("name", "distribution", "version")
    lines = [[*columns, "description"]]
    lines += [[*(row[column] for column in columns), _remark(row)] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    return "\n".join(
        printable("  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip()) for line in lines
    )


def _remark(row: dict[str, str]) -> str:
    """Return the description, or what is wrong in its stead."""
    if row["state"] == plugins.OK:
        return row["description"]
    if row["state"] == plugins.WRAPPER:
        return f"(use through --with) {row['description']}"
    return f"BROKEN: {row['state']}"


def _page(shown: dict[str, Any]) -> str:
    around = "".join(f", wrapped by {name}" for name in shown["wrappers"])
    sections = {
        f"{shown['name']} ({shown['distribution']} {shown['version']}{around})": shown[
            "description"
        ],
        "Schema of a record": _pretty(shown["schema"]),
        f"Settings under the preset {EMBEDDED}": _pretty(shown["settings"]),
    }
    if shown["sample"] is None:
        sections["Sample"] = "none: this plugin bundles no example"
    else:
        sample, document = shown["sample"], shown["sample"]["document"]
        sections[f"Sample: document {document['id']}"] = document["text"]
        sections["Sample: its record"] = _pretty(sample["record"])
        for message in shown["prompt"]:
            sections[f"Prompt: {message['role']}"] = message["content"]
    return "\n".join(
        f"{click.style(printable(title), bold=True)}\n{printable(body, keep=LAYOUT)}\n"
        for title, body in sections.items()
    )


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
