"""Compare the answers of an engine with those of our decoder; each difference has a cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..data import Document
from ..decoding.sequence import Generated
from ..extraction.extractor import Extractor
from ..extraction.postprocess import read_answer
from ..progress import meter
from ..schema.records import canonical
from ..windows.cutting import Window, cut

if TYPE_CHECKING:
    from ..engines.engine import Engine

TIE = 0.05
"""Two tokens whose log-probabilities differ by less are a tie: rounding decides between them."""

_SHOWN = 40


@dataclass(frozen=True)
class Difference:
    """A window whose records differ.

    Attributes:
        id: of the document.
        window: number of the window, from 0.
        cause: "tie": rounding decides between two tokens; "tokens": one text was cut into other
            tokens, after which the model goes on otherwise; "failed": the engine gave no answer;
            "other".
        gap: by how much more our decoder's token is probable than the engine's, as a difference of
            natural logarithms, where the answers part; None where they do not part at a token.
        ours: the rest of our answer from there on.
        theirs: the rest of the engine's answer, or why there is none.
    """

    id: str
    window: int
    cause: str
    gap: float | None
    ours: str
    theirs: str


@dataclass(frozen=True)
class EngineCheck:
    """What a comparison found.

    Attributes:
        engine: its name.
        documents: how many were answered by both.
        windows: how many windows these have.
        differences: windows whose records differ.
    """

    engine: str
    documents: int
    windows: int
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether all differences are ties."""
        return all(each.cause == "tie" for each in self.differences)

    def as_json(self) -> dict[str, Any]:
        """Return it as ``extract engine-check --json`` prints it."""
        return {**asdict(self), "holds": self.holds}


def check_engine(
    extractor: Extractor, engine: Engine, documents: Sequence[Document], tie: float = TIE
) -> EngineCheck:
    """Answer documents by our decoder and by an engine, and compare them window by window.

    Args:
        extractor: of the run, with its model in transformers.
        engine: what else answers.
        documents: what is answered.
        tie: the largest gap of a tie.

    Raises:
        GrammarError: no grammar could be made for a window.
    """
    task = extractor.task
    windows = [
        (document.id, number, window)
        for document in documents
        for number, window in enumerate(cut(document, task.settings, task.prompts))
    ]
    asked = [window for _id, _number, window in windows]
    with meter("answering by the run", len(asked), "windows") as progress:
        ours = extractor.generate(asked, progress.advance)
    with meter(f"answering by {engine.name}", len(asked), "windows") as progress:
        theirs = extractor.with_engine(engine).generate(asked, progress.advance)
    found = _differences(extractor, windows, ours, theirs, tie)
    return EngineCheck(engine.name, len(documents), len(windows), tuple(found))


def _differences(
    extractor: Extractor,
    windows: Sequence[tuple[str, int, Window]],
    ours: Sequence[Generated | str],
    theirs: Sequence[Generated | str],
    tie: float,
) -> Iterator[Difference]:
    for (identifier, number, window), own, other in zip(windows, ours, theirs, strict=True):
        records = [
            canonical(read_answer(window, each, extractor.task, extractor.grammars).record)
            for each in (own, other)
        ]
        if records[0] == records[1]:
            continue
        if isinstance(own, str) or isinstance(other, str):
            texts = [each if isinstance(each, str) else each.text for each in (own, other)]
            yield Difference(identifier, number, "failed", None, *(t[:_SHOWN] for t in texts))
            continue
        yield _difference(extractor, identifier, number, window, own, other, tie)


def _difference(
    extractor: Extractor,
    identifier: str,
    number: int,
    window: Window,
    own: Generated,
    other: Generated,
    tie: float,
) -> Difference:
    """Return the difference of two answers with its cause."""
    pairs = zip(own.ids, other.ids, strict=False)
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    start = own.ends[common - 1] if common else 0
    rests = own.text[start:], other.text[start:]
    gap = None
    if common < min(len(own.ids), len(other.ids)):
        prompt = extractor.task.prompt(window.document)
        gap = _gap(extractor, [*prompt, *own.ids[:common]], own.ids[common], other.ids[common])
    if gap is not None and abs(gap) < tie:
        cause = "tie"
    elif rests[0][:1] == rests[1][:1]:
        cause = "tokens"
    else:
        cause = "other"
    return Difference(identifier, number, cause, gap, rests[0][:_SHOWN], rests[1][:_SHOWN])


def _gap(extractor: Extractor, tokens: Sequence[int], own: int, other: int) -> float:
    """Return the log-probability of one next token minus that of another, by our model."""
    import torch

    model: Any = extractor.model
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([tokens], device=model.device)).logits[0, -1].float()
    return round(float(logits[own] - logits[other]), 6)
