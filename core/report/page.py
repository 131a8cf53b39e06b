"""Render a report as one HTML page that works offline."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..reading.reader import Reader
from ..runs.ability import named, verdict
from ..runs.paths import without_folders
from ..scoring.metrics import WHOLE_RECORD
from . import charts
from .comparison import Comparison, DocumentDifference
from .display import shown, visible
from .domains import mean_score
from .error_kinds import KINDS, Case
from .marked_text import TEXT_SHOWN, leaves_of, pieces
from .page_pictures import BYTES_SHOWN, PAGES_SHOWN, PageDrawer
from .plots import loss_plot, reliability_plot, score_plot
from .scored_run import DocumentResult, ScoredRun

CHANGES_SHOWN = 10
"""Number of documents in the tables of those that gained and lost most."""

_MEANINGS = {
    "right": "the gold has it",
    "wrong": "another value than the gold, or one that overlaps or resembles it",
    "split": "one gold value, predicted in two or more pieces",
    "merged": "two or more gold values, predicted as one",
    "missing": "gold without a prediction",
    "invented": "a prediction without gold",
}


def render(scored: ScoredRun, comparison: Comparison | None = None, *, documents: int = 200) -> str:
    """Return the page.

    Args:
        scored: the run.
        comparison: with another run, if any.
        documents: maximum number of documents on the page, those with the most errors first.
    """
    with Reader() as reader:
        report = _view(scored, comparison, documents, reader)
    return _rendered(
        "page.html.jinja",
        has_pictures=any(document["pages"].drawn for document in report["documents"]),
        report=report,
        kinds=KINDS,
        charts=charts,
        limits={"pages": PAGES_SHOWN, "bytes": BYTES_SHOWN},
    )


def render_domains(scored: Mapping[str, ScoredRun], pages: Mapping[str, str]) -> str:
    """Return the page of several domains: a table of their scores, with links.

    Args:
        scored: the run of each, by its plugin's name.
        pages: the names of the files with their pages.
    """
    one = next(iter(scored.values()))
    rows = [
        {
            "name": name,
            "link": quote(pages[name]),
            "documents": each.summary["documents"],
            "of": each.summary.get("of"),
            "score": each.summary["metrics"]["score"],
            "null": each.summary["baselines"]["null"]["score"],
            "whole": each.summary["metrics"].get(WHOLE_RECORD, {}).get("value"),
            "test_set": each.test_set(),
        }
        for name, each in scored.items()
    ]
    shared = {"Base model", "Preset", "Steps", "Seed"}
    return _rendered(
        "domains.html.jinja",
        name=one.name,
        mean=mean_score(each.summary for each in scored.values()),
        facts=[
            ("Run", one.run.folder.parent.name),
            *(fact for fact in _facts(one) if fact[0] in shared),
        ],
        rows=rows,
    )


def _rendered(template: str, *, has_pictures: bool = False, **values: object) -> str:
    """Return a page of a template, whose values are escaped, with its style and its script."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def cleaned(value: object) -> object:
        return visible(value) if type(value) is str else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=cleaned)
    style, script = _file("page.css"), _file("page.js")
    return environment.from_string(_file(template)).render(
        policy=_policy(style, script, has_pictures=has_pictures),
        style=Markup(style),
        script=Markup(script),
        version=__version__,
        **values,
    )


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _policy(style: str, script: str, *, has_pictures: bool) -> str:
    """Return a Content Security Policy that allows nothing but this style and this script.

    Args:
        style: the style.
        script: the script.
        has_pictures: allow pictures that are in the page itself, too.
    """
    rules = ["img-src data:"] if has_pictures else []
    for name, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rules.append(f"{name} 'sha256-{digest}'")
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _view(
    scored: ScoredRun, comparison: Comparison | None, limit: int, reader: Reader
) -> dict[str, Any]:
    """Return everything that the template shows."""
    summary, kinds = scored.summary, scored.kinds()
    indices = _most_errors(scored, comparison, limit)
    drawer = PageDrawer(scored, list(kinds), reader)
    documents = [_document(scored, index, list(kinds), comparison, drawer) for index in indices]
    plots = loss_plot(scored), score_plot(scored)
    calibration = summary.get("calibration")
    view = {
        "plugin": scored.plugin.name,
        "name": scored.name,
        "score": summary["metrics"]["score"],
        "count": summary["documents"],
        "of": summary.get("of"),
        "valid": summary["valid"],
        "facts": _facts(scored),
        "missing": scored.missing,
        "scores": _score_rows(scored),
        "has_base": "base" in summary["baselines"],
        "base_difference": summary["baselines"].get("base", {}).get("difference"),
        "accuracies": [
            ("the whole record" if f"{name}/accuracy" == WHOLE_RECORD else name, interval)
            for name, interval in scored.intervals("/accuracy").items()
        ],
        "test_set": scored.test_set(),
        "scorings": scored.scorings,
        "seen": scored.info.get("test_seen", ()),
        "ability": _ability_rows(scored),
        "oracle": list(summary.get("oracle", {}).items()),
        "against": _against(comparison, indices) if comparison else None,
        "step_charts": [chart for chart in map(charts.line_chart, plots) if chart],
        "left_lines": plots[1].left_out,
        "kinds": list(kinds.items()),
        "meanings": list(_MEANINGS.items()),
        "calibration": calibration if calibration and calibration["leaves"] else None,
        "reliability": charts.line_chart(reliability_plot(scored)),
        "fields": list(kinds),
        "documents": documents,
        "left_out": len(scored.documents) - len(documents),
        "pages_left_out": drawer.left_out,
        "without_file": drawer.without_file,
        "has_f1": any(document["f1"] is not None for document in documents),
    }
    parts = (
        ("scores", "Scores", True),
        ("test-set", "Test set", True),
        ("ability", "General ability", view["ability"]),
        ("against", "Against", view["against"]),
        ("steps", "By step", view["step_charts"]),
        ("errors", "Errors", True),
        ("calibration", "Calibration", view["calibration"]),
        ("documents", "Documents", True),
    )
    return view | {"parts": [(anchor, title) for anchor, title, is_there in parts if is_there]}


