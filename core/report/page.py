"""One HTML page that holds a whole report and reaches no network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

from .. import __version__
from ..schema.navigation import field_schema, kinds_of
from . import charts
from .comparison import Change, Comparison
from .display import shown, visible
from .error_kinds import ERRORS, KINDS, Case, Places
from .scored_run import Reviewed, Scored

TEXT_SHOWN = 20_000
"""Characters of a document's text that the page shows."""

CHANGES_SHOWN = 10
"""Documents that got better, and that got worse, in the tables of the comparison."""

_MEANINGS = {
    "right": "the gold holds it",
    "wrong": "another value where one is wanted, or one that touches or resembles the gold",
    "split": "one gold answer, given in two or more pieces",
    "merged": "two or more gold answers, given as one",
    "missing": "gold that nothing answers",
    "invented": "an answer to no gold",
}

# Of kinds that lie over each other in a text, the first is shown.
_BEFORE: Mapping[str, int] = {kind: number for number, kind in enumerate((*ERRORS, "right"))}


def render(scored: Scored, comparison: Comparison | None = None, *, documents: int = 200) -> str:
    """Return the page.

    documents: how many of them it shows, those with the most errors first.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def cleaned(value: object) -> object:
        return visible(value) if type(value) is str else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=cleaned)
    style, script = _file("page.css"), _file("page.js")
    return environment.from_string(_file("page.html.jinja")).render(
        report=_view(scored, comparison, documents),
        kinds=KINDS,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        version=__version__,
        width=charts.WIDTH,
        height=charts.HEIGHT,
        left=charts.LEFT,
        right=charts.RIGHT,
        bottom=charts.BOTTOM,
    )


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a Content Security Policy that lets nothing run, load or be sent but these two."""
    allowed = {"style-src": style, "script-src": script}
    hashes = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in allowed.items()
    }
    rules = [f"{name} 'sha256-{digest}'" for name, digest in hashes.items()]
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _view(scored: Scored, comparison: Comparison | None, limit: int) -> dict[str, Any]:
    """Return everything that the template shows."""
    summary = scored.summary
    kinds = scored.kinds()
    fields = list(kinds)
    changes = comparison.documents if comparison else ()
    places = _most_errors(scored, comparison, limit)
    chosen = [
        _document(scored, place, fields, changes[place] if comparison else None) for place in places
    ]
    calibration = summary.get("calibration")
    step_charts, left_lines = _step_charts(scored)
    view = {
        "plugin": scored.plugin.name,
        "name": scored.name,
        "score": summary["metrics"]["score"],
        "count": summary["documents"],
        "valid": summary["valid"],
        "facts": _facts(scored),
        "missing": scored.missing,
        "scores": _score_rows(scored),
        "has_base": "base" in summary["baselines"],
        "base_difference": summary["baselines"].get("base", {}).get("difference"),
        "accuracies": [
            (name.removesuffix("/accuracy"), value)
            for name, value in summary["metrics"].items()
            if name.endswith("/accuracy")
        ],
        "against": _against(comparison, places) if comparison else None,
        "step_charts": step_charts,
        "left_lines": left_lines,
        "kinds": list(kinds.items()),
        "meanings": list(_MEANINGS.items()),
        "calibration": calibration if calibration and calibration["leaves"] else None,
        "reliability": charts.line_chart(
            "Share that is right by confidence",
            "mean confidence",
            "right",
            charts.reliability(summary),
            square=True,
        ),
        "fields": fields,
        "documents": chosen,
        "left_out": len(scored.documents) - len(chosen),
        "has_f1": any(document["f1"] is not None for document in chosen),
    }
    return view | {"parts": _parts(view)}


