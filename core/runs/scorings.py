"""Scorings of held-out documents: test-scores.jsonl in the run folder, to which lines are added.

A score that was seen may decide what is done next, and then the documents have chosen something,
too. So a run says how often it was scored on its test documents, and when.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import SPLITS
from ..errors import InputError, RunError
from ..files import writing
from ..files.locks import locked
from ..progress import say
from .file_schemas import HELD_OUT, TEST_SCORE
from .folder import Run
from .reading import read_row, read_rows

FILE = "test-scores.jsonl"

_WAIT = 60.0
"""Seconds to wait for another process that adds a line."""

_LONGEST = 200


@dataclass(frozen=True)
class Scoring:
    """A scoring of documents that are neither trained on nor validation documents of the run.

    Attributes:
        date: when it ended, in UTC; "" if that is not known.
        name: of the scores in metrics.json, or what else was scored.
        score: with its 95 % interval from ``low`` to ``high``.
        documents: how many were scored.
        test: how many of them are test documents of the run.
        reason: why they were scored again; None for the first time.
        command: the command line, without folders and secrets.
        version: of fieldsmith.
        sha256: of the fingerprints, which tells sets of documents apart.
        fingerprints: of the documents' texts; empty if they are not known.
        times: how often these documents have been scored by then, this time included; more than
            there are lines if some were lost.
        changed: what was not as the run has it, by the name of the option: the value ``used``, and
            the run's ``own``.
    """

    date: str
    name: str
    score: float
    low: float
    high: float
    documents: int
    test: int
    reason: str | None = None
    command: str = ""
    version: str = ""
    sha256: str = ""
    fingerprints: frozenset[str] = frozenset()
    times: int = 1
    changed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return a line of the file."""
        return {**asdict(self), "fingerprints": sorted(self.fingerprints)}

    def summary(self) -> dict[str, Any]:
        """Return it without its documents, as reports have it."""
        return {name: value for name, value in asdict(self).items() if name != "fingerprints"}

    def changes(self) -> str:
        """Say what was not as the run has it; "" where all was.

        >>> scoring = Scoring("", "test", 0.5, 0.25, 0.75, 10, 10)
        >>> replace(scoring, changed={"min_confidence": {"used": 0.9, "own": 0.2}}).changes()
        'with --min-confidence 0.9 in place of 0.2'
        """
        found = (
            f"--{name.replace('_', '-')} {value['used']:g} in place of {value['own']:g}"
            for name, value in self.changed.items()
        )
        words = " and ".join(found)
        return words and f"with {words}"


def times_scored(scorings: Iterable[Scoring]) -> int:
    """Return how often a run was scored on its test documents, as far as is known."""
    of_test = [each for each in scorings if each.test]
    return max([len(of_test), *(each.times for each in of_test)])


def changed_settings(run: Run, summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return what is not as the run has it in a scoring, of which a summary tells."""
    used, own = summary.get("min_confidence"), run.min_confidence()
    if used is None or used == own:
        return {}
    return {"min_confidence": {"used": used, "own": own}}


def hash_of(fingerprints: Iterable[str]) -> str:
    """Return one hash for a set of documents, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(fingerprints))).encode()).hexdigest()


def checked_reason(reason: str) -> str:
    """Return why documents are scored again, in one line.

    Raises:
        InputError: there is no reason, or more than a line of it.
    """
    line = reason.strip()
    if not line or not line.isprintable() or len(line) > _LONGEST:
        raise InputError(
            f"--again: say in one line of at most {_LONGEST} characters why the documents are "
            f'scored again, such as --again "the loader lost a column"'
        )
    return line


def held_out(run: Run) -> dict[str, set[str]]:
    """Return the text fingerprints of the documents of validation and test, by split.

    Raises:
        RunError: they cannot be read.
    """
    found: dict[str, set[str]] = {name: set() for name in SPLITS[1:]}
    rows = 0
    if run.held_out_file.is_file():  # runs of older versions have none
        for row in read_rows(run.held_out_file, HELD_OUT):
            found[row["split"]].add(row["fingerprint"])
            rows += 1
        counts = run.info()["counts"]["documents"]
        if rows != counts["validation"] + counts["test"]:
            raise RunError(
                f"{run.held_out_file}: has {rows} lines where run.json counts "
                f"{counts['validation']} validation and {counts['test']} test documents; restore "
                f"the run, or train again"
            )
    return found


