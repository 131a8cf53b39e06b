"""An audit on the terminal."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from rich.text import Text

from ..dataset.chat_export import text_runs
from ..dataset.duplicates import count_duplicates
from ..dataset.leaf_outcomes import general_reason, leaf_outcomes
from ..dataset.lost_gold import EXAMPLES
from ..dataset.token_lengths import histogram
from ..windows.rows import FAULTS
from .terminal import console, printable, table

if TYPE_CHECKING:
    from ..dataset.audit import Audit
    from ..model.prompts import PromptFormat
    from ..windows.rows import DocumentWindows, WindowExample

_BAR = 40  # characters of the longest bar
_SHOWN = 60  # characters of a value
_STYLES = {"prompt": "cyan", "answer": "green", "control": "reverse dim"}


def print_audit(audit: Audit) -> None:
    """Print what an audit counted, one window as the model reads it, and the issues."""
    _print_documents(audit)
    if audit.document:
        _print_lengths(audit)
        _print_windows(audit)
        _print_gold(audit)
        _print_unlearnable(audit)
        _print_fields(audit)
    _print_duplicates(audit)
    if (sample := audit.sample) is not None:
        taught = {number for gold in sample.gold for number in sample.learned_in(gold)}
        _print_section(f"as the model reads it: {sample.example.document.id}")
        _print_window(sample, min(taught), audit.task.prompts)
    for issue in audit.issues:
        _print_section(issue.line, "red" if issue.is_blocking else "yellow")
    if audit.is_sound:
        _print_section("nothing makes training on this unsound", "green")


def print_document(document: DocumentWindows, prompts: PromptFormat) -> None:
    """Print the windows of a document as the model reads them, and whether its gold is learned."""
    for number in range(len(document.windows)):
        _print_window(document, number, prompts)
    column = "learned in window, or why not"
    made = table("", "", column, text=(column,))
    for outcome in leaf_outcomes(document):
        windows = ", ".join(map(str, outcome.windows))
        made.add_row(printable(outcome.pointer), printable(windows or outcome.reason))
    console().print(made)


def _print_line(line: str, style: str = "") -> None:
    """Print a line without breaking it, so that a path or an id can be searched for."""
    console().print(Text(printable(line), style), soft_wrap=True)


def _print_section(title: str, style: str = "bold") -> None:
    console().print()
    _print_line(title, style)


def _shortened(value: object) -> str:
    shown = printable(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _counted(reasons: Counter[str]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def _print_documents(audit: Audit) -> None:
    counts, splits = audit.documents(), audit.splits
    line = (
        f"documents: {counts['read']} read = {counts['train']} train + "
        f"{counts['validation']} validation + {counts['test']} test + "
        f"{counts['set_aside']} set aside"
    )
    if splits.official:
        line += "; official splits"
        if splits.missing:
            line += f", no official {' and no '.join(splits.missing)}"
    _print_line(line)
    reasons = Counter(general_reason(reject.reason) for reject in splits.set_aside)
    for reason, count in reasons.most_common(8):
        first = next(r for r in splits.set_aside if general_reason(r.reason) == reason)
        field = f"{first.field}: " if first.field else ""
        _print_line(f"  {count} set aside: {reason} (first: {field}{first.place})")


def _print_lengths(audit: Audit) -> None:
    _print_section(f"lengths in tokens, of the {audit.split} documents")
    lengths = audit.lengths()
    made = table("", "", *lengths["row"])
    for name, quantiles in lengths.items():
        label = {"document": "document (text alone)", "row": "prompt + answer"}.get(name, name)
        made.add_row(label, *map(str, quantiles.values()))
    console().print(made)
    limit = audit.task.settings.max_length
    bins = histogram(audit.row, limit)
    most = max((bin_["count"] for bin_ in bins), default=0)
    for bin_ in bins:
        is_over = bin_["from"] > limit
        line = Text(f"{bin_['from']:>7} to {bin_['to']:<7} ")
        line.append("█" * -(-bin_["count"] * _BAR // most), "red" if is_over else "blue")
        line.append(f" {bin_['count']}{f' over max_length {limit}' if is_over else ''}")
        console().print(line, soft_wrap=True)


def _print_windows(audit: Audit) -> None:
    whole, windows, tokens = audit.whole_documents(), audit.windows(), audit.tokens()
    settings = audit.task.settings
    _print_section(f"windows (window {settings.window}, max_length {settings.max_length})")
    _print_line(
        f"{whole['fit']} documents would fit as a whole; "
        f"the other {whole['too_long']} make {whole['windows_of_those']} windows"
    )
    _print_line(
        f"windows: {windows['made']} made = {windows['trained']} trained + "
        f"{windows['set_aside']} set aside"
    )
    for kind, count in audit.faults.items():
        _print_line(f"  {count} set aside: {FAULTS[kind]}")
        for reject in audit.set_aside[kind]:
            _print_line(f"    {reject.place}: {reject.reason}")
    _print_line(
        f"tokens: {tokens['trained']} trained, {tokens['with_loss']} of them "
        f"({tokens['share']:.1%}) carry loss"
    )


def _print_gold(audit: Audit) -> None:
    _print_section(f"gold leaves, and objects of lists, of the {audit.split} documents")
    made = table("", "field", "gold", "learned", "lost", "aligned", "reasons", text=("reasons",))
    for name, count in audit.gold.items():
        learned = audit.learned[name]
        numbers = (count, learned, count - learned, audit.aligned[name])
        reasons = _counted(audit.lost.get(name, Counter()))
        made.add_row(printable(name), *map(str, numbers), printable(reasons))
    console().print(made)
    for name, partly in audit.partly.items():
        _print_line(f"  left out of an object that is learned: {name} ({_counted(partly)})")
    lost = audit.leaves_lost
    _print_line(
        f"single leaves, including those in objects: {audit.leaves} = {audit.leaves_learned} "
        f"learned + {lost.total()} lost{'; ' if lost else ''}{_counted(lost)}"
    )


def _print_unlearnable(audit: Audit) -> None:
    found = audit.lost_gold
    if not found.missing:
        return
    _print_section(f"verbatim leaves that are not in the text: {found.missing_share:.1%}")
    for name, count in found.missing.most_common():
        _print_line(f"  {name}: {count} of {found.verbatim[name]}")
        for example in found.examples[name]:
            value, reason = _shortened(example["value"]), _shortened(example["reason"])
            _print_line(f"    {example['id']} {value!r}: {reason}")


def _print_fields(audit: Audit) -> None:
    _print_section("fields")
    statistics = audit.field_stats.as_json()
    dominant = [
        ", ".join(f"{_shortened(v['value'])!r} {v['share']:.0%}" for v in field["dominant"])
        for field in statistics.values()
    ]
    numbers = ("filled", "empty", "absent", "leaves", "distinct", "median", "longest")
    extra = ("dominant values",) if any(dominant) else ()
    made = table("", "field", *numbers, *extra, text=extra)
    for (name, field), values in zip(statistics.items(), dominant, strict=True):
        counts = [field[key] for key in ("documents", "empty", "absent", "leaves", "distinct")]
        counts += field["characters"].values()
        made.add_row(printable(name), *map(str, counts), *([values] if extra else []))
    console().print(made)
    _print_line(
        "documents where it is filled, annotated as empty, or absent (not annotated); "
        "median, longest: characters of a value"
    )


def _print_duplicates(audit: Audit) -> None:
    found = count_duplicates(audit.duplicates).items()
    counts = {pair: count for pair, count in found if any(count.values())}
    if not counts:
        _print_section("no duplicates or near-duplicates", "")
        return
    _print_section("duplicate documents")
    made = table("", "", "same text", "nearly", "ids", text=("ids",))
    for pair, count in counts.items():
        ids = (
            each.id if each.id == each.other_id else f"{each.id} = {each.other_id}"
            for each in audit.duplicates
            if (each.split, each.other_split) == pair
        )
        shown = printable(", ".join(islice(ids, EXAMPLES)))
        made.add_row(" in ".join(pair), str(count["exact"]), str(count["near"]), shown)
    console().print(made)


def _print_window(document: DocumentWindows, number: int, prompts: PromptFormat) -> None:
    """Print a window: the prompt, then the answer that the model is trained to generate."""
    window: WindowExample = document.windows[number]
    _print_line(
        f"window {number + 1} of {len(document.windows)}: {len(window.prompt)} tokens of prompt, "
        f"{len(window.answer)} of answer",
        "bold",
    )
    text = Text()
    for run, kind in text_runs(window, prompts):
        text.append(printable(run, keep="\n"), _STYLES[kind])
    console().print(text, soft_wrap=True)
    if window.fault:
        _print_line(f"not trained on: {window.reason}", "red")
