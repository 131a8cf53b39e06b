"""Tasks of general ability: questions with choices, passages without a last word, and texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, did_you_mean, shortened
from ..files import check_json, read_jsonl
from ..files.plain_yaml import read_yaml

_YAML = (".yaml", ".yml")
_LONGEST = 1_000_000
"""Most characters of a text."""


@dataclass(frozen=True)
class Question:
    """A question of general knowledge with choices, of which one is right."""

    question: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Passage:
    """A passage whose last word follows from what comes before it."""

    context: str
    last_word: str


@dataclass(frozen=True)
class Text:
    """A text that is read as a whole."""

    text: str


Row = Question | Passage | Text


@dataclass(frozen=True)
class Task:
    """Rows of one kind.

    Attributes:
        name: of the task.
        kind: "questions", "passages" or "texts".
        rows: the rows, each a document of the task.
        places: of each row, for messages.
        source: "fieldsmith", or the name of a user's file.
        sha256: of the file.
    """

    name: str
    kind: str
    rows: tuple[Row, ...]
    places: tuple[str, ...]
    source: str
    sha256: str


_FILES = {
    "general_knowledge": "questions.jsonl",
    "last_word": "last_words.jsonl",
    "held_back_prose": "prose.jsonl",
}

LOCAL = tuple(_FILES)
"""Names of the tasks in the package."""


def local_task(name: str) -> Task:
    """Read a task of the package."""
    return _read(Path(__file__).parent / _FILES[name], name, "fieldsmith")


def read_task(path: Path) -> Task:
    """Read a user's file, JSONL or YAML; its form is in docs/ability.md.

    Raises:
        InputError: it is no such file; names file, row and field, and says what to do.
    """
    return _read(path, path.stem, path.name)


def _read(path: Path, name: str, source: str) -> Task:
    kind, rows, places = "", [], []
    seen: dict[Row, str] = {}
    for where, row in _objects(path):
        own = _kind_of(row, where)
        if kind and own != kind:
            raise InputError(
                f"{where}: is one of {own}, and the rows before it are {kind}; put each kind into "
                f"a file of its own"
            )
        kind, made = own, _READERS[own][1](row, where)
        if made in seen:
            raise InputError(f"{where}: is the same as {seen[made]}; delete one")
        seen[made] = where.removeprefix(f"{path}:").strip()
        rows.append(made)
        places.append(where)
    if not rows:
        raise InputError(f"{path}: holds no rows; a task needs at least one (docs/ability.md)")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Task(name, kind, tuple(rows), tuple(places), source, digest)


def _objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each row with its place."""
    if path.suffix.lower() not in _YAML:
        for line, row in read_jsonl(path):
            yield f"{path}:{line}", row
        return
    listed = read_yaml(path)
    if not isinstance(listed, list):
        raise InputError(f"{path}: a list of rows is wanted (docs/ability.md)")
    for number, row in enumerate(listed, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number}: a mapping is wanted, not {shortened(row)}")
        yield f"{path}: row {number}", row


def _kind_of(row: Mapping[str, Any], where: str) -> str:
    for kind, (keys, _reader) in _READERS.items():
        if keys[0] in row:
            for key in row:
                if key not in keys:
                    raise InputError(
                        f"{where}: unknown key {key!r}; {did_you_mean(str(key), keys)}"
                    )
            return kind
    wanted = ", ".join(keys[0] for keys, _reader in _READERS.values())
    raise InputError(f"{where}: has none of the keys {wanted}; give it one (docs/ability.md)")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: a text is wanted, not {shortened(value)}; put it in quotes")
    if len(value) > _LONGEST:
        raise InputError(f"{where}: has more than {_LONGEST:,} characters; split it")
    try:
        check_json(value)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    return value.strip()


def _question(row: Mapping[str, Any], where: str) -> Question:
    choices = row.get("choices")
    if not isinstance(choices, list) or len(choices) < 2:
        raise InputError(f"{where}: choices: a list of two or more is wanted")
    texts = tuple(
        _text(choice, f"{where}: choices: {number}") for number, choice in enumerate(choices, 1)
    )
    if twice := next((each for each in texts if texts.count(each) > 1), None):
        raise InputError(f"{where}: choices: {shortened(twice)} comes twice; delete one")
    answer = _text(row.get("answer"), f"{where}: answer")
    if answer not in texts:
        raise InputError(
            f"{where}: answer: {shortened(answer)} is none of the choices; write it as there"
        )
    return Question(_text(row["question"], f"{where}: question"), texts, texts.index(answer))


def _passage(row: Mapping[str, Any], where: str) -> Passage:
    text = _text(row["passage"], f"{where}: passage")
    context, _space, last = text.rpartition(" ")
    if not context.strip():
        raise InputError(f"{where}: passage: two words or more are wanted, not {shortened(text)}")
    if not last[-1].isalnum():
        raise InputError(
            f"{where}: passage: ends in {last[-1]!r}; it has to end in the word that is asked for"
        )
    return Passage(context, last)


def _reader_of_text(row: Mapping[str, Any], where: str) -> Text:
    return Text(_text(row["text"], f"{where}: text"))


_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any], str], Row]]] = {
    "questions": (("question", "choices", "answer"), _question),
    "passages": (("passage",), _passage),
    "texts": (("text",), _reader_of_text),
}
"""By kind, the keys of a row, of which the first tells the kind, and what reads it."""
