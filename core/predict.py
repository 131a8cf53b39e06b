"""Documents in, records out: in order, resumable, one line a document whatever happens."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answers import leaf_confidence
from .data import Document, Example, Prediction, Record, Reject
from .decode import Generated, generate
from .errors import InputError, OutputError, RunError
from .files import require_writable, write_atomically, write_json
from .merging import Answer, merge
from .models import identity, load_for_inference, load_tokenizer
from .plugins import Plugin
from .plugins import load as load_plugin
from .prompts import PromptFormat
from .runs import Run, prediction_line
from .schema import (
    InvalidRecordError,
    canonical,
    field_of,
    first_problem,
    leaves,
    read_record,
)
from .settings import Settings
from .sources import read_inputs, text_id
from .targets import targets
from .windows import Window, cut

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GROUP = 32
"""Documents answered and written at once; fixed, so that a resumed run batches them alike."""


@dataclass(frozen=True)
class Extractor:
    """A model, a plugin and how they talk: call it with a text to get a Prediction."""

    plugin: Plugin
    settings: Settings
    prompts: PromptFormat
    model: PreTrainedModel

    @staticmethod
    def load(folder: Path, *, adapter: bool = True) -> Extractor:
        """Load a run's model; without its adapter, the base model as the run found it.

        Raises:
            RunError: the folder is no complete run, or schema, template, tokenizer, prompt or
                base model are not those it was trained with.
            PluginError: the plugin is not installed any more.
        """
        run = Run.open(folder)
        run.require_complete()
        info = run.info()
        settings = run.settings().values
        plugin = plugin_of(run)
        prompts = PromptFormat(load_tokenizer(settings, run.adapter))
        prompts.receipt(plugin).check(run.receipt(), str(folder))
        found, wanted = identity(settings), info["base_model"]
        if found != wanted:
            raise RunError(
                f"{folder}: the base model {settings.model} is not the one it was trained on "
                f"({_short(wanted)} then, {_short(found)} now)"
            )
        model = load_for_inference(settings, run.adapter if adapter else None)
        return Extractor(plugin, settings, prompts, model)

    def __call__(self, text: str) -> Prediction:
        """Return the record of one text."""
        return self.predict([Document(text_id(text), text)])[0]

    def predict(
        self, documents: Sequence[Document], progress: Callable[[int], object] = lambda _n: None
    ) -> list[Prediction]:
        """Return the prediction of each document, in order.

        progress: called with the number of documents whose windows have been read since.
        """
        return answer(
            self.model, self.plugin, self.settings, self.prompts, documents, progress=progress
        )


def plugin_of(run: Run) -> Plugin:
    """Load the plugin that a run was trained for.

    Raises:
        PluginError: it is not installed any more.
    """
    stored = run.info()["plugin"]
    return load_plugin(stored["name"], tuple(stored["wrappers"]))


def _short(model: dict[str, str]) -> str:
    return (model.get("sha256") or model.get("commit") or "?")[:12]


def answer(
    model: PreTrainedModel,
    plugin: Plugin,
    settings: Settings,
    prompts: PromptFormat,
    documents: Sequence[Document],
    progress: Callable[[int], object] = lambda _count: None,
) -> list[Prediction]:
    """Ask the model for the record of each document: window by window, then merged."""
    windows = [[] if _unreadable(d.text) else cut(d, settings, prompts) for d in documents]
    asked = [
        (number, window, prompts.prompt(plugin.prompt(window.document)))
        for number, inside in enumerate(windows)
        for window in inside
    ]
    room = _context(model) - settings.max_new_tokens
    fitting = [item for item in asked if len(item[2]) <= room]
    generated = generate(
        model,
        [prompt for _number, _window, prompt in fitting],
        stops=prompts.stops,
        max_new_tokens=settings.max_new_tokens,
        batch_size=settings.eval_batch_size,
        progress=_in_documents(progress, len(documents) / max(1, len(fitting))),
    )
    by_document: list[list[tuple[Window, Generated]]] = [[] for _ in documents]
    for (number, window, _prompt), result in zip(fitting, generated, strict=True):
        by_document[number].append((window, result))
    return [
        _prediction(document, len(inside), results, plugin, prompts)
        for document, inside, results in zip(documents, windows, by_document, strict=True)
    ]


def _in_documents(progress: Callable[[int], object], share: float) -> Callable[[int], None]:
    """Return a progress of windows that calls one of documents, ``share`` of which is a window."""
    windows, told = 0, 0

    def count(done: int) -> None:
        nonlocal windows, told
        windows += done
        progress(round(windows * share) - told)
        told = round(windows * share)

    return count


def _unreadable(text: str) -> str | None:
    """Say why a text cannot be read, where it cannot."""
    if not text.strip():
        return "the document is empty"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} is half a surrogate pair, which is no text"
    return None


def _context(model: PreTrainedModel) -> int:
    return int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)


def _prediction(
    document: Document,
    total: int,
    results: Sequence[tuple[Window, Generated]],
    plugin: Plugin,
    prompts: PromptFormat,
) -> Prediction:
    raw, answers, errors, ungrounded = [], [], [], 0
    for window, result in results:
        text = prompts.read(result.ids)
        raw.append(text)
        try:
            if not result.finished:
                raise InvalidRecordError(f"length: no end after {len(result.ids)} tokens")
            record, invented = _grounded(read_record(text, plugin.schema), window, plugin)
        except InvalidRecordError as error:
            errors.append(str(error))
            continue
        ungrounded += invented
        written = leaf_confidence(text, _token_ends(result, prompts), result.logprobs[:-1])
        answers.append(Answer(window, record, _confidence_of(record, json.loads(text), written)))
    windows = (len(answers), total)
    if not answers:
        fault = _unreadable(document.text)
        if fault:
            errors.append(fault)
        elif not results:
            errors.append("length: the document does not fit the model; window=tokens cuts it")
        return Prediction(document, tuple(raw), None, errors[0], windows=windows)
    merged = merge(answers, plugin.schema)
    problem = first_problem(merged.record, plugin.schema)
    if problem:  # each window's record is valid, but not all of them together: too many items, say
        pointer, message = problem
        fault = f"the windows together: {pointer}: {message}"
        return Prediction(document, tuple(raw), None, fault, windows=windows)
    return Prediction(
        document,
        tuple(raw),
        merged.record,
        None,
        merged.spans,
        merged.confidence,
        windows,
        ungrounded,
    )


def _grounded(record: Record, window: Window, plugin: Plugin) -> tuple[Record, int]:
    """Leave out of a record what does not stand in the window, and count it.

    A verbatim field can only hold what stands in the document. What an answer loses here is what
    a gold record loses before it is trained on.

    Raises:
        InvalidRecordError: what remains breaks the schema.
    """
    whole = Window(window.document, 0)
    cut_record = targets(Example(window.document, record), [whole], plugin.schema)
    invented = sum(not gold.windows for gold in cut_record.gold)
    if cut_record.records[0] is None:
        raise InvalidRecordError("what stands in the document is no record without the rest")
    return cut_record.records[0], invented


def _confidence_of(
    record: Record, written: Record, confidence: Mapping[str, float]
) -> dict[str, float]:
    """Return the confidence of a record's leaves, which may stand elsewhere than as written."""
    known: dict[tuple[str, object], float] = {}
    for pointer, leaf in leaves(written):
        known.setdefault((field_of(pointer), leaf), confidence[pointer])
    return {
        pointer: known[field_of(pointer), leaf]
        for pointer, leaf in leaves(record)
        if (field_of(pointer), leaf) in known
    }