def read_scorings(folder: Path) -> list[Scoring]:
    """Return the lines of a run folder's file; none where there is no file.

    Raises:
        RunError: they cannot be read, or something in one is missing or wrong.
    """
    file = folder / FILE
    if not file.is_file():
        return []
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror})") from error
    rows = (
        read_row(line, str(file), number, TEST_SCORE)
        for number, line in enumerate(_whole(data).splitlines(), start=1)
    )
    fields = Scoring.__dataclass_fields__
    return [
        replace(
            Scoring(**{name: row[name] for name in fields if name in row}),
            fingerprints=frozenset(row["fingerprints"]),
        )
        for row in rows
        if row is not None
    ]


def _whole(data: bytes) -> bytes:
    """Return the lines that are whole: of the last one half may be written."""
    return data[: data.rfind(b"\n") + 1]


def add_scoring(run: Run, scoring: Scoring) -> None:
    """Add a line, which is on the disk when this returns.

    Raises:
        OutputError: it cannot be written.
    """
    file = run.folder / FILE
    line = json.dumps(scoring.as_json(), ensure_ascii=False, separators=(",", ":")) + "\n"
    refusal = "another process writes it; score again when that has ended"
    with locked(file, refusal, wait=_WAIT), writing(file), file.open("a+b") as stream:
        stream.seek(0)
        stream.truncate(len(_whole(stream.read())))
        stream.write(line.encode())
        stream.flush()
        os.fsync(stream.fileno())


def scorings(run: Run) -> list[Scoring]:
    """Return every known scoring of a run on held-out documents, in the order of their dates.

    Those of its copies beside it count, and scores in metrics.json that no line tells of.

    Raises:
        RunError: the run's own files cannot be read.
    """
    own = read_scorings(run.folder)
    found = {(each.date, each.sha256): each for each in own}
    for folder in _others(run.folder):
        if _is_copy(folder, run.folder):
            found |= {(each.date, each.sha256): each for each in _readable(folder)}
    names, lines = {each.name for each in own}, {(each.name, each.date) for each in found.values()}
    unlisted = (
        each
        for each in scorings_of_metrics(run)
        if (each.name, each.date) not in lines and (each.date or each.name not in names)
    )
    return sorted([*found.values(), *unlisted], key=lambda each: each.date)


def scorings_of_metrics(run: Run) -> Iterator[Scoring]:
    """Yield the scorings that metrics.json knows of: the last of each name.

    Raises:
        RunError: it is damaged.
    """
    for name, summary in run.metrics().items():
        noted = summary.get("scoring", {})
        if noted is None or name.partition(":")[0] in SPLITS[:2]:
            continue  # documents of validation, or trained on
        interval = summary["metrics"]["score"]
        documents = summary["documents"]
        yield Scoring(
            noted.get("date", ""),
            name,
            summary["score"],
            interval["low"],
            interval["high"],
            documents,
            noted.get("test", documents if name.partition(":")[0] == "test" else 0),
            noted.get("reason"),
            times=noted.get("times", 1),
            changed=changed_settings(run, summary),
        )


def seen_elsewhere(folder: Path, fingerprints: Collection[str]) -> list[dict[str, Any]]:
    """Return the scorings of other runs, in the same folder, on some documents.

    Args:
        folder: of the run.
        fingerprints: of the documents' texts.

    Returns:
        For each the name of the ``run``, ``date`` and ``score``, and how many of the ``documents``
        it was scored on; the earliest first. A scoring that a copied run has too is there once.
    """
    known = set(fingerprints)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for other in _others(folder) if known else ():
        for each in _readable(other):
            if shared := len(known & each.fingerprints):
                name = f"{other.parent.name}/{other.name}" if _is_run(other.parent) else other.name
                entry = {
                    "run": name, "date": each.date, "score": each.score, "documents": shared,
                }  # fmt: skip
                found.setdefault((each.date, each.sha256), entry)
    return sorted(found.values(), key=lambda entry: str(entry["date"]))


def _others(folder: Path) -> Iterator[Path]:
    """Yield the folders beside a run that have such a file, also those of single domains."""
    own = Path(os.path.realpath(folder))
    beside = own.parent.parent if _is_run(own.parent) else own.parent
    of_domains = (file for file in beside.glob(f"*/*/{FILE}") if _is_run(file.parent.parent))
    for file in sorted([*beside.glob(f"*/{FILE}"), *of_domains]):
        if file.parent != own and file.is_file():
            yield file.parent


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").is_file()


def _is_copy(folder: Path, of: Path) -> bool:
    """Say whether a run has the weights of another one: their receipts hold the same hashes."""
    one, other = (path / "adapter" / "receipt.json" for path in (folder, of))
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _readable(folder: Path) -> list[Scoring]:
    try:
        return read_scorings(folder)
    except RunError as error:
        say(f"{error}; it is not counted")
        return []
