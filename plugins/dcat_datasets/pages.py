"""Documents for records that come without a text: the text beside them, or what they say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fieldsmith import Document, Example, read_text

from .mending import Dataset

TEXTS = (".txt", "_thinking.txt")  # the paper itself if present, else prose about it


def text_beside(path: Path, stem: str) -> str | None:
    """Return the text beside a file that has a name's stem; None if there is none.

    Raises:
        InputError: the text cannot be read.
    """
    for ending in TEXTS:
        beside = path.with_name(Path(stem).name + ending)
        with suppress(OSError):
            if beside.is_file():
                return read_text(beside)
    return None


def with_text(
    name: str, text: str, datasets: Sequence[Dataset], place: str, split: str | None
) -> Example:
    """Return the example of a text and its datasets; its place says where no text was found."""
    if not text.strip():
        expected = " or ".join(Path(name).name + ending for ending in TEXTS)
        place = f"{place}, without {expected} beside it"
    return Example(Document(name, text), {"datasets": list(datasets)}, {}, split, place)


def described(name: str, dataset: Dataset, place: str, split: str | None) -> Example:
    """Return the example of a dataset without a text: its title and description are the text.

    The description is then no gold, since it would be all of the text.
    """
    parts = (dataset.get("dcterms:title"), dataset.get("dcterms:description"))
    record = {key: value for key, value in dataset.items() if key != "dcterms:description"}
    return with_text(name, "\n".join(filter(None, parts)), [record], place, split)