def _parts(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = {"scores": "Scores", "against": "Against", "steps": "By step", "errors": "Errors"}
    parts |= {"calibration": "Calibration", "documents": "Documents"}
    needs = {"against": "against", "steps": "step_charts", "calibration": "calibration"}
    return [
        (part, words) for part, words in parts.items() if part not in needs or view[needs[part]]
    ]


def _facts(scored: Scored) -> list[tuple[str, str]]:
    info, summary = scored.info, scored.summary
    counts, training = info["counts"], info.get("training", {})
    facts = {
        "Run": scored.run.folder.name,
        "Base model": info["base_model"]["name"],
        "Preset": info["preset"],
        "Trained on": f"{counts['documents']['train']} documents, "
        f"{counts['windows']['trained']} windows",
        "Steps": f"{training.get('steps')}, best at {training.get('best_step')}",
        "Seed": info["seed"],
        "Data": info["data"]["source"] or "the plugin's sample",
        "Windows read": f"{summary['windows']['read']} of {summary['windows']['total']}",
        "Constrained": "yes" if summary["constrained"] else "no",
    }
    if summary.get("trained_on"):
        facts["Of the training data"] = f"{summary['trained_on']} documents"
    return [(name, str(value)) for name, value in facts.items()]


def _score_rows(scored: Scored) -> list[dict[str, Any]]:
    metrics, baselines = scored.summary["metrics"], scored.summary["baselines"]
    base = baselines.get("base", {}).get("metrics", {})
    rows = []
    for key, interval in metrics.items():
        if not key.endswith("/f1"):
            continue
        name = key.removesuffix("/f1")
        rates = {
            rate: metrics.get(f"{name}/{rate}", {}).get("value") for rate in ("precision", "recall")
        }
        rows.append(
            {
                "name": name,
                "in_score": name in scored.names,
                **rates,
                "f1": interval["value"],
                "low": interval["low"],
                "high": interval["high"],
                "null": baselines["null"]["metrics"].get(key, 0.0),
                "base": base.get(key, {}).get("value"),
            }
        )
    return rows


def _step_charts(scored: Scored) -> tuple[list[charts.Chart], list[str]]:
    """Return the charts by step, and the names of the scores that are too many to draw."""
    scores = charts.scores(scored.log, scored.names)
    drawn = dict(list(scores.items())[: charts.MOST_LINES])
    found = [
        charts.line_chart("Loss", "step", "loss", charts.losses(scored.log)),
        charts.line_chart("Score on validation", "step", "F1", drawn, unit=True),
    ]
    return [chart for chart in found if chart], list(scores)[charts.MOST_LINES :]


def _most_errors(scored: Scored, comparison: Comparison | None, limit: int) -> list[int]:
    """Return the places of the documents to show: those with the most errors, in either run."""
    errors = [document.errors for document in scored.documents]
    if comparison:
        theirs = {(it.id, str(it.gold)): it.errors for it in comparison.other.documents}
        errors = [
            max(mine, theirs[document.id, str(document.gold)])
            for mine, document in zip(errors, scored.documents, strict=True)
        ]
    order = sorted(range(len(errors)), key=lambda place: (-errors[place], place))[:limit]
    return sorted(order, key=lambda place: (-scored.documents[place].errors, place))


def _anchor(place: int) -> str:
    return f"document-{place + 1}"


def _against(comparison: Comparison, shown_places: Sequence[int]) -> dict[str, Any]:
    anchors = {comparison.documents[place]: _anchor(place) for place in shown_places}
    better, worse = comparison.better(), comparison.worse()
    titles = ("that gained most", better), ("that lost most", worse)
    return {
        "folder": comparison.other.run.folder.name,
        "score": comparison.score,
        "fields": comparison.fields,
        "better": len(better),
        "worse": len(worse),
        "same": len(comparison.documents) - len(better) - len(worse),
        "most": [(f"Documents {words}", found[:CHANGES_SHOWN]) for words, found in titles],
        "anchors": anchors,
    }


def _document(
    scored: Scored, place: int, fields: Sequence[str], change: Change | None
) -> dict[str, Any]:
    document = scored.documents[place]
    counts = Counter(case.kind for case in document.cases)
    tokens = dict.fromkeys(f"{fields.index(case.field)}:{case.kind}" for case in document.cases)
    return {
        "anchor": _anchor(place),
        "place": place,
        "id": document.id,
        "f1": scored.f1(document),
        "difference": change.difference if change else None,
        "change": _direction(change) if change else "",
        "better": change.better if change else (),
        "worse": change.worse if change else (),
        "errors": document.errors,
        "counts": [(kind, counts[kind]) for kind in KINDS if counts[kind]],
        "tokens": " ".join(tokens),
        "error": document.error,
        "segments": list(_segments(scored, document, fields)),
        "cut": max(0, len(document.text or "") - TEXT_SHOWN),
        "rows": [_row(document, case, fields) for case in _errors_first(document.cases)],
    }


def _direction(change: Change) -> str:
    if change.difference == 0:
        return "same"
    return "better" if change.difference > 0 else "worse"


def _errors_first(found: Sequence[Case]) -> list[Case]:
    return sorted(found, key=lambda case: case.kind == "right")


def _row(document: Reviewed, case: Case, fields: Sequence[str]) -> dict[str, Any]:
    record = document.record or {}
    return {
        "kind": case.kind,
        "field": case.field,
        "field_number": fields.index(case.field),
        "gold": [shown(document.gold, pointer) for pointer in case.gold],
        "predicted": [
            (shown(record, pointer), _confidence(document, pointer)) for pointer in case.predicted
        ],
    }


def _confidence(document: Reviewed, pointer: str) -> float | None:
    """Return the confidence of a leaf, or of the leaf of an object that is the least sure."""
    leaves = _below(pointer, document.confidence)
    return min((document.confidence[leaf] for leaf in leaves), default=None)


def _below(pointer: str, pointers: Mapping[str, object]) -> list[str]:
    """Return the pointer itself, or those of the leaves below it."""
    if pointer in pointers:
        return [pointer]
    return [leaf for leaf in pointers if leaf.startswith(f"{pointer}/")]


@dataclass(frozen=True)
class _Mark:
    """What a piece of text is in one field; sides: "g" for gold, "p" for predicted, or both."""

    field: int
    kind: str
    side: str

    @property
    def token(self) -> str:
        return f"{self.field}:{self.kind}:{self.side}"


@dataclass(frozen=True)
class _Marked:
    """What a piece of text is, by field; the first field is shown until one is chosen."""

    marks: tuple[_Mark, ...]
    fields: Sequence[str]

    @property
    def kind(self) -> str:
        return self.marks[0].kind

    @property
    def side(self) -> str:
        return self.marks[0].side

    @property
    def tokens(self) -> str:
        return " ".join(mark.token for mark in self.marks)

    @property
    def title(self) -> str:
        words = {"g": "gold", "p": "predicted", "gp": "gold and predicted"}
        return "; ".join(
            f"{self.fields[mark.field]}: {mark.kind} ({words[mark.side]})" for mark in self.marks
        )


def _segments(
    scored: Scored, document: Reviewed, fields: Sequence[str]
) -> Iterator[tuple[str, _Marked | None]]:
    """Yield the pieces of a text, each as long as what it stands for stays the same."""
    if document.text is None:
        return
    text = document.text[:TEXT_SHOWN]
    starts: dict[int, list[tuple[int, _Mark]]] = {}
    ends: dict[int, list[int]] = {}
    borders = {0, len(text)}
    for number, (start, end, mark) in enumerate(_marks(document, fields, len(text))):
        starts.setdefault(start, []).append((number, mark))
        ends.setdefault(end, []).append(number)
        borders |= {start, end}
    lists = {index for index, name in enumerate(fields) if _is_of_objects(name, scored)}
    open_marks: dict[int, _Mark] = {}
    pending = ""
    pending_marks: tuple[_Mark, ...] = ()
    places = sorted(borders)
    for start, end in pairwise(places):
        for number in ends.get(start, ()):
            del open_marks[number]
        open_marks.update(starts.get(start, ()))
        marks = _by_field(open_marks.values(), lists)
        if marks != pending_marks and pending:
            yield pending, _Marked(pending_marks, fields) if pending_marks else None
            pending = ""
        pending, pending_marks = pending + text[start:end], marks
    if pending:
        yield pending, _Marked(pending_marks, fields) if pending_marks else None


def _marks(
    document: Reviewed, fields: Sequence[str], length: int
) -> Iterator[tuple[int, int, _Mark]]:
    for case in document.cases:
        number = fields.index(case.field)
        sides: tuple[tuple[str, tuple[str, ...], Places], ...] = (
            ("g", case.gold, document.gold_places),
            ("p", case.predicted, document.predicted_places),
        )
        for side, pointers, places in sides:
            for pointer in pointers:
                for leaf in _below(pointer, places):
                    for start, end in places[leaf]:
                        if start < length:
                            yield start, min(end, length), _Mark(number, case.kind, side)


def _is_of_objects(field: str, scored: Scored) -> bool:
    """Say whether a field's answers are objects, whose leaves often stand for other fields too."""
    schema = field_schema("/" + field, scored.plugin.schema)
    items = schema.get("items")
    return isinstance(items, Mapping) and "object" in kinds_of(items)


def _by_field(marks: Any, last: set[int]) -> tuple[_Mark, ...]:
    """Return one mark for each field: the gravest kind, and the sides of all of them.

    last: fields that are shown only where no other is.
    """
    found: dict[int, _Mark] = {}
    for mark in marks:
        known = found.get(mark.field, mark)
        kind = min(known.kind, mark.kind, key=lambda one: _BEFORE[one])
        side = "".join(sorted({*known.side, *mark.side}))
        found[mark.field] = _Mark(mark.field, kind, side)
    return tuple(sorted(found.values(), key=lambda m: (m.field in last, _BEFORE[m.kind], m.field)))