def _token_ends(result: Generated, prompts: PromptFormat) -> list[int]:
    """Return for each token before the stop token the offset in the text after it."""
    ids = result.ids[:-1]
    ends = (len(prompts.read(ids[: count + 1])) for count in range(len(ids)))
    # A character of several tokens may read as more than one until it is whole.
    return list(itertools.accumulate(ends, max))


def read_all(plugin: Plugin, inputs: Sequence[str]) -> list[Document | Reject]:
    """Return the documents of all inputs, in order.

    Raises:
        InputError: a missing path, a fault in a file that was named, or no document at all.
    """
    rows = list(read_inputs(plugin, inputs))
    if not rows:
        raise InputError(f"{' '.join(inputs)}: no document in it")
    return rows


# --- A file of predictions, resumable -----------------------------------------------------------


def predict_lines(
    extractor: Extractor,
    rows: Iterable[Document | Reject],
    *,
    skip: int = 0,
    progress: Callable[[int], object] = lambda _count: None,
) -> Iterator[list[bytes]]:
    """Yield the lines of one group of documents after another, in input order.

    skip: number of groups that are written already.
    """
    source = iter(rows)
    for number in itertools.count():
        group = list(itertools.islice(source, GROUP))
        if not group:
            return
        if number < skip:
            progress(len(group))
            continue
        documents = [row for row in group if isinstance(row, Document)]
        predictions = iter(extractor.predict(documents))
        lines = []
        for row in group:
            if isinstance(row, Document):
                line = prediction_line(next(predictions))
            else:
                line = _rejected_line(row)
            lines.append(_encoded(line))
        progress(len(group))
        yield lines


