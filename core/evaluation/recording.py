"""Let held-out documents be scored once; each further time needs a reason, and all are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .. import __version__
from ..errors import RunError
from ..files.locks import locked
from ..progress import say
from ..runs.card import update_card
from ..runs.folder import Run
from ..runs.joint_job import runs_together
from ..runs.scorings import (
    FILE,
    Scoring,
    add_scoring,
    changed_settings,
    checked_reason,
    hash_of,
    held_out,
    scorings,
)
from ..runs.scorings_card import scorings_section, times
from .selection import Selection


@dataclass(frozen=True)
class ScoringRequest:
    """How a scoring was asked for.

    Attributes:
        command: the command line, as ``runs.commands.recorded`` returns it.
        again: why documents are scored again; None if they may not have been scored before.
    """

    command: str = ""
    again: str | None = None


FIRST_TIME = ScoringRequest()

AGAIN = (
    "`--split validation` is free to choose by; to score them again, give the reason, which is "
    'recorded: --again "REASON"'
)
"""What to do where documents were scored before."""


@dataclass
class Recorder:
    """Records one scoring.

    Attributes:
        scoring: what is known before the documents are answered; None where nothing is recorded,
            because all of them are documents of validation or trained on.
        earlier: the scorings of some of these documents before.
    """

    run: Run
    scoring: Scoring | None = None
    earlier: list[Scoring] = field(default_factory=list)

    def stamp(self, summary: dict[str, Any]) -> None:
        """Complete the scoring, and note it in a summary, before that is stored."""
        summary["scoring"] = None
        if self.scoring is None:
            return
        interval = summary["metrics"]["score"]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.scoring = replace(
            self.scoring,
            date=now,
            score=summary["score"],
            low=interval["low"],
            high=interval["high"],
            times=self._times(),
            changed=changed_settings(self.run, summary),
        )
        summary["scoring"] = {
            "date": now,
            "test": self.scoring.test,
            "times": self.scoring.times,
            "reason": self.scoring.reason,
        }

    def _times(self) -> int:
        """Return how often the documents were scored, this time included; lines may be lost."""
        assert self.scoring is not None
        same = (each for each in self.earlier if each.sha256 in ("", self.scoring.sha256))
        return max([len(self.earlier), *(each.times for each in same)]) + 1

    def keep(self) -> None:
        """Add the scoring to the run's file and to its model card; say if it is not the first.

        Raises:
            OutputError: a file cannot be written.
        """
        if self.scoring is None:
            return
        add_scoring(self.run, self.scoring)
        section = scorings_section(scorings(self.run), self.run.info().get("test_seen", ()))
        update_card(self.run.adapter, section)
        if self.earlier:
            before = ", ".join(
                f"{each.score:.3f} ({each.date[:10] or 'unknown date'})" for each in self.earlier
            )
            say(
                f"scored {times(self.scoring.times)} on these documents: before {before}, now "
                f"{self.scoring.score:.3f} (“{self.scoring.reason}”)"
            )


@contextmanager
def recorded(run: Run, chosen: Selection, name: str, request: ScoringRequest) -> Iterator[Recorder]:
    """Provide what records a scoring; no other process scores the same documents meanwhile.

    A scoring that is interrupted before ``Recorder.keep`` leaves nothing, and does not count.

    Args:
        run: the run folder.
        chosen: the documents.
        name: of the scores.
        request: how it was asked for.

    Raises:
        InputError: the reason is none.
        OutputError: another process scores the same documents of this run.
        RunError: some were scored before, and there is no reason; or the record is damaged.
    """
    reason = None if request.again is None else checked_reason(request.again)
    scoring = _scoring_of(run, chosen, name, request.command)
    if scoring is None:
        yield Recorder(run)
        return
    refusal = "another process scores these documents; wait until it has ended"
    with locked(run.folder / f"{FILE}.{scoring.sha256[:12]}", refusal):
        earlier = _earlier(run, scoring)
        if earlier and reason is None:
            raise _refused(run, scoring, earlier)
        yield Recorder(run, replace(scoring, reason=reason if earlier else None), earlier)


def scored_before(run: Run, chosen: Selection, name: str) -> str:
    """Say when documents were scored that may be scored once; "" where nothing has to be said.

    Args:
        run: the run folder.
        chosen: the documents.
        name: of the scores.

    Raises:
        RunError: the record is damaged.
    """
    scoring = _scoring_of(run, chosen, name)
    if scoring is None or not (earlier := _earlier(run, scoring)):
        return ""
    return _last(scoring, earlier)


def _scoring_of(run: Run, chosen: Selection, name: str, command: str = "") -> Scoring | None:
    """Return what is known of a scoring before the documents are answered.

    None where nothing is recorded: all of them are documents of validation or trained on.
    """
    known = held_out(run)
    trained = set[str]().union(*(each.trained_on() for each in runs_together(run)[0]))
    prints = set(chosen.fingerprints) - (known["validation"] - known["test"]) - trained
    if chosen.name == "validation" or not prints:
        return None
    # Runs of older versions do not know their test documents.
    of_test = prints if chosen.name == "test" and not known["test"] else prints & known["test"]
    return Scoring(
        date="",
        name=name,
        score=0.0,
        low=0.0,
        high=0.0,
        documents=chosen.count,
        test=len(of_test),
        command=command,
        version=__version__,
        sha256=hash_of(prints),
        fingerprints=frozenset(prints),
    )


def _earlier(run: Run, scoring: Scoring) -> list[Scoring]:
    """Return the scorings of some of the same documents, the last one at the end."""
    return [each for each in scorings(run) if _is_of(scoring, each)]


def _is_of(scoring: Scoring, other: Scoring) -> bool:
    """Say whether two scorings share documents; by their names where those are not known."""
    if other.fingerprints:
        return bool(scoring.fingerprints & other.fingerprints)
    stems = [each.name.partition(":")[0] for each in (scoring, other)]
    return stems[0] == stems[1] or bool(scoring.test and other.test)


def _last(scoring: Scoring, earlier: list[Scoring]) -> str:
    """Say how many of the documents were scored last time, when, and the score."""
    last = earlier[-1]
    shared = len(scoring.fingerprints & last.fingerprints) or last.documents
    kind = "test documents" if scoring.test else "documents"
    return (
        f"{shared} of these {scoring.documents} {kind} were scored already "
        f"({last.date[:10] or 'unknown date'}: {last.score:.3f})"
    )


def _refused(run: Run, scoring: Scoring, earlier: list[Scoring]) -> RunError:
    return RunError(
        f"{run.folder}: {_last(scoring, earlier)}; `extract report {run.folder}` shows scores, "
        f"and {AGAIN}"
    )