def _facts(scored: ScoredRun) -> list[tuple[str, str]]:
    info, summary = scored.info, scored.summary
    counts, training = info["counts"], info.get("training", {})
    facts = {
        "Run": scored.run.folder.name,
        "Base model": without_folders(info["base_model"]["name"]),
        "Preset": info["preset"],
        "Trained on": f"{counts['documents']['train']} documents, "
        f"{counts['windows']['trained']} windows",
        "Steps": f"{training.get('steps')}, best at {training.get('best_step')}",
        "Seed": info["seed"],
        "Data": without_folders(info["data"]["source"] or "the plugin's sample"),
        "Windows read": f"{summary['windows']['read']} of {summary['windows']['total']}",
        "Constrained": "yes" if summary["constrained"] else "no",
    }
    if summary.get("trained_on"):
        facts["Of the training data"] = f"{summary['trained_on']} documents"
    return [(name, str(value)) for name, value in facts.items()]


def _score_rows(scored: ScoredRun) -> list[dict[str, Any]]:
    metrics, baselines = scored.summary["metrics"], scored.summary["baselines"]
    base = baselines.get("base", {}).get("metrics", {})
    return [
        {
            "name": name,
            "in_score": name in scored.names,
            "precision": metrics.get(f"{name}/precision", {}).get("value"),
            "recall": metrics.get(f"{name}/recall", {}).get("value"),
            "f1": interval["value"],
            "low": interval["low"],
            "high": interval["high"],
            "null": baselines["null"]["metrics"].get(f"{name}/f1", 0.0),
            "base": base.get(f"{name}/f1", {}).get("value"),
        }
        for name, interval in scored.intervals("/f1").items()
    ]


def _ability_rows(scored: ScoredRun) -> list[dict[str, Any]]:
    """Return a row for each figure of each general task."""
    rows = []
    for task, entry in scored.ability.items():
        for figure, found in {entry["figure"]: entry, **entry.get("also", {})}.items():
            own = {"task": "", "documents": "", "verdict": ""}
            if found is entry:
                own |= {"task": task, "verdict": verdict(entry), "documents": entry["documents"]}
            rows.append({**found, **own, "figure": named(figure, found)})
    return rows


def _most_errors(scored: ScoredRun, comparison: Comparison | None, limit: int) -> list[int]:
    """Return indices of the documents to show: those with the most errors, in either run."""
    others = comparison.other.documents if comparison else ()
    theirs = {document.key: document.errors for document in others}
    errors = [max(it.errors, theirs.get(it.key, 0)) for it in scored.documents]
    order = sorted(range(len(errors)), key=lambda index: -errors[index])[:limit]
    return sorted(order, key=lambda index: (-scored.documents[index].errors, index))


def _anchor(index: int) -> str:
    return f"document-{index + 1}"


def _against(comparison: Comparison, indices: Sequence[int]) -> dict[str, Any]:
    better, worse = comparison.changed("better"), comparison.changed("worse")
    titles = ("Documents that gained most", better), ("Documents that lost most", worse)
    return {
        "folder": comparison.other.run.folder.name,
        "score": comparison.score,
        "fields": comparison.fields,
        "better": len(better),
        "worse": len(worse),
        "same": len(comparison.documents) - len(better) - len(worse),
        "most": [(title, documents[:CHANGES_SHOWN]) for title, documents in titles],
        "anchors": {comparison.documents[index]: _anchor(index) for index in indices},
    }


def _document(
    scored: ScoredRun,
    index: int,
    fields: Sequence[str],
    comparison: Comparison | None,
    drawer: PageDrawer,
) -> dict[str, Any]:
    document = scored.documents[index]
    change: DocumentDifference | None = comparison.documents[index] if comparison else None
    counts = Counter(case.kind for case in document.cases)
    tokens = dict.fromkeys(f"{fields.index(case.field)}:{case.kind}" for case in document.cases)
    return {
        "anchor": _anchor(index),
        "index": index,
        "id": document.id,
        "f1": scored.f1(document),
        "change": change,
        "errors": document.errors,
        "counts": [(kind, counts[kind]) for kind in KINDS if counts[kind]],
        "tokens": " ".join(tokens),
        "error": document.error,
        "pieces": list(pieces(scored, document, fields)),
        "cut": max(0, len(document.text or "") - TEXT_SHOWN),
        "pages": drawer.pages_of(document),
        "rows": [
            _row(document, case, fields)
            for case in sorted(document.cases, key=lambda case: case.kind == "right")
        ],
    }


def _row(document: DocumentResult, case: Case, fields: Sequence[str]) -> dict[str, Any]:
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


def _confidence(document: DocumentResult, pointer: str) -> float | None:
    """Return the confidence of a leaf, or the lowest one of an object's leaves."""
    leaves = leaves_of(pointer, document.confidence)
    return min((document.confidence[leaf] for leaf in leaves), default=None)
