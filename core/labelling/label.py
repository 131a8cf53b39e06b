"""Label documents: ask for what has no answer yet, and write rows, failures and pairs.

The answers are kept (``answer_file``), and the files that are written follow from documents and
answers alone. So a command that was ended is repeated, and goes on where it was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ..data import Document, Reject
from ..errors import OutputError
from ..extraction.groups import groups_of
from ..extraction.prediction_file import id_of
from ..files import is_same_file, open_atomically, require_output, write_lines, writing
from ..runs.paths import without_home
from .answer_file import AnswerFile
from .documents import Labelled, Labelling, described, labelled, pair
from .teacher import Question

_LEAST, _ROUNDS = 32, 4
"""A group has at least so many documents, and enough for so many rounds of requests."""

_ENDINGS = {".jsonl", ".ndjson"}
"""By these the rows are known as such when they are read."""

_BEGINNINGS = 100
"""Characters of a reason by which reasons are counted."""


@dataclass(frozen=True)
class LabelFiles:
    """Where what was labelled is written.

    Attributes:
        output: rows of the core's JSONL.
        pairs: triples of instruction, input and output; None for none.
    """

    output: Path
    pairs: Path | None = None

    @property
    def failures(self) -> Path:
        """Documents without a record, with the reason and the answers; none where all have one."""
        return self.output.with_name(f"{self.output.stem}.failures{self.output.suffix}")

    @property
    def answers(self) -> Path:
        """The answers so far, which are kept."""
        return self.output.with_name(f"{self.output.stem}.answers{self.output.suffix}")

    def all(self) -> list[Path]:
        """Return all of them, resolved: in a folder that is read, they are passed over."""
        paths = [self.output, self.failures, self.answers, *([self.pairs] if self.pairs else [])]
        return [Path(os.path.realpath(path)) for path in paths]

    def require(self, inputs: Iterable[str]) -> None:
        """Check that all can be written, before any answer is paid for.

        Raises:
            OutputError: one cannot, is no plain file, is an input, or is another one too.
        """
        own = self.all()
        if len(set(own)) < len(own):
            raise OutputError(f"{self.pairs}: is written as something else too; name another file")
        for path in own:
            require_output(path)
            if path.suffix.lower() not in _ENDINGS:
                raise OutputError(f"{path}: rows are JSONL; name a file that ends in .jsonl")
            for name in inputs:
                if "\0" not in name and is_same_file(path, Path(name)):
                    raise OutputError(f"{name}: is an input too; write to another file")


@dataclass
class LabelCounts:
    """What came of the documents.

    Attributes:
        labelled: documents with a record.
        reasons: documents without one, by the reason.
        dropped: values left out because the document does not hold them.
        aligned: values that are written as the document spells them.
        repeats: list items left out because they repeat others.
        asked: questions that were answered now.
        known: questions that had been answered before.
    """

    labelled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    aligned: int = 0
    repeats: int = 0
    asked: int = 0
    known: int = 0

    def add(self, found: Labelled) -> None:
        """Count a document."""
        if found.row is None:
            self.reasons[found.reason[:_BEGINNINGS]] += 1
            return
        self.labelled += 1
        for sample in found.samples:
            self.dropped += sample.dropped
            self.aligned += sample.aligned
            self.repeats += sample.repeats


def label(
    labelling: Labelling,
    rows: Iterable[Document | Reject],
    answers: AnswerFile,
    files: LabelFiles,
    progress: Callable[[int], object] = lambda _count: None,
) -> LabelCounts:
    """Label documents and write the files, each as a whole or not at all.

    Args:
        labelling: how.
        rows: documents, and rejects in place of those that could not be read.
        answers: those that are known; those that are got are added.
        files: where rows, failures and pairs are written.
        progress: called with the number of documents done since the last call.

    Raises:
        EngineError: the teacher is not reached any more; no file is written, and the answers so
            far are kept.
        OutputError: a file cannot be written.
    """
    counts = LabelCounts()
    nothing = described(labelling, ())
    with ExitStack() as stack:
        failures = stack.enter_context(open_atomically(files.failures))
        pairs = stack.enter_context(open_atomically(files.pairs)) if files.pairs else None
        output = stack.enter_context(open_atomically(files.output))
        for group in groups_of(rows, max(_LEAST, _ROUNDS * labelling.teacher.at_once)):
            for found in _labelled_group(labelling, group, answers, counts):
                counts.add(found)
                if found.row is None:
                    write_lines(failures, [found.failure(nothing)])
                    continue
                write_lines(output, [found.row])
                if pairs:
                    write_lines(pairs, [pair(labelling, found.row)])
            progress(len(group))
    if not counts.reasons:
        with writing(files.failures):
            files.failures.unlink(missing_ok=True)
    return counts


def _labelled_group(
    labelling: Labelling,
    group: Sequence[Document | Reject],
    answers: AnswerFile,
    counts: LabelCounts,
) -> Iterator[Labelled]:
    """Ask for what a group of documents lacks; yield what came of each, in order."""
    questions = [labelling.questions(row) if isinstance(row, Document) else [] for row in group]
    # Documents of the same text have the same questions.
    wanted = {each.key: each for row in questions for window in row for each in window}
    lacking = [question for key, question in wanted.items() if key not in answers]
    counts.known += len(wanted) - len(lacking)
    reasons = _ask(labelling, lacking, answers, counts)
    for row, asked in zip(group, questions, strict=True):
        if isinstance(row, Document):
            yield labelled(labelling, row, asked, answers, reasons)
        else:
            reason = f"{row.field}: {row.reason}" if row.field else row.reason
            yield Labelled(Document(id_of(row), ""), reason=str(without_home(reason)))


def _ask(
    labelling: Labelling, questions: Sequence[Question], answers: AnswerFile, counts: LabelCounts
) -> dict[str, str]:
    """Ask questions and keep the answers; return why some were not answered, by their keys."""
    before = len(answers)
    failed = labelling.teacher.ask(questions, lambda asked, reply: answers.add(asked.key, reply))
    counts.asked += len(answers) - before
    return failed


def summary(counts: LabelCounts, files: LabelFiles, answers: AnswerFile, cost: float) -> list[str]:
    """Return what was done, in lines.

    Args:
        counts: of the documents.
        files: that were written.
        answers: all that are kept.
        cost: of all of them; 0 where no prices are known.
    """
    unlabelled = counts.reasons.total()
    lines = [
        f"{files.output}: {counts.labelled} of {counts.labelled + unlabelled} documents labelled; "
        f"values left out because their document does not hold them: {counts.dropped}, written as "
        f"it spells them: {counts.aligned}, repeated: {counts.repeats}"
    ]
    if unlabelled:
        first, times = counts.reasons.most_common(1)[0]
        lines.append(f"{files.failures}: {unlabelled} without a record, {times} of them: {first}")
    usage, price = answers.spent, f", {cost:.4f} by the prices" if cost else ""
    lines.append(
        f"{files.answers}: {counts.asked} questions answered now, {counts.known} before; "
        f"{usage.prompt_tokens:,} tokens read and {usage.completion_tokens:,} written in all{price}"
    )
    return lines
