"""Read documents in a process of Ray: one task yields them in groups.

A group is a row of a table: its number and its documents as JSON. What answers it returns its
number and its lines; either may say what went wrong instead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from ..data import Document, Reject
from ..dataset.inputs import Inputs
from ..dataset.row_json import row_as_json, row_of_json
from ..errors import FieldsmithError
from ..runs.folder import Run
from ..runs.job import plugin_of
from ..source_names import parse_names


@dataclass(frozen=True)
class Reading:
    """What to read, in words that another process on the same machine understands.

    Attributes:
        place: the working directory.
        run: the run folder; its plugin reads.
        trusted: see ``Run``.
        mapping: ``SOURCE=FIELD`` of each ``--map``.
        names: see ``Inputs``.
        stdin: a file with a copy of standard input, if that is read.
        count: see ``Inputs``.
        sha256: see ``Inputs``.
        outputs: see ``Inputs``.
        shown: see ``Inputs``.
        size: documents of a group.
        skip: groups that are written already.
    """

    place: str
    run: Path
    trusted: bool
    mapping: tuple[str, ...]
    names: tuple[str, ...]
    stdin: str | None
    count: int
    sha256: str
    outputs: tuple[Path, ...]
    shown: dict[str, str]
    size: int
    skip: int

    def groups(self) -> Iterator[pa.Table]:
        """Yield the groups that are not written yet; the last one may say what went wrong."""
        enter(self.place)
        try:
            with open(self.stdin, "rb") if self.stdin else nullcontext() as stdin:
                plugin = plugin_of(Run.open(self.run, trusted=self.trusted))
                plugin = plugin.mapped(parse_names(self.mapping)) if self.mapping else plugin
                inputs = Inputs(
                    plugin, self.names, stdin, self.count, self.sha256, self.outputs, self.shown
                )
                source = iter(inputs)
                for number in count():
                    group = list(islice(source, self.size))
                    if not group:
                        return
                    if number >= self.skip:
                        yield group_row(number, packed(group))
        except FieldsmithError as error:
            yield group_row(-1, fault=str(error))


class GroupSource(Datasource):
    """The groups of all documents, read one after another by one task."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def estimate_inmemory_data_size(self) -> int | None:
        """See ``Datasource``."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """See ``Datasource``."""
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(partial(Reading.groups, self.reading), unknown)]


def group_row(number: int, content: bytes = b"", *, unread: int = 0, fault: str = "") -> pa.Table:
    """Return the table of a group: its documents or its lines, or what went wrong with it."""
    columns = {"number": [number], "content": [content], "unread": [unread], "fault": [fault]}
    types = {"number": pa.int64(), "content": pa.binary(), "unread": pa.int64()}
    return pa.table(columns, schema=pa.schema([*types.items(), ("fault", pa.string())]))


def packed(group: Sequence[Document | Reject]) -> bytes:
    """Return documents as JSON in ASCII, which holds half a surrogate pair, too."""
    return json.dumps([row_as_json(row) for row in group]).encode("ascii")


def unpacked(content: bytes) -> list[Document | Reject]:
    """Return the documents that ``packed`` was given."""
    return [row_of_json(row) for row in json.loads(content)]


def enter(place: str) -> None:
    """Work where the command was given, so that relative paths are the same ones."""
    with suppress(OSError):
        os.chdir(place)