def _encoded(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
    # Half a surrogate pair, as in a file's name that is no UTF-8, becomes the escape of JSON.
    return text.encode("utf-8", "backslashreplace")


def _rejected_line(reject: Reject) -> dict[str, Any]:
    reason = f"{reject.field}: {reject.reason}" if reject.field else reject.reason
    return {
        "id": reject.id or reject.place,
        "record": None,
        "error": reason,
        "spans": {},
        "confidence": {},
        "windows": [0, 0],
    }


def key_of(run: Run, rows: Sequence[Document | Reject]) -> str:
    """Return a hash of all that decides a file of predictions: model, settings and documents."""
    info = run.info()
    digest = hashlib.sha256()
    for part in (info["receipt"], info["settings"], info["base_model"]):
        digest.update(canonical(part).encode())
    with (run.adapter / "adapter_model.safetensors").open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    for row in rows:
        digest.update(canonical(asdict(row)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class PredictionFile:
    """A file of predictions that is written group by group and renamed once it is whole.

    What is half done stands in ``FILE.partial``, and what it was made from in
    ``FILE.partial.json``: the same command goes on with it, another one starts anew.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to write ``path``.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self.state = path.with_name(path.name + ".partial.json")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file")
        require_writable(path.parent)

    def groups_done(self, key: str) -> int:
        """Return the number of whole groups of an earlier, interrupted run; cut the file there.

        key: stands for whatever decides the predictions; a partial file made from something else
            is not gone on with.
        """
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
            data = self.partial.read_bytes()
        except (OSError, ValueError):
            state, data = {}, b""
        lines = data.split(b"\n")[:-1] if state.get("key") == key else []
        groups = len(lines) // GROUP
        # First the file, then the key: killed in between, the old key refuses the new content.
        write_atomically(self.partial, b"".join(line + b"\n" for line in lines[: groups * GROUP]))
        write_json(self.state, {"key": key})
        return groups

    def write(self, groups: Iterable[list[bytes]]) -> int:
        """Append groups, each flushed to the disk, and rename the file at the end.

        Returns:
            The number of lines written now.

        Raises:
            OutputError: the disk is full, or the file cannot be written any more.
        """
        count = 0
        for lines in groups:
            self._append(b"".join(lines))
            count += len(lines)
        try:
            os.replace(self.partial, self.path)
            self.state.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error
        return count

    def _append(self, data: bytes) -> None:
        try:
            with self.partial.open("ab") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(f"{self.partial}: cannot be written ({error.strerror})") from error
