"""Score a model that was not trained: a baseline before there is a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..data import Example
from ..dataset.loading import read_splits
from ..dataset.set_aside import SetAside
from ..errors import InputError
from ..extraction.zero_shot import ZeroShot, say_fewer_shots
from ..model.location import identity
from .evaluate import answer_and_score
from .sample import sampled
from .selection import Labelled


def evaluate_zero_shot(
    asked: ZeroShot,
    *,
    data: Path | None = None,
    split: str | None = None,
    sample: int = 0,
    constrained: bool = True,
    min_confidence: float | None = None,
) -> dict[str, Any]:
    """Score a model without a run, as ``extract evaluate --json`` prints it; nothing is written.

    Args:
        asked: plugin, settings and shots. Without ``shots_data`` these come from the training
            documents of what is scored, or from the plugin's sample where all of ``data`` is.
        data: what is scored; None for the plugin's bundled sample.
        split: the documents that a training on the data would put there. None: every document of
            ``data`` with a record, or the test documents of the sample.
        sample: score so many of these documents; 0 for all.
        constrained: whether answers are constrained to the schema and the text.
        min_confidence: values below it are left out; None for 0.

    Raises:
        InputError: the data cannot be read, or holds no document to score or to make a shot of.
        SettingsError: the model does not load, or has no chat template.
    """
    plugin, among = asked.plugin, None
    scored: Iterable[Example]
    if data is not None and split is None:
        scored = Labelled(plugin, data, None)
        unused, name = scored.set_aside(), data.resolve().name
    else:
        split = split or "test"
        splits, _sha256 = read_splits(plugin, data, allow_leaks=True)
        scored = list(getattr(splits, split))
        unused = SetAside.of(splits.set_aside)
        name = f"{data.resolve().name}:{split}" if data else split
        if asked.shots_data is None:
            ids = {example.document.id for example in scored}
            among = [example for example in splits.train if example.document.id not in ids]
    if data is not None:
        unused.say(data)
    if sample:
        scored = sampled(list(scored), sample)
    count = sum(1 for _ in scored)
    if not count:
        where = data or f"the sample of {plugin.name}"
        raise InputError(
            f"{where}{f': the {split} split' if split else ''} holds no document with a record "
            f"to score"
        )
    documents = (example.document for example in scored)
    extractor = asked.load(
        asked.examples(documents, among), constrained=constrained, min_confidence=min_confidence
    )
    summary, _counts = answer_and_score(extractor, scored, count, name, None)
    say_fewer_shots(extractor)
    return summary | {
        "set_aside": unused.count,
        "zero_shot": {
            "model": identity(asked.settings),
            "shots": asked.shots,
            "windows": {str(used): n for used, n in sorted(extractor.asked_with.items())},
        },
    }
