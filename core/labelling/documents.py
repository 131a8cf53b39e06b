"""One document: what a teacher is asked about it, and its row or the reason why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..data import Document
from ..extraction.postprocess import WindowAnswer, merge_answers, unreadable
from ..extraction.prediction_file import hash_of
from ..schema.records import InvalidRecordError, write_record
from ..task import Task
from ..windows.cutting import Window, cut
from .answer_file import AnswerFile
from .consensus import agreed
from .reading import Sample, read_sample
from .teacher import Question, Reply, Teacher, Usage

_PROBE = Document("probe", "{document}")
"""A document whose prompt stands for those of all documents: its hash is in each row."""

NOT_ASKED = "not asked: the budget is spent; repeat the command with a larger one"


@dataclass(frozen=True)
class Labelling:
    """How documents are labelled.

    Attributes:
        teacher: labels them.
        task: plugin, settings and prompt format.
        licence: id of the licence of the teacher.
        samples: answers to each window.
    """

    teacher: Teacher
    task: Task
    licence: str
    samples: int = 1

    def questions(self, document: Document) -> list[list[Question]]:
        """Return the questions about each window of a document; none for one without text."""
        if unreadable(document.text):
            return []
        return [
            self._of_window(window)
            for window in cut(document, self.task.settings, self.task.prompts)
        ]

    def prompt_hash(self) -> str:
        """Return a hash of the prompt, the same for all documents."""
        return hash_of([[asdict(message) for message in self.task.messages(_PROBE)]])

    def _of_window(self, window: Window) -> list[Question]:
        messages = self.task.messages(window.document)
        asked = [[asdict(message) for message in messages], self.teacher.parameters]
        return [
            Question(hash_of([*asked, number]), window, messages) for number in range(self.samples)
        ]


@dataclass(frozen=True)
class Labelled:
    """What came of a document.

    Attributes:
        document: the document.
        row: a row of the core's JSONL; None where ``reason`` says why there is none.
        reason: why.
        raw: the texts of all answers.
        usage: what they cost.
        samples: those that could be read.
    """

    document: Document
    row: Mapping[str, Any] | None = None
    reason: str = ""
    raw: Sequence[str] = ()
    usage: Usage = field(default_factory=Usage)
    samples: Sequence[Sample] = ()

    def failure(self, teacher: Mapping[str, str]) -> dict[str, Any]:
        """Return the line of a document without a record.

        Args:
            teacher: what each line says of the teacher.
        """
        return {
            "id": self.document.id,
            "reason": self.reason,
            "raw": list(self.raw),
            "teacher": dict(teacher),
            "usage": asdict(self.usage),
        }


def labelled(
    labelling: Labelling,
    document: Document,
    questions: Sequence[Sequence[Question]],
    answers: AnswerFile,
    reasons: Mapping[str, str],
) -> Labelled:
    """Return the row of a document, or why it has none.

    Args:
        labelling: how it is labelled.
        document: the document.
        questions: about each of its windows.
        answers: to all questions that were answered.
        reasons: by the key of a question, why it was not.
    """
    replies = [[answers.get(question.key) for question in each] for each in questions]
    had = [reply for each in replies for reply in each if reply]
    usage = sum((reply.usage for reply in had), Usage())
    found = Labelled(document, raw=[reply.text for reply in had], usage=usage)
    if reason := unreadable(document.text):
        return replace(found, reason=reason)
    windows, samples = list[WindowAnswer](), list[Sample]()
    for number, (asked, given) in enumerate(zip(questions, replies, strict=True), start=1):
        lacking = [question.key for question, reply in zip(asked, given, strict=True) if not reply]
        if lacking:
            reason = reasons.get(lacking[0], NOT_ASKED)
        else:
            whole = [reply for reply in given if reply]
            answer, read = _window_answer(labelling, asked[0].window, whole)
            windows.append(answer)
            samples += read
            reason = answer.error
        if reason:
            where = f"window {number} of {len(questions)}: " if len(questions) > 1 else ""
            return replace(found, reason=where + reason)
    schema = labelling.task.schema
    prediction = merge_answers(document, windows, schema, 0.0, as_written=True)
    if prediction.record is None:
        return replace(found, reason=str(prediction.error))
    row = {
        "id": document.id,
        "text": document.text,
        **document.meta,
        "record": prediction.record,
        **({"confidence": dict(prediction.confidence)} if prediction.confidence else {}),
        "windows": len(windows),
        "dropped": sum(sample.dropped for sample in samples),
        "aligned": sum(sample.aligned for sample in samples),
        "teacher": described(labelling, had),
        "usage": asdict(usage),
    }
    return replace(found, row=row, samples=samples)


def _window_answer(
    labelling: Labelling, window: Window, replies: Sequence[Reply]
) -> tuple[WindowAnswer, list[Sample]]:
    """Return the record on which the samples of a window agree, and the samples."""
    schema, samples, errors = labelling.task.schema, list[Sample](), list[str]()
    for reply in replies:
        try:
            samples.append(read_sample(reply, window, schema))
        except InvalidRecordError as error:
            errors.append(str(error))
    if not samples:
        return WindowAnswer(window, replies[0].text, errors[0]), []
    record = samples[0].record
    confidence: Mapping[str, float] = replies[0].confidence
    if labelling.samples > 1:
        record, confidence = agreed(
            [sample.record for sample in samples], labelling.samples, schema
        )
    elif samples[0].dropped or samples[0].repeats:
        confidence = {}  # pointers have moved
    answer = WindowAnswer(window, replies[0].text, record=record, confidence=confidence)
    return answer, samples


def described(labelling: Labelling, replies: Sequence[Reply]) -> dict[str, str]:
    """Return what a row says of the teacher: no key, no path, no address beyond the host.

    Args:
        labelling: how documents are labelled.
        replies: the answers that the row was made of.
    """
    said = {
        name: ", ".join(sorted({str(getattr(reply, name)) for reply in replies} - {""}))
        for name in ("version", "fingerprint", "form")
    }
    teacher = {
        "model": labelling.teacher.model,
        "licence": labelling.licence,
        **labelling.teacher.endpoint,
        **{name: text for name, text in said.items() if text},
        "prompt_sha256": labelling.prompt_hash(),
    }
    dates = [reply.date for reply in replies]
    return {**teacher, "date": max(dates)} if dates else teacher


def pair(labelling: Labelling, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a labelled document as instruction, input and output.

    Args:
        labelling: how it was labelled.
        row: its row.
    """
    messages = labelling.task.messages(Document(row["id"], row["text"]))
    instruction = [message.content for message in messages if message.role == "system"]
    asked = [message.content for message in messages if message.role != "system"]
    return {
        "id": row["id"],
        "instruction": "\n\n".join(instruction),
        "input": "\n\n".join(asked),
        "output": write_record(row["record"], labelling.task.schema),
        "teacher": row["teacher"],
    }
