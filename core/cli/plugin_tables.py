"""Plugins on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from ..plugins import OK, WRAPPER
from ..settings import EMBEDDED
from .terminal import printable

_LAYOUT = "\n\t"  # control characters that belong to the layout of a text


def print_plugins(rows: Sequence[dict[str, str]]) -> None:
    """Print the installed plugins, or what is wrong with one, a line each."""
    if not rows:
        click.echo(
            "No plugin is installed. A plugin has an entry point in the group extract.plugins."
        )
        return
    columns = ("name", "distribution", "version")
    lines = [[*columns, "description"]]
    lines += [[*(row[column] for column in columns), _remark(row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    for line in lines:
        click.echo(printable("  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip()))


def _remark(row: dict[str, str]) -> str:
    if row["state"] == OK:
        return row["description"]
    if row["state"] == WRAPPER:
        return f"(use with --with) {row['description']}"
    return f"BROKEN: {row['state']}"


def print_plugin(details: dict[str, Any]) -> None:
    """Print a plugin's description, schema and settings, its sample and the prompts for it."""
    wrapped = "".join(f", wrapped by {name}" for name in details["wrappers"])
    title = f"{details['name']} ({details['distribution']} {details['version']}{wrapped})"
    sections = {
        title: details["description"],
        "Schema of a record": _pretty(details["schema"]),
        f"Settings under the preset {EMBEDDED}": _pretty(details["settings"]),
    }
    for name, source in details["sources"].items():
        sections[f"Source: extract fetch {name}"] = ", ".join([source["about"], *source["options"]])
    if details["sample"] is None:
        sections["Sample"] = "none: this plugin bundles no example"
    else:
        document = details["sample"]["document"]
        sections[f"Sample: document {document['id']}"] = document["text"]
        sections["Sample: its record"] = _pretty(details["sample"]["record"])
        for name, key in (("Prompt", "prompt"), ("Brief prompt", "brief_prompt")):
            sections |= {f"{name}: {part['role']}": part["content"] for part in details[key]}
    click.echo(
        "\n".join(
            f"{click.style(printable(heading), bold=True)}\n{printable(body, keep=_LAYOUT)}\n"
            for heading, body in sections.items()
        )
    )


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
