"""Check the labels of documents that were fetched against their texts.

It reads as a training does, by the plugin's loader, and finds values as the audit does.
"""

from __future__ import annotations

import shlex
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data import Example, Reject
from ..errors import FieldsmithError
from ..plugins import Plugin
from ..progress import meter
from ..schema.pointers import field_of
from ..windows.alignment import Alignment, value_schemas
from .loading import read_examples

_SHOWN = 3
"""So many of the documents are named; the audit has all."""


class LabelCheck:
    """Counts the verbatim values of labels, and which of them are not in their text.

    Attributes:
        documents: how many labelled documents were read.
        values: verbatim values by field.
        missing: ids of documents by field, one for each value that is not in the text.
        rejects: documents that were not read, or whose label is not valid.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.values: Counter[str] = Counter()
        self.missing: defaultdict[str, list[str]] = defaultdict(list)
        self.rejects: list[Reject] = []

    def add(self, example: Example, plugin: Plugin) -> None:
        """Count a labelled document."""
        self.documents += 1
        schemas = value_schemas(example.record, plugin.schema, plugin.schema)
        for pointer, leaf in Alignment(example, (), schemas).leaves.items():
            name = field_of(pointer)
            self.values[name] += 1
            if not leaf.spans:
                self.missing[name].append(example.document.id)

    def lines(self, plugin: str, folder: Path) -> Iterator[str]:
        """Say what was found: a line in all, one for each field with missing values.

        Args:
            plugin: the name of the plugin.
            folder: where the documents are.
        """
        count, missing = self.values.total(), sum(map(len, self.missing.values()))
        one = self.documents == 1
        texts = "the text of 1 document" if one else f"the texts of {self.documents} documents"
        if missing:
            audit = shlex.join(["extract", "audit", "--plugin", plugin, "--data", str(folder)])
            yield f"labels: {missing} of {count} values are not in {texts}; {audit} shows why"
        elif self.documents:
            yield f"labels: all {count} values are in {texts}"
        for name, ids in self.missing.items():
            yield f"  {name}: {len(ids)} of {self.values[name]} are not in the text: {_listed(ids)}"
        if self.rejects:
            first = self.rejects[0]
            where = f"{first.id or Path(first.place).name}: "
            reason = first.reason.removeprefix(f"{first.place}: ")
            many = len(self.rejects) > 1
            number = f"{len(self.rejects)} documents, the first {where}" if many else where
            yield f"labels not checked: {number}{reason}"


def check_labels(plugin: Plugin, files: Sequence[Path], labels: Path) -> LabelCheck:
    """Compare labels with the texts of their documents; whatever is wrong is a reject.

    Args:
        plugin: its loader joins labels to documents.
        files: the documents.
        labels: the file of labels beside them, which may have others.
    """
    found, folder = LabelCheck(), Path()
    try:
        with tempfile.TemporaryDirectory(prefix="fieldsmith-") as name:
            folder = Path(name)
            for file in (*files, labels):
                (folder / file.name).symlink_to(file.absolute())
            _add_all(found, plugin, folder, len(files))
    except (FieldsmithError, OSError) as error:
        reason = str(error).replace(f"{folder}/", "")
        found.rejects.append(Reject("", "", reason, plugin.name))
    if not found.documents and not found.rejects:
        reason = "the plugin's loader joins them to no document"
        found.rejects.append(Reject(labels.name, "", reason))
    return found


def _add_all(found: LabelCheck, plugin: Plugin, folder: Path, count: int) -> None:
    with meter("checking labels", count, "documents") as shown:
        for row in read_examples(plugin, folder):
            if isinstance(row, Reject):
                found.rejects.append(row)
            elif row.record is not None:
                found.add(row, plugin)
            shown.advance()


def _listed(ids: Sequence[str]) -> str:
    """Return the first of some ids, each once."""
    distinct = list(dict.fromkeys(ids))
    return ", ".join(distinct[:_SHOWN]) + (", …" if distinct[_SHOWN:] else "")
