"""Plugins installed beside the command: a toy domain, a good one, and a folder to install in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from command import EXTRACT

Ended = subprocess.CompletedProcess[str]

SHIPPED = ("arxiv_metadata", "dcat_datasets", "medical_ner", "news_json")
"""The plugins that come with the package, by name."""

TOY = '''
"""Words that are shouted.

A toy domain.
"""

import fieldsmith
from fieldsmith import Document, Example, Message


@fieldsmith.hookimpl
def extract_schema():
    return {"type": "object", "properties": {"loud": {"type": "array"}}}


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return [Message("user", f"Which words of {document.text!r} are loud?")]


@fieldsmith.hookimpl
def extract_load(source):
    yield Example(Document("one", "do it NOW"), {"loud": ["NOW"]})


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    return {"loud": (1, 2, 3)}
'''.lstrip()

GOOD = '''
"""Who is named, and where."""

import json

import fieldsmith
from fieldsmith import Document, Example, Message, Reject

SAMPLE = """
{"note": "Ada of Bonn came late.", "town": "Bonn", "names": ["Ada"], "day": null}
{"note": "Bob and Cy left.", "town": null, "names": ["Bob", "CY"], "day": "2024-02-29"}
{"note": "Dee is in Ulm, and Ed with her.", "town": "Ulm", "names": ["Dee", "Ed"], "day": null}
{"note": "Nobody was there.", "town": null, "names": [], "day": "2024-03-01"}
"""


@fieldsmith.hookimpl
def extract_schema():
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "town": {"type": ["string", "null"], "x-source": "verbatim"},
            "names": {"type": "array", "items": {"type": "string", "x-source": "verbatim"}},
            "day": {"type": ["string", "null"], "format": "date", "x-score": "exact"},
        },
    }


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return [
        Message("system", f"Extract as JSON: {fieldsmith.field_list(schema)}"),
        Message("user", document.text),
    ]


@fieldsmith.hookimpl
def extract_load(source):
    if source is None:
        return rows(SAMPLE.strip(), "sample")
    return files(source)


def files(source):
    for path in fieldsmith.files_in(source):
        yield from rows(fieldsmith.read_text(path), path.name)


def rows(text, name):
    for number, line in enumerate(text.splitlines(), start=1):
        place = f"{name}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            yield Reject(place, "", f"not JSON: {error}")
            continue
        if not isinstance(row, dict) or not isinstance(row.get("note"), str):
            yield Reject(place, "note", "a text is wanted")
            continue
        record = {key: row[key] for key in ("town", "names", "day") if key in row}
        document = Document(f"{name}-{number}", row["note"])
        yield Example(document, record, split="train", place=place)


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    gold, found, counts = example.record, prediction.record or {}, {}
    if "names" in gold:
        counts["names"] = fieldsmith.set_counts(gold["names"], found.get("names", []))
    for key in ("town", "day"):
        if key in gold:
            counts[key] = fieldsmith.exact_counts(gold[key], found.get(key))
    return counts


@fieldsmith.hookimpl
def extract_settings(preset):
    return {"window": "document", "score": ["names", "town"]}
'''.lstrip()


SAMPLE_FILE = "\n".join(line for line in GOOD.splitlines() if line.startswith('{"note"'))


@dataclass(frozen=True)
class Site:
    """A folder of installed distributions, in front of those of the environment."""

    path: Path

    def install(
        self,
        name: str,
        source: str = TOY,
        *,
        distribution: str | None = None,
        version: str = "1.0",
        target: str | None = None,
    ) -> None:
        """Install a distribution with one module, as pip would, that declares one plugin."""
        distribution = distribution or f"{name}-plugin"
        module = f"{distribution}_module".replace("-", "_")
        (self.path / f"{module}.py").write_text(source, encoding="utf-8")
        entry_points = f"[extract.plugins]\n{name} = {target or module}\n"
        self.declare(distribution, version, entry_points)

    def declare(self, distribution: str, version: str, entry_points: str = "") -> None:
        """Write the metadata of a distribution."""
        folder = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
        (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")

    def extract(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run the command in a forked process that sees these distributions."""
        from forked_command import run_forked

        variables = {"PYTHONPATH": str(self.path), **(environment or {})}
        answer = run_forked(
            arguments, self.path, prepare=self._be_seen, environment=variables, limit=120
        )
        return Ended(arguments, answer.code, answer.output, answer.errors)

    def _be_seen(self) -> None:
        sys.path.insert(0, str(self.path))

    def run_installed(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run the installed command with these distributions."""
        return subprocess.run(
            [EXTRACT, *arguments],
            env={**os.environ, "PYTHONPATH": str(self.path), **(environment or {})},
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
