"""Choose documents of a pool: ask the model what the strategy needs to know, and make the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..data import Document
from ..extraction.extractor import Extractor
from ..extraction.groups import group_size
from ..extraction.prediction_file import encoded
from ..extraction.resumable_file import PredictionFile
from ..extraction.zero_shot import ZeroShot
from ..model.loading import load_for_inference
from ..model.prompts import PromptFormat
from ..model.tokenizer import load_tokenizer
from ..progress import meter, say
from ..task import Task
from .embedding import Embedder
from .pool import Pool
from .predictions import read_unsure_lines, unsure_lines
from .rows import next_row
from .spread import Pick, Vectors
from .strategies import WITH_UNCERTAINTY, WITH_VECTORS, choose


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        strategy: one of ``STRATEGIES``.
        count: how many documents.
        seed: for what is drawn.
    """

    strategy: str
    count: int
    seed: int


def choose_by_run(
    extractor: Extractor,
    pool: Pool,
    labelled: Iterable[Document],
    request: Request,
    file: PredictionFile,
    key: str,
) -> list[dict[str, Any]]:
    """Return the rows of the documents that are chosen, the best first, with their predictions.

    Args:
        extractor: of the run.
        pool: what is chosen from.
        labelled: documents that the run was trained on; read if the strategy compares with them.
        request: how many, and how.
        file: keeps the predictions of the pool, if the strategy needs them: where a process was
            killed, the next one with the same key goes on.
        key: hash of all that decides the predictions.
    """
    unsure = vectors = centres = None
    if request.strategy in WITH_UNCERTAINTY:
        _predict(extractor, pool, file, key)
        lines = read_unsure_lines(file.partial)
        unsure = [line["unsure"] and line["unsure"]["value"] for line in lines]
    if request.strategy in WITH_VECTORS:
        embedder = Embedder(extractor.model, extractor.task)
        vectors = _embed(embedder, pool)
        say("reading the documents that were trained on")
        centres = embedder.embed(labelled)
    picks = choose(
        request.strategy,
        request.count,
        pool.count,
        seed=request.seed,
        unsure=unsure,
        vectors=vectors,
        centres=centres,
    )
    documents = pool.documents(pick.row for pick in picks)
    asked = unsure is not None
    found = _lines(file, documents) if asked else _predicted(extractor, documents)
    return _rows(request, picks, documents, found)


def choose_without_run(asked: ZeroShot, pool: Pool, request: Request) -> list[dict[str, Any]]:
    """Return the rows of the documents that are chosen, the best first, without records.

    Args:
        asked: the model, which was not trained, and the plugin.
        pool: what is chosen from.
        request: how many, and how; its strategy needs no predictions.

    Raises:
        SettingsError: the model does not load, or has no chat template.
    """
    vectors = None
    if request.strategy in WITH_VECTORS:
        settings = asked.settings
        task = Task(asked.plugin, settings, PromptFormat(load_tokenizer(settings)))
        vectors = _embed(Embedder(load_for_inference(settings, None), task), pool)
    picks = choose(request.strategy, request.count, pool.count, seed=request.seed, vectors=vectors)
    documents = pool.documents(pick.row for pick in picks)
    return _rows(request, picks, documents, {})


def _predict(extractor: Extractor, pool: Pool, file: PredictionFile, key: str) -> None:
    """Write the predictions of the pool, or what is missing of them."""
    done = file.groups_done(key, group_size(extractor.task.settings), pool)
    with meter("predicting", pool.count, "documents") as progress:
        for group in unsure_lines(extractor, pool, done, progress.advance):
            file.append(map(encoded, group))


def _embed(embedder: Embedder, pool: Pool) -> Vectors:
    with meter("reading", pool.count, "documents") as progress:
        return embedder.embed(pool, progress.advance)


def _lines(file: PredictionFile, documents: Mapping[int, Document]) -> dict[int, dict[str, Any]]:
    """Return the lines of some documents of the pool, by their index."""
    lines = enumerate(read_unsure_lines(file.partial))
    return {index: line for index, line in lines if index in documents}


def _predicted(
    extractor: Extractor, documents: Mapping[int, Document]
) -> dict[int, dict[str, Any]]:
    """Predict some documents and return their lines by their index."""
    with meter("predicting", len(documents), "documents") as progress:
        groups = unsure_lines(extractor, documents.values(), progress=progress.advance)
        lines = [line for group in groups for line in group]
    return dict(zip(documents, lines, strict=True))


def _rows(
    request: Request,
    picks: Iterable[Pick],
    documents: Mapping[int, Document],
    lines: Mapping[int, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    return [
        next_row(documents[pick.row], rank, request.strategy, pick, lines.get(pick.row))
        for rank, pick in enumerate(picks, 1)
    ]
